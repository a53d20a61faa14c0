/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of many queries on few keys, for Hopper and heads 64, 72 and 88 wide: cross-attention
 * on text. All keys and values of a lane and head stay in a block's shared memory; each of its
 * warpgroups lets tiles of 64 queries pass through buffers of its own, which the copy engine fills
 * and from which it takes the outputs, so that memory is busy while the warpgroups compute. Up to
 * 128 keys are one product and the softmax one pass; more are that and tiles of 96 after it.
 *
 * What bounds it is reading queries and writing outputs once, 4 * B * N * H * D bytes: for PixArt
 * (2 lanes of 4096 queries, 16 heads of 72) 37.7 MB, 9.4 us at the 4.0 TB/s of an H200, and 13.6 us
 * as a mere copy in pieces of one head. Products of 4 * B * N * H * D * keys floating-point
 * operations take 6 us on 120 keys and 15 us on 300, at 750 TFLOP/s.
 */
#include "kernels/cuda/attention_resident_hopper.cuh"
#include "kernels/cuda/tensor_map.h"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* A slot of a team's buffers, and the parity of the round. */
struct turn {
    int slot;
    uint32_t parity;

    __device__ inline void advance(int buffers)
    {
        slot = slot + 1 == buffers ? 0 : slot + 1;
        parity ^= slot == 0;
    }
};

/* ---- copies, each asked for by one thread ---- */

template <int WIDTH>
__device__ inline void load_keys(const struct maps &maps, const struct layout<WIDTH> &at)
{
    typedef struct head<WIDTH> H;
    int rows = at.d.keys / at.d.boxes, head = blockIdx.y, lane = blockIdx.z;
    barrier_expect(at.keys_full(), at.d.keys * H::ROW_BYTES);
    for (int row = 0; row < at.d.keys; row += rows) {
        copy_box(at.keys() + row * 128, maps.keys, at.keys_full(), 0, head, row, lane);
        if (H::TAIL > 0)
            copy_box(at.keys_tail() + row * H::TAIL * 2, maps.keys_tail, at.keys_full(), 64, head,
                     row, lane);
    }
}

template <int WIDTH>
__device__ inline void load_values(const struct maps &maps, const struct layout<WIDTH> &at)
{
    int rows = at.d.keys / at.d.boxes, head = blockIdx.y, lane = blockIdx.z;
    barrier_expect(at.values_full(), at.d.keys * ::head<WIDTH>::VALUE_BYTES);
    for (int column = 0; column < WIDTH; column += 64) {
        for (int row = 0; row < at.d.keys; row += rows)
            copy_box(at.values() + column / 64 * at.d.keys * 128 + row * 128, maps.values,
                     at.values_full(), column, head, row, lane);
    }
}

template <int WIDTH>
__device__ inline void load_queries(const struct maps &maps, const struct layout<WIDTH> &at,
                                    int team, int slot, int tile)
{
    uint32_t full = at.queries_full(team, slot), to = at.queries(team, slot);
    barrier_expect(full, layout<WIDTH>::QUERY_BYTES);
    copy_box(to, maps.queries, full, 0, blockIdx.y, tile * TILE, blockIdx.z);
    if (head<WIDTH>::TAIL > 0)
        copy_box(to + TILE * 128, maps.queries_tail, full, 64, blockIdx.y, tile * TILE, blockIdx.z);
}

template <int WIDTH>
__device__ inline void store_outputs(const struct maps &maps, uint32_t from, int tile)
{
    store_box(from, maps.outputs, 0, blockIdx.y, tile * TILE, blockIdx.z);
    if (head<WIDTH>::TAIL > 0)
        store_box(from + TILE * 128, maps.outputs_tail, 64, blockIdx.y, tile * TILE, blockIdx.z);
    stores_commit();
}

/* ---- a tile of queries ---- */

/* The tile's outputs to the place of its queries, as the copy engine wants them: swizzled. Where
 * rows are `pitch` bytes long, their units of sixteen are in the order of unit ^ row * pitch / 128.
 */
