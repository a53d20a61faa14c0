/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tensor is a view: pointer, device, dtype, dimensions, strides. It owns nothing and is copied
 * freely. Memory belongs to an arena (arena.h). Strides count elements. A tensor of zero elements
 * is valid.
 */
#ifndef KERNELS_BASE_TENSOR_H
#define KERNELS_BASE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct device;

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_F16, DTYPE_COUNT };

enum { TENSOR_MAX_DIMS = 5 };

struct tensor {
    void *data;
    struct device *dev; /* NULL: plain host memory */
    enum dtype dtype;
    int ndim;
    int64_t dim[TENSOR_MAX_DIMS];
    int64_t stride[TENSOR_MAX_DIMS]; /* in elements; 0 is allowed on inputs (broadcast) */
};

size_t dtype_size(enum dtype dtype);      /* bytes */
const char *dtype_name(enum dtype dtype); /* "fp32", "bf16", "fp16" */
bool dtype_find(const char *name, enum dtype *out);

/* A dense row-major view of `data`. */
struct tensor tensor_of(void *data, struct device *dev, enum dtype dtype, int ndim,
                        const int64_t *dim);

/* Rows begin .. begin+count-1 of one axis. */
struct tensor tensor_slice(const struct tensor *t, int axis, int64_t begin, int64_t count);

/* t[index, ...]: the first axis removed. */
struct tensor tensor_at(const struct tensor *t, int64_t index);

/* Splits `axis` of length a*b into two axes [a, b]; a*b must be the length. */
struct tensor tensor_split(const struct tensor *t, int axis, int64_t a, int64_t b);

/* Exchanges two axes: [..a..b..] as [..b..a..]. */
struct tensor tensor_swap(const struct tensor *t, int a, int b);

/* Merges axes `axis` and `axis`+1 where their strides allow it (BUG otherwise). */
struct tensor tensor_merge(const struct tensor *t, int axis);

/* Reinterprets a contiguous tensor with other dimensions of the same element count (BUG otherwise).
 */
struct tensor tensor_reshape(const struct tensor *t, int ndim, const int64_t *dim);

int64_t tensor_count(const struct tensor *t); /* elements */
size_t tensor_bytes(const struct tensor *t);  /* elements * size, the strides' holes not counted */
bool tensor_contiguous(const struct tensor *t);
bool tensor_same_shape(const struct tensor *a, const struct tensor *b);

/* "fp32[2,256,96]" into `buffer`; returns it. */
char *tensor_describe(const struct tensor *t, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
