/* SPDX-License-Identifier: Apache-2.0 */
/* simd_kernels.inc over 4 floats with the compiler's generic vectors, for any processor. */
#include "kernels/cpu/simd.h"

#define SIMD_WIDTH 4
#define SIMD_FN

#define VEC_FMA(a, b, c) ((a) * (b) + (c))
/* Where one operand is a NaN the second is the result. */
#define VEC_MAX(a, b) vec_select((a) > (b), (a), (b))
#define VEC_MIN(a, b) vec_select((a) < (b), (a), (b))

#include "kernels/cpu/simd_kernels.inc"

static bool usable(void)
{
    return true;
}

const struct simd_ops simd_portable = {.name = "portable", .usable = usable, SIMD_KERNELS};
