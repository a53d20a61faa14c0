/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics of samples: percentiles, and an interval of their median. Not tests or fits. */
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

/*
 * The 95% interval of the median, by order statistics: no distribution is assumed. Of n independent
 * samples, the number below the true median is binomial (n, 1/2), so it lies between the l-th
 * smallest and the l-th largest with probability 1 - 2 P(Bin(n, 1/2) < l) (Conover, "Practical
 * Nonparametric Statistics", 3.2). l is the largest for which that is at least 0.95. Five samples
 * and fewer have none: from the smallest to the largest of 5 is 0.9375. Coverage is then above
 * 0.95 by what whole numbers leave over: 0.969 at n = 6 (l = 1), 0.984 at 7, 0.992 at 8, 0.961 at
 * 9 (l = 2), 0.979 at 10, 0.959 at 20 (l = 6), 0.965 at 100 (l = 40).
 */
enum { STATS_LEAST_INTERVAL = 6 }; /* samples */

/* l of n samples, from 1; 0: they have no interval. */
int stats_median_rank(int n);

/* Probability that the median lies between the l-th smallest and the l-th largest; 1 <= l and
 * 2 l <= n + 1. */
double stats_median_coverage(int n, int l);

struct stats_interval {
    double low, high;
};

/* sorted [n], ascending. NaN, NaN: no interval. */
struct stats_interval stats_median_interval(int n, const double *sorted);

/* Half the width of that interval in percent of the median; NaN where there is none. */
double stats_median_noise(int n, const double *sorted);

/*
 * How many lie more than 3 interquartile ranges beyond the quartiles ("far out": Tukey,
 * "Exploratory Data Analysis", 1977, 2D), and more than `least` percent from the median, for the
 * quartiles of a steady machine are so close that its every tremor is far out. sorted [n],
 * ascending; 0 for fewer than STATS_LEAST_FAR_OUT.
 */
enum { STATS_LEAST_FAR_OUT = 8 };
int stats_far_out(int n, const double *sorted, double least);

/* Sorts in place, ascending. */
void stats_sort(int n, double *samples);

#endif
