/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention on few keys: cross-attention on text, whose lanes differ in length. All keys and values
 * of a lane and head stay in shared memory while each warp of the block streams groups of queries
 * through, the next group on its way meanwhile. One pass over the scores, no online softmax.
 *
 * What bounds it is reading keys and values from shared memory for every group, so a group is as
 * large as registers allow: two tiles of sixteen queries share each factor that is read.
 */
#include "kernels/cuda/tensor_core.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, KEYS = 128, TILE = 16, BLOCKS = 2 /* on an SM */ };

/* Rows in shared memory are 16 bytes longer than DP, the padded head dim, so that eight of them lie
 * in different banks. */
template <int DP> struct shape {
    enum {
        TILES = DP <= 80 ? 2 : 1,
        GROUP = TILES * TILE,
        ROW = DP + 8,
        BYTES = (2 * KEYS + WARPS * 2 * GROUP) * ROW * 2
    };
};

/* s := scores of a group's queries against the first `count` keys, sixteen keys at a time; 0
 * beyond. (What is set only where there are keys would be kept, undefined, from group to group:
 * registers that two tiles do not leave.) */
template <typename T, int DP>
__device__ inline void multiply_keys(float (&s)[shape<DP>::TILES][KEYS / 8][4],
                                     const uint32_t (&q)[shape<DP>::TILES][DP / 16][4],
                                     const T *keys, int count)
{
    int lane = threadIdx.x % WARP;
    const T *row = keys + (lane / 16 * 8 + lane % 8) * shape<DP>::ROW + lane / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
#pragma unroll
        for (int t = 0; t < shape<DP>::TILES; t++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[t][2 * n][i] = s[t][2 * n + 1][i] = 0.0f;
        }
        if (n * 16 >= count)
            continue;
#pragma unroll
        for (int k = 0; k < DP / 16; k++) {
            uint32_t b[4];
            load_matrices(b, row + n * 16 * shape<DP>::ROW + k * 16);
#pragma unroll
            for (int t = 0; t < shape<DP>::TILES; t++) {
                multiply(s[t][2 * n], q[t][k], b[0], b[1], T());
                multiply(s[t][2 * n + 1], q[t][k], b[2], b[3], T());
            }
        }
    }
}

/* p := exp(scale s - largest) of the keys that there are, 0 for the others of sixteen; rows h * 8 +
 * lane / 4 of a tile, two neighbouring keys in p[n][h]. Of sixteens that begin beyond `count`, s is
 * left alone. `scale` is in powers of two. */
template <typename T>
__device__ inline void soften(uint32_t (&p)[KEYS / 8][2], float (&s)[KEYS / 8][4],
                              float (&largest)[2], float (&sum)[2], float scale, int count)
{
    int column = threadIdx.x % 4 * 2;
    largest[0] = largest[1] = -CUDART_INF_F;
    sum[0] = sum[1] = 0.0f;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
        if (n / 2 * 16 >= count)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if ((n + 1) * 8 > count && n * 8 + column + i % 2 >= count)
                s[n][i] = -CUDART_INF_F;
            largest[i / 2] = fmaxf(largest[i / 2], s[n][i]);
        }
    }
    float base[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        largest[h] = fmaxf(largest[h], __shfl_xor_sync(0xffffffffu, largest[h], 1));
        largest[h] = fmaxf(largest[h], __shfl_xor_sync(0xffffffffu, largest[h], 2));
        base[h] = largest[h] == -CUDART_INF_F ? 0.0f : largest[h] * scale; // no score: all 0
    }
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
        p[n][0] = p[n][1] = 0;
        if (n / 2 * 16 >= count)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[n][i] = exp2_fast(s[n][i] * scale - base[i / 2]);
            sum[i / 2] += s[n][i];
        }
        p[n][0] = pair_of(s[n][0], s[n][1], T());
        p[n][1] = pair_of(s[n][2], s[n][3], T());
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 1);
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 2);
    }
}

/* o := p v; the layout of the scores' accumulators is that of a left factor. */
template <typename T, int DP>
__device__ inline void multiply_values(float (&o)[shape<DP>::TILES][DP / 8][4],
                                       const uint32_t (&p)[shape<DP>::TILES][KEYS / 8][2],
                                       const T *values, int count)
{
    const T *row = left_factor(values, shape<DP>::ROW);
#pragma unroll
    for (int d = 0; d < DP / 8; d++) {
#pragma unroll
        for (int i = 0; i < shape<DP>::TILES * 4; i++)
            o[i / 4][d][i % 4] = 0.0f;
    }
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        if (n * 16 >= count)
            continue;
#pragma unroll
        for (int d = 0; d < DP / 16; d++) {
            uint32_t b[4];
            load_transposed(b, row + n * 16 * shape<DP>::ROW + d * 16);
#pragma unroll
            for (int t = 0; t < shape<DP>::TILES; t++) {
                const uint32_t a[4] = {p[t][2 * n][0], p[t][2 * n][1], p[t][2 * n + 1][0],
                                       p[t][2 * n + 1][1]};
                multiply(o[t][2 * d], a, b[0], b[1], T());
                multiply(o[t][2 * d + 1], a, b[2], b[3], T());
            }
        }
    }
}

/* A tile of sixteen queries on its way out: row `first` and the following. */
template <typename T, int DP>
__device__ inline void store_tile(const struct cuda_attention &p, T *staging,
                                  const float (&o)[DP / 8][4], const float (&largest)[2],
                                  const float (&sum)[2], int first)
{
    int64_t lane = blockIdx.z, head = blockIdx.y;
    float inverse[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int n = first + h * 8 + threadIdx.x % WARP / 4;
        inverse[h] = sum[h] == 0.0f ? 0.0f : 1.0f / sum[h];
        if (p.lse && n < p.rows && threadIdx.x % 4 == 0)
            p.lse[lane * p.lse_stride[0] + n * p.lse_stride[1] + head * p.lse_stride[2]] =
                sum[h] == 0.0f ? -CUDART_INF_F : largest[h] * p.scale + logf(sum[h]);
    }
    T *to =
        static_cast<T *>(p.o) + lane * p.o_stride[0] + first * p.o_stride[1] + head * p.o_stride[2];
    store_rows<T, DP>(o, inverse, staging, to, p.o_stride[1], p.rows - first, p.width);
}

