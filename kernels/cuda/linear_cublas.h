/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products through cuBLASLt: bias and GELU in the epilogue, the algorithm of each shape chosen by
 * timing the library's best proposals on the operands at hand (on a copy of y where it is added
 * to). Where linear_hopper.cu serves a shape of many rows, it is timed beside them and
 * computes where it is faster. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_LINEAR_CUBLAS_H
#define KERNELS_CUDA_LINEAR_CUBLAS_H

#include "kernels/cuda/cuda_private.h"

/* `lanes` products y[rows, out] = x[rows, in] w[out, in]^T of one w; strides in elements. */
struct linear_shape {
    int64_t lanes, rows, out, in;
    int64_t x_lane, x_row, w_row, y_lane, y_row;
    int dtype;           /* enum dtype */
    int bias;            /* 1: a bias [out] is added */
    int gelu;            /* 1: then GELU, tanh form */
    int add;             /* 1: added to what y holds */
    int y_fp32;          /* 1: y is fp32 whatever dtype is */
    int w_across;        /* 1: w is [in, out] */
    int alignment;       /* bytes that all addresses and strides are multiples of, at most 16 */
    int multiprocessors; /* that it may count on where some are held (cuda_hold); 0: all */
};

/* Bytes at the begin of the queue's workspace that a product may use. */
enum { CUDA_BLAS_WORKSPACE = 64 << 20 };

struct linear_operands {
    void *y;
    const void *x, *w, *bias;
};

/* gpu: the name that algorithms are kept under. ST_UNSUPPORTED: there is no cuBLASLt. */
enum status cuda_blas_open(const char *gpu, struct cuda_blas **out);
void cuda_blas_close(struct cuda_blas *blas);

/* *done is false where nothing serves the shape; then nothing was launched. Times
 * candidates when a shape comes for the first time, unless the queue is being captured. */
enum status cuda_blas_multiply(struct queue *q, const struct linear_shape *shape,
                               const struct linear_operands *operands, bool *done);

#endif
