/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor maps: how the copy engine of Hopper and later cuts boxes out of a tensor in memory.
 * Private to this folder; read by both compilers.
 */
#ifndef KERNELS_CUDA_TENSOR_MAP_H
#define KERNELS_CUDA_TENSOR_MAP_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"

#include <cuda.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The fastest axis first; its elements lie side by side. */
struct cuda_boxes {
    const void *data; /* at a multiple of 16 bytes */
    enum dtype dtype; /* bf16 or fp16 */
    int64_t dim[4];
    int64_t stride[3]; /* of axes 1 to 3, in elements; multiples of 16 bytes. Without meaning where
                          the axis has one index */
    int box[4]; /* at most 256; axis 0: 16, 32 or 64 elements, and the box is swizzled in rows
                   of so many */
};

/* ST_DEVICE, naming the axes, where the driver refuses. Needs no memory and no queue. */
enum status cuda_tensor_map(const struct cuda_boxes *boxes, CUtensorMap *out);

struct cuda_attention; /* kernels/cuda/launch.h */

/* Of an attention's tensor [B, rows, H, D] with strides [3]: boxes of `box` rows and `columns`
 * columns of one head. */
enum status cuda_tensor_map_heads(const struct cuda_attention *a, const void *data,
                                  const int64_t *stride, int rows, int box, int columns,
                                  CUtensorMap *out);

#ifdef __cplusplus
}
#endif
#endif
