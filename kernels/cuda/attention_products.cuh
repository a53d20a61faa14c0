/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two products of attention on warpgroups, for every number of keys and every width that a
 * kernel has: scores of 64 queries, and outputs from weights in registers. For attention_tiles.cuh
 * only; waits for nothing.
 */
#ifndef KERNELS_CUDA_ATTENTION_PRODUCTS_CUH
#define KERNELS_CUDA_ATTENTION_PRODUCTS_CUH

#include "kernels/cuda/hopper.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* s [64, n] = q [64, 16] k^T, or added to it. `others`: the numbers of the operands after the
 * accumulators, the last of them of whether to add. */
#define MULTIPLY_KEYS_ASM(n, type, add, ...)                                                       \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " KEYS_ADD_##n                              \
                 ", 0;\n"                                                                          \
                 "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type                   \
                 " {" KEYS_NUMBERS_##n "}, " KEYS_FACTORS_##n ", add, 1, 1, 0, 0;\n}\n"            \
                 : __VA_ARGS__                                                                     \
                 : "l"(q), "l"(k), "n"(add))

#define MULTIPLY_KEYS(n, T, type)                                                                  \
    template <bool add>                                                                            \
    __device__ inline void multiply_keys(float(&s)[n / 8][4], uint64_t q, uint64_t k, T)           \
    {                                                                                              \
        if (add)                                                                                   \
            MULTIPLY_KEYS_ASM(n, type, 1, KEYS_##n("+f"));                                         \
        else                                                                                       \
            MULTIPLY_KEYS_ASM(n, type, 0, KEYS_##n("=f"));                                         \
    }

/* Of n keys: the accumulators, their numbers, those of the two factors and of whether to add. */
#define KEYS_48(how)     HOPPER_16(how, s, 0), HOPPER_8(how, s, 4)
#define KEYS_NUMBERS_48  HOPPER_0_15 ", " HOPPER_16_23
#define KEYS_FACTORS_48  "%24, %25"
#define KEYS_ADD_48      "%26"
#define KEYS_64(how)     HOPPER_32(how, s, 0)
#define KEYS_NUMBERS_64  HOPPER_0_15 ", " HOPPER_16_31
#define KEYS_FACTORS_64  "%32, %33"
#define KEYS_ADD_64      "%34"
#define KEYS_80(how)     HOPPER_32(how, s, 0), HOPPER_8(how, s, 8)
#define KEYS_NUMBERS_80  HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_39
#define KEYS_FACTORS_80  "%40, %41"
#define KEYS_ADD_80      "%42"
#define KEYS_96(how)     HOPPER_32(how, s, 0), HOPPER_16(how, s, 8)
#define KEYS_NUMBERS_96  HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_47
#define KEYS_FACTORS_96  "%48, %49"
#define KEYS_ADD_96      "%50"
#define KEYS_128(how)    HOPPER_32(how, s, 0), HOPPER_32(how, s, 8)
#define KEYS_NUMBERS_128 HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_47 ", " HOPPER_48_63
#define KEYS_FACTORS_128 "%64, %65"
#define KEYS_ADD_128     "%66"

MULTIPLY_KEYS(48, bf16, "bf16")
MULTIPLY_KEYS(48, fp16, "f16")
MULTIPLY_KEYS(64, bf16, "bf16")
MULTIPLY_KEYS(64, fp16, "f16")
MULTIPLY_KEYS(80, bf16, "bf16")
MULTIPLY_KEYS(80, fp16, "f16")
MULTIPLY_KEYS(96, bf16, "bf16")
MULTIPLY_KEYS(96, fp16, "f16")
MULTIPLY_KEYS(128, bf16, "bf16")
MULTIPLY_KEYS(128, fp16, "f16")

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
MULTIPLY_VALUES("128", 16, HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_47 ", " HOPPER_48_63,
                "{%64, %65, %66, %67}, %68", HOPPER_32("+f", o, 0), HOPPER_32("+f", o, 8))

#endif
#endif
