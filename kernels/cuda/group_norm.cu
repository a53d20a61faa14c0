/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GroupNorm in its two halves, over x [B, pixels, C]. Sums: a block takes a part of an image's
 * pixels, a thread the same sixteen bytes of every so many of them, in fp32 over 32 pixels and
 * those sums again; then a block for each group adds the parts' channels up in double. The norm:
 * the same threads with mean and factor of their channels in registers.
 *
 * Floor: one element of memory read for the sums, one read and one written for the norm: 0.062 and
 * 0.12 ms at 1024 x 1024 x 128 in bf16 at 4.3 TB/s.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/vector.cuh"

enum {
    THREADS = 256,
    PARTS = 1024, /* of an image at most */
    LEAST = 256,  /* pixels of a part, unless the image has fewer */
    RUN = 32,     /* pixels that a thread adds up before they join the others */
    AHEAD = 4,    /* vectors that a thread reads before it does something with them */
};

/* How threads lie over pixels: `across` of them on the vectors of a pixel, `down` pixels at once.
 * blockIdx.y counts in chunks of THREADS vectors where a pixel has more. */
struct layout {
    int across, down, vectors; /* vectors: of a pixel */
    int64_t pixels, part;      /* of an image, of a block */
};

static struct layout layout_of(int64_t pixels, int vectors, int64_t part)
{
    struct layout l = {};
    l.vectors = vectors;
    l.across = vectors < THREADS ? vectors : THREADS;
    l.down = THREADS / l.across;
    l.pixels = pixels;
    l.part = part;
    return l;
}

static int64_t part_pixels(int64_t pixels)
{
    int64_t part = (pixels + PARTS - 1) / PARTS;
    return part < LEAST ? (int64_t)LEAST : part;
}

/* Parts depend on the image alone. */
static int parts_of(int64_t pixels)
{
    int64_t part = part_pixels(pixels);
    return (int)((pixels + part - 1) / part);
}

size_t cuda_group_parts(const struct tensor *x)
{
    return (size_t)(x->dim[0] * parts_of(x->dim[1] * x->dim[2]) * x->dim[3] * 2);
}

template <typename T, int N> __device__ inline void load_some(const T *p, float (&v)[N])
{
    if constexpr (N == 1)
        v[0] = to_float(*p);
    else
        load_vec(p, v);
}

/* part [image, part, 2, C] */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    sum_channels(const struct layout l, const T *x, int64_t x_image, float *part)
{
    __shared__ float sums[2][THREADS * N];
    int column = threadIdx.x % l.across, lane = threadIdx.x / l.across;
    int vector = blockIdx.y * THREADS + column;
    int64_t channels = (int64_t)l.vectors * N;
    int64_t first = blockIdx.x * l.part;
    int64_t last = first + l.part < l.pixels ? first + l.part : l.pixels;
    bool busy = lane < l.down && vector < l.vectors;
    float sum[N] = {}, square[N] = {};
    x += blockIdx.z * x_image + (int64_t)vector * N;
    for (int64_t begin = first + lane; busy && begin < last; begin += RUN * l.down) {
        float s[N] = {}, q[N] = {};
        for (int i = 0; i < RUN; i += AHEAD) {
            float v[AHEAD][N] = {};
#pragma unroll
            for (int j = 0; j < AHEAD; j++) {
                int64_t pixel = begin + (i + j) * l.down;
                if (pixel < last)
                    load_some<T, N>(x + pixel * channels, v[j]);
            }
#pragma unroll
            for (int j = 0; j < AHEAD; j++) {
#pragma unroll
                for (int k = 0; k < N; k++) {
                    s[k] += v[j][k];
                    q[k] += v[j][k] * v[j][k];
                }
            }
        }
#pragma unroll
        for (int k = 0; k < N; k++) {
            sum[k] += s[k];
            square[k] += q[k];
        }
    }
#pragma unroll
    for (int k = 0; k < N; k++) {
        sums[0][threadIdx.x * N + k] = sum[k];
        sums[1][threadIdx.x * N + k] = square[k];
    }
    __syncthreads();
    part += ((int64_t)blockIdx.z * gridDim.x + blockIdx.x) * 2 * channels;
    for (int i = threadIdx.x; i < l.across * N; i += THREADS) {
        int64_t channel = (int64_t)blockIdx.y * THREADS * N + i;
        for (int which = 0; which < 2 && channel < channels; which++) {
            float whole = 0.0f;
            for (int r = 0; r < l.down; r++)
                whole += sums[which][r * l.across * N + i];
            part[which * channels + channel] = whole;
        }
    }
}

