/* SPDX-License-Identifier: Apache-2.0 */
/* The table that kernels/backend.c lists where the program is built with CUDA. The NCCL transport
 * sees more of this folder; nobody else does. */
#ifndef KERNELS_CUDA_BACKEND_CUDA_H
#define KERNELS_CUDA_BACKEND_CUDA_H

#include "kernels/backend.h"

extern const struct backend_ops backend_cuda;

#endif
