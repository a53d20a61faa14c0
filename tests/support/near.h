/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far computed numbers are from expected ones. Independent of Criterion, so that workers and
 * stress programs use it too; in a test: cr_assert(near_floats("o", got, want, n, 1e-6)).
 */
#ifndef TESTS_SUPPORT_NEAR_H
#define TESTS_SUPPORT_NEAR_H

#include <stdbool.h>
#include <stdint.h>

struct near {
    double
        rel_l2; /* |got - want| / |want|, the norm of all elements; |got| where want is all zeros */
    double max_abs; /* largest |got - want| */
    int64_t worst;  /* its element; the first one that is not finite where it should be; -1: no
                       elements */
};

/* An element that is NaN or infinite in got, and not the same in want, makes both distances
 * infinite. */
struct near near_measure(const float *got, const double *want, int64_t count);

/* True when rel_l2 <= tolerance. Otherwise prints one line on standard error: what, distances and
 * the worst element. */
bool near_floats(const char *what, const float *got, const float *want, int64_t count,
                 double tolerance);
bool near_doubles(const char *what, const float *got, const double *want, int64_t count,
                  double tolerance);

/* True when all bytes of two arrays are equal. Otherwise prints the first element that differs. */
bool near_equal(const char *what, const float *got, const float *want, int64_t count);

#endif
