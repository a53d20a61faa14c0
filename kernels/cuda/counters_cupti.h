/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels/counters.h by CUPTI's range profiler, which is loaded when counters are opened and then
 * stays. Each pass is a session of its own with metrics that need no replay; ranges are the user's.
 */
#ifndef KERNELS_CUDA_COUNTERS_CUPTI_H
#define KERNELS_CUDA_COUNTERS_CUPTI_H

#include "kernels/counters.h"

extern const struct counters_ops counters_cupti;

#endif