/* sums [image, G, 2] from the parts; a block for a group. */
static __global__ void __launch_bounds__(THREADS)
    sum_groups(float *sums, const float *part, int parts, int channels, int each)
{
    __shared__ double all[2][THREADS];
    int group = blockIdx.x;
    double sum = 0.0, square = 0.0;
    part += (int64_t)blockIdx.y * parts * 2 * channels + group * each;
    for (int i = threadIdx.x; i < parts * each; i += THREADS) {
        const float *from = part + (int64_t)(i / each) * 2 * channels + i % each;
        sum += (double)from[0];
        square += (double)from[channels];
    }
    all[0][threadIdx.x] = sum;
    all[1][threadIdx.x] = square;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) {
            all[0][threadIdx.x] += all[0][threadIdx.x + half];
            all[1][threadIdx.x] += all[1][threadIdx.x + half];
        }
    }
    if (threadIdx.x < 2)
        sums[((int64_t)blockIdx.y * gridDim.x + group) * 2 + threadIdx.x] =
            (float)all[threadIdx.x][0];
}

/* Vectors of a pixel lie at multiples of sixteen bytes. */
template <typename T> static bool wide(const struct tensor *x)
{
    return aligned16(x->data) && x->dim[3] % vec<T>::N == 0 &&
           (x->dim[0] == 1 || x->stride[0] % vec<T>::N == 0);
}

template <typename T, int N>
static enum status sum_parts(const struct cuda_target *at, const struct tensor *x, float *part)
{
    int64_t pixels = x->dim[1] * x->dim[2];
    struct layout l = layout_of(pixels, (int)(x->dim[3] / N), part_pixels(pixels));
    dim3 blocks(parts_of(pixels), blocks_for(l.vectors, THREADS), (unsigned)x->dim[0]);
    sum_channels<T, N><<<blocks, THREADS, 0, stream_of(at)>>>(l, static_cast<const T *>(x->data),
                                                              x->stride[0], part);
    return cuda_launched("group_sums: channels");
}

template <typename T>
static enum status sum_of(const struct cuda_target *at, const struct tensor *sums,
                          const struct tensor *x, float *part)
{
    int channels = (int)x->dim[3], groups = (int)sums->dim[1];
    TRY(wide<T>(x) ? (sum_parts<T, vec<T>::N>(at, x, part)) : (sum_parts<T, 1>(at, x, part)));
    dim3 blocks(groups, (unsigned)x->dim[0]);
    sum_groups<<<blocks, THREADS, 0, stream_of(at)>>>(static_cast<float *>(sums->data), part,
                                                      parts_of(x->dim[1] * x->dim[2]), channels,
                                                      channels / groups);
    return cuda_launched("group_sums: groups");
}

enum status cuda_group_sums_of(const struct cuda_target *at, const struct tensor *sums,
                               const struct tensor *x, float *part)
{
    switch (x->dtype) {
    case DTYPE_F32:
        return sum_of<float>(at, sums, x, part);
    case DTYPE_BF16:
        return sum_of<bf16>(at, sums, x, part);
    default:
        return sum_of<fp16>(at, sums, x, part);
    }
}

/* ---- norm ---- */

struct groups {
    const float *sums, *weight, *bias; /* weight and bias NULL: 1, 0 */
    double per_count;
    float eps;
    int groups, each, act;
};

