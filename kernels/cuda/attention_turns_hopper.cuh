/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warps of the attention for Hopper share: the sizes of a block's work, where it lies in
 * shared memory, and the two products. For attention_turns_hopper.cu only.
 */
#ifndef KERNELS_CUDA_ATTENTION_TURNS_HOPPER_CUH
#define KERNELS_CUDA_ATTENTION_TURNS_HOPPER_CUH

#include "kernels/cuda/hopper.cuh"

enum {
    WIDTH = 72,
    GROUPS = WIDTH / 8, /* of eight columns */
    KEYS = 96,          /* of a tile */
    TILES8 = KEYS / 8,
    STAGES = 4, /* tiles in shared memory */
    TEAMS = 2,  /* warpgroups that compute */
    BLOCKS = 2, /* of 64 queries, of each */
    QUERIES = TEAMS * BLOCKS * 64,
    THREADS = TEAM * (TEAMS + 1),
};

/*
 * Copied boxes are at most 128 bytes wide and swizzled. Queries and keys, whose columns are summed
 * over: 64 columns, and apart from them 16 more, of which eight are beyond the head and thus zeros.
 * Values, whose rows are summed over, want one layout for all columns: two boxes of 64, of which
 * the second has eight.
 */
enum {
    WIDE_BYTES = KEYS * 128,
    KEY_BYTES = WIDE_BYTES + KEYS * 32,
    TILE_BYTES = KEY_BYTES + 2 * WIDE_BYTES, /* keys, then values */
    QUERY_BYTES = QUERIES * (128 + 32),
    TILES_AT = QUERY_BYTES,
    BARRIERS_AT = TILES_AT + STAGES * TILE_BYTES,
    PIECE_AT = BARRIERS_AT + 2 * (STAGES + 1) * 8,
    SHARED_BYTES = PIECE_AT + 8 + 1024, /* to begin at a multiple of 1024 */
};

struct maps {
    CUtensorMap queries, queries_tail, keys, keys_tail, values;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- products ---- */

/* s [64, KEYS] = q [64, 16] k^T, or added to it. */
#define MULTIPLY_KEYS(type, how, add)                                                              \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %50, 0;\n"                                  \
                 "wgmma.mma_async.sync.aligned.m64n96k16.f32." type "." type " {" HOPPER_0_15      \
                 ", " HOPPER_16_31 ", " HOPPER_32_47 "}, %48, %49, add, 1, 1, 0, 0;\n}\n"          \
                 : HOPPER_32(how, s, 0), HOPPER_16(how, s, 8)                                      \
                 : "l"(q), "l"(k), "n"(add))

template <bool add>
__device__ inline void multiply_keys(float (&s)[TILES8][4], uint64_t q, uint64_t k, bf16)
{
    if (add)
        MULTIPLY_KEYS("bf16", "+f", 1);
    else
        MULTIPLY_KEYS("bf16", "=f", 0);
}

template <bool add>
__device__ inline void multiply_keys(float (&s)[TILES8][4], uint64_t q, uint64_t k, fp16)
{
    if (add)
        MULTIPLY_KEYS("f16", "+f", 1);
    else
        MULTIPLY_KEYS("f16", "=f", 0);
}

/* o [64, 72] += p [64, 16] v [16, 72]. */
#define MULTIPLY_VALUES(type)                                                                      \
    asm volatile("wgmma.mma_async.sync.aligned.m64n72k16.f32." type "." type " {" HOPPER_0_15      \
                 ", " HOPPER_16_31 ", %32, %33, %34, %35}, {%36, %37, %38, %39}, %40, 1, 1, 1, "   \
                 "1;\n"                                                                            \
                 : HOPPER_32("+f", o, 0), HOPPER_4("+f", o, 8)                                     \
                 : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "l"(v))

__device__ inline void multiply_values(float (&o)[GROUPS][4], const uint32_t (&p)[4], uint64_t v,
                                       bf16)
{
    MULTIPLY_VALUES("bf16");
}

__device__ inline void multiply_values(float (&o)[GROUPS][4], const uint32_t (&p)[4], uint64_t v,
                                       fp16)
{
    MULTIPLY_VALUES("f16");
}

/* ---- places ---- */

/* Addresses in shared memory. */
struct layout {
    uint32_t start;

    __device__ inline uint32_t queries(int block) const
    {
        return start + block * 64 * 128;
    }
    __device__ inline uint32_t queries_tail(int block) const
    {
        return start + QUERIES * 128 + block * 64 * 32;
    }
    __device__ inline uint32_t keys(int slot) const
    {
        return start + TILES_AT + slot * TILE_BYTES;
    }
    __device__ inline uint32_t values(int slot) const
    {
        return keys(slot) + KEY_BYTES;
    }
    __device__ inline uint32_t full(int slot) const
    {
        return start + BARRIERS_AT + slot * 8;
    }
    __device__ inline uint32_t empty(int slot) const
    {
        return full(slot) + (STAGES + 1) * 8;
    }
    __device__ inline uint32_t queries_full() const
    {
        return full(STAGES);
    }
    __device__ inline uint32_t queries_empty() const
    {
        return empty(STAGES);
    }
    __device__ inline uint32_t piece() const
    {
        return start + PIECE_AT;
    }
};

/* The n-th piece of work: blocks of queries of a head follow each other, so that blocks that run at
 * a time share keys. False where there is none. */
struct work {
    int lane, head, first;
};

__device__ inline bool find_work(const struct cuda_attention &p, int n, struct work *w)
{
    int blocks = (p.rows + QUERIES - 1) / QUERIES;
    if (n >= blocks * p.heads * p.lanes)
        return false;
    w->first = n % blocks * QUERIES;
    w->head = n / blocks % p.heads;
    w->lane = n / blocks / p.heads;
    return true;
}

#endif
#endif
