/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on tensor views. Touches no element. */
#include "kernels/base/tensor.h"

#include "kernels/base/status.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[DTYPE_COUNT] = {
    [DTYPE_F32] = {"fp32", 4},
    [DTYPE_BF16] = {"bf16", 2},
    [DTYPE_F16] = {"fp16", 2},
};

size_t dtype_size(enum dtype dtype)
{
    BUG_ON((unsigned)dtype >= DTYPE_COUNT, "dtype %d does not exist", (int)dtype);
    return dtypes[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    BUG_ON((unsigned)dtype >= DTYPE_COUNT, "dtype %d does not exist", (int)dtype);
    return dtypes[dtype].name;
}

bool dtype_find(const char *name, enum dtype *out)
{
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (enum dtype)i;
            return true;
        }
    }
    return false;
}

struct tensor tensor_of(void *data, struct device *dev, enum dtype dtype, int ndim,
                        const int64_t *dim)
{
    BUG_ON(ndim < 0 || ndim > TENSOR_MAX_DIMS, "a tensor of %d axes", ndim);
    struct tensor t = {.data = data, .dev = dev, .dtype = dtype, .ndim = ndim};
    int64_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        BUG_ON(dim[i] < 0, "axis %d of length %lld", i, (long long)dim[i]);
        t.dim[i] = dim[i];
        t.stride[i] = stride;
        int64_t length = dim[i] > 0 ? dim[i] : 1; /* strides of an empty tensor stay usable */
        BUG_ON(__builtin_mul_overflow(stride, length, &stride), "a tensor of over 2^63 elements");
    }
    return t;
}

/* A measuring arena's tensor has no data, and a view of it has none either. */
static void *advance(const struct tensor *t, int64_t elements)
{
    if (!t->data)
        return NULL;
    return (char *)t->data + elements * (int64_t)dtype_size(t->dtype);
}

static void check_axis(const struct tensor *t, int axis)
{
    BUG_ON(axis < 0 || axis >= t->ndim, "axis %d of a tensor of %d axes", axis, t->ndim);
}

struct tensor tensor_slice(const struct tensor *t, int axis, int64_t begin, int64_t count)
{
    check_axis(t, axis);
    BUG_ON(begin < 0 || count < 0 || begin > t->dim[axis] || count > t->dim[axis] - begin,
           "%lld rows from %lld on, of an axis of %lld", (long long)count, (long long)begin,
           (long long)t->dim[axis]);
    struct tensor view = *t;
    view.data = count > 0 ? advance(t, begin * t->stride[axis]) : t->data;
    view.dim[axis] = count;
    return view;
}

static void remove_axis(struct tensor *t, int axis)
{
    for (int i = axis; i + 1 < t->ndim; i++) {
        t->dim[i] = t->dim[i + 1];
        t->stride[i] = t->stride[i + 1];
    }
    t->ndim--;
    t->dim[t->ndim] = 0;
    t->stride[t->ndim] = 0;
}

struct tensor tensor_at(const struct tensor *t, int64_t index)
{
    check_axis(t, 0);
    BUG_ON(index < 0 || index >= t->dim[0], "index %lld of an axis of %lld", (long long)index,
           (long long)t->dim[0]);
    struct tensor view = *t;
    view.data = advance(t, index * t->stride[0]);
    remove_axis(&view, 0);
    return view;
}

struct tensor tensor_split(const struct tensor *t, int axis, int64_t a, int64_t b)
{
    check_axis(t, axis);
    int64_t product;
    BUG_ON(t->ndim == TENSOR_MAX_DIMS, "no room to split an axis of a tensor of %d", t->ndim);
    BUG_ON(a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product != t->dim[axis],
           "axis of %lld split into %lld x %lld", (long long)t->dim[axis], (long long)a,
           (long long)b);
    struct tensor view = *t;
    for (int i = t->ndim; i > axis + 1; i--) {
        view.dim[i] = t->dim[i - 1];
        view.stride[i] = t->stride[i - 1];
    }
    view.ndim++;
    view.dim[axis] = a;
    view.dim[axis + 1] = b;
    view.stride[axis] = b * t->stride[axis];
    view.stride[axis + 1] = t->stride[axis];
    return view;
}

struct tensor tensor_swap(const struct tensor *t, int a, int b)
{
    check_axis(t, a);
    check_axis(t, b);
    struct tensor view = *t;
    view.dim[a] = t->dim[b];
    view.stride[a] = t->stride[b];
    view.dim[b] = t->dim[a];
    view.stride[b] = t->stride[a];
    return view;
}

struct tensor tensor_merge(const struct tensor *t, int axis)
{
    check_axis(t, axis);
    check_axis(t, axis + 1);
    const int64_t *dim = t->dim + axis;
    const int64_t *stride = t->stride + axis;
    bool chained = stride[0] == dim[1] * stride[1];
    bool empty = dim[0] == 0 || dim[1] == 0;
    BUG_ON(!chained && !empty && dim[0] != 1 && dim[1] != 1,
           "axes [%lld,%lld] with strides [%lld,%lld] cannot be merged", (long long)dim[0],
           (long long)dim[1], (long long)stride[0], (long long)stride[1]);
    struct tensor view = *t;
    int64_t merged =
        dim[1] == 1 ? stride[0] : stride[1]; /* the stride of an axis of 1 means nothing */
    remove_axis(&view, axis);
    view.dim[axis] = dim[0] * dim[1];
    view.stride[axis] = merged;
    return view;
}

struct tensor tensor_reshape(const struct tensor *t, int ndim, const int64_t *dim)
{
    struct tensor view = tensor_of(t->data, t->dev, t->dtype, ndim, dim);
    BUG_ON(!tensor_contiguous(t), "reshape of a tensor with gaps");
    BUG_ON(tensor_count(&view) != tensor_count(t), "reshape of %lld elements to %lld",
           (long long)tensor_count(t), (long long)tensor_count(&view));
    return view;
}

int64_t tensor_count(const struct tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] == 0)
            return 0;
        BUG_ON(__builtin_mul_overflow(count, t->dim[i], &count), "over 2^63 elements");
    }
    return count;
}

size_t tensor_bytes(const struct tensor *t)
{
    size_t bytes;
    BUG_ON(__builtin_mul_overflow((size_t)tensor_count(t), dtype_size(t->dtype), &bytes),
           "a tensor larger than the address space");
    return bytes;
}

bool tensor_contiguous(const struct tensor *t)
{
    if (tensor_count(t) == 0)
        return true;
    int64_t stride = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != stride)
            return false;
        stride *= t->dim[i];
    }
    return true;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++) {
        if (a->dim[i] != b->dim[i])
            return false;
    }
    return true;
}

char *tensor_describe(const struct tensor *t, char *buffer, size_t size)
{
    char text[16 + TENSOR_MAX_DIMS * 24];
    int used = snprintf(text, sizeof(text), "%s[", dtype_name(t->dtype));
    for (int i = 0; i < t->ndim; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%lld", i ? "," : "",
                         (long long)t->dim[i]);
    snprintf(buffer, size, "%s]", text);
    return buffer;
}
