/* SPDX-License-Identifier: Apache-2.0 */
/* How far one array of numbers is from another. Not image quality: the arrays are latents. */
#ifndef HARNESS_CHECK_QUALITY_H
#define HARNESS_CHECK_QUALITY_H

#include <stdbool.h>
#include <stddef.h>

struct quality {
    double rel_l2;  /* ||got - want|| / ||want||; for want = 0: 0 when equal, infinite otherwise */
    double max_abs; /* max |got - want| */
    double psnr_db; /* 20 log10(range / rms(got - want)), range = max(want) - min(want): infinite
                     * when equal, NaN when want is constant and got differs */
    size_t worst;   /* element of max_abs */
};

/* got, want [n], n >= 1. Sums run in double, in order. An element that is NaN, or an infinity in
 * either array, makes all three numbers NaN and is `worst`. */
struct quality quality_of(size_t n, const float *got, const float *want);

/* How many of n elements are NaN or infinite. */
size_t quality_not_finite(size_t n, const float *values);

/* rel_l2 <= tolerance; never for a NaN. */
bool quality_pass(const struct quality *quality, double tolerance);

#endif
