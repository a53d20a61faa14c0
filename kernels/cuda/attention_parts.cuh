/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items of the attention for Hopper as its blocks see them (attention_split.h), and how the sums of
 * a piece's parts become one. Each warpgroup of a block leaves its sums in memory and counts; the
 * one that counts last merges all parts, in their order, so that the result is the same whoever it
 * is. None waits for another block. For attention_hopper.cu only.
 */
#ifndef KERNELS_CUDA_ATTENTION_PARTS_CUH
#define KERNELS_CUDA_ATTENTION_PARTS_CUH

#include "kernels/cuda/attention_hopper.cuh"

/* What the queue lends: zeros at first and at the end. */
struct counts {
    int taken;                                        /* items */
    int through;                                      /* blocks */
    int done[ATTENTION_SPLIT * ATTENTION_MOST_TEAMS]; /* parts, by split piece and warpgroup */
};
static_assert(sizeof(struct counts) <= CUDA_ZEROS, "counts");

/* An item: queries from `first` on, against so many keys from `key` on; 0 keys: there is none. */
struct work {
    int keys, first, head, lane, key;
    int part, parts; /* which of how many of its piece; 1: it is whole, and the rest is unused */
    int slot;        /* of its sums */
    int piece;       /* which of those in parts */
};

/* The n-th item. Full blocks of queries of a head follow each other, so that blocks that run at a
 * time share keys. */
template <int WIDTH>
__device__ inline struct work find_work(const struct cuda_attention &p,
                                        const struct attention_split &s, int n)
{
    const int tile = size<WIDTH>::KEYS, queries = size<WIDTH>::QUERIES;
    struct work w = {};
    if (n >= s.items)
        return w;
    int rest = n - s.whole, full = s.whole < s.full ? s.full - s.whole : 0, piece = n;
    w.parts = 1;
    w.keys = p.keys[0];
    if (rest >= 0) {
        w.slot = rest;
        bool ragged = rest >= full * s.full_parts;
        rest -= ragged ? full * s.full_parts : 0;
        w.parts = ragged ? s.ragged_parts : s.full_parts;
        w.part = rest % w.parts;
        w.piece = (ragged ? full : 0) + rest / w.parts;
        piece = s.whole + w.piece;
        int tiles = (p.keys[0] + tile - 1) / tile;
        w.key = w.part * tiles / w.parts * tile;
        w.keys = min((w.part + 1) * tiles / w.parts * tile, p.keys[0]) - w.key;
    }
    int blocks = p.rows / queries;
    bool whole = piece < s.full;
    int head = whole ? piece / blocks : piece - s.full;
    w.first = (whole ? piece - head * blocks : blocks) * queries;
    w.lane = head / p.heads;
    w.head = head - w.lane * p.heads;
    return w;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* What all lanes have alike, known to the compiler, too, which sees it by a reduction only: loops
 * and addresses that depend on it are the warp's. Where one of these is left out, tiles take 3 %
 * more instructions, and 5 % more time. */
__device__ inline int same_for_warp(int x)
{
    return (int)__reduce_or_sync(0xffffffffu, (unsigned)x);
}

/* An item in shared memory, where the thread that loads leaves it for the warpgroups that compute:
 * ITEM_WORDS, in two places in turn, so that they can look until they are through with the next. */
enum { KEYS_AT, FIRST_AT, HEAD_AT, LANE_AT, PART_AT, PARTS_AT, SLOT_AT, PIECE_AT };

__device__ inline void tell_item(uint32_t at, const struct work &w)
{
    const int word[ITEM_WORDS] = {w.keys, w.first, w.head, w.lane,
                                  w.part, w.parts, w.slot, w.piece};
#pragma unroll
    for (int i = 0; i < ITEM_WORDS; i++)
        store_shared(at + i * 4, (uint32_t)word[i]);
}

__device__ inline int told(uint32_t at, int word)
{
    int n;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(n) : "r"(at + word * 4) : "memory");
    return n;
}

