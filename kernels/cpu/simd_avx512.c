/* SPDX-License-Identifier: Apache-2.0 */
/* simd_kernels.inc over 16 floats, for x86-64 processors with AVX-512F/DQ/VL. */
#include "kernels/cpu/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SIMD_WIDTH 16
#define SIMD_FN    __attribute__((target("avx512f,avx512dq,avx512vl,fma")))

#define VEC_FMA(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
/* Where one operand is a NaN the second is the result. */
#define VEC_MAX(a, b) ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define VEC_MIN(a, b) ((vec)_mm512_min_ps((__m512)(a), (__m512)(b)))

#include "kernels/cpu/simd_kernels.inc"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

const struct simd_ops simd_avx512 = {.name = "avx512", .usable = usable, SIMD_KERNELS};
#endif
