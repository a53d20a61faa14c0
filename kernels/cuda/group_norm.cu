/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GroupNorm in its two halves, over x [B, pixels, C]. Sums: first a block for each group takes the
 * mean of a few pixels, the group's shift; squares of distances from that keep what squares of the
 * elements would lose to a large mean. Then a block takes a part of an image's pixels, a thread the
 * same sixteen bytes of every so many of them, in fp32 over 32 pixels and those sums again; the
 * block adds threads and the channels of a group up, then a block for each group the parts in
 * double, and takes the shift out. The norm: the same threads with factor and summand of their
 * channels in registers. Both read ahead by a few pixels: the next one is asked for as soon as one
 * is used.
 *
 * Floor: one element of memory read for the sums, one read and one written for the norm: 0.062 and
 * 0.12 ms at 1024 x 1024 x 128 in bf16 at 4.3 TB/s. Parts are summed from the last, which whoever
 * wrote x may have left in the cache, and normed from the first, which the sums have.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/tensor_core.cuh"

enum {
    THREADS = 256,
    BLOCKS = 4,     /* on a multiprocessor */
    PARTS = 1024,   /* of an image for the sums, at most */
    NORM_MOST = 32, /* pixels of a thread of the norm */
    LEAST = 8,      /* pixels of a thread, so that its part is worth a block */
    RUN = 32,       /* pixels that a thread adds up before they join the others */
    AHEAD = 4,      /* vectors on their way to a thread; RUN and parts are multiples */
    TEAM = 4,       /* threads that add the channels of a group up */
    SAMPLES = 64,   /* pixels of an image, at most, that the shift of a group is the mean of */
};

/* How threads lie over pixels: `across` of them on the vectors of a pixel, `down` pixels at once.
 * A pixel that has more than THREADS vectors is several chunks, blockIdx.y. */
struct layout {
    int across, down, vectors; /* vectors: of a pixel */
    int chunks, parts;         /* of a pixel; of an image */
    int64_t pixels, part;      /* of an image, of a block */
};

/* Vectors of a pixel lie at multiples of sixteen bytes. */
static bool wide(const struct tensor *x)
{
    int64_t n = 16 / (int64_t)dtype_size(x->dtype);
    return aligned16(x->data) && x->dim[3] % n == 0 && (x->dim[0] == 1 || x->stride[0] % n == 0);
}

/* Vectors of n elements; as many pixels a thread as PARTS leave, at most `most`. It depends on the
 * image alone, so that sums do not depend on the GPU. */
static struct layout layout_of(const struct tensor *x, int n, int64_t most)
{
    struct layout l = {};
    l.vectors = (int)(x->dim[3] / n);
    l.across = l.vectors < THREADS ? l.vectors : THREADS;
    l.down = THREADS / l.across;
    l.chunks = (l.vectors + THREADS - 1) / THREADS;
    l.pixels = x->dim[1] * x->dim[2];
    int64_t each = (l.pixels + (int64_t)PARTS * l.down - 1) / ((int64_t)PARTS * l.down);
    each = each < LEAST ? (int64_t)LEAST : each > most ? most : (each + AHEAD - 1) / AHEAD * AHEAD;
    l.part = each * l.down;
    l.parts = (int)((l.pixels + l.part - 1) / l.part);
    return l;
}

static struct layout sums_layout(const struct tensor *x)
{
    return layout_of(x, wide(x) ? 16 / (int)dtype_size(x->dtype) : 1, INT32_MAX / THREADS);
}

/* Pixels of a block, and those of one of its threads: `count` from `first` on, `down` apart. */
struct own {
    int64_t first;
    int count, column, lane;
};

__device__ inline struct own own_of(const struct layout &l, int part)
{
    struct own o;
    o.column = (int)threadIdx.x % l.across;
    o.lane = (int)threadIdx.x / l.across;
    o.first = part * l.part + o.lane;
    int64_t last = (part + 1) * l.part < l.pixels ? (part + 1) * l.part : l.pixels;
    bool busy = o.lane < l.down && (int)blockIdx.y * THREADS + o.column < l.vectors;
    o.count = busy && o.first < last ? (int)(last - o.first + l.down - 1) / l.down : 0;
    return o;
}

/* N elements as they lie in memory: sixteen bytes, or one. */
template <typename T, int N> struct raw {
    uint4 bits;
    __device__ void unpack_to(float (&v)[N]) const
    {
        unpack<T>(bits, v);
    }
};

