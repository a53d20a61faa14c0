/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention for Hopper and heads 72 wide, those of DiT-XL, PixArt and Latte, which cuDNN computes
 * as if they were 128 wide. By asynchronous products of warpgroups (Shah et al. 2024,
 * "FlashAttention-3"): a block stays on its SM; one thread brings keys and values in, two
 * warpgroups own two blocks of 64 queries each. While a warpgroup turns the scores of one block
 * into weights, the tensor cores have the other block's products to compute.
 */
#include "kernels/cuda/attention_turns_hopper.cuh"
#include "kernels/cuda/tensor_map.h"

/* A weight may exceed that of the largest score seen so far by this power of two before the sums
 * are scaled anew. */
static const float SLACK = 8.0f;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- the thread that loads ---- */

__device__ inline void tell_piece(const struct layout &at, int n)
{
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(at.piece()), "r"(n) : "memory");
}

__device__ inline int told_piece(const struct layout &at)
{
    int n;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(n) : "r"(at.piece()) : "memory");
    return n;
}

/* Blocks take pieces as they come to them: one whose SM was busy with another kernel, such as a
 * transfer between ranks, leaves its share to the others. `taken`: pieces so far, and blocks that
 * are through; the last one leaves zeros for the next launch. */
__device__ inline void load_all(const struct cuda_attention &p, const struct maps &maps,
                                const struct layout &at, int *taken)
{
    ring<STAGES> now = {0, 1}; // every slot is empty at first
    ring<1> piece = {0, 1};
    struct work w;
    int n = atomicAdd(taken, 1);
    for (; find_work(p, n, &w); piece.advance()) {
        barrier_wait(at.queries_empty(), piece.parity);
        tell_piece(at, n);
        barrier_expect(at.queries_full(), QUERY_BYTES);
        copy_box(at.queries(0), maps.queries, at.queries_full(), 0, w.head, w.first, w.lane);
        copy_box(at.queries_tail(0), maps.queries_tail, at.queries_full(), 64, w.head, w.first,
                 w.lane);
        n = atomicAdd(taken, 1); // arrives behind the copies
#pragma unroll 1
        for (int key = 0; key < p.keys[0]; key += KEYS, now.advance()) {
            uint32_t full = at.full(now.slot), keys = at.keys(now.slot);
            uint32_t values = at.values(now.slot);
            barrier_wait(at.empty(now.slot), now.parity);
            barrier_expect(full, TILE_BYTES);
            copy_box(keys, maps.keys, full, 0, w.head, key, w.lane);
            copy_box(keys + WIDE_BYTES, maps.keys_tail, full, 64, w.head, key, w.lane);
            copy_box(values, maps.values, full, 0, w.head, key, w.lane);
            copy_box(values + WIDE_BYTES, maps.values, full, 64, w.head, key, w.lane);
        }
    }
    barrier_wait(at.queries_empty(), piece.parity);
    tell_piece(at, n);
    barrier_arrive(at.queries_full());
    if (atomicAdd(taken + 1, 1) == (int)gridDim.x - 1)
        taken[0] = taken[1] = 0;
}

/* ---- the warpgroups that compute ---- */

/* What a warpgroup holds of 64 queries; a thread has two rows of them, h * 8 + lane / 4 of its
 * warp's sixteen. */
struct rows {
    uint32_t q, q_tail; /* where they lie */
    float o[GROUPS][4];
    float base[2]; /* that weights are relative to, in powers of two; at most SLACK too small */
    float sum[2];  /* of this thread's weights */
};

template <typename T>
__device__ inline void begin_scores(float (&s)[TILES8][4], const struct rows &r, uint32_t keys)
{
    multiply_keys<false>(s, factor_at(r.q, FACTOR_128B, 16, 1024),
                         factor_at(keys, FACTOR_128B, 16, 1024), T());
#pragma unroll
    for (int k = 1; k < 4; k++)
        multiply_keys<true>(s, factor_at(r.q + k * 32, FACTOR_128B, 16, 1024),
                            factor_at(keys + k * 32, FACTOR_128B, 16, 1024), T());
    multiply_keys<true>(s, factor_at(r.q_tail, FACTOR_32B, 16, 256),
                        factor_at(keys + WIDE_BYTES, FACTOR_32B, 16, 256), T());
    products_commit();
}

