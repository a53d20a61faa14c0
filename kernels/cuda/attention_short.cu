/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of up to sixteen queries on up to sixteen keys, in very many lanes: the frames of a
 * video, at each of its places. What bounds it is memory, so all that counts is that every head is
 * read and written once, where it lies, and that enough is on its way: a warp has one head of one
 * lane, a single tile of the tensor cores, while the next one arrives.
 */
#include "kernels/cuda/tensor_core.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, TILE = 16, STAGES = 2 };

/* Rows in shared memory are 16 bytes longer than DP, the padded head dim, so that eight of them lie
 * in different banks. */
template <int DP> struct shape {
    enum {
        ROW = DP + 8,
        PART = TILE * ROW, /* elements of the queries, the keys or the values of an item */
        BYTES = WARPS * STAGES * 3 * PART * 2
    };
};

struct call {
    struct cuda_attention_short a;
    struct divisor heads, inner;
    uint32_t items; /* heads of lanes */
};

/* Where an item begins in a tensor of these strides. */
__device__ inline int64_t offset(const struct call &p, uint32_t item, const int64_t (&stride)[4])
{
    uint32_t place = divide(item, p.heads);
    uint32_t outer = divide(place, p.inner);
    return outer * stride[0] + (place - outer * p.inner.by) * stride[1] +
           (item - place * p.heads.by) * stride[3];
}

/* Queries, keys and values of an item on their way to the warp's tiles. */
template <typename T, int DP>
__device__ inline void load_item(const struct call &p, uint32_t item, T *tiles)
{
    const struct cuda_attention_short &a = p.a;
    int lane = threadIdx.x % WARP;
    load_tile<T, DP>(tiles, static_cast<const T *>(a.q) + offset(p, item, a.q_stride),
                     a.q_stride[2], TILE, a.rows, a.width, lane, WARP);
    load_tile<T, DP>(tiles + shape<DP>::PART,
                     static_cast<const T *>(a.k) + offset(p, item, a.k_stride), a.k_stride[2], TILE,
                     a.keys, a.width, lane, WARP);
    load_tile<T, DP>(tiles + 2 * shape<DP>::PART,
                     static_cast<const T *>(a.v) + offset(p, item, a.v_stride), a.v_stride[2], TILE,
                     a.keys, a.width, lane, WARP);
}

/* Scores to weights, in the layout of a left factor: rows h * 8 + lane / 4. */
template <typename T>
__device__ inline void soften(uint32_t (&weight)[4], float (&s)[2][4], float (&largest)[2],
                              float (&sum)[2], float scale, int keys)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float most = -CUDART_INF_F, total = 0.0f;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float &x = s[i / 2][2 * h + i % 2];
            x = i / 2 * 8 + column + i % 2 < keys ? x : -CUDART_INF_F;
            most = fmaxf(most, x);
        }
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
        float base = most == -CUDART_INF_F ? 0.0f : most * scale; // no score: all 0
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float &x = s[i / 2][2 * h + i % 2];
            x = exp2_fast(x * scale - base);
            total += x;
        }
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        largest[h] = most;
        sum[h] = total;
        weight[h] = pair_of(s[0][2 * h], s[0][2 * h + 1], T());
        weight[2 + h] = pair_of(s[1][2 * h], s[1][2 * h + 1], T());
    }
}

/* An item, from the warp's tiles to o and lse; its outputs pass through the tile of its queries. */
template <typename T, int DP>
__device__ inline void attend_item(const struct call &p, uint32_t item, T *tiles)
{
    enum { ROW = shape<DP>::ROW };
    const struct cuda_attention_short &a = p.a;
    int lane = threadIdx.x % WARP;
    const T *query = left_factor(tiles, ROW);
    const T *key = tiles + shape<DP>::PART + (lane / 16 * 8 + lane % 8) * ROW + lane / 8 % 2 * 8;
    const T *value = left_factor(tiles + 2 * shape<DP>::PART, ROW);
    float s[2][4] = {}, o[DP / 8][4] = {}, largest[2], sum[2], inverse[2];
    uint32_t left[4], right[4], weight[4];
#pragma unroll
    for (int k = 0; k < DP / 16; k++) {
        load_matrices(left, query + k * 16);
        load_matrices(right, key + k * 16);
        multiply(s[0], left, right[0], right[1], T());
        multiply(s[1], left, right[2], right[3], T());
    }
    soften<T>(weight, s, largest, sum, a.scale * 1.4426950408889634f, a.keys);
#pragma unroll
    for (int d = 0; d < DP / 16; d++) {
        load_transposed(right, value + d * 16);
        multiply(o[2 * d], weight, right[0], right[1], T());
        multiply(o[2 * d + 1], weight, right[2], right[3], T());
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int row = h * 8 + lane / 4;
        inverse[h] = sum[h] == 0.0f ? 0.0f : 1.0f / sum[h];
        if (a.lse && row < a.rows && lane % 4 == 0)
            a.lse[offset(p, item, a.lse_stride) + row * a.lse_stride[2]] =
                sum[h] == 0.0f ? -CUDART_INF_F : largest[h] * a.scale + logf(sum[h]);
    }
    store_rows<T, DP>(o, inverse, tiles, static_cast<T *>(a.o) + offset(p, item, a.o_stride),
                      a.o_stride[2], a.rows, a.width);
}

