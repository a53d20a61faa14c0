/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectorised arithmetic on dense fp32 rows: the inner loops of attention, norms, activations and
 * sums. No shapes, no threads.
 *
 * simd_kernels.inc holds the loops once, over vectors of SIMD_WIDTH floats; simd_avx512.c,
 * simd_avx2.c and simd_portable.c compile it for one instruction set each, and a device picks the
 * widest that its processor has. Sums are taken in vector lanes and folded in a fixed order: equal
 * inputs give equal bits on one instruction set, but two instruction sets round differently. NaNs
 * in the inputs reach the outputs. Rows need no alignment.
 */
#ifndef KERNELS_CPU_SIMD_H
#define KERNELS_CPU_SIMD_H

#include "kernels/op.h"

struct simd_norm {
    float mean, inverse;
    const float *weight, *bias, *scale, *shift; /* NULL: left out */
};

struct simd_ops {
    const char *name;
    bool (*usable)(void); /* this processor has the instructions */

    /* y = act(x + bias); bias NULL: none; y may be x. */
    void (*activate)(int64_t n, float *y, const float *x, const float *bias, enum act act);

    /* h += gate * (y + bias); bias NULL: 0, gate NULL: 1. */
    void (*gate_add)(int64_t n, float *h, const float *y, const float *bias, const float *gate);

    /* The sum of x - mean, or of its square; n 0: x may be NULL. */
    float (*moment)(int64_t n, const float *x, float mean, bool square);

    /* y = ((x - mean) * inverse * weight + bias) * (1 + scale) + shift; y may be x. */
    void (*norm)(int64_t n, float *y, const float *x, const struct simd_norm *of);

    /* y = a * y + b * x; b 0: x is not read (NULL allowed). */
    void (*mix)(int64_t n, float *y, float a, const float *x, float b);

    /* The largest element; n >= 1. */
    float (*max)(int64_t n, const float *x);

    /* x = exp(x - shift); returns the sum. Results below 1.3e-38 are 0. */
    float (*exp_sum)(int64_t n, float *x, float shift);
};

/* Widest first; NULL past the end. Entries that this processor lacks are listed too. */
const struct simd_ops *simd_at(int index);

/* The widest usable one; never NULL. */
const struct simd_ops *simd_best(void);

#if defined(__x86_64__)
extern const struct simd_ops simd_avx512;
extern const struct simd_ops simd_avx2;
#endif
extern const struct simd_ops simd_portable;

#endif