template <typename T>
__device__ inline void begin_output(struct rows &r, const uint32_t (&p)[KEYS / 16][4],
                                    uint32_t values)
{
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++)
        multiply_values(r.o, p[n], factor_at(values + n * 2048, FACTOR_128B, WIDE_BYTES, 1024),
                        T());
    products_commit();
}

/* Scores of keys beyond the last become those of no key. */
__device__ inline void mask(float (&s)[TILES8][4], int keys)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int n = 0; n < TILES8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[n][i] = n * 8 + column + i % 2 < keys ? s[n][i] : -CUDART_INF_F;
    }
}

/* Takes a new base where a row's scores have outgrown the old one, which is seldom after the first
 * tile. What is in flight meanwhile are products of the other block, so that one warp may do so
 * alone. */
__device__ inline void rebase(struct rows &r, const float (&s)[TILES8][4], float scale)
{
    float m[2][4], most[2]; // four chains of comparisons, so that none waits for another
#pragma unroll
    for (int n = 0; n < 4; n++) {
        m[0][n] = fmaxf(s[n][0], s[n][1]);
        m[1][n] = fmaxf(s[n][2], s[n][3]);
    }
#pragma unroll
    for (int n = 4; n < TILES8; n++) {
        m[0][n % 4] = fmaxf(m[0][n % 4], s[n][0]);
        m[1][n % 4] = fmaxf(m[1][n % 4], s[n][2]);
    }
#pragma unroll
    for (int n = 4; n < TILES8; n++) {
        m[0][n % 4] = fmaxf(m[0][n % 4], s[n][1]);
        m[1][n % 4] = fmaxf(m[1][n % 4], s[n][3]);
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
        most[h] = fmaxf(fmaxf(m[h][0], m[h][1]), fmaxf(m[h][2], m[h][3])) * scale;
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
        for (int d = 0; d < GROUPS; d++) {
            r.o[d][2 * h] *= factor;
            r.o[d][2 * h + 1] *= factor;
        }
    }
}

/* s := weights of the scores; their sums. */
__device__ inline void soften(struct rows &r, float (&s)[TILES8][4], float scale)
{
    float sum[4] = {r.sum[0], 0.0f, r.sum[1], 0.0f};
#pragma unroll
    for (int n = 0; n < TILES8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            s[n][i] = exp2_fast(fmaf(s[n][i], scale, -r.base[i / 2]));
    }
#pragma unroll
    for (int n = 0; n < TILES8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            sum[i] += s[n][i];
    }
    r.sum[0] = sum[0] + sum[1];
    r.sum[1] = sum[2] + sum[3];
}

template <typename T>
__device__ inline void pack_weights(uint32_t (&p)[KEYS / 16][4], const float (&s)[TILES8][4])
{
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            p[n][i] = pair_of(s[2 * n + i / 2][i % 2 * 2], s[2 * n + i / 2][i % 2 * 2 + 1], T());
    }
}

/* Warpgroups begin their products in turn: while one waits for room in the tensor cores' queue, the
 * other one has weights to compute. */
__device__ inline void await_turn(int team)
{
    asm volatile("bar.sync %0, %1;" ::"r"(1 + team), "n"(TEAMS * TEAM) : "memory");
}

__device__ inline void pass_turn(int team)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(2 - team), "n"(TEAMS * TEAM) : "memory");
}

/* The next products of a block: its weights p with the values of the tile in `slot`, and the scores
 * of the tile in `next`. */
template <typename T>
__device__ inline void begin_block(struct rows &r, float (&s)[TILES8][4],
                                   const uint32_t (&p)[KEYS / 16][4], const struct layout &at,
                                   int slot, int next, int team)
{
    await_turn(team);
    products_begin();
    begin_output<T>(r, p, at.values(slot));
    begin_scores<T>(s, r, at.keys(next));
    pass_turn(team);
}

/* The scores of `keys` keys to weights, while the other block's products go on. */
__device__ inline void weigh(struct rows &r, float (&s)[TILES8][4], float scale, int keys)
{
    if (keys < KEYS)
        mask(s, keys);
    rebase(r, s, scale);
    soften(r, s, scale);
    settle(s); // before the wait that follows
    products_wait<0>();
}

