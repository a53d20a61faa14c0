/* SPDX-License-Identifier: Apache-2.0 */
/* simd_kernels.inc over 8 floats, for x86-64 processors with AVX2 and FMA. */
#include "kernels/cpu/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SIMD_WIDTH 8
#define SIMD_FN    __attribute__((target("avx2,fma")))

#define VEC_FMA(a, b, c) ((vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
/* Where one operand is a NaN the second is the result. */
#define VEC_MAX(a, b) ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define VEC_MIN(a, b) ((vec)_mm256_min_ps((__m256)(a), (__m256)(b)))

#include "kernels/cpu/simd_kernels.inc"

static bool usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct simd_ops simd_avx2 = {.name = "avx2", .usable = usable, SIMD_KERNELS};
#endif
