/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a warpgroup does with 64 queries and a tile of keys and values in shared memory: scores,
 * weights, outputs (Shah et al. 2024, "FlashAttention-3"). For the attention kernels for Hopper;
 * how tiles get there is their business.
 */
#ifndef KERNELS_CUDA_ATTENTION_TILES_CUH
#define KERNELS_CUDA_ATTENTION_TILES_CUH

#include "kernels/cuda/attention_products.cuh"

/* A weight may exceed that of the largest score seen so far by this power of two before the sums
 * are scaled anew. */
static const float SLACK = 8.0f;

/*
 * By the width of a head. Copied boxes are at most 128 bytes wide and swizzled. Queries and keys,
 * whose columns are summed over: 64 columns, and apart from them the others, TAIL with those that
 * fill up a step of sixteen and are zeros. Values, whose rows are summed over, want one layout for
 * all columns: one box of 64 or two, of which the second is filled as far as the head goes.
 */
template <int WIDTH> struct head {
    enum {
        TAIL = (WIDTH - 64 + 15) / 16 * 16,
        TAIL_FACTOR = TAIL == 16   ? FACTOR_32B
                      : TAIL == 32 ? FACTOR_64B
                                   : FACTOR_128B,
        ROW_BYTES = (64 + TAIL) * 2, /* of a query or a key */
        VALUE_BYTES = TAIL > 0 ? 256 : 128
    };
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* What a warpgroup holds of 64 queries; a thread has two rows of them, h * 8 + lane / 4 of its
 * warp's sixteen. */
template <int WIDTH> struct rows {
    float o[WIDTH / 8][4];
    float base[2]; /* that weights are relative to, in powers of two; at most SLACK too small */
    float sum[2];  /* of this thread's weights */
};

/* s := the scores of a tile. Low words of factors: of 64 columns and of the tail. */
template <typename T, int WIDTH, int N>
__device__ inline void multiply_tile(float (&s)[N][4], uint32_t q, uint32_t q_tail, uint32_t keys,
                                     uint32_t keys_tail)
{
    enum { TAIL = head<WIDTH>::TAIL };
    const enum factor_layout tail = (enum factor_layout)head<WIDTH>::TAIL_FACTOR;
    products_begin();
    multiply_keys<false>(s, factor_of(q, FACTOR_128B, 1024), factor_of(keys, FACTOR_128B, 1024),
                         T());
#pragma unroll
    for (int k = 1; k < 4; k++)
        multiply_keys<true>(s, factor_of(q + k * 2, FACTOR_128B, 1024),
                            factor_of(keys + k * 2, FACTOR_128B, 1024), T());
#pragma unroll
    for (int k = 0; k < TAIL / 16; k++)
        multiply_keys<true>(s, factor_of(q_tail + k * 2, tail, TAIL * 16),
                            factor_of(keys_tail + k * 2, tail, TAIL * 16), T());
    products_commit();
    products_wait<0>();
    settle(s);
}

/* o += weights times the values of a tile. */
template <typename T, int WIDTH, int N>
__device__ inline void add_tile(struct rows<WIDTH> &r, const uint32_t (&p)[N][4], uint32_t values)
{
    products_begin();
#pragma unroll
    for (int n = 0; n < N; n++)
        multiply_values(r.o, p[n], factor_of(values + n * 128, FACTOR_128B, 1024), T());
    products_commit();
    products_wait<0>();
    settle(r.o);
}

/* Scores of keys beyond the last become those of no key. */
template <int N> __device__ inline void mask(float (&s)[N][4], int keys)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[n][i] = n * 8 + column + i % 2 < keys ? s[n][i] : -CUDART_INF_F;
    }
}

/* The largest of this thread's scores in row h. */
template <int h, int N> __device__ inline float largest(const float (&s)[N][4])
{
    float m[4]; // four chains of comparisons, so that none waits for another
#pragma unroll
    for (int n = 0; n < 4; n++)
        m[n] = fmaxf(s[n][2 * h], s[n][2 * h + 1]);
#pragma unroll
    for (int n = 4; n < N; n++)
        m[n % 4] = fmaxf(m[n % 4], fmaxf(s[n][2 * h], s[n][2 * h + 1]));
    return fmaxf(fmaxf(m[0], m[1]), fmaxf(m[2], m[3]));
}

/* Takes a new base where a row's scores have outgrown the old one, which is seldom after the first
 * tile. Nothing is in flight, so that one warp may do so alone. */
template <int WIDTH, int N>
__device__ inline void rebase(struct rows<WIDTH> &r, const float (&s)[N][4], float scale)
{
    float most[2] = {largest<0>(s) * scale, largest<1>(s) * scale};
    bool outgrown = most[0] > r.base[0] + SLACK || most[1] > r.base[1] + SLACK;
    if (!__any_sync(0xffffffffu, outgrown))
        return;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        most[h] = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], 1));
        most[h] = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], 2));
        float base = fmaxf(r.base[h], most[h]);
        float factor = exp2_fast(r.base[h] - base);
        r.base[h] = base;
        r.sum[h] *= factor;
#pragma unroll
        for (int d = 0; d < WIDTH / 8; d++) {
            r.o[d][2 * h] *= factor;
            r.o[d][2 * h + 1] *= factor;
        }
    }
}

/* p := weights of the scores; their sums. */
template <typename T, int WIDTH, int N>
__device__ inline void soften(struct rows<WIDTH> &r, float (&s)[N][4], uint32_t (&p)[N / 2][4],
                              float scale)
{
    float sum[4] = {};
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[n][i] = exp2_fast(fmaf(s[n][i], scale, -r.base[i / 2]));
            sum[i] += s[n][i];
        }
        p[n / 2][n % 2 * 2] = pair_of(s[n][0], s[n][1], T());
        p[n / 2][n % 2 * 2 + 1] = pair_of(s[n][2], s[n][3], T());
    }
    r.sum[0] += sum[0] + sum[1];
    r.sum[1] += sum[2] + sum[3];
}

#endif
#endif
