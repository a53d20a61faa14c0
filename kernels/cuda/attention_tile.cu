/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two products of an attention of wide heads: the softmax of a tile of scores, taken
 * online (Milakov & Gimelshein 2018), a block for each row, which keeps it in registers. Floor: a
 * score read in fp32 and a weight written, 6 bytes in sixteen-bit dtypes; with what the products
 * write and read of them, 12 bytes of memory for 4 D FLOPs: 2.8 ps against 2.6 ps of tensor cores
 * at D = 512 on an H200, so neither hides the other.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/tensor_core.cuh"

enum { THREADS = 512, WARPS = THREADS / WARP, FOURS = CUDA_TILE_KEYS / THREADS / 4 };

/* The block's sum or largest value; all threads get it. */
template <bool SUM> __device__ inline float block_reduce(float x, float *scratch)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, x, step);
        x = SUM ? x + other : fmaxf(x, other);
    }
    if (threadIdx.x % WARP == 0)
        scratch[threadIdx.x / WARP] = x;
    __syncthreads();
    x = scratch[0];
    for (int w = 1; w < WARPS; w++)
        x = SUM ? x + scratch[w] : fmaxf(x, scratch[w]);
    return x;
}

template <typename T> __device__ inline void store_four(T *p, const float (&v)[4])
{
    T four[4] = {from_float<T>(v[0]), from_float<T>(v[1]), from_float<T>(v[2]),
                 from_float<T>(v[3])};
    if constexpr (sizeof(T) == 4)
        *reinterpret_cast<float4 *>(p) = make_float4(v[0], v[1], v[2], v[3]);
    else
        *reinterpret_cast<uint2 *>(p) = *reinterpret_cast<const uint2 *>(four);
}

/* Sixteen bits need no more than the fast exponential gives: 2^-22. */
template <typename T> __device__ inline float exponential(float x)
{
    return sizeof(T) == 2 ? exp2_fast(1.4426950408889634f * x) : expf(x);
}

/* A thread asks for all its scores before it looks at the first. Rows go from the last, which the
 * product may have left in the cache. */
template <typename T>
static __global__ void __launch_bounds__(THREADS, 2) soften(const struct cuda_attention_tile t)
{
    __shared__ float scratch[2][WARPS];
    int64_t row = t.rows - 1 - (int)blockIdx.x;
    const float *scores = t.scores + row * t.stride;
    T *weights = static_cast<T *>(t.weights) + row * t.stride;
    float v[FOURS][4];
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int key = (i * THREADS + threadIdx.x) * 4;
        const float *from = scores + (key < t.keys ? key : 0); // a guarded load waits for the last
        float4 four = *reinterpret_cast<const float4 *>(from);
        v[i][0] = four.x, v[i][1] = four.y, v[i][2] = four.z, v[i][3] = four.w;
    }
    float before = t.first ? -CUDART_INF_F : t.largest[row], most = before;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int left = t.keys - (i * THREADS + (int)threadIdx.x) * 4;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[i][k] = k < left ? v[i][k] * t.scale : -CUDART_INF_F;
            most = fmaxf(most, v[i][k]);
        }
    }
    most = block_reduce<false>(most, scratch[0]);
    float base = most == -CUDART_INF_F ? 0.0f : most; // no finite score: all 0
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int key = (i * THREADS + threadIdx.x) * 4;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[i][k] = exponential<T>(v[i][k] - base);
            sum += v[i][k];
        }
        if (key < t.keys)
            store_four(weights + key, v[i]);
    }
    sum = block_reduce<true>(sum, scratch[1]);
    float factor = t.first ? 0.0f : expf(before - base);
    for (int d = threadIdx.x; d < t.width && !t.first && factor != 1.0f; d += THREADS)
        t.o[row * t.width + d] *= factor;
    if (threadIdx.x == 0) {
        t.largest[row] = most;
        t.sum[row] = (t.first ? 0.0f : t.sum[row] * factor) + sum;
    }
}

template <typename T>
static __global__ void __launch_bounds__(THREADS)
    settle(const struct cuda_attention_tile t, T *to, int64_t to_row, float *lse, int64_t lse_row)
{
    int64_t row = blockIdx.x;
    float sum = t.first ? 0.0f : t.sum[row], inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (int d = threadIdx.x; d < t.width; d += THREADS)
        to[row * to_row + d] = from_float<T>(sum == 0.0f ? 0.0f : t.o[row * t.width + d] * inverse);
    if (lse && threadIdx.x == 0)
        lse[row * lse_row] = sum == 0.0f ? -CUDART_INF_F : t.largest[row] + logf(sum);
}

enum status cuda_attention_soften(const struct cuda_target *at, const struct cuda_attention_tile *t)
{
    switch (t->dtype) {
    case DTYPE_F32:
        soften<float><<<t->rows, THREADS, 0, stream_of(at)>>>(*t);
        break;
    case DTYPE_BF16:
        soften<bf16><<<t->rows, THREADS, 0, stream_of(at)>>>(*t);
        break;
    default:
        soften<fp16><<<t->rows, THREADS, 0, stream_of(at)>>>(*t);
    }
    return cuda_launched("attention_soften");
}

enum status cuda_attention_settle(const struct cuda_target *at, const struct cuda_attention_tile *t,
                                  void *to, int64_t to_row, float *lse, int64_t lse_row)
{
    switch (t->dtype) {
    case DTYPE_F32:
        settle<float><<<t->rows, THREADS, 0, stream_of(at)>>>(*t, static_cast<float *>(to), to_row,
                                                              lse, lse_row);
        break;
    case DTYPE_BF16:
        settle<bf16><<<t->rows, THREADS, 0, stream_of(at)>>>(*t, static_cast<bf16 *>(to), to_row,
                                                             lse, lse_row);
        break;
    default:
        settle<fp16><<<t->rows, THREADS, 0, stream_of(at)>>>(*t, static_cast<fp16 *>(to), to_row,
                                                             lse, lse_row);
    }
    return cuda_launched("attention_settle");
}
