/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention for Hopper and heads 64, 72, 88 and 128 wide. By asynchronous products of warpgroups
 * (Shah et al. 2024, "FlashAttention-3"): a block stays on its SM; one thread brings keys and
 * values in, three or four warpgroups own 64 queries each. Each of them multiplies, waits, and
 * turns scores into weights by itself: three or four warps to a scheduler are enough for one's
 * exponentials to run under the others' products. What a block computes at a time, and how the last
 * round of blocks is filled, is told in attention_split.h.
 */
#include "kernels/cuda/attention_parts.cuh"
#include "kernels/cuda/tensor_map.h"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- the thread that loads ---- */

template <int WIDTH>
__device__ inline void load_queries(const struct maps &maps, const struct layout<WIDTH> &at,
                                    const struct work &w)
{
    barrier_expect(at.queries_full(), size<WIDTH>::QUERY_BYTES);
    copy_box(at.queries(0), maps.queries, at.queries_full(), 0, w.head, w.first, w.lane);
    if (size<WIDTH>::TAIL > 0)
        copy_box(at.queries_tail(0), maps.queries_tail, at.queries_full(), 64, w.head, w.first,
                 w.lane);
}

template <int WIDTH>
__device__ inline void load_tile(const struct maps &maps, const struct layout<WIDTH> &at, int slot,
                                 const struct work &w, int key)
{
    typedef struct size<WIDTH> S;
    uint32_t full = at.full(slot), keys = at.keys(slot), values = keys + S::KEY_BYTES;
    barrier_expect(full, S::TILE_BYTES);
    copy_box(keys, maps.keys, full, 0, w.head, key, w.lane);
    if (S::TAIL > 0)
        copy_box(keys + S::WIDE_BYTES, maps.keys_tail, full, 64, w.head, key, w.lane);
    copy_box(values, maps.values, full, 0, w.head, key, w.lane);
    if (S::TAIL > 0)
        copy_box(values + S::WIDE_BYTES, maps.values, full, 64, w.head, key, w.lane);
}

/* Blocks take items as they come to them: one whose SM was busy with another kernel, such as a
 * transfer between ranks, leaves its share to the others. The last block that is through leaves
 * zeros for the next launch. */
template <int WIDTH>
__device__ inline void load_all(const struct cuda_attention &p, const struct attention_split &split,
                                const struct maps &maps, const struct layout<WIDTH> &at,
                                struct counts *counts)
{
    enum { KEYS = size<WIDTH>::KEYS };
    ring<size<WIDTH>::STAGES> now = {0, 1}; // every slot is empty at first
    ring<1> item = {0, 1};
    struct work w = find_work<WIDTH>(p, split, atomicAdd(&counts->taken, 1));
    for (; w.keys > 0; item.advance()) {
        barrier_wait(at.queries_empty(), item.parity);
        tell_item(at.item(item.parity ^ 1), w);
        load_queries(maps, at, w);
        int n = atomicAdd(&counts->taken, 1); // arrives behind the copies
#pragma unroll 1
        for (int key = w.key; key < w.key + w.keys; key += KEYS, now.advance()) {
            barrier_wait(at.empty(now.slot), now.parity);
            load_tile(maps, at, now.slot, w, key);
        }
        w = find_work<WIDTH>(p, split, n);
    }
    barrier_wait(at.queries_empty(), item.parity);
    tell_item(at.item(item.parity ^ 1), w);
    barrier_arrive(at.queries_full());
    if (atomicAdd(&counts->through, 1) == (int)gridDim.x - 1)
        counts->taken = counts->through = 0;
}

/* ---- the warpgroups that compute ---- */

/* A warpgroup's queries against so many keys. `now`: the first tile's slot, at the end that after
 * the last one's. */
template <typename T, int WIDTH>
__device__ inline void attend_rows(struct rows<WIDTH> &r, const struct layout<WIDTH> &at, int team,
                                   ring<size<WIDTH>::STAGES> &now, float scale, int keys)
{
    typedef struct size<WIDTH> S;
    uint32_t q = factor_low(at.queries(team), 16);
    uint32_t q_tail = factor_low(at.queries_tail(team), 16);
#pragma unroll 1
    for (; keys > 0; keys -= S::KEYS, now.advance()) {
        float s[S::KEYS / 8][4];
        uint32_t p[S::KEYS / 16][4];
        barrier_wait(at.full(now.slot), now.parity);
        uint32_t tile = factor_low(at.keys(now.slot), 16);
        multiply_tile<T, WIDTH>(s, q, q_tail, tile, tile + S::WIDE_BYTES / 16);
        if (keys <= S::KEYS)
            warp_arrive(at.queries_empty());
        if (keys < S::KEYS)
            mask(s, keys);
        rebase<WIDTH>(r, s, scale);
        soften<T, WIDTH>(r, s, p, scale);
        add_tile<T, WIDTH>(r, p, tile + S::KEY_BYTES / 16 + ((S::WIDE_BYTES - 16) / 16 << 16));
        warp_arrive(at.empty(now.slot));
    }
}

