/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies between any strides and dtypes on one GPU. Axes are merged as far as both sides allow; a
 * thread moves one unit: up to sixteen bytes of a run that is dense on both sides, else an element.
 */
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

/* A copy with as few axes as it can be told with, the last one innermost; strides in units. */
struct walk {
    int axes;
    struct divisor dim[TENSOR_MAX_DIMS];
    int64_t to[TENSOR_MAX_DIMS], from[TENSOR_MAX_DIMS];
    uint32_t count; /* units */
};

__device__ inline void offsets(const struct walk &w, uint32_t unit, int64_t *to, int64_t *from)
{
    *to = 0;
    *from = 0;
    for (int a = w.axes - 1; a > 0; a--) {
        uint32_t rest = divide(unit, w.dim[a]);
        int64_t at = unit - rest * w.dim[a].by;
        *to += at * w.to[a];
        *from += at * w.from[a];
        unit = rest;
    }
    *to += unit * w.to[0];
    *from += unit * w.from[0];
}

template <typename Unit>
static __global__ void move_units(const struct walk w, Unit *to, const Unit *from)
{
    uint32_t unit = blockIdx.x * THREADS + threadIdx.x;
    int64_t t, f;
    if (unit >= w.count)
        return;
    offsets(w, unit, &t, &f);
    to[t] = from[f];
}

template <typename To, typename From>
static __global__ void convert_units(const struct walk w, To *to, const From *from)
{
    uint32_t unit = blockIdx.x * THREADS + threadIdx.x;
    int64_t t, f;
    if (unit >= w.count)
        return;
    offsets(w, unit, &t, &f);
    to[t] = from_float<To>(to_float(from[f]));
}

template <typename To> static __global__ void fill_units(const struct walk w, To *to, float value)
{
    uint32_t unit = blockIdx.x * THREADS + threadIdx.x;
    int64_t t, f;
    if (unit >= w.count)
        return;
    offsets(w, unit, &t, &f);
    to[t] = from_float<To>(value);
}

struct small {
    uint32_t word[CUDA_SMALL / 4];
};

static __global__ void write_words(uint32_t *to, const struct small words, int count)
{
    if ((int)threadIdx.x < count)
        to[threadIdx.x] = words.word[threadIdx.x];
}

/* Axes as found on the host, before units are chosen. */
struct plain_walk {
    int axes;
    int64_t dim[TENSOR_MAX_DIMS], to[TENSOR_MAX_DIMS], from[TENSOR_MAX_DIMS];
};

static void add_axis(struct plain_walk *w, int64_t dim, int64_t to, int64_t from)
{
    int last = w->axes - 1;
    if (dim == 1)
        return;
    if (last >= 0 && w->to[last] == dim * to && w->from[last] == dim * from) {
        dim *= w->dim[last];
        w->axes--;
    }
    w->dim[w->axes] = dim;
    w->to[w->axes] = to;
    w->from[w->axes] = from;
    w->axes++;
}

static struct plain_walk walk_over(const struct tensor *dst, const struct tensor *src)
{
    struct plain_walk w = {};
    for (int a = 0; a < dst->ndim; a++)
        add_axis(&w, dst->dim[a], dst->stride[a], src ? src->stride[a] : 0);
    if (w.axes == 0) { // one element
        w.dim[0] = w.to[0] = w.from[0] = 1;
        w.axes = 1;
    }
    return w;
}

/* The largest number of elements, a power of two, that every run and both addresses divide into. */
static int unit_of(const struct plain_walk *w, const void *to, const void *from, size_t size)
{
    int last = w->axes - 1;
    if (w->to[last] != 1 || w->from[last] != 1)
        return 1;
    int unit = (int)(16 / size);
    uint64_t mixed = (uint64_t)w->dim[last];
    for (int a = 0; a < last; a++)
        mixed |= (uint64_t)w->to[a] | (uint64_t)w->from[a];
    uint64_t address = (uint64_t)(uintptr_t)to | (uint64_t)(uintptr_t)from;
    while (mixed % unit != 0 || address % (unit * size) != 0)
        unit /= 2;
    return unit;
}