/* A slot's sums in memory, of this thread: [WIDTH / 8 + 1] steps of TEAM. */
template <int WIDTH> __device__ inline float4 *sums_of(float4 *sums, int team, int slot)
{
    return sums + ((int64_t)slot * size<WIDTH>::TEAMS + team) * (WIDTH / 8 + 1) * TEAM +
           threadIdx.x % TEAM;
}

/* Sums go past the caches of single SMs. */
template <int WIDTH> __device__ inline void put_sums(float4 *to, const struct rows<WIDTH> &r)
{
#pragma unroll
    for (int d = 0; d < WIDTH / 8; d++)
        __stcg(to + d * TEAM, make_float4(r.o[d][0], r.o[d][1], r.o[d][2], r.o[d][3]));
    __stcg(to + WIDTH / 8 * TEAM, make_float4(r.base[0], r.base[1], r.sum[0], r.sum[1]));
}

/* r := the sums of `parts` parts, the first of them at `from`. */
template <int WIDTH>
__device__ inline void add_sums(struct rows<WIDTH> &r, const float4 *from, int parts)
{
    enum { NEXT = size<WIDTH>::TEAMS * (WIDTH / 8 + 1) * TEAM };
    const float4 *scales = from + WIDTH / 8 * TEAM;
    r = {};
    r.base[0] = r.base[1] = -1e30f;
    for (int i = 0; i < parts; i++) {
        float4 x = __ldcg(scales + i * NEXT);
        r.base[0] = fmaxf(r.base[0], x.x);
        r.base[1] = fmaxf(r.base[1], x.y);
    }
#pragma unroll 1
    for (int i = 0; i < parts; i++) {
        float4 x = __ldcg(scales + i * NEXT);
        float factor[2] = {exp2_fast(x.x - r.base[0]), exp2_fast(x.y - r.base[1])};
        r.sum[0] = fmaf(factor[0], x.z, r.sum[0]);
        r.sum[1] = fmaf(factor[1], x.w, r.sum[1]);
#pragma unroll
        for (int d = 0; d < WIDTH / 8; d++) {
            float4 o = __ldcg(from + i * NEXT + d * TEAM);
            r.o[d][0] = fmaf(factor[0], o.x, r.o[d][0]);
            r.o[d][1] = fmaf(factor[0], o.y, r.o[d][1]);
            r.o[d][2] = fmaf(factor[1], o.z, r.o[d][2]);
            r.o[d][3] = fmaf(factor[1], o.w, r.o[d][3]);
        }
    }
}

/* One thread counts for its warpgroup, all of which has written by then and reads after it. */
__device__ inline bool counts_last(int *done, int parts, int team)
{
    bool last = false;
    team_sync(team);
    if (threadIdx.x % TEAM == 0) {
        __threadfence();
        last = atomicAdd(done, 1) == parts - 1;
        __threadfence();
        if (last)
            *done = 0; // for the next launch
    }
    __syncwarp();
    return same_for_warp(team_any(team, last));
}

/* From the sums of an item to those of its piece, where all others were there before: else false,
 * and another will. */
template <int WIDTH>
__device__ inline bool merge_parts(struct rows<WIDTH> &r, uint32_t item, struct counts *counts,
                                   float4 *sums, int team)
{
    int parts = same_for_warp(told(item, PARTS_AT));
    if (parts == 1)
        return true;
    int slot = told(item, SLOT_AT);
    put_sums<WIDTH>(sums_of<WIDTH>(sums, team, slot), r);
    if (!counts_last(counts->done + told(item, PIECE_AT) * ATTENTION_MOST_TEAMS + team, parts,
                     team))
        return false;
    add_sums<WIDTH>(r, sums_of<WIDTH>(sums, team, slot - told(item, PART_AT)), parts);
    return true;
}

#endif
#endif