/* Blocks a and b against all keys, in turn: a's scores s, b's scores t. `now`: the first tile's
 * slot, at the end that after the last one's. */
template <typename T>
__device__ inline void attend_rows(struct rows &a, struct rows &b, const struct layout &at,
                                   ring<STAGES> &now, float scale, int keys, int team)
{
    float s[TILES8][4], t[TILES8][4];
    uint32_t p[KEYS / 16][4];
    barrier_wait(at.full(now.slot), now.parity);
    await_turn(team);
    products_begin();
    begin_scores<T>(s, a, at.keys(now.slot));
    begin_scores<T>(t, b, at.keys(now.slot));
    pass_turn(team);
    products_wait<1>();
    settle(s);
    weigh(a, s, scale, keys);
    settle(t);
    pack_weights<T>(p, s);
    for (; keys > KEYS; keys -= KEYS) {
        ring<STAGES> next = now;
        next.advance();
        barrier_wait(at.full(next.slot), next.parity);
        begin_block<T>(a, s, p, at, now.slot, next.slot, team);
        weigh(b, t, scale, KEYS);
        settle(s);
        settle(a.o);
        pack_weights<T>(p, t);
        begin_block<T>(b, t, p, at, now.slot, next.slot, team);
        weigh(a, s, scale, keys - KEYS);
        settle(t);
        settle(b.o);
        warp_arrive(at.empty(now.slot));
        pack_weights<T>(p, s);
        now = next;
    }
    warp_arrive(at.queries_empty());
    await_turn(team);
    products_begin();
    begin_output<T>(a, p, at.values(now.slot));
    pass_turn(team);
    weigh(b, t, scale, keys);
    settle(a.o);
    pack_weights<T>(p, t);
    await_turn(team);
    products_begin();
    begin_output<T>(b, p, at.values(now.slot));
    pass_turn(team);
    products_wait<0>();
    settle(b.o);
    warp_arrive(at.empty(now.slot));
    now.advance();
}

template <typename T>
__device__ inline void write_rows(const struct cuda_attention &p, const struct work &w,
                                  const struct rows &r, int row)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float total = r.sum[h];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        int n = row + h * 8;
        if (n >= p.rows)
            continue;
        T *to = static_cast<T *>(p.o) + w.lane * p.o_stride[0] + n * p.o_stride[1] +
                w.head * p.o_stride[2] + column;
#pragma unroll
        for (int d = 0; d < GROUPS; d++)
            *reinterpret_cast<uint32_t *>(to + d * 8) =
                pair_of(r.o[d][2 * h] * inverse, r.o[d][2 * h + 1] * inverse, T());
        if (p.lse && column == 0)
            p.lse[w.lane * p.lse_stride[0] + n * p.lse_stride[1] + w.head * p.lse_stride[2]] =
                total == 0.0f ? -CUDART_INF_F : r.base[h] * 0.6931471805599453f + logf(total);
    }
}

__device__ inline void begin_rows(struct rows &r, const struct layout &at, int block)
{
    r.q = at.queries(block);
    r.q_tail = at.queries_tail(block);
    r.base[0] = r.base[1] = -1e30f; // finite, so that a row without a finite score gives no NaN
    settle(r.o);
}

template <typename T>
__device__ inline void attend_all(const struct cuda_attention &p, const struct layout &at)
{
    int team = threadIdx.x / TEAM - 1, block = team * BLOCKS;
    int row = block * 64 + threadIdx.x % TEAM / WARP * 16 + threadIdx.x % WARP / 4;
    float scale = p.scale * 1.4426950408889634f; // log2(e)
    ring<STAGES> now = {0, 0};
    ring<1> piece = {0, 0};
    struct work w;
    if (team == 1)
        pass_turn(team);
    for (;; piece.advance()) {
        barrier_wait(at.queries_full(), piece.parity);
        if (!find_work(p, told_piece(at), &w))
            break;
        struct rows a = {}, b = {};
        begin_rows(a, at, block);
        begin_rows(b, at, block + 1);
        attend_rows<T>(a, b, at, now, scale, p.keys[0], team);
        write_rows<T>(p, w, a, w.first + row);
        write_rows<T>(p, w, b, w.first + row + 64);
    }
    if (team == 0)
        await_turn(team); // that the other one passed last
}