static struct walk in_units(const struct plain_walk *plain, int unit)
{
    struct walk w = {};
    int last = plain->axes - 1;
    int64_t count = 1;
    w.axes = plain->axes;
    for (int a = 0; a <= last; a++) {
        int64_t dim = a == last ? plain->dim[a] / unit : plain->dim[a];
        w.dim[a] = divisor_of((uint32_t)dim);
        w.to[a] = a == last ? plain->to[a] : plain->to[a] / unit;
        w.from[a] = a == last ? plain->from[a] : plain->from[a] / unit;
        count *= dim;
    }
    w.count = (uint32_t)count;
    return w;
}

template <typename Unit>
static enum status launch_move(const struct cuda_target *at, const struct walk *w, void *to,
                               const void *from)
{
    move_units<<<blocks_for(w->count, THREADS), THREADS, 0, stream_of(at)>>>(
        *w, static_cast<Unit *>(to), static_cast<const Unit *>(from));
    return cuda_launched("copy");
}

static enum status move(const struct cuda_target *at, const struct tensor *dst,
                        const struct tensor *src)
{
    struct plain_walk plain = walk_over(dst, src);
    size_t size = dtype_size(dst->dtype);
    int unit = unit_of(&plain, dst->data, src->data, size);
    struct walk w = in_units(&plain, unit);
    switch (unit * size) {
    case 16:
        return launch_move<uint4>(at, &w, dst->data, src->data);
    case 8:
        return launch_move<uint2>(at, &w, dst->data, src->data);
    case 4:
        return launch_move<uint32_t>(at, &w, dst->data, src->data);
    default:
        return launch_move<uint16_t>(at, &w, dst->data, src->data);
    }
}

template <typename To, typename From>
static enum status launch_convert(const struct cuda_target *at, const struct walk *w,
                                  const struct tensor *dst, const struct tensor *src)
{
    convert_units<<<blocks_for(w->count, THREADS), THREADS, 0, stream_of(at)>>>(
        *w, static_cast<To *>(dst->data), static_cast<const From *>(src->data));
    return cuda_launched("copy");
}

template <typename To>
static enum status convert_to(const struct cuda_target *at, const struct walk *w,
                              const struct tensor *dst, const struct tensor *src)
{
    switch (src->dtype) {
    case DTYPE_F32:
        return launch_convert<To, float>(at, w, dst, src);
    case DTYPE_BF16:
        return launch_convert<To, bf16>(at, w, dst, src);
    default:
        return launch_convert<To, fp16>(at, w, dst, src);
    }
}

enum status cuda_copy_strided(const struct cuda_target *at, const struct tensor *dst,
                              const struct tensor *src)
{
    if (tensor_count(dst) == 0)
        return ST_OK;
    if (dst->dtype == src->dtype)
        return move(at, dst, src);
    struct plain_walk plain = walk_over(dst, src);
    struct walk w = in_units(&plain, 1);
    switch (dst->dtype) {
    case DTYPE_F32:
        return convert_to<float>(at, &w, dst, src);
    case DTYPE_BF16:
        return convert_to<bf16>(at, &w, dst, src);
    default:
        return convert_to<fp16>(at, &w, dst, src);
    }
}

template <typename To>
static enum status launch_fill(const struct cuda_target *at, const struct walk *w,
                               const struct tensor *t, float value)
{
    fill_units<<<blocks_for(w->count, THREADS), THREADS, 0, stream_of(at)>>>(
        *w, static_cast<To *>(t->data), value);
    return cuda_launched("fill");
}

enum status cuda_fill_strided(const struct cuda_target *at, const struct tensor *t, float value)
{
    if (tensor_count(t) == 0)
        return ST_OK;
    struct plain_walk plain = walk_over(t, NULL);
    struct walk w = in_units(&plain, 1);
    switch (t->dtype) {
    case DTYPE_F32:
        return launch_fill<float>(at, &w, t, value);
    case DTYPE_BF16:
        return launch_fill<bf16>(at, &w, t, value);
    default:
        return launch_fill<fp16>(at, &w, t, value);
    }
}

enum status cuda_upload_small(const struct cuda_target *at, void *device, const void *host,
                              size_t bytes)
{
    struct small words;
    memcpy(&words, host, bytes);
    write_words<<<1, CUDA_SMALL / 4, 0, stream_of(at)>>>(static_cast<uint32_t *>(device), words,
                                                         (int)(bytes / 4));
    return cuda_launched("upload");
}
