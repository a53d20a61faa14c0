/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention on few keys: cross-attention on text, whose lanes differ in length. All keys and values
 * of a lane and head stay in shared memory while each warp of the block streams groups of sixteen
 * queries through, the next group on its way meanwhile. One pass over the scores, no online
 * softmax.
 */
#include "kernels/cuda/tensor_core.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, KEYS = 128, GROUP = 16 };

/* Rows in shared memory are 16 bytes longer than DP, the padded head dim, so that eight of them lie
 * in different banks. */
template <int DP> struct shape {
    enum { ROW = DP + 8, BYTES = (2 * KEYS + WARPS * 2 * GROUP) * ROW * 2 };
};

/* Rows first.. of a strided matrix by `threads` threads; rows beyond `rows` and columns beyond
 * `width` are zeros. */
template <typename T, int DP>
__device__ inline void load_rows(T *shared, const T *global, int64_t stride, int count, int rows,
                                 int width, int thread, int threads)
{
    for (int i = thread; i < count * (DP / 8); i += threads) {
        int r = i / (DP / 8), c = i % (DP / 8) * 8;
        bool valid = r < rows && c < width;
        copy16(shared + r * (DP + 8) + c, global + (valid ? r * stride + c : 0), valid);
    }
}

/* s := scores of sixteen queries against the first `keys` keys, in groups of sixteen. */
template <typename T, int DP>
__device__ inline void multiply_keys(float (&s)[KEYS / 8][4], const uint32_t (&q)[DP / 16][4],
                                     const T *keys, int count)
{
    int lane = threadIdx.x % WARP;
    const T *row = keys + (lane / 16 * 8 + lane % 8) * shape<DP>::ROW + lane / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        if (n * 16 >= count)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[2 * n][i] = s[2 * n + 1][i] = 0.0f;
#pragma unroll
        for (int k = 0; k < DP / 16; k++) {
            uint32_t b[4];
            load_matrices(b, row + n * 16 * shape<DP>::ROW + k * 16);
            multiply(s[2 * n], q[k], b[0], b[1], T());
            multiply(s[2 * n + 1], q[k], b[2], b[3], T());
        }
    }
}

/* s := exp(scale s - largest) of the keys that there are, 0 for the others of a group; rows h * 8 +
 * lane / 4. Groups that begin beyond `count` are left alone. `scale` is in powers of two. */
__device__ inline void soften(float (&s)[KEYS / 8][4], float (&largest)[2], float (&sum)[2],
                              float scale, int count)
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
        if (n / 2 * 16 >= count)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[n][i] = exp2_fast(s[n][i] * scale - base[i / 2]);
            sum[i / 2] += s[n][i];
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 1);
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 2);
    }
}

/* o := p v; the layout of the scores' accumulators is that of a left factor. */
template <typename T, int DP>
__device__ inline void multiply_values(float (&o)[DP / 8][4], const float (&p)[KEYS / 8][4],
                                       const T *values, int count)
{
    const T *row = left_factor(values, shape<DP>::ROW);
#pragma unroll
    for (int d = 0; d < DP / 8; d++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            o[d][i] = 0.0f;
    }
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        if (n * 16 >= count)
            continue;
        uint32_t a[4] = {pair_of(p[2 * n][0], p[2 * n][1], T()),
                         pair_of(p[2 * n][2], p[2 * n][3], T()),
                         pair_of(p[2 * n + 1][0], p[2 * n + 1][1], T()),
                         pair_of(p[2 * n + 1][2], p[2 * n + 1][3], T())};
#pragma unroll
        for (int d = 0; d < DP / 16; d++) {
            uint32_t b[4];
            load_transposed(b, row + n * 16 * shape<DP>::ROW + d * 16);
            multiply(o[2 * d], a, b[0], b[1], T());
            multiply(o[2 * d + 1], a, b[2], b[3], T());
        }
    }
}

/* One group of sixteen queries, from shared memory to o and lse. */
template <typename T, int DP>
__device__ inline void attend_group(const struct cuda_attention &p, T *queries, const T *keys,
                                    const T *values, int first, int count)
{
    int64_t lane = blockIdx.z, head = blockIdx.y;
    uint32_t q[DP / 16][4];
    float s[KEYS / 8][4], o[DP / 8][4], largest[2], sum[2], inverse[2];
    const T *row = left_factor(queries, shape<DP>::ROW);
#pragma unroll
    for (int k = 0; k < DP / 16; k++)
        load_matrices(q[k], row + k * 16);
    multiply_keys<T, DP>(s, q, keys, count);
    soften(s, largest, sum, p.scale * 1.4426950408889634f, count);
    multiply_values<T, DP>(o, s, values, count);
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
    store_rows<T, DP>(o, inverse, queries, to, p.o_stride[1], p.rows - first, p.width);
}

template <typename T, int DP>
static __global__ void __launch_bounds__(THREADS, 3) attend(const struct cuda_attention p)
{
    enum { ROW = shape<DP>::ROW };
    extern __shared__ uint4 shared[];
    T *keys = reinterpret_cast<T *>(shared), *values = keys + KEYS * ROW;
    int64_t lane = blockIdx.z, head = blockIdx.y;
    int warp = threadIdx.x / WARP, count = p.keys[lane];
    int padded = (count + 15) / 16 * 16, step = gridDim.x * WARPS * GROUP;
    T *queries = values + KEYS * ROW + warp * 2 * GROUP * ROW;
    const T *q = static_cast<const T *>(p.q) + lane * p.q_stride[0] + head * p.q_stride[2];
    const T *k = static_cast<const T *>(p.k) + lane * p.k_stride[0] + head * p.k_stride[2];
    const T *v = static_cast<const T *>(p.v) + lane * p.v_stride[0] + head * p.v_stride[2];

    load_rows<T, DP>(keys, k, p.k_stride[1], padded, count, p.width, threadIdx.x, THREADS);
    load_rows<T, DP>(values, v, p.v_stride[1], padded, count, p.width, threadIdx.x, THREADS);
    int first = (blockIdx.x * WARPS + warp) * GROUP;
    if (first < p.rows)
        load_rows<T, DP>(queries, q + first * p.q_stride[1], p.q_stride[1], GROUP, p.rows - first,
                         p.width, threadIdx.x % WARP, WARP);
    copies_commit();
    copies_wait<0>();
    __syncthreads();
    for (int turn = 0; first < p.rows; first += step, turn ^= 1) {
        int next = first + step;
        if (next < p.rows)
            load_rows<T, DP>(queries + (turn ^ 1) * GROUP * ROW, q + next * p.q_stride[1],
                             p.q_stride[1], GROUP, p.rows - next, p.width, threadIdx.x % WARP,
                             WARP);
        copies_commit();
        copies_wait<1>();
        __syncwarp();
        attend_group<T, DP>(p, queries + turn * GROUP * ROW, keys, values, first, count);
    }
}

/* Three blocks of an SM are at work at a time, each with some groups for a warp; one more than that
 * would wait for the others and take as long again. */
template <typename T, int DP>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    int64_t wanted = 3 * (int64_t)at->multiprocessors / ((int64_t)a->heads * a->lanes);
    int64_t most = blocks_for(a->rows, WARPS * GROUP);
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