/* One group of queries, from shared memory to o and lse. */
template <typename T, int DP>
__device__ inline void attend_group(const struct cuda_attention &p, T *queries, const T *keys,
                                    const T *values, int first, int count)
{
    enum { TILES = shape<DP>::TILES, ROW = shape<DP>::ROW };
    uint32_t weight[TILES][KEYS / 8][2];
    float o[TILES][DP / 8][4], largest[TILES][2], sum[TILES][2];
    {
        uint32_t q[TILES][DP / 16][4];
        float s[TILES][KEYS / 8][4];
        const T *row = left_factor(queries, ROW);
#pragma unroll
        for (int t = 0; t < TILES; t++) {
#pragma unroll
            for (int k = 0; k < DP / 16; k++)
                load_matrices(q[t][k], row + t * TILE * ROW + k * 16);
        }
        multiply_keys<T, DP>(s, q, keys, count);
#pragma unroll
        for (int t = 0; t < TILES; t++)
            soften<T>(weight[t], s[t], largest[t], sum[t], p.scale * 1.4426950408889634f, count);
    }
    multiply_values<T, DP>(o, weight, values, count);
#pragma unroll
    for (int t = 0; t < TILES; t++)
        store_tile<T, DP>(p, queries + t * TILE * ROW, o[t], largest[t], sum[t], first + t * TILE);
}

template <typename T, int DP>
static __global__ void __launch_bounds__(THREADS, BLOCKS) attend(const struct cuda_attention p)
{
    enum { ROW = shape<DP>::ROW, GROUP = shape<DP>::GROUP };
    extern __shared__ uint4 shared[];
    T *keys = reinterpret_cast<T *>(shared), *values = keys + KEYS * ROW;
    int64_t lane = blockIdx.z, head = blockIdx.y;
    int warp = threadIdx.x / WARP, count = p.keys[lane];
    int padded = (count + 15) / 16 * 16, step = gridDim.x * WARPS * GROUP;
    T *queries = values + KEYS * ROW + warp * 2 * GROUP * ROW;
    const T *q = static_cast<const T *>(p.q) + lane * p.q_stride[0] + head * p.q_stride[2];
    const T *k = static_cast<const T *>(p.k) + lane * p.k_stride[0] + head * p.k_stride[2];
    const T *v = static_cast<const T *>(p.v) + lane * p.v_stride[0] + head * p.v_stride[2];

    load_tile<T, DP>(keys, k, p.k_stride[1], padded, count, p.width, threadIdx.x, THREADS);
    load_tile<T, DP>(values, v, p.v_stride[1], padded, count, p.width, threadIdx.x, THREADS);
    int first = (blockIdx.x * WARPS + warp) * GROUP;
    if (first < p.rows)
        load_tile<T, DP>(queries, q + first * p.q_stride[1], p.q_stride[1], GROUP, p.rows - first,
                         p.width, threadIdx.x % WARP, WARP);
    copies_commit();
    copies_wait<0>();
    __syncthreads();
    for (int turn = 0; first < p.rows; first += step, turn ^= 1) {
        int next = first + step;
        if (next < p.rows)
            load_tile<T, DP>(queries + (turn ^ 1) * GROUP * ROW, q + next * p.q_stride[1],
                             p.q_stride[1], GROUP, p.rows - next, p.width, threadIdx.x % WARP,
                             WARP);
        copies_commit();
        copies_wait<1>();
        __syncwarp();
        attend_group<T, DP>(p, queries + turn * GROUP * ROW, keys, values, first, count);
    }
}

/* As many blocks as are at work at a time, each with some groups for a warp; one more than that
 * would wait for the others and take as long again. */
template <typename T, int DP>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    int64_t wanted = BLOCKS * (int64_t)at->multiprocessors / ((int64_t)a->heads * a->lanes);
    int64_t most = blocks_for(a->rows, WARPS * shape<DP>::GROUP);
    wanted = wanted < 1 ? 1 : wanted;
    dim3 blocks((unsigned)(wanted < most ? wanted : most), a->heads, a->lanes);
    const void *kernel = reinterpret_cast<const void *>(attend<T, DP>);
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape<DP>::BYTES),
        "cudaFuncSetAttribute(shared memory of attention on few keys)"));
    attend<T, DP><<<blocks, THREADS, shape<DP>::BYTES, stream_of(at)>>>(*a);
    return cuda_launched("attention_few");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_attention *a)
{
    if (a->width <= 64)
        return launch<T, 64>(at, a);
    return a->width <= 80 ? launch<T, 80>(at, a) : launch<T, 128>(at, a);
}

bool cuda_attention_few_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    size_t bytes = a->width <= 80 ? (size_t)shape<80>::BYTES : (size_t)shape<128>::BYTES;
    for (int i = 0; i < a->lanes; i++) {
        if (a->keys[i] > KEYS)
            return false;
    }
    return at->compute >= 80 && a->width <= 128 && bytes <= at->shared_limit &&
           cuda_attention_flash_takes(at, a);
}

enum status cuda_attention_few(const struct cuda_target *at, const struct cuda_attention *a)
{
    return a->dtype == DTYPE_BF16 ? launch_for<bf16>(at, a) : launch_for<fp16>(at, a);
}
