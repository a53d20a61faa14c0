/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics against values worked out by numpy's rule, linear between order statistics. */
#include "harness/base/stats.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define STATS(...)                                                                                 \
    stats_of((int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__},     \
             (double[16]){0})

static void near(double got, double want)
{
    cr_assert_leq(fabs(got - want), 4e-16 * fabs(want), "%.17g, wanted %.17g", got, want);
}

Test(stats, five_samples)
{
    struct stats s = STATS(5, 1, 4, 2, 3);
    near(s.median, 3);
    near(s.p10, 1.4);
    near(s.p90, 4.6);
    near(s.min, 1);
    near(s.max, 5);
}

/* numpy.percentile([0.5, 7.25, 3, 9, 1.125, 2], [10, 50, 90]) = 0.8125, 2.5, 8.125 */
Test(stats, even_count)
{
    struct stats s = STATS(0.5, 7.25, 3, 9, 1.125, 2);
    near(s.p10, 0.8125);
    near(s.median, 2.5);
    near(s.p90, 8.125);
}

Test(stats, one_sample_is_everything)
{
    struct stats s = STATS(7.5);
    near(s.median, 7.5);
    near(s.p10, 7.5);
    near(s.p90, 7.5);
    near(s.min, 7.5);
    near(s.max, 7.5);
}

Test(stats, two_samples)
{
    struct stats s = STATS(30, 20);
    near(s.p10, 21);
    near(s.median, 25);
    near(s.p90, 29);
}

Test(stats, no_samples_have_no_statistics)
{
    struct stats s = stats_of(0, NULL, NULL);
    cr_assert(isnan(s.median) && isnan(s.p10) && isnan(s.p90) && isnan(s.min) && isnan(s.max));
}

Test(stats, nan_is_never_averaged_away)
{
    struct stats s = STATS(1, 2, NAN, 4);
    cr_assert(isnan(s.median) && isnan(s.p10) && isnan(s.p90) && isnan(s.min) && isnan(s.max));
}

Test(stats, samples_stay_in_their_order)
{
    double samples[] = {3, 1, 2}, before[] = {3, 1, 2}, scratch[3];
    stats_of(3, samples, scratch);
    cr_assert_eq(memcmp(samples, before, sizeof samples), 0);
}

Test(stats, percentile_hits_its_ends_exactly)
{
    double sorted[] = {0.1, 0.2, 0.3, 0.7};
    cr_assert_eq(stats_percentile(4, sorted, 0), 0.1);
    cr_assert_eq(stats_percentile(4, sorted, 100), 0.7);
    near(stats_percentile(4, sorted, 25), 0.175);
    near(stats_percentile(4, sorted, 75), 0.4);
}

/* ---- the interval of the median ---- */

/* l and 1 - 2 P(Bin(n, 1/2) < l) in whole numbers: 2^n is exact in a double up to here. */
static double exact_coverage(int n, int l)
{
    double inside = ldexp(1, n), choose = 1;
    for (int k = 0; k < l; k++) {
        inside -= 2 * choose;
        choose = choose * (n - k) / (k + 1);
    }
    return ldexp(inside, -n);
}

Test(stats, an_interval_of_the_median_is_the_narrowest_of_95_percent)
{
    static const struct {
        int n, l;
        double coverage;
    } known[] = {{6, 1, 1 - 2.0 / 64},         {7, 1, 1 - 2.0 / 128},
                 {8, 1, 1 - 2.0 / 256},        {9, 2, 1 - 2 * 10.0 / 512},
                 {10, 2, 1 - 2 * 11.0 / 1024}, {20, 6, 1 - 2 * 21700.0 / 1048576}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        cr_assert_eq(stats_median_rank(known[i].n), known[i].l, "n = %d", known[i].n);
        cr_assert_float_eq(stats_median_coverage(known[i].n, known[i].l), known[i].coverage, 1e-13);
    }
    for (int n = 0; n < STATS_LEAST_INTERVAL; n++)
        cr_assert_eq(stats_median_rank(n), 0, "%d samples have no interval", n);
    for (int n = STATS_LEAST_INTERVAL; n <= 50; n++) {
        int l = stats_median_rank(n);
        cr_assert_float_eq(stats_median_coverage(n, l), exact_coverage(n, l), 1e-13, "n = %d", n);
        cr_assert(exact_coverage(n, l) >= 0.95 && exact_coverage(n, l + 1) < 0.95, "n = %d", n);
    }
}

/* From R: qbinom(0.025, n, 0.5) = 40, 469, 49690. */
Test(stats, an_interval_of_very_many_samples)
{
    cr_assert_eq(stats_median_rank(100), 40);
    cr_assert_eq(stats_median_rank(1000), 469);
    cr_assert_eq(stats_median_rank(100000), 49690);
    cr_assert_float_eq(stats_median_coverage(1000, 469), 0.9537088026395019, 1e-11);
}

Test(stats, an_interval_counts_from_both_ends)
{
    const double sorted[] = {90, 98, 99, 100, 100, 100, 101, 103, 200};
    struct stats_interval i = stats_median_interval(9, sorted);
    cr_assert(i.low == 98 && i.high == 103, "%g to %g", i.low, i.high);
    near(stats_median_noise(9, sorted), 2.5);
    i = stats_median_interval(6, sorted);
    cr_assert(i.low == 90 && i.high == 100);
    i = stats_median_interval(5, sorted);
    cr_assert(isnan(i.low) && isnan(i.high) && isnan(stats_median_noise(5, sorted)));
}