template <typename T, int WIDTH>
__device__ inline void place_outputs(const struct rows<WIDTH> &r, const float (&inverse)[2],
                                     uint32_t to)
{
    enum { PITCH = head<WIDTH>::TAIL * 2 };
    int row = threadIdx.x % TEAM / WARP * 16 + threadIdx.x % WARP / 4;
    uint32_t wide = to + row * 128 + threadIdx.x % 4 * 4;
    uint32_t tail = to + TILE * 128 + row * PITCH + threadIdx.x % 4 * 4;
    int turned = row % 8 * PITCH / 128; // eight rows below it is the same
#pragma unroll
    for (int h = 0; h < 2; h++) {
#pragma unroll
        for (int d = 0; d < WIDTH / 8; d++) {
            uint32_t both =
                pair_of(r.o[d][2 * h] * inverse[h], r.o[d][2 * h + 1] * inverse[h], T());
            store_shared(d < 8 ? wide + h * 8 * 128 + (d ^ row % 8) * 16
                               : tail + h * 8 * PITCH + ((d - 8) ^ turned) * 16,
                         both);
        }
    }
}

template <int WIDTH>
__device__ inline void write_lse(const struct cuda_attention &p, const struct rows<WIDTH> &r,
                                 const float (&total)[2], int tile)
{
    int row = tile * TILE + threadIdx.x % TEAM / WARP * 16 + threadIdx.x % WARP / 4;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        if (threadIdx.x % 4 == 0 && row + h * 8 < p.rows)
            p.lse[blockIdx.z * p.lse_stride[0] + (row + h * 8) * p.lse_stride[1] +
                  blockIdx.y * p.lse_stride[2]] =
                total[h] == 0.0f ? -CUDART_INF_F : r.base[h] * 0.6931471805599453f + logf(total[h]);
    }
}

/* Weights are relative to the largest score of the tile; finite, so that a row without a finite
 * score gives no NaN. */
template <int WIDTH, int N>
__device__ inline void set_base(struct rows<WIDTH> &r, const float (&s)[N][4], float scale)
{
    float most[2] = {largest<0>(s), largest<1>(s)};
#pragma unroll
    for (int h = 0; h < 2; h++) {
        most[h] = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], 1));
        most[h] = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], 2));
        r.base[h] = fmaxf(most[h] * scale, -1e30f);
    }
}

/* A team's way through the queries and keys of its block. */
struct way {
    int team, tile, step, tiles; /* this tile of queries, the next but `step`, all */
    int full;                    /* tiles of keys before the first one */
    int rest;                    /* keys of the first tile; those behind it are none */
    float scale;                 /* in powers of two */
    uint32_t q, q_tail;          /* low words of the tile's factors */
};

/* r := the tile of keys that comes first: the last in order, and the only one that may end early.
 * Buffer `emptied` (-1: none), whose outputs left meanwhile, is filled again. */
template <typename T, int WIDTH, int FIRST>
__device__ inline void attend_first(struct rows<WIDTH> &r, const struct maps &maps,
                                    const struct layout<WIDTH> &at, const struct way &w,
                                    int emptied)
{
    float s[FIRST / 8][4];
    uint32_t p[FIRST / 16][4];
    int first = w.full * KEYS, next = w.tile + (at.d.buffers - 1) * w.step;
    multiply_tile<T, WIDTH>(s, w.q, w.q_tail, factor_low(at.keys() + first * 128, 16),
                            factor_low(at.keys_tail() + first * head<WIDTH>::TAIL * 2, 16));
    if (threadIdx.x % TEAM == 0 && emptied >= 0 && next < w.tiles) {
        stores_wait_read();
        load_queries<WIDTH>(maps, at, w.team, emptied, next);
    }
    __syncwarp();
    if (w.rest < FIRST)
        mask(s, w.rest);
    r = {};
    set_base(r, s, w.scale);
    soften<T>(r, s, p, w.scale);
    settle(r.o);
    barrier_wait(at.values_full(), 0);
    add_tile<T, WIDTH>(r, p, factor_low(at.values() + first * 128, at.d.keys * 128));
}

