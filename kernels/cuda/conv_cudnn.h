/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution through cuDNN, channels last: the products on tensor cores in bf16 and fp16, on plain
 * cores in fp32, never with FFT, Winograd's transforms or TF32; bias and a further summand before
 * the sum is rounded. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_CONV_CUDNN_H
#define KERNELS_CUDA_CONV_CUDNN_H

#include "kernels/cuda/cuda_private.h"

/* One launch: y [images, .., .., out] of x [images, rows, columns, in] and w [out, taps, taps, in],
 * with rows and columns of zeros around x. Image strides in elements, the rest is dense. */
struct cuda_dnn_conv {
    void *y;
    const void *x, *w, *bias, *add; /* bias, add NULL: none */
    int64_t images, rows, columns, in, out, taps;
    int64_t above, below, beside; /* zeros; beside: left and right */
    int64_t x_image, y_image, add_image;
    enum dtype dtype;
};

/* *done is false where cuDNN has no kernel for the shape or for so many nodes, or where none was
 * made before the queue's capture began; then nothing was launched. `room` bytes behind cuDNN's
 * own workspace are the caller's, *own in y's place where y is NULL. */
enum status cuda_dnn_convolve(struct queue *q, const struct cuda_dnn_conv *c, size_t room,
                              void **own, bool *done);

#endif
