/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a library's convolution leaves: bias and summand where it could not add them, and the four
 * results of a folded kernel put where their pixels belong. Also the folding itself. A thread does
 * sixteen bytes of a pixel, or an element where channels do not allow it. Floor: two elements of
 * memory for each of y, three with a summand; z of a part is still in the cache.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

struct units {
    struct divisor channels, columns; /* units of a pixel; columns of y */
    uint32_t count;
};

template <typename T, bool WIDE>
static __global__ void finish(const struct units u, const struct cuda_conv p, const T *z,
                              int z_columns, int z_first)
{
    enum { N = WIDE ? vec<T>::N : 1 };
    uint32_t unit = blockIdx.x * THREADS + threadIdx.x;
    if (unit >= u.count)
        return;
    uint32_t pixel = divide(unit, u.channels), row = divide(pixel, u.columns);
    int o = (int)(unit - pixel * u.channels.by) * N, column = (int)(pixel - row * u.columns.by);
    int centre = (int)row + 1 - p.above; // of the kernel, in E
    int64_t from;
    if (p.folded)
        from = ((int64_t)(((centre + 1) >> 1) - z_first) * z_columns + ((column + 1) >> 1)) * 4 *
                   p.out +
               (2 * (centre & 1) + (column & 1)) * p.out + o;
    else
        from = ((int64_t)(centre - z_first) * z_columns + column) * p.out + o;
    int64_t to = (int64_t)pixel * p.out + o;
    const T *bias = static_cast<const T *>(p.bias), *add = static_cast<const T *>(p.add);
    float v[vec<T>::N], more[vec<T>::N];
    if (!WIDE) {
        v[0] = to_float(z[from]) + (bias ? to_float(bias[o]) : 0.0f) +
               (add ? to_float(add[to]) : 0.0f);
        static_cast<T *>(p.y)[to] = from_float<T>(v[0]);
        return;
    }
    load_vec(z + from, v);
    if (bias) {
        load_vec(bias + o, more);
#pragma unroll
        for (int i = 0; i < vec<T>::N; i++)
            v[i] += more[i];
    }
    if (add) {
        load_vec(add + to, more);
#pragma unroll
        for (int i = 0; i < vec<T>::N; i++)
            v[i] += more[i];
    }
    store_vec(static_cast<T *>(p.y) + to, v);
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_conv *c, const void *z,
                          int z_columns, int z_first)
{
    bool wide = c->out % vec<T>::N == 0 && aligned16(z) && aligned16(c->y) && aligned16(c->bias) &&
                aligned16(c->add);
    int64_t channels = c->out / (wide ? (int)vec<T>::N : 1);
    int64_t count = (int64_t)c->out_rows * c->out_columns * channels;
    struct units u = {divisor_of((uint32_t)channels), divisor_of((uint32_t)c->out_columns),
                      (uint32_t)count};
    BUG_ON(count > INT32_MAX, "%lld units of a convolution in one launch", (long long)count);
    const T *from = static_cast<const T *>(z);
    unsigned blocks = blocks_for(count, THREADS);
    if (wide)
        finish<T, true><<<blocks, THREADS, 0, stream_of(at)>>>(u, *c, from, z_columns, z_first);
    else
        finish<T, false><<<blocks, THREADS, 0, stream_of(at)>>>(u, *c, from, z_columns, z_first);
    return cuda_launched("conv_finish");
}

enum status cuda_conv_finish(const struct cuda_target *at, const struct cuda_conv *c, const void *z,
                             int z_columns, int z_first)
{
    switch (c->dtype) {
    case DTYPE_F32:
        return launch<float>(at, c, z, z_columns, z_first);
    case DTYPE_BF16:
        return launch<bf16>(at, c, z, z_columns, z_first);
    default:
        return launch<fp16>(at, c, z, z_columns, z_first);
    }
}

/* ---- folding ---- */

template <typename T>
static __global__ void fold(T *folded, const T *w, int out, int in, int64_t count)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count)
        return;
    int c = (int)(at % in), v = (int)(at / in % 2), u = (int)(at / in / 2 % 2);
    int64_t o = at / in / 4 % out;
    int phase = (int)(at / in / 4 / out), a = phase / 2, b = phase % 2;
    float sum = 0.0f;
    for (int place = 0; place < 9; place++) {
        if ((place / 3 + 1 - a) / 2 == u && (place % 3 + 1 - b) / 2 == v)
            sum += to_float(w[(o * 9 + place) * in + c]);
    }
    folded[at] = from_float<T>(sum);
}

template <typename T>
static enum status launch_fold(const struct cuda_target *at, const struct tensor *folded,
                               const struct tensor *w)
{
    int64_t count = tensor_count(folded);
    fold<T><<<blocks_for(count, THREADS), THREADS, 0, stream_of(at)>>>(
        static_cast<T *>(folded->data), static_cast<const T *>(w->data), (int)w->dim[0],
        (int)w->dim[3], count);
    return cuda_launched("conv_fold");
}

enum status cuda_conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(folded) == 0)
        return ST_OK;
    switch (w->dtype) {
    case DTYPE_F32:
        return launch_fold<float>(&at, folded, w);
    case DTYPE_BF16:
        return launch_fold<bf16>(&at, folded, w);
    default:
        return launch_fold<fp16>(&at, folded, w);
    }
}