/* A warpgroup without queries only lets the tiles go on. */
template <int WIDTH>
__device__ inline void pass_rows(const struct layout<WIDTH> &at, ring<size<WIDTH>::STAGES> &now,
                                 int keys)
{
#pragma unroll 1
    for (; keys > 0; keys -= size<WIDTH>::KEYS, now.advance()) {
        barrier_wait(at.full(now.slot), now.parity);
        if (keys <= size<WIDTH>::KEYS)
            warp_arrive(at.queries_empty());
        warp_arrive(at.empty(now.slot));
    }
}

template <typename T, int WIDTH>
__device__ inline void write_rows(const struct cuda_attention &p, uint32_t item,
                                  const struct rows<WIDTH> &r, int team)
{
    int lane = told(item, LANE_AT), head = told(item, HEAD_AT);
    int thread = threadIdx.x % TEAM;
    int row = told(item, FIRST_AT) + team * 64 + thread / WARP * 16 + thread % WARP / 4;
    int column = thread % 4 * 2;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float total = r.sum[h];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        int n = row + h * 8;
        if (n >= p.rows)
            continue;
        T *to = static_cast<T *>(p.o) + lane * p.o_stride[0] + n * p.o_stride[1] +
                head * p.o_stride[2] + column;
#pragma unroll
        for (int d = 0; d < WIDTH / 8; d++)
            *reinterpret_cast<uint32_t *>(to + d * 8) =
                pair_of(r.o[d][2 * h] * inverse, r.o[d][2 * h + 1] * inverse, T());
        if (p.lse && column == 0)
            p.lse[lane * p.lse_stride[0] + n * p.lse_stride[1] + head * p.lse_stride[2]] =
                total == 0.0f ? -CUDART_INF_F : r.base[h] * 0.6931471805599453f + logf(total);
    }
}

template <typename T, int WIDTH>
__device__ inline void attend_all(const struct cuda_attention &p, const struct layout<WIDTH> &at,
                                  struct counts *counts, float4 *sums)
{
    int team = same_for_warp(threadIdx.x / TEAM - 1);
    float scale = p.scale * 1.4426950408889634f; // log2(e)
    ring<size<WIDTH>::STAGES> now = {0, 0};
    ring<1> item = {0, 0};
    for (;; item.advance()) {
        barrier_wait(at.queries_full(), item.parity);
        int keys = same_for_warp(told(at.item(item.parity), KEYS_AT));
        if (keys == 0)
            return;
        if (same_for_warp(told(at.item(item.parity), FIRST_AT)) + team * 64 >= p.rows) {
            pass_rows<WIDTH>(at, now, keys);
            continue;
        }
        struct rows<WIDTH> r = {
        };
        r.base[0] = r.base[1] = -1e30f; // finite, so that a row without a finite score gives no NaN
        settle(r.o);
        attend_rows<T, WIDTH>(r, at, team, now, scale, keys);
        if (merge_parts<WIDTH>(r, at.item(item.parity), counts, sums, team))
            write_rows<T, WIDTH>(p, at.item(item.parity), r, team);
    }
}

template <int WIDTH> __device__ inline void prepare(const struct layout<WIDTH> &at)
{
    if (threadIdx.x == 0) {
        typedef struct size<WIDTH> S;
        for (int slot = 0; slot <= S::STAGES; slot++) { // the last one is that of the queries
            barrier_init(at.full(slot), 1);
            barrier_init(at.empty(slot), S::TEAMS * TEAM / WARP);
        }
        products_see_writes();
    }
    __syncthreads();
}

#endif

/* Of a thread: those that it starts with (65536 for all threads, in steps of 8), and those that it
 * has once the warpgroup that loads has given up what the others want. One too many waits for ever.
 */
