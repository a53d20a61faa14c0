/* SPDX-License-Identifier: Apache-2.0 */
/* Distances between arrays, in one pass. */
#include "harness/check/quality.h"
#include "kernels/base/status.h"

#include <math.h>

struct quality quality_of(size_t n, const float *got, const float *want)
{
    BUG_ON(n == 0, "quality of no elements");
    struct quality out = {0};
    double difference = 0, reference = 0, low = want[0], high = want[0];
    for (size_t i = 0; i < n; i++) {
        double w = want[i], d = (double)got[i] - w;
        if (!isfinite(d))
            return (struct quality){.rel_l2 = NAN, .max_abs = NAN, .psnr_db = NAN, .worst = i};
        difference += d * d;
        reference += w * w;
        low = fmin(low, w);
        high = fmax(high, w);
        if (fabs(d) > out.max_abs) {
            out.max_abs = fabs(d);
            out.worst = i;
        }
    }
    if (difference == 0) {
        out.psnr_db = INFINITY;
        return out;
    }
    out.rel_l2 = sqrt(difference / reference); // infinite for reference 0
    out.psnr_db = high > low ? 20 * log10((high - low) / sqrt(difference / (double)n)) : NAN;
    return out;
}

size_t quality_not_finite(size_t n, const float *values)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !isfinite(values[i]);
    return count;
}

bool quality_pass(const struct quality *quality, double tolerance)
{
    return quality->rel_l2 <= tolerance;
}
