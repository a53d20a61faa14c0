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
