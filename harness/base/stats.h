/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics of a handful of samples. Not tests, intervals or fits. */
#ifndef HARNESS_BASE_STATS_H
#define HARNESS_BASE_STATS_H

/* All NaN where there are no samples, or where one of them is NaN. */
struct stats {
    double median, p10, p90, min, max;
};

/* samples [n], in any order, unchanged; scratch [n]. */
struct stats stats_of(int n, const double *samples, double *scratch);

/*
 * Percentile by linear interpolation between order statistics, numpy's default (Hyndman & Fan,
 * "Sample Quantiles in Statistical Packages", 1996, definition 7): with h = (n - 1) percent / 100,
 * the value at place h of `sorted`. sorted [n], ascending, n >= 1; percent 0 to 100.
 */
double stats_percentile(int n, const double *sorted, double percent);

#endif