/* r += the n-th tile of keys before that. */
template <typename T, int WIDTH>
__device__ inline void attend_next(struct rows<WIDTH> &r, const struct layout<WIDTH> &at,
                                   const struct way &w, int n)
{
    float s[KEYS / 8][4];
    uint32_t p[KEYS / 16][4];
    int first = n * KEYS;
    multiply_tile<T, WIDTH>(s, w.q, w.q_tail, factor_low(at.keys() + first * 128, 16),
                            factor_low(at.keys_tail() + first * head<WIDTH>::TAIL * 2, 16));
    rebase<WIDTH>(r, s, w.scale);
    soften<T>(r, s, p, w.scale);
    add_tile<T, WIDTH>(r, p, factor_low(at.values() + first * 128, at.d.keys * 128));
}

template <typename T, int WIDTH>
__device__ inline void write_tile(const struct cuda_attention &p, const struct maps &maps,
                                  const struct rows<WIDTH> &r, const struct way &w, uint32_t place)
{
    float total[2], inverse[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        total[h] = r.sum[h] + __shfl_xor_sync(0xffffffffu, r.sum[h], 1);
        total[h] += __shfl_xor_sync(0xffffffffu, total[h], 2);
        inverse[h] = total[h] == 0.0f ? 0.0f : 1.0f / total[h];
    }
    team_sync(w.team); // none needs the queries any more
    place_outputs<T, WIDTH>(r, inverse, place);
    products_see_writes();
    team_sync(w.team);
    if (threadIdx.x % TEAM == 0)
        store_outputs<WIDTH>(maps, place, w.tile);
    __syncwarp();
    if (p.lse)
        write_lse<WIDTH>(p, r, total, w.tile);
}

template <typename T, int WIDTH, int FIRST>
__device__ inline void attend_tiles(const struct cuda_attention &p, const struct maps &maps,
                                    const struct layout<WIDTH> &at, struct way w)
{
    struct turn now = {0, 0};
    int emptied = -1;
    barrier_wait(at.keys_full(), 0);
#pragma unroll 1
    for (; w.tile < w.tiles; w.tile += w.step) {
        struct rows<WIDTH> r;
        uint32_t place = at.queries(w.team, now.slot);
        barrier_wait(at.queries_full(w.team, now.slot), now.parity);
        w.q = factor_low(place, 16);
        w.q_tail = factor_low(place + TILE * 128, 16);
        attend_first<T, WIDTH, FIRST>(r, maps, at, w, emptied);
#pragma unroll 1
        for (int n = 0; n < w.full; n++)
            attend_next<T, WIDTH>(r, at, w, n);
        write_tile<T, WIDTH>(p, maps, r, w, place);
        emptied = now.slot;
        now.advance(at.d.buffers);
    }
    if (threadIdx.x % TEAM == 0)
        stores_wait_read(); // shared memory must last as long
}

/* ---- a block ---- */

template <int WIDTH>
__device__ inline void prepare(const struct maps &maps, const struct layout<WIDTH> &at,
                               const struct way &w)
{
    if (threadIdx.x == 0) {
        barrier_init(at.keys_full(), 1);
        barrier_init(at.values_full(), 1);
        for (int i = 0; i < MOST_TEAMS * MOST_BUFFERS; i++)
            barrier_init(at.queries_full(0, i), 1);
        products_see_writes();
    }
    __syncthreads();
    if (threadIdx.x == 0)
        load_keys<WIDTH>(maps, at);
    for (int i = 0; i < at.d.buffers; i++) {
        if (threadIdx.x % TEAM == 0 && w.tile + i * w.step < w.tiles)
            load_queries<WIDTH>(maps, at, w.team, i, w.tile + i * w.step);
        if (threadIdx.x == 0 && i == 0)
            load_values<WIDTH>(maps, at);
    }
    __syncwarp();
}