template <typename T, int DP>
static __global__ void __launch_bounds__(THREADS) attend(const struct call p)
{
    enum { ITEM = 3 * shape<DP>::PART };
    extern __shared__ uint4 shared[];
    T *own = reinterpret_cast<T *>(shared) + threadIdx.x / WARP * STAGES * ITEM;
    uint32_t item = blockIdx.x * WARPS + threadIdx.x / WARP, step = gridDim.x * WARPS;
    if (item < p.items)
        load_item<T, DP>(p, item, own);
    copies_commit();
    for (int turn = 0; item < p.items; item += step, turn ^= 1) {
        if (item + step < p.items)
            load_item<T, DP>(p, item + step, own + (turn ^ 1) * ITEM);
        copies_commit();
        copies_wait<1>();
        __syncwarp();
        attend_item<T, DP>(p, item, own + turn * ITEM);
    }
}

/* ---- launch ---- */

/* As many blocks as are at work at a time, whose warps take the items in turn. */
template <typename T, int DP>
static enum status launch(const struct cuda_target *at, const struct call *p)
{
    const int system = 1024; // bytes of each block's shared memory
    int of_sm = (int)(at->shared_limit + system) / (shape<DP>::BYTES + system);
    int64_t most = (int64_t)at->multiprocessors * (of_sm > 0 ? of_sm : 1);
    int64_t wanted = blocks_for(p->items, WARPS);
    const void *kernel = reinterpret_cast<const void *>(attend<T, DP>);
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape<DP>::BYTES),
        "cudaFuncSetAttribute(shared memory of attention in short lanes)"));
    attend<T, DP>
        <<<(unsigned)(wanted < most ? wanted : most), THREADS, shape<DP>::BYTES, stream_of(at)>>>(
            *p);
    return cuda_launched("attention_short");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct call *p)
{
    if (p->a.width <= 64)
        return launch<T, 64>(at, p);
    if (p->a.width <= 80)
        return launch<T, 80>(at, p);
    return p->a.width <= 96 ? launch<T, 96>(at, p) : launch<T, 128>(at, p);
}

static bool even(const void *p, const int64_t stride[4])
{
    return aligned16(p) && (stride[0] | stride[1] | stride[2] | stride[3]) % 8 == 0;
}

bool cuda_attention_short_takes(const struct cuda_target *at, const struct cuda_attention_short *a)
{
    return at->compute >= 80 && a->dtype != DTYPE_F32 && a->rows <= TILE && a->keys <= TILE &&
           a->width % 8 == 0 && a->width <= 128 && a->scale > 0.0f &&
           at->shared_limit >= shape<128>::BYTES &&
           (int64_t)a->outer * a->inner * a->heads <= INT32_MAX / 2 && even(a->q, a->q_stride) &&
           even(a->k, a->k_stride) && even(a->v, a->v_stride) && even(a->o, a->o_stride);
}

enum status cuda_attention_short(const struct cuda_target *at, const struct cuda_attention_short *a)
{
    struct call p = {};
    p.a = *a;
    p.heads = divisor_of((uint32_t)a->heads);
    p.inner = divisor_of((uint32_t)a->inner);
    p.items = (uint32_t)((int64_t)a->outer * a->inner * a->heads);
    return a->dtype == DTYPE_BF16 ? launch_for<bf16>(at, &p) : launch_for<fp16>(at, &p);
}
