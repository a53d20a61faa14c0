/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention on tensor cores where cuDNN does not serve: softmax taken online over tiles of keys
 * (Milakov & Gimelshein 2018; Dao 2023, "FlashAttention-2"). A block of four warps has one lane,
 * head and run of queries; each warp owns MT x 16 of them and keeps their scores and outputs in
 * registers. Keys and values come through shared memory, the next tile while this one is
 * multiplied.
 */
#include "kernels/cuda/tensor_core.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, STAGES = 2 };

/* DP: head dim padded to a multiple of 16; MT: groups of 16 queries of a warp; BN: keys of a tile.
 * Rows in shared memory are 16 bytes longer than DP, so that eight of them lie in different banks.
 */
template <typename T, int DP, int MT, int BN> struct shape {
    enum {
        QUERIES = WARPS * MT * 16,
        ROW = DP + 8,
        TILE = BN * ROW,
        BYTES = (QUERIES * ROW + STAGES * 2 * TILE) * 2,
        KEEP_Q = DP * MT <= 192, /* queries stay in registers */
    };
};

template <typename T, int DP, int ROWS>
__device__ inline void load_rows(T *shared, const T *global, int64_t stride, int rows, int width)
{
    for (int i = threadIdx.x; i < ROWS * (DP / 8); i += THREADS) {
        int r = i / (DP / 8);
        int c = i % (DP / 8) * 8;
        if (c < width)
            copy16(shared + r * (DP + 8) + c, global + (r < rows ? r * stride + c : 0), r < rows);
    }
}

/* Columns width..DP-1 of all rows are zeros from the start on. */
template <typename T, int DP> __device__ inline void clear_padding(T *shared, int rows, int width)
{
    int columns = (DP - width) / 8;
    for (int i = threadIdx.x; i < rows * columns; i += THREADS) {
        T *at = shared + i / columns * (DP + 8) + width + i % columns * 8;
        *reinterpret_cast<uint4 *>(at) = make_uint4(0, 0, 0, 0);
    }
}

template <typename T, int DP, int MT>
__device__ inline void keep_queries(uint32_t (&q)[MT][DP / 16][4], const T *own)
{
    const T *row = left_factor(own, DP + 8);
#pragma unroll
    for (int m = 0; m < MT; m++) {
#pragma unroll
        for (int k = 0; k < DP / 16; k++)
            load_matrices(q[m][k], row + m * 16 * (DP + 8) + k * 16);
    }
}

/* Scores of MT x 16 queries and BN keys, in the layout of the accumulators. */
template <typename T, int DP, int MT, int BN>
__device__ inline void multiply_keys(float (&s)[MT][BN / 8][4], const uint32_t (*q)[DP / 16][4],
                                     const T *queries, const T *keys)
{
    typedef struct shape<T, DP, MT, BN> S;
    int lane = threadIdx.x % WARP;
    const T *key_row = keys + (lane / 16 * 8 + lane % 8) * S::ROW + lane / 8 % 2 * 8;
    const T *query_row = left_factor(queries, S::ROW);
#pragma unroll
    for (int k = 0; k < DP / 16; k++) {
        uint32_t a[MT][4];
#pragma unroll
        for (int m = 0; m < MT; m++) {
            if (S::KEEP_Q) {
#pragma unroll
                for (int i = 0; i < 4; i++)
                    a[m][i] = q[m][k][i];
            } else {
                load_matrices(a[m], query_row + m * 16 * S::ROW + k * 16);
            }
        }
#pragma unroll
        for (int n = 0; n < BN / 16; n++) {
            uint32_t b[4];
            load_matrices(b, key_row + n * 16 * S::ROW + k * 16);
#pragma unroll
            for (int m = 0; m < MT; m++) {
                multiply(s[m][2 * n], a[m], b[0], b[1], T());
                multiply(s[m][2 * n + 1], a[m], b[2], b[3], T());
            }
        }
    }
}

/* o += p v; p are the scores after exponentiation, whose accumulator layout is that of a left
 * factor. */
