/* SPDX-License-Identifier: Apache-2.0 */
/* Our own kernel for products, as the choice of algorithms sees it: by shapes and
 * operands. Chooses nothing. */
#ifndef KERNELS_CUDA_LINEAR_OWN_H
#define KERNELS_CUDA_LINEAR_OWN_H

#include "kernels/cuda/linear_cublas.h"

bool linear_own_takes(const struct cuda_target *at, const struct linear_shape *shape,
                      const struct linear_operands *operands);

/* What it takes, in tiles of so many columns: CUDA_LINEAR_WIDE or CUDA_LINEAR_NARROW. */
enum status linear_own(const struct cuda_target *at, const struct linear_shape *shape,
                       const struct linear_operands *operands, int columns);

#endif
