/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the ratio of two medians may be from the one that was measured, by bootstrap (Efron and
 * Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: the percentile interval). The
 * samples are drawn again with replacement, as many as there are; what the middle 95 % of the
 * ratios of such draws cover is the interval. Not a test, and no verdict.
 *
 * Samples may come in rounds, which vary more than loops of one round do: then rounds are drawn
 * first, as many as there are, and loops within each. Two or three rounds tell little of how rounds
 * vary.
 *
 * Draws are a function of a fixed seed, the draw and the sample's place: the same samples give the
 * same interval on every machine.
 */
#ifndef HARNESS_BASE_BOOTSTRAP_H
#define HARNESS_BASE_BOOTSTRAP_H

#include "kernels/base/status.h"

#include <stdint.h>

enum { BOOTSTRAP_DRAWS = 10000 };

/* Samples of round after round, in any order within one. Borrowed. */
struct bootstrap_samples {
    int rounds;      /* at least 1 */
    const int *end;  /* [rounds] place in v behind the round's last sample; none is empty */
    const double *v; /* [end[rounds - 1]] */
};

struct bootstrap_interval {
    double low, high;
};

/* The 2.5th and 97.5th percentile (stats_percentile: definition 7) of BOOTSTRAP_DRAWS ratios median
 * of b / median of a. All samples are above 0. ST_OOM. */
enum status bootstrap_ratio(const struct bootstrap_samples *a, const struct bootstrap_samples *b,
                            struct bootstrap_interval *out);

/* Medians of `draws` draws, out [draws]; other streams give independent ones. ST_OOM. */
enum status bootstrap_medians(const struct bootstrap_samples *samples, uint32_t stream, int draws,
                              double *out);

#endif