template <typename T> struct raw<T, 1> {
    T bits;
    __device__ void unpack_to(float (&v)[1]) const
    {
        v[0] = to_float(bits);
    }
};

template <typename T, int N>
__device__ inline raw<T, N> load_raw(const T *p, bool valid, const raw<T, N> &otherwise = {})
{
    raw<T, N> r = otherwise;
    if (valid)
        r.bits = *reinterpret_cast<const decltype(r.bits) *>(p);
    return r;
}

/* ---- sums ---- */

/* Adds a block's values up, in an order that THREADS sets; thread 0 has the sum. */
__device__ inline double sum_block(double value)
{
    __shared__ double all[THREADS / WARP];
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, step);
    __syncthreads(); // whoever reads the sums before these has them
    if (threadIdx.x % WARP == 0)
        all[threadIdx.x / WARP] = value;
    __syncthreads();
    double whole = 0.0;
    for (int w = 0; w < THREADS / WARP; w++)
        whole += all[w];
    return whole;
}

/* The i-th of `count` samples of an image: somewhere in the i-th of so many runs of pixels, at a
 * place that goes by the golden ratio, or a picture as wide as a power of two would be sampled in a
 * few columns only. */
__device__ inline int64_t sample_at(int i, int count, int64_t pixels)
{
    int64_t begin = pixels * i / count, end = pixels * (i + 1) / count;
    return begin + ((end - begin) * (i * 40503 % 65536) >> 16);
}

/* shift [image, C] := the mean of samples of a channel's group, rounded to T; a block for a group.
 * Any number near the group's mean would do. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    sample_groups(T *shift, const T *x, int64_t x_image, int64_t pixels, int channels, int each)
{
    __shared__ T mean;
    int samples = pixels < SAMPLES ? (int)pixels : SAMPLES, first = (int)blockIdx.x * each;
    double sum = 0.0;
    x += blockIdx.y * x_image + first;
    for (int i = threadIdx.x; i < samples * each; i += THREADS)
        sum += (double)to_float(x[sample_at(i / each, samples, pixels) * channels + i % each]);
    sum = sum_block(sum);
    if (threadIdx.x == 0)
        mean = from_float<T>((float)(sum / (samples * each)));
    __syncthreads();
    for (int c = threadIdx.x; c < each; c += THREADS)
        shift[(int64_t)blockIdx.y * channels + first + c] = mean;
}

/* To memory now: left to itself the compiler keeps such sums in registers, too many of them. */
__device__ inline void add_volatile(volatile float *to, float value)
{
    *to = *to + value;
}

/* Adds distances from `shift` and their squares to the thread's column of sums [2 N][THREADS]. */
template <typename T, int N>
__device__ inline void sum_pixels(const T *x, int64_t step, int count, const raw<T, N> &shift,
                                  float (*sums)[THREADS])
{
    raw<T, N> ahead[AHEAD]; // beyond the last pixel the shift, at no distance
    float from[N];
    shift.unpack_to(from);
#pragma unroll
    for (int j = 0; j < AHEAD; j++, x += step)
        ahead[j] = load_raw<T, N>(x, j < count, shift);
    for (int begin = 0; begin < count; begin += RUN) {
        float s[N] = {}, q[N] = {}, v[N];
        for (int i = begin + AHEAD; i < begin + RUN + AHEAD && i < count + AHEAD; i += AHEAD) {
#pragma unroll
            for (int j = 0; j < AHEAD; j++, x += step) {
                ahead[j].unpack_to(v);
                ahead[j] = load_raw<T, N>(x, i + j < count, shift);
#pragma unroll
                for (int k = 0; k < N; k++) {
                    float distance = v[k] - from[k];
                    s[k] += distance;
                    q[k] += distance * distance;
                }
            }
        }
#pragma unroll
        for (int k = 0; k < N; k++) {
            add_volatile(&sums[k][threadIdx.x], s[k]);
            add_volatile(&sums[N + k][threadIdx.x], q[k]);
        }
    }
}

/* The sum over a group's channels from the block's [N][THREADS] sums of channels, by TEAM threads;
 * channel c of the block is element c % N of column c / N. */