/* Rows of values beyond a lane's keys become zeros: their weights are 0, and 0 times NaN is not. */
template <int WIDTH> __device__ inline void clear_values(const struct layout<WIDTH> &at, int keys)
{
    barrier_wait(at.values_full(), 0);
    for (int column = 0; column < WIDTH; column += 64) {
        uint32_t rows = at.values() + column / 64 * at.d.keys * 128;
        for (int i = keys * 32 + threadIdx.x; i < at.d.keys * 32; i += blockDim.x)
            store_shared(rows + i * 4, 0);
    }
    products_see_writes();
    __syncthreads();
}

#endif

template <typename T, int WIDTH, int FIRST>
static __global__ void __launch_bounds__(MOST_TEAMS *TEAM, 1)
    attend(const __grid_constant__ struct cuda_attention p,
           const __grid_constant__ struct maps maps, const struct division d)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint4 shared[];
    struct layout<WIDTH> at;
    struct way w;
    int keys = p.keys[blockIdx.z];
    at.start = ((uint32_t)__cvta_generic_to_shared(shared) + 1023) / 1024 * 1024;
    at.d = d;
    w.team = __shfl_sync(0xffffffffu, threadIdx.x / TEAM, 0);
    w.step = d.blocks * d.teams;
    w.tile = blockIdx.x * d.teams + w.team;
    w.tiles = (p.rows + TILE - 1) / TILE;
    w.full = tiles_after(keys, FIRST);
    w.rest = keys - w.full * KEYS;
    w.scale = p.scale * 1.4426950408889634f; // log2(e)
    prepare<WIDTH>(maps, at, w);
    if (d.clear)
        clear_values<WIDTH>(at, keys);
    attend_tiles<T, WIDTH, FIRST>(p, maps, at, w);
#endif
}

/* ---- launch ---- */

static int most_keys(const struct cuda_attention *a)
{
    int most = 0;
    for (int i = 0; i < a->lanes; i++)
        most = a->keys[i] > most ? a->keys[i] : most;
    return most;
}

/* Each lane has keys left for a first tile of so many, once its others are full. */
static bool serves(const struct cuda_attention *a, int first)
{
    bool all = true;
    for (int i = 0; i < a->lanes; i++) {
        int tiles = tiles_after(a->keys[i], first);
        all = all && (tiles == 0 || a->keys[i] > tiles * KEYS);
    }
    return all;
}

/* The first tile with which there is the least to compute. 128 serves always. */
static void choose_first(struct division *d, const struct cuda_attention *a)
{
    static const int sizes[] = {128, 80, 48};
    for (int i = 0; i < 3; i++) {
        int keys = sizes[i] + tiles_after(most_keys(a), sizes[i]) * KEYS;
        if (serves(a, sizes[i]) && (i == 0 || keys < d->keys)) {
            d->first = sizes[i];
            d->keys = keys;
        }
    }
}

/* As many teams as fit with two buffers each, then as many buffers. teams 0: too many keys. */
template <int WIDTH>
static struct layout<WIDTH> divide_work(const struct cuda_target *at,
                                        const struct cuda_attention *a) {
    static const int choices[][2] = {{MOST_TEAMS, MOST_BUFFERS}, {MOST_TEAMS, 2}, {3, 2}};
    struct layout<WIDTH> l = {
    };
    int64_t wanted = (int64_t)at->multiprocessors / ((int64_t)a->heads * a->lanes);
    int64_t useful = ((a->rows + TILE - 1) / TILE + 1) / 2; // two tiles for each
    l.d.blocks = (int)(wanted < 1 ? 1 : wanted < useful ? wanted : useful);
    choose_first(&l.d, a);
    l.d.boxes = (l.d.keys + 255) / 256;
    for (int i = 1; i < a->lanes; i++)
        l.d.clear = l.d.clear || a->keys[i] != a->keys[0];
    for (int i = 0; i < 3 && l.d.keys <= MOST_KEYS; i++) {
        l.d.teams = choices[i][0];
        l.d.buffers = choices[i][1];
        if (l.end() + 1024 <= at->shared_limit) // 1024: to begin at a multiple of it
            return l;
    }
    l.d.teams = 0;
    return l;
}