template <typename T, int DP, int MT, int BN>
__device__ inline void multiply_values(float (&o)[MT][DP / 8][4], const float (&p)[MT][BN / 8][4],
                                       const T *values)
{
    typedef struct shape<T, DP, MT, BN> S;
    const T *value_row = left_factor(values, S::ROW);
#pragma unroll
    for (int n = 0; n < BN / 16; n++) {
        uint32_t a[MT][4];
#pragma unroll
        for (int m = 0; m < MT; m++) {
            a[m][0] = pair_of(p[m][2 * n][0], p[m][2 * n][1], T());
            a[m][1] = pair_of(p[m][2 * n][2], p[m][2 * n][3], T());
            a[m][2] = pair_of(p[m][2 * n + 1][0], p[m][2 * n + 1][1], T());
            a[m][3] = pair_of(p[m][2 * n + 1][2], p[m][2 * n + 1][3], T());
        }
#pragma unroll
        for (int d = 0; d < DP / 16; d++) {
            uint32_t b[4];
            load_transposed(b, value_row + n * 16 * S::ROW + d * 16);
#pragma unroll
            for (int m = 0; m < MT; m++) {
                multiply(o[m][2 * d], a[m], b[0], b[1], T());
                multiply(o[m][2 * d + 1], a[m], b[2], b[3], T());
            }
        }
    }
}

/* s := exp(scale s - largest), with `keys` of the tile's columns valid; sum and o are brought to
 * the new largest. Two rows of a thread in each group of 16: half h has rows h * 8 + lane / 4.
 * `scale` is in powers of two. */
template <int DP, int MT, int BN>
__device__ inline void soften(float (&s)[MT][BN / 8][4], float (&o)[MT][DP / 8][4],
                              float (&largest)[MT][2], float (&sum)[MT][2], float scale, int keys)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int m = 0; m < MT; m++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float most = largest[m][h];
#pragma unroll
            for (int n = 0; n < BN / 8; n++) {
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    if (keys < BN && n * 8 + column + i >= keys)
                        s[m][n][2 * h + i] = -CUDART_INF_F;
                    most = fmaxf(most, s[m][n][2 * h + i]);
                }
            }
            most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
            most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
            float base = most == -CUDART_INF_F ? 0.0f : most * scale; // no finite score: all 0
            float factor = exp2_fast(largest[m][h] * scale - base);
            largest[m][h] = most;
            float added = 0.0f;
#pragma unroll
            for (int n = 0; n < BN / 8; n++) {
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float p = exp2_fast(s[m][n][2 * h + i] * scale - base);
                    s[m][n][2 * h + i] = p;
                    added += p;
                }
            }
            sum[m][h] = sum[m][h] * factor + added;
#pragma unroll
            for (int d = 0; d < DP / 8; d++) {
                o[m][d][2 * h] *= factor;
                o[m][d][2 * h + 1] *= factor;
            }
        }
    }
}

/* Rows of o and lse; without keys o = 0 and lse = -inf. `own`: the warp's queries in shared memory,
 * which are not needed any more. */
template <typename T, int DP, int MT>
__device__ inline void write_rows(const struct cuda_attention &p, const float (&o)[MT][DP / 8][4],
                                  const float (&largest)[MT][2], const float (&sum)[MT][2], T *own,
                                  int first)
{
    int64_t lane = blockIdx.z, head = blockIdx.y;
#pragma unroll
    for (int m = 0; m < MT; m++) {
        float inverse[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float total = sum[m][h];
            total += __shfl_xor_sync(0xffffffffu, total, 1);
            total += __shfl_xor_sync(0xffffffffu, total, 2);
            inverse[h] = total == 0.0f ? 0.0f : 1.0f / total;
            int row = first + m * 16 + h * 8 + threadIdx.x % WARP / 4;
            if (p.lse && row < p.rows && threadIdx.x % 4 == 0)
                p.lse[lane * p.lse_stride[0] + row * p.lse_stride[1] + head * p.lse_stride[2]] =
                    total == 0.0f ? -CUDART_INF_F : largest[m][h] * p.scale + logf(total);
        }
        T *to = static_cast<T *>(p.o) + lane * p.o_stride[0] + (first + m * 16) * p.o_stride[1] +
                head * p.o_stride[2];
        store_rows<T, DP>(o[m], inverse, own + m * 16 * (DP + 8), to, p.o_stride[1],
                          p.rows - first - m * 16, p.width);
    }
}