template <int WIDTH> struct registers {
    static const int START = WIDTH == 128 ? 128 : 96;
    static const int LOAD = 24, COMPUTE = WIDTH == 128 ? 160 : 112;
    static_assert(START * size<WIDTH>::THREADS <= 65536 &&
                      LOAD + size<WIDTH>::TEAMS * COMPUTE <= START * (size<WIDTH>::TEAMS + 1),
                  "registers");
};

template <typename T, int WIDTH>
static __global__ void __launch_bounds__(size<WIDTH>::THREADS, 1)
    attend(const __grid_constant__ struct cuda_attention p,
           const __grid_constant__ struct attention_split split,
           const __grid_constant__ struct maps maps, struct counts *counts, float4 *sums)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint4 shared[];
    struct layout<WIDTH> at;
    at.start = ((uint32_t)__cvta_generic_to_shared(shared) + 1023) / 1024 * 1024;
    prepare(at);
    if (threadIdx.x < TEAM) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers<WIDTH>::LOAD));
        if (threadIdx.x == 0)
            load_all(p, split, maps, at, counts);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers<WIDTH>::COMPUTE));
        attend_all<T, WIDTH>(p, at, counts, sums);
    }
#endif
}

/* ---- launch ---- */

struct attention_split cuda_attention_hopper_split(const struct cuda_target *at,
                                                   const struct cuda_attention *a, bool *pays)
{
    struct attention_split_of of = {a->rows, a->heads * a->lanes, a->keys[0], a->width,
                                    at->multiprocessors};
    struct attention_split split = attention_split(&of);
    *pays = attention_split_pays(&of, &split);
    return split;
}

template <typename T, int WIDTH>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a,
                          const struct attention_split &split, void *work)
{
    typedef struct size<WIDTH> S;
    int blocks = split.items < at->multiprocessors ? split.items : at->multiprocessors;
    const void *kernel = reinterpret_cast<const void *>(attend<T, WIDTH>);
    struct maps maps = {};
    TRY(cuda_tensor_map_heads(a, a->q, a->q_stride, a->rows, S::QUERIES, 64, &maps.queries));
    TRY(cuda_tensor_map_heads(a, a->k, a->k_stride, a->keys[0], S::KEYS, 64, &maps.keys));
    TRY(cuda_tensor_map_heads(a, a->v, a->v_stride, a->keys[0], S::KEYS, 64, &maps.values));
    if (S::TAIL > 0) {
        TRY(cuda_tensor_map_heads(a, a->q, a->q_stride, a->rows, S::QUERIES, S::TAIL,
                                  &maps.queries_tail));
        TRY(cuda_tensor_map_heads(a, a->k, a->k_stride, a->keys[0], S::KEYS, S::TAIL,
                                  &maps.keys_tail));
    }
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, S::SHARED_BYTES),
        "cudaFuncSetAttribute(shared memory of attention for Hopper)"));
    attend<T, WIDTH><<<blocks, S::THREADS, S::SHARED_BYTES, stream_of(at)>>>(
        *a, split, maps, static_cast<struct counts *>(at->zeros), static_cast<float4 *>(work));
    return cuda_launched("attention_hopper");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_attention *a,
                              const struct attention_split &split, void *work)
{
    switch (a->width) {
    case 64:
        return launch<T, 64>(at, a, split, work);
    case 72:
        return launch<T, 72>(at, a, split, work);
    case 88:
        return launch<T, 88>(at, a, split, work);
    default:
        return launch<T, 128>(at, a, split, work);
    }
}

/* With fewer keys, other kernels are faster. */
enum { LEAST_KEYS = 256 };

/* The copy engine goes forward only. */
static bool ascends(const int64_t stride[3])
{
    return stride[0] > 0 && stride[1] > 0 && stride[2] > 0;
}

bool cuda_attention_hopper_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    for (int i = 1; i < a->lanes; i++) {
        if (a->keys[i] != a->keys[0])
            return false;
    }
    return at->compute == 90 && at->shared_limit >= size<72>::SHARED_BYTES &&
           (a->width == 64 || a->width == 72 || a->width == 88 || a->width == 128) &&
           a->keys[0] >= LEAST_KEYS && ascends(a->q_stride) && ascends(a->k_stride) &&
           ascends(a->v_stride) && cuda_attention_flash_takes(at, a);
}

enum status cuda_attention_hopper(const struct cuda_target *at, const struct cuda_attention *a,
                                  const struct attention_split *split, void *work)
{
    return a->dtype == DTYPE_BF16 ? launch_for<bf16>(at, a, *split, work)
                                  : launch_for<fp16>(at, a, *split, work);
}
