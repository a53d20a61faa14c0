/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention through cuDNN's fused kernel: fp16 and bf16, log-sum-exp on request, any strides that
 * are multiples of sixteen bytes. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_ATTENTION_CUDNN_H
#define KERNELS_CUDA_ATTENTION_CUDNN_H

#include "kernels/cuda/cuda_private.h"

/* `a` with as many keys in every lane. *done is false where cuDNN has no kernel for the shape, or
 * where none was made before the queue's capture began; then nothing was launched. */
enum status cuda_dnn_attend(struct queue *q, const struct cuda_attention *a, bool *done);

#endif