template <int N> __device__ inline double sum_team(const float *sums, int from, int to)
{
    double sum = 0.0;
    for (int c = from + (int)threadIdx.x % TEAM; c < to; c += TEAM)
        sum += (double)sums[c % N * THREADS + c / N];
#pragma unroll
    for (int step = TEAM / 2; step > 0; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    return sum;
}

/* part [image, 2, slots, parts]: group g of chunk k of a pixel is in slot g + k, since neighbouring
 * chunks have at most one group in common. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    sum_channels(const struct layout l, int each, int slots, const T *x, int64_t x_image,
                 const T *shift, float *part)
{
    __shared__ float sums[2 * N][THREADS];
    int index = l.parts - 1 - (int)blockIdx.x, channels = l.vectors * N;
    struct own own = own_of(l, index);
    int64_t vector = (int64_t)blockIdx.y * THREADS + own.column;
#pragma unroll
    for (int k = 0; k < 2 * N; k++)
        sums[k][threadIdx.x] = 0.0f;
    sum_pixels<T, N>(
        x + blockIdx.z * x_image + own.first * channels + vector * N, (int64_t)l.down * channels,
        own.count, load_raw<T, N>(shift + blockIdx.z * channels + vector * N, own.count > 0), sums);
    __syncthreads();
    for (int m = own.lane; m < 2 * N && own.lane < l.down; m += l.down) {
        float whole = 0.0f;
        for (int r = 0; r < l.down; r++)
            whole += sums[m][r * l.across + own.column];
        sums[m][own.column] = whole; // which no other thread reads before the barrier
    }
    __syncthreads();
    int begin = (int)blockIdx.y * THREADS * N;
    int end = begin + THREADS * N < channels ? begin + THREADS * N : channels;
    int first = begin / each, items = 2 * ((end - 1) / each - first + 1);
    // All threads of a warp go on or none.
    for (int i = threadIdx.x / TEAM; i < (items + WARP - 1) / WARP * WARP; i += THREADS / TEAM) {
        int group = first + i / 2, from = group * each, to = from + each;
        from = from < begin ? begin : from;
        to = i >= items ? 0 : to < end ? to : end;
        double whole = sum_team<N>(sums[i % 2 * N], from - begin, to - begin);
        if (i < items && threadIdx.x % TEAM == 0)
            part[((blockIdx.z * 2 + i % 2) * (int64_t)slots + group + blockIdx.y) * l.parts +
                 index] = (float)whole;
    }
}

/* sums [image, 2, G] from the parts: where s and q are the sums of n distances from a shift K and
 * of their squares, s + n K and q - s^2 / n. A block for a group; `chunk`: its channels. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    sum_groups(float *sums, const float *part, const T *shift, int64_t pixels, int parts, int slots,
               int each, int chunk)
{
    int64_t group = blockIdx.x, groups = gridDim.x;
    double s = 0.0, q = 0.0;
    for (int k = (int)(group * each / chunk); k <= (int)((group * each + each - 1) / chunk); k++) {
        const float *from = part + (blockIdx.y * 2 * (int64_t)slots + group + k) * parts;
#pragma unroll 4
        for (int i = threadIdx.x; i < parts; i += THREADS) {
            s += (double)from[i];
            q += (double)from[(int64_t)slots * parts + i];
        }
    }
    s = sum_block(s);
    q = sum_block(q);
    if (threadIdx.x > 0)
        return;
    double n = (double)(pixels * each), distances = q - s * s / n;
    float *to = sums + blockIdx.y * 2 * groups + group;
    to[0] = (float)(s + n * (double)to_float(shift[(blockIdx.y * groups + group) * each]));
    to[groups] = distances > 0.0 ? (float)distances : 0.0f;
}

/* Bytes of the shifts [image, C], which begin the workspace; the parts follow. */
static size_t shifts_size(const struct tensor *x)
{
    size_t bytes = (size_t)(x->dim[0] * x->dim[3]) * dtype_size(x->dtype);
    return (bytes + 15) / 16 * 16;
}

template <typename T, int N>
static enum status sum_of(const struct cuda_target *at, const struct tensor *sums,
                          const struct tensor *x, void *work)
{
    struct layout l = sums_layout(x);
    int groups = (int)sums->dim[2], each = (int)x->dim[3] / groups, slots = groups + l.chunks;
    dim3 blocks(l.parts, l.chunks, (unsigned)x->dim[0]), of_groups(groups, (unsigned)x->dim[0]);
    const T *from = static_cast<const T *>(x->data);
    T *shift = static_cast<T *>(work);
    float *part = reinterpret_cast<float *>(static_cast<char *>(work) + shifts_size(x));
    sample_groups<T><<<of_groups, THREADS, 0, stream_of(at)>>>(shift, from, x->stride[0], l.pixels,
                                                               (int)x->dim[3], each);
    TRY(cuda_launched("group_sums: shifts"));
    sum_channels<T, N>
        <<<blocks, THREADS, 0, stream_of(at)>>>(l, each, slots, from, x->stride[0], shift, part);
    TRY(cuda_launched("group_sums: channels"));
    sum_groups<T><<<of_groups, THREADS, 0, stream_of(at)>>>(
        static_cast<float *>(sums->data), part, shift, l.pixels, l.parts, slots, each, THREADS * N);
    return cuda_launched("group_sums: groups");
}

size_t cuda_group_work(const struct tensor *sums, const struct tensor *x)
{
    struct layout l = sums_layout(x);
    int64_t parts = x->dim[0] * 2 * (sums->dim[2] + l.chunks) * l.parts;
    return shifts_size(x) + (size_t)parts * sizeof(float);
}

template <typename T>
static enum status sum_wide(const struct cuda_target *at, const struct tensor *sums,
                            const struct tensor *x, void *work)
{
    return wide(x) ? sum_of<T, vec<T>::N>(at, sums, x, work) : sum_of<T, 1>(at, sums, x, work);
}

enum status cuda_group_sums_of(const struct cuda_target *at, const struct tensor *sums,
                               const struct tensor *x, void *work)
{
    switch (x->dtype) {
    case DTYPE_F32:
        return sum_wide<float>(at, sums, x, work);
    case DTYPE_BF16:
        return sum_wide<bf16>(at, sums, x, work);
    default:
        return sum_wide<fp16>(at, sums, x, work);
    }
}

/* ---- of a part, about the mean of all ---- */

static __global__ void centre_groups(float *sums, const float *own, int64_t groups,
                                     double own_count, double count)
{
    int64_t group = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (group >= groups)
        return;
    float *sum = sums + blockIdx.y * 2 * groups + group;
    double distance = own[blockIdx.y * groups + group] / own_count - sum[0] / count;
    sum[groups] = (float)(sum[groups] + own_count * distance * distance);
}

enum status cuda_group_centre(struct queue *q, struct tensor *sums, const struct group_parts *parts)
{
    struct cuda_target at = cuda_target(q);
    int64_t groups = sums->dim[2];
    dim3 blocks((unsigned)((groups + THREADS - 1) / THREADS), (unsigned)sums->dim[0]);
    if (sums->dim[0] == 0)
        return ST_OK;
    centre_groups<<<blocks, THREADS, 0, stream_of(&at)>>>(
        static_cast<float *>(sums->data), static_cast<const float *>(parts->own->data), groups,
        (double)parts->own_count, (double)parts->count);
    return cuda_launched("group_centre");
}

/* ---- norm ---- */

struct groups {
    const float *sums, *weight, *bias; /* weight, bias NULL: 1, 0 */
    double per_count;
    float eps;
    int groups, each; /* each: channels of a group */
};

/* Of N channels: y = x factor + added. Its rounding is that of a mean in fp32. */
template <int N>
__device__ inline void spread(const struct groups &g, int64_t image, int channel,
                              float (&factor)[N], float (&added)[N])
{
    int group = channel / g.each, end = channel; // end: of a group's channels
    float mean = 0.0f, inverse = 0.0f;
#pragma unroll
    for (int k = 0; k < N; k++) {
        if (channel + k == end || k == 0) {
            const float *sums = g.sums + image * 2 * g.groups + group;
            mean = (float)(sums[0] * g.per_count);
            inverse = rsqrtf((float)(sums[g.groups] * g.per_count + (double)g.eps));
            end = ++group * g.each;
        }
        factor[k] = inverse * (g.weight ? __ldg(g.weight + channel + k) : 1.0f);
        added[k] = fmaf(-mean, factor[k], g.bias ? __ldg(g.bias + channel + k) : 0.0f);
    }
}

/* Sixteen bits need no more than the fast exponential and reciprocal give: 2^-22. */
template <typename T, int ACT> __device__ inline float acted(float x)
{
    if constexpr (sizeof(T) == 2 && ACT == ACT_SILU)
        return x * reciprocal_fast(1.0f + exp2_fast(-1.4426950408889634f * x));
    return activated(x, ACT);
}

/* In one store, which the compiler may split where it packs the bits itself. */
__device__ inline void store16(void *to, const uint4 &bits)
{
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(bits.x), "r"(bits.y),
                 "r"(bits.z), "r"(bits.w)
                 : "memory");
}

