/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several ways to launch the same product is the fastest, by trying them. Knows nothing of
 * what they are. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_LINEAR_TIMING_H
#define KERNELS_CUDA_LINEAR_TIMING_H

#include "kernels/base/status.h"

enum { LINEAR_TIMING_MOST = 32 };

struct linear_trial {
    enum status (*launch)(void *self, int which); /* on the stream */
    void *self;
    void *stream; /* cudaStream_t */
    int count;    /* of candidates, at most LINEAR_TIMING_MOST */
    int sure;     /* so many, the last ones, are finalists however slow they seem at first */
};

/* *fastest is -1 where none can be launched. Waits for the stream; takes about 150 launches of a
 * large product. */
enum status linear_timing_fastest(const struct linear_trial *trial, int *fastest);

#endif