template <typename T, int DP, int MT, int BN>
static __global__ void __launch_bounds__(THREADS, 2) attend(const struct cuda_attention p)
{
    typedef struct shape<T, DP, MT, BN> S;
    extern __shared__ uint4 shared[];
    T *queries = reinterpret_cast<T *>(shared);
    T *tiles = queries + S::QUERIES * S::ROW; /* [STAGES][keys, values][TILE] */
    int64_t lane = blockIdx.z, head = blockIdx.y;
    int first = blockIdx.x * S::QUERIES;
    int keys = p.keys[lane];
    int count = (keys + BN - 1) / BN;
    const T *q = static_cast<const T *>(p.q) + lane * p.q_stride[0] + first * p.q_stride[1] +
                 head * p.q_stride[2];
    const T *k = static_cast<const T *>(p.k) + lane * p.k_stride[0] + head * p.k_stride[2];
    const T *v = static_cast<const T *>(p.v) + lane * p.v_stride[0] + head * p.v_stride[2];

    clear_padding<T, DP>(queries, S::QUERIES + STAGES * 2 * BN, p.width);
    load_rows<T, DP, S::QUERIES>(queries, q, p.q_stride[1], p.rows - first, p.width);
    if (count > 0) {
        load_rows<T, DP, BN>(tiles, k, p.k_stride[1], keys, p.width);
        load_rows<T, DP, BN>(tiles + S::TILE, v, p.v_stride[1], keys, p.width);
    }
    copies_commit();

    int warp = threadIdx.x / WARP;
    T *own = queries + warp * MT * 16 * S::ROW;
    uint32_t q_kept[S::KEEP_Q ? MT : 1][DP / 16][4];
    float o[MT][DP / 8][4] = {};
    float sum[MT][2] = {};
    float largest[MT][2];
#pragma unroll
    for (int m = 0; m < MT; m++)
        largest[m][0] = largest[m][1] = -CUDART_INF_F;
    float scale = p.scale * 1.4426950408889634f; // log2(e)

    for (int j = 0; j < count; j++) {
        T *tile = tiles + j % STAGES * 2 * S::TILE;
        int next = (j + 1) * BN;
        if (next < keys) {
            T *to = tiles + (j + 1) % STAGES * 2 * S::TILE;
            load_rows<T, DP, BN>(to, k + next * p.k_stride[1], p.k_stride[1], keys - next, p.width);
            load_rows<T, DP, BN>(to + S::TILE, v + next * p.v_stride[1], p.v_stride[1], keys - next,
                                 p.width);
        }
        copies_commit();
        copies_wait<1>();
        __syncthreads();
        if (S::KEEP_Q && j == 0)
            keep_queries<T, DP, S::KEEP_Q ? MT : 1>(q_kept, own);
        float s[MT][BN / 8][4] = {};
        multiply_keys<T, DP, MT, BN>(s, q_kept, own, tile);
        soften<DP, MT, BN>(s, o, largest, sum, scale, keys - j * BN);
        multiply_values<T, DP, MT, BN>(o, s, tile + S::TILE);
        __syncthreads();
    }
    if (count == 0) { // the queries, which nobody waited for
        copies_wait<0>();
        __syncthreads();
    }
    write_rows<T, DP, MT>(p, o, largest, sum, own, first + warp * MT * 16);
}

/* ---- launch ---- */

template <typename T, int DP, int MT, int BN>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    typedef struct shape<T, DP, MT, BN> S;
    const void *kernel = reinterpret_cast<const void *>(attend<T, DP, MT, BN>);
    dim3 blocks(blocks_for(a->rows, S::QUERIES), a->heads, a->lanes);
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, S::BYTES),
        "cudaFuncSetAttribute(shared memory of flash attention)"));
    attend<T, DP, MT, BN><<<blocks, THREADS, S::BYTES, stream_of(at)>>>(*a);
    return cuda_launched("attention_flash");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_attention *a)
{
    if (a->width <= 64)
        return at->compute >= 80 ? launch<T, 64, 2, 64>(at, a) : launch<T, 64, 1, 32>(at, a);
    if (a->width <= 80)
        return at->compute >= 80 ? launch<T, 80, 2, 64>(at, a) : launch<T, 80, 1, 32>(at, a);
    if (a->width <= 96)
        return at->compute >= 80 ? launch<T, 96, 2, 32>(at, a) : launch<T, 96, 1, 32>(at, a);
    if (a->width <= 128)
        return launch<T, 128, 1, 32>(at, a);
    return launch<T, 256, 1, 32>(at, a);
}

static bool even(const void *p, const int64_t stride[3])
{
    return aligned16(p) && stride[0] % 8 == 0 && stride[1] % 8 == 0 && stride[2] % 8 == 0;
}

bool cuda_attention_flash_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    size_t widest = shape<bf16, 256, 1, 32>::BYTES;
    if (a->dtype == DTYPE_F32 || at->compute < (a->dtype == DTYPE_BF16 ? 80 : 75))
        return false;
    if (a->width % 8 != 0 || a->width > 256 || (a->width > 128 && at->shared_limit < widest))
        return false;
    return a->scale > 0.0f && even(a->q, a->q_stride) && even(a->k, a->k_stride) &&
           even(a->v, a->v_stride) && even(a->o, a->o_stride);
}

enum status cuda_attention_flash(const struct cuda_target *at, const struct cuda_attention *a)
{
    return a->dtype == DTYPE_BF16 ? launch_for<bf16>(at, a) : launch_for<fp16>(at, a);
}