template <typename T, int N, int ACT>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    norm_pixels(const struct layout l, const struct groups g, T *y, int64_t y_image, const T *x,
                int64_t x_image)
{
    struct own own = own_of(l, (int)blockIdx.x);
    int channels = l.vectors * N, channel = ((int)blockIdx.y * THREADS + own.column) * N;
    int64_t step = (int64_t)l.down * channels, at = own.first * channels + channel;
    float factor[N], added[N], v[N];
    raw<T, N> ahead[AHEAD];
    if (own.count == 0)
        return;
    x += blockIdx.z * x_image;
    y += blockIdx.z * y_image;
#pragma unroll
    for (int j = 0; j < AHEAD; j++)
        ahead[j] = load_raw<T, N>(x + at + j * step, j < own.count);
    spread<N>(g, blockIdx.z, channel, factor, added);
    x += AHEAD * step;
    for (int i = 0; i < own.count; i += AHEAD) {
#pragma unroll
        for (int j = 0; j < AHEAD; j++, at += step) {
            ahead[j].unpack_to(v);
            ahead[j] = load_raw<T, N>(x + at, i + j + AHEAD < own.count);
            if (i + j >= own.count)
                break;
#pragma unroll
            for (int k = 0; k < N; k++)
                v[k] = (acted<T, ACT>(fmaf(v[k], factor[k], added[k])));
            if constexpr (N == 1)
                y[at] = from_float<T>(v[0]);
            else
                store16(y + at, pack<T>(v));
        }
    }
}