/* Mean, factor and summand of a thread's channels. */
template <int N>
__device__ inline void spread(const struct groups &g, int64_t image, int64_t channel,
                              float (&mean)[N], float (&factor)[N], float (&added)[N])
{
    int64_t known = -1;
    float group_mean = 0.0f, inverse = 0.0f;
#pragma unroll
    for (int k = 0; k < N; k++) {
        int64_t group = (channel + k) / g.each;
        if (group != known) {
            const float *sums = g.sums + (image * g.groups + group) * 2;
            double m = sums[0] * g.per_count;
            double variance = sums[1] * g.per_count - m * m;
            group_mean = (float)m;
            inverse = (float)rsqrt((variance < 0.0 ? 0.0 : variance) + (double)g.eps);
            known = group;
        }
        mean[k] = group_mean;
        factor[k] = inverse * (g.weight ? g.weight[channel + k] : 1.0f);
        added[k] = g.bias ? g.bias[channel + k] : 0.0f;
    }
}

/* Sixteen bits need no more than the fast exponential and quotient give. */
template <typename T> __device__ inline float acted(float x, int act)
{
    if constexpr (sizeof(T) == 2) {
        if (act == ACT_SILU)
            return __fdividef(x, 1.0f + __expf(-x));
    }
    return activated(x, act);
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    norm_pixels(const struct layout l, const struct groups g, T *y, int64_t y_image, const T *x,
                int64_t x_image)
{
    int column = threadIdx.x % l.across, lane = threadIdx.x / l.across;
    int vector = blockIdx.y * THREADS + column;
    int64_t channels = (int64_t)l.vectors * N, channel = (int64_t)vector * N;
    int64_t first = blockIdx.x * l.part;
    int64_t last = first + l.part < l.pixels ? first + l.part : l.pixels;
    if (lane >= l.down || vector >= l.vectors)
        return;
    float mean[N], factor[N], added[N];
    spread<N>(g, blockIdx.z, channel, mean, factor, added);
    x += blockIdx.z * x_image + channel;
    y += blockIdx.z * y_image + channel;
    for (int64_t pixel = first + lane; pixel < last; pixel += AHEAD * l.down) {
        float v[AHEAD][N];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (pixel + i * l.down < last)
                load_some<T, N>(x + (pixel + i * l.down) * channels, v[i]);
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (pixel + i * l.down >= last)
                continue;
#pragma unroll
            for (int k = 0; k < N; k++)
                v[i][k] = acted<T>((v[i][k] - mean[k]) * factor[k] + added[k], g.act);
            T *to = y + (pixel + i * l.down) * channels;
            if constexpr (N == 1)
                *to = from_float<T>(v[i][0]);
            else
                store_vec(to, v[i]);
        }
    }
}

template <typename T, int N>
static enum status norm(const struct cuda_target *at, const struct tensor *y,
                        const struct tensor *x, const struct groups *g)
{
    int64_t pixels = x->dim[1] * x->dim[2];
    struct layout l = layout_of(pixels, (int)(x->dim[3] / N), 1);
    l.part = (int64_t)l.down * AHEAD * 8; // enough for what each thread reckons first
    dim3 blocks(blocks_for(pixels, (int)l.part), blocks_for(l.vectors, THREADS),
                (unsigned)x->dim[0]);
    norm_pixels<T, N>
        <<<blocks, THREADS, 0, stream_of(at)>>>(l, *g, static_cast<T *>(y->data), y->stride[0],
                                                static_cast<const T *>(x->data), x->stride[0]);
    return cuda_launched("group_norm");
}

template <typename T>
static enum status norm_of(const struct cuda_target *at, const struct tensor *y,
                           const struct tensor *x, const struct groups *g)
{
    return wide<T>(x) && wide<T>(y) ? norm<T, vec<T>::N>(at, y, x, g) : norm<T, 1>(at, y, x, g);
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
    g.groups = (int)norm->sums->dim[1];
    g.each = (int)x->dim[3] / g.groups;
    g.act = norm->act;
    switch (x->dtype) {
    case DTYPE_F32:
        return norm_of<float>(&at, y, x, &g);
    case DTYPE_BF16:
        return norm_of<bf16>(&at, y, x, &g);
    default:
        return norm_of<fp16>(&at, y, x, &g);
    }
}
