/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics: sorts a copy, then interpolates, or counts from both ends. */
#include "harness/base/stats.h"
#include "kernels/base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int stats_far_out(int n, const double *sorted, double least)
{
    if (n < STATS_LEAST_FAR_OUT)
        return 0;
    double low = stats_percentile(n, sorted, 25), high = stats_percentile(n, sorted, 75);
    double median = stats_percentile(n, sorted, 50), reach = 3 * (high - low);
    int out = 0;
    for (int i = 0; i < n; i++)
        out += (sorted[i] < low - reach || sorted[i] > high + reach) &&
               fabs(sorted[i] - median) > least / 100 * fabs(median);
    return out;
}

void stats_sort(int n, double *samples)
{
    qsort(samples, (size_t)n, sizeof *samples, compare_doubles);
}

double stats_percentile(int n, const double *sorted, double percent)
{
    BUG_ON(n < 1 || !(percent >= 0 && percent <= 100), "percentile %g of %d samples", percent, n);
    double place = (n - 1) * (percent / 100);
    int below = (int)place;
    if (below >= n - 1)
        return sorted[n - 1];
    double a = sorted[below], b = sorted[below + 1], t = place - below;
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t); // exact at both ends
}

struct stats stats_of(int n, const double *samples, double *scratch)
{
    struct stats none = {NAN, NAN, NAN, NAN, NAN};
    for (int i = 0; i < n; i++)
        if (isnan(samples[i]))
            return none;
    if (n < 1)
        return none;
    memcpy(scratch, samples, (size_t)n * sizeof *samples);
    stats_sort(n, scratch);
    return (struct stats){
        .median = stats_percentile(n, scratch, 50),
        .p10 = stats_percentile(n, scratch, 10),
        .p90 = stats_percentile(n, scratch, 90),
        .min = scratch[0],
        .max = scratch[n - 1],
    };
}

/* ---- the interval of the median ---- */

/* Where a walk over the binomial's terms begins: twelve standard deviations below the middle, under
 * which nothing is that a double would notice. */
static int first_term(int n)
{
    double first = 0.5 * n - 6 * sqrt(n);
    return first > 0 ? (int)first : 0;
}

/* P(Bin(n, 1/2) = k) */
static double term(int n, int k)
{
    int sign; // lgamma's own would be shared by all threads
    return exp(lgamma_r(n + 1.0, &sign) - lgamma_r(k + 1.0, &sign) - lgamma_r(n - k + 1.0, &sign) -
               n * M_LN2);
}

double stats_median_coverage(int n, int l)
{
    BUG_ON(l < 1 || 2 * (long)l > (long)n + 1, "order statistic %d of %d samples", l, n);
    double below = 0;
    int k = first_term(n);
    for (double p = term(n, k); k < l; p *= (double)(n - k) / (k + 1), k++)
        below += p;
    return 1 - 2 * below;
}

int stats_median_rank(int n)
{
    static const double outside = 0.025; // at each end
    double below = 0;
    if (n < STATS_LEAST_INTERVAL)
        return 0;
    int k = first_term(n);
    for (double p = term(n, k);; p *= (double)(n - k) / (k + 1), k++) {
        below += p; // P(Bin < k + 1)
        if (below > outside)
            return k;
    }
}

struct stats_interval stats_median_interval(int n, const double *sorted)
{
    int l = stats_median_rank(n);
    if (l == 0)
        return (struct stats_interval){NAN, NAN};
    return (struct stats_interval){sorted[l - 1], sorted[n - l]};
}

double stats_median_noise(int n, const double *sorted)
{
    struct stats_interval i = stats_median_interval(n, sorted);
    return isnan(i.low) ? NAN : 50 * (i.high - i.low) / stats_percentile(n, sorted, 50);
}
