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
    int taken;                         /* items */
    int through;                       /* blocks */
    int done[ATTENTION_SPLIT * TEAMS]; /* parts, by split piece and warpgroup */
};
static_assert(sizeof(struct counts) <= CUDA_ZEROS, "counts");

/* An item. */
struct work {
    int lane, head, first; /* queries from `first` on */
    int key, keys;         /* so many, from `key` on */
};

/* The piece of an item; part and parts: which of how many. */
__device__ inline int piece_of(const struct attention_split &s, int n, int *part, int *parts)
{
    int rest = n - s.whole, full = s.whole < s.full ? s.full - s.whole : 0;
    *part = 0;
    *parts = 1;
    if (rest < 0)
        return n;
    bool ragged = rest >= full * s.full_parts;
    if (ragged)
        rest -= full * s.full_parts;
    *parts = ragged ? s.ragged_parts : s.full_parts;
    *part = rest % *parts;
    return s.whole + (ragged ? full : 0) + rest / *parts;
}

/* The n-th item. Full blocks of queries of a head follow each other, so that blocks that run at a
 * time share keys. False where there is none. */
__device__ inline bool find_work(const struct cuda_attention &p, const struct attention_split &s,
                                 int tile, int n, struct work *w)
{
    if (n >= s.items)
        return false;
    int part, parts, piece = piece_of(s, n, &part, &parts), blocks = p.rows / QUERIES;
    bool full = piece < s.full;
    int head = full ? piece / blocks : piece - s.full;
    w->first = (full ? piece - head * blocks : blocks) * QUERIES;
    w->lane = head / p.heads;
    w->head = head - w->lane * p.heads;
    w->key = 0;
    w->keys = p.keys[0];
    if (parts > 1) {
        int tiles = (p.keys[0] + tile - 1) / tile;
        w->key = part * tiles / parts * tile;
        w->keys = min((part + 1) * tiles / parts * tile, p.keys[0]) - w->key;
    }
    return true;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* The n-th item's sums in memory, of this thread: [WIDTH / 8 + 1] steps of TEAM. */
template <int WIDTH>
__device__ inline float4 *sums_of(float4 *sums, const struct attention_split &s, int team, int n)
{
    return sums + ((int64_t)(n - s.whole) * TEAMS + team) * (WIDTH / 8 + 1) * TEAM +
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
    enum { NEXT = TEAMS * (WIDTH / 8 + 1) * TEAM };
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
    return team_any(team, last);
}

/* From the sums of the n-th item to those of its piece, where all others were there before: else
 * false, and another will. */
template <int WIDTH>
__device__ inline bool merge_parts(struct rows<WIDTH> &r, const struct attention_split &s,
                                   struct counts *counts, float4 *sums, int team, int n)
{
    int part, parts, piece = piece_of(s, n, &part, &parts);
    if (parts == 1)
        return true;
    put_sums<WIDTH>(sums_of<WIDTH>(sums, s, team, n), r);
    if (!counts_last(counts->done + (piece - s.whole) * TEAMS + team, parts, team))
        return false;
    add_sums<WIDTH>(r, sums_of<WIDTH>(sums, s, team, n - part), parts);
    return true;
}

#endif
#endif
