/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics: sorts a copy, then interpolates. */
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
    qsort(scratch, (size_t)n, sizeof *scratch, compare_doubles);
    return (struct stats){
        .median = stats_percentile(n, scratch, 50),
        .p10 = stats_percentile(n, scratch, 10),
        .p90 = stats_percentile(n, scratch, 90),
        .min = scratch[0],
        .max = scratch[n - 1],
    };
}
