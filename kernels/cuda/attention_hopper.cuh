/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warps of the attention for Hopper share: the sizes of a block's work, where it lies in
 * shared memory, and the two products. For attention_hopper.cu only.
 */
#ifndef KERNELS_CUDA_ATTENTION_HOPPER_CUH
#define KERNELS_CUDA_ATTENTION_HOPPER_CUH

#include "kernels/cuda/hopper.cuh"

enum {
    TEAMS = 4, /* warpgroups that compute, of 64 queries each */
    QUERIES = TEAMS * 64,
    THREADS = TEAM * (TEAMS + 1),
    STAGES = 4, /* tiles of keys and values in shared memory */
};

/*
 * By the width of a head. Copied boxes are at most 128 bytes wide and swizzled. Queries and keys,
 * whose columns are summed over: 64 columns, and apart from them the others, TAIL with those that
 * fill up a step of sixteen and are zeros. Values, whose rows are summed over, want one layout for
 * all columns: one box of 64 or two, of which the second is filled as far as the head goes.
 */
template <int WIDTH> struct size {
    enum {
        KEYS = WIDTH == 88 ? 64 : 96, /* of a tile: as many as registers allow */
        TAIL = (WIDTH - 64 + 15) / 16 * 16,
        TAIL_FACTOR = TAIL == 16 ? FACTOR_32B : FACTOR_64B,
        WIDE_BYTES = KEYS * 128,
        KEY_BYTES = WIDE_BYTES + KEYS * TAIL * 2,
        TILE_BYTES = KEY_BYTES + WIDE_BYTES * (TAIL > 0 ? 2 : 1), /* keys, then values */
        QUERY_BYTES = QUERIES * (64 + TAIL) * 2,
        BARRIERS_AT = QUERY_BYTES + STAGES * TILE_BYTES,
        PIECE_AT = BARRIERS_AT + 2 * (STAGES + 1) * 8,
        SHARED_BYTES = PIECE_AT + 8 + 1024 /* to begin at a multiple of 1024 */
    };
};

struct maps {
    CUtensorMap queries, queries_tail, keys, keys_tail, values;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- products ---- */

/* s [64, n] = q [64, 16] k^T, or added to it. `others`: the numbers of the operands after the
 * accumulators, the last of them of whether to add. */
#define MULTIPLY_KEYS(n, type, numbers, others, last, add, ...)                                    \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " last ", 0;\n"                             \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" numbers       \
                 "}, " others ", add, 1, 1, 0, 0;\n}\n"                                            \
                 : __VA_ARGS__                                                                     \
                 : "l"(q), "l"(k), "n"(add))

#define MULTIPLY_KEYS_96(type, how, add)                                                           \
    MULTIPLY_KEYS("96", type, HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_47, "%48, %49", "%50",  \
                  add, HOPPER_32(how, s, 0), HOPPER_16(how, s, 8))

#define MULTIPLY_KEYS_64(type, how, add)                                                           \
    MULTIPLY_KEYS("64", type, HOPPER_0_15 ", " HOPPER_16_31, "%32, %33", "%34", add,               \
                  HOPPER_32(how, s, 0))

template <bool add>
__device__ inline void multiply_keys(float (&s)[12][4], uint64_t q, uint64_t k, bf16)
{
    if (add)
        MULTIPLY_KEYS_96("bf16", "+f", 1);
    else
        MULTIPLY_KEYS_96("bf16", "=f", 0);
}

template <bool add>
__device__ inline void multiply_keys(float (&s)[12][4], uint64_t q, uint64_t k, fp16)
{
    if (add)
        MULTIPLY_KEYS_96("f16", "+f", 1);
    else
        MULTIPLY_KEYS_96("f16", "=f", 0);
}

template <bool add>
__device__ inline void multiply_keys(float (&s)[8][4], uint64_t q, uint64_t k, bf16)
{
    if (add)
        MULTIPLY_KEYS_64("bf16", "+f", 1);
    else
        MULTIPLY_KEYS_64("bf16", "=f", 0);
}

template <bool add>
__device__ inline void multiply_keys(float (&s)[8][4], uint64_t q, uint64_t k, fp16)
{
    if (add)
        MULTIPLY_KEYS_64("f16", "+f", 1);
    else
        MULTIPLY_KEYS_64("f16", "=f", 0);
}

/* o [64, n] += p [64, 16] v [16, n]. */
#define MULTIPLY_VALUES(n, groups, numbers, others, ...)                                           \
    __device__ inline void multiply_values(float(&o)[groups][4], const uint32_t(&p)[4],            \
                                           uint64_t v, bf16)                                       \
    {                                                                                              \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 {" numbers           \
                     "}, " others ", 1, 1, 1, 1;\n"                                                \
                     : __VA_ARGS__                                                                 \
                     : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "l"(v));                        \
    }                                                                                              \
    __device__ inline void multiply_values(float(&o)[groups][4], const uint32_t(&p)[4],            \
                                           uint64_t v, fp16)                                       \
    {                                                                                              \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" n "k16.f32.f16.f16 {" numbers             \
                     "}, " others ", 1, 1, 1, 1;\n"                                                \
                     : __VA_ARGS__                                                                 \
                     : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "l"(v));                        \
    }

MULTIPLY_VALUES("64", 8, HOPPER_0_15 ", " HOPPER_16_31, "{%32, %33, %34, %35}, %36",
                HOPPER_32("+f", o, 0))
MULTIPLY_VALUES("72", 9, HOPPER_0_15 ", " HOPPER_16_31 ", %32, %33, %34, %35",
                "{%36, %37, %38, %39}, %40", HOPPER_32("+f", o, 0), HOPPER_4("+f", o, 8))
MULTIPLY_VALUES("88", 11, HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_43,
                "{%44, %45, %46, %47}, %48", HOPPER_32("+f", o, 0), HOPPER_8("+f", o, 8),
                HOPPER_4("+f", o, 10))

/* ---- places ---- */

/* Addresses in shared memory. */
template <int WIDTH> struct layout {
    typedef struct size<WIDTH> S;
    uint32_t start;

    __device__ inline uint32_t queries(int team) const
    {
        return start + team * 64 * 128;
    }
    __device__ inline uint32_t queries_tail(int team) const
    {
        return start + QUERIES * 128 + team * 64 * S::TAIL * 2;
    }
    __device__ inline uint32_t keys(int slot) const
    {
        return start + S::QUERY_BYTES + slot * S::TILE_BYTES;
    }
    __device__ inline uint32_t full(int slot) const
    {
        return start + S::BARRIERS_AT + slot * 8;
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
        return start + S::PIECE_AT;
    }
};

#endif
#endif