template <typename T, int N, int ACT>
static enum status norm_act(const struct cuda_target *at, const struct tensor *y,
                            const struct tensor *x, const struct groups *g)
{
    struct layout l = layout_of(x, N, NORM_MOST);
    dim3 blocks(l.parts, l.chunks, (unsigned)x->dim[0]);
    norm_pixels<T, N, ACT>
        <<<blocks, THREADS, 0, stream_of(at)>>>(l, *g, static_cast<T *>(y->data), y->stride[0],
                                                static_cast<const T *>(x->data), x->stride[0]);
    return cuda_launched("group_norm");
}

template <typename T, int N>
static enum status norm(const struct cuda_target *at, const struct tensor *y,
                        const struct tensor *x, const struct groups *g, enum act act)
{
    switch (act) {
    case ACT_SILU:
        return norm_act<T, N, ACT_SILU>(at, y, x, g);
    case ACT_GELU_TANH:
        return norm_act<T, N, ACT_GELU_TANH>(at, y, x, g);
    default:
        return norm_act<T, N, ACT_NONE>(at, y, x, g);
    }
}

template <typename T>
static enum status norm_of(const struct cuda_target *at, const struct tensor *y,
                           const struct tensor *x, const struct groups *g, enum act act)
{
    return wide(x) && wide(y) ? norm<T, vec<T>::N>(at, y, x, g, act) : norm<T, 1>(at, y, x, g, act);
}

enum status cuda_group_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                            const struct group_norm *norm)
{
    struct cuda_target at = cuda_target(q);
    struct groups g = {};
    if (tensor_count(x) == 0)
        return ST_OK;
    g.sums = static_cast<const float *>(norm->sums->data);
    g.weight = norm->weight ? static_cast<const float *>(norm->weight->data) : NULL;
    g.bias = norm->bias ? static_cast<const float *>(norm->bias->data) : NULL;
    g.per_count = 1.0 / (double)norm->count;
    g.eps = norm->eps;
    g.groups = (int)norm->sums->dim[2];
    g.each = (int)x->dim[3] / g.groups;
    switch (x->dtype) {
    case DTYPE_F32:
        return norm_of<float>(&at, y, x, &g, norm->act);
    case DTYPE_BF16:
        return norm_of<bf16>(&at, y, x, &g, norm->act);
    default:
        return norm_of<fp16>(&at, y, x, &g, norm->act);
    }
}