__device__ inline void prepare(const struct layout &at)
{
    if (threadIdx.x == 0) {
        for (int slot = 0; slot <= STAGES; slot++) { // the last one is that of the queries
            barrier_init(at.full(slot), 1);
            barrier_init(at.empty(slot), TEAMS * TEAM / WARP);
        }
        products_see_writes();
    }
    __syncthreads();
}

#endif

/* Of a thread, once the warpgroup that loads has given up what the others want; all of a block's
 * are the 168 that it starts with (65536 for 384 threads, in steps of 8). One too many waits for
 * ever. */
static const int LOAD_REGISTERS = 24, COMPUTE_REGISTERS = 240;
static_assert(LOAD_REGISTERS + TEAMS * COMPUTE_REGISTERS <= 168 * (TEAMS + 1), "registers");

template <typename T>
static __global__ void __launch_bounds__(THREADS, 1)
    attend(const __grid_constant__ struct cuda_attention p,
           const __grid_constant__ struct maps maps, int *taken)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint4 shared[];
    struct layout at;
    at.start = ((uint32_t)__cvta_generic_to_shared(shared) + 1023) / 1024 * 1024;
    prepare(at);
    if (threadIdx.x < TEAM) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(LOAD_REGISTERS));
        if (threadIdx.x == 0)
            load_all(p, maps, at, taken);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COMPUTE_REGISTERS));
        attend_all<T>(p, at);
    }
#endif
}

/* ---- launch ---- */

/* Boxes of `box` rows and `columns` columns of one head. */
static enum status map_heads(const struct cuda_attention *a, const void *data,
                             const int64_t stride[3], int rows, int box, int columns,
                             CUtensorMap *out)
{
    struct cuda_boxes boxes = {
        data,
        a->dtype,
        {WIDTH, a->heads, rows, a->lanes},
        {stride[2], stride[1], stride[0]},
        {columns, 1, box, 1},
    };
    return cuda_tensor_map(&boxes, out);
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    int64_t pieces = (int64_t)blocks_for(a->rows, QUERIES) * a->heads * a->lanes;
    int blocks = pieces < at->multiprocessors ? (int)pieces : at->multiprocessors;
    const void *kernel = reinterpret_cast<const void *>(attend<T>);
    struct maps maps;
    TRY(map_heads(a, a->q, a->q_stride, a->rows, QUERIES, 64, &maps.queries));
    TRY(map_heads(a, a->q, a->q_stride, a->rows, QUERIES, 16, &maps.queries_tail));
    TRY(map_heads(a, a->k, a->k_stride, a->keys[0], KEYS, 64, &maps.keys));
    TRY(map_heads(a, a->k, a->k_stride, a->keys[0], KEYS, 16, &maps.keys_tail));
    TRY(map_heads(a, a->v, a->v_stride, a->keys[0], KEYS, 64, &maps.values));
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES),
        "cudaFuncSetAttribute(shared memory of attention for Hopper)"));
    attend<T>
        <<<blocks, THREADS, SHARED_BYTES, stream_of(at)>>>(*a, maps, static_cast<int *>(at->zeros));
    return cuda_launched("attention_turns_hopper");
}

/* With fewer keys, other kernels are faster. */
enum { LEAST_KEYS = 256 };

/* The copy engine goes forward only. */
static bool ascends(const int64_t stride[3])
{
    return stride[0] > 0 && stride[1] > 0 && stride[2] > 0;
}

bool cuda_attention_turns_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    for (int i = 1; i < a->lanes; i++) {
        if (a->keys[i] != a->keys[0])
            return false;
    }
    return at->compute == 90 && at->shared_limit >= SHARED_BYTES && a->width == WIDTH &&
           a->keys[0] >= LEAST_KEYS && ascends(a->q_stride) && ascends(a->k_stride) &&
           ascends(a->v_stride) && cuda_attention_flash_takes(at, a);
}

enum status cuda_attention_turns(const struct cuda_target *at, const struct cuda_attention *a)
{
    return a->dtype == DTYPE_BF16 ? launch<bf16>(at, a) : launch<fp16>(at, a);
}