template <int WIDTH>
static enum status map_all(const struct cuda_attention *a, const struct division *d,
                           struct maps *maps)
{
    const int tail = head<WIDTH>::TAIL, keys = most_keys(a), box = d->keys / d->boxes;
    TRY(cuda_tensor_map_heads(a, a->q, a->q_stride, a->rows, TILE, 64, &maps->queries));
    TRY(cuda_tensor_map_heads(a, a->o, a->o_stride, a->rows, TILE, 64, &maps->outputs));
    TRY(cuda_tensor_map_heads(a, a->k, a->k_stride, keys, box, 64, &maps->keys));
    TRY(cuda_tensor_map_heads(a, a->v, a->v_stride, keys, box, 64, &maps->values));
    if (tail > 0) {
        TRY(cuda_tensor_map_heads(a, a->q, a->q_stride, a->rows, TILE, tail, &maps->queries_tail));
        TRY(cuda_tensor_map_heads(a, a->o, a->o_stride, a->rows, TILE, tail, &maps->outputs_tail));
        TRY(cuda_tensor_map_heads(a, a->k, a->k_stride, keys, box, tail, &maps->keys_tail));
    }
    return ST_OK;
}

template <typename T, int WIDTH, int FIRST>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a,
                          const struct layout<WIDTH> &l)
{
    struct maps maps = {};
    const void *kernel = reinterpret_cast<const void *>(attend<T, WIDTH, FIRST>);
    int bytes = (int)l.end() + 1024;
    dim3 grid(l.d.blocks, a->heads, a->lanes);
    TRY(map_all<WIDTH>(a, &l.d, &maps));
    TRY(cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                   "cudaFuncSetAttribute(shared memory of attention on resident keys)"));
    attend<T, WIDTH, FIRST><<<grid, l.d.teams * TEAM, bytes, stream_of(at)>>>(*a, maps, l.d);
    return cuda_launched("attention_resident");
}

template <typename T, int WIDTH>
static enum status launch_first(const struct cuda_target *at, const struct cuda_attention *a)
{
    struct layout<WIDTH> l = divide_work<WIDTH>(at, a);
    if (l.d.first == 48)
        return launch<T, WIDTH, 48>(at, a, l);
    return l.d.first == 80 ? launch<T, WIDTH, 80>(at, a, l) : launch<T, WIDTH, 128>(at, a, l);
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_attention *a)
{
    if (a->width == 64)
        return launch_first<T, 64>(at, a);
    return a->width == 72 ? launch_first<T, 72>(at, a) : launch_first<T, 88>(at, a);
}

static bool fits(const struct cuda_target *at, const struct cuda_attention *a)
{
    if (a->width == 64)
        return divide_work<64>(at, a).d.teams > 0;
    if (a->width == 72)
        return divide_work<72>(at, a).d.teams > 0;
    return a->width == 88 && divide_work<88>(at, a).d.teams > 0;
}

/* The copy engine goes forward only. */
static bool ascends(const int64_t stride[3])
{
    return stride[0] > 0 && stride[1] > 0 && stride[2] > 0;
}

bool cuda_attention_resident_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    return at->compute == 90 && most_keys(a) > 0 && a->heads <= 65535 && ascends(a->q_stride) &&
           ascends(a->k_stride) && ascends(a->v_stride) && ascends(a->o_stride) && fits(at, a) &&
           cuda_attention_flash_takes(at, a);
}

enum status cuda_attention_resident(const struct cuda_target *at, const struct cuda_attention *a)
{
    return a->dtype == DTYPE_BF16 ? launch_for<bf16>(at, a) : launch_for<fp16>(at, a);
}
