/* SPDX-License-Identifier: Apache-2.0 */
/* One pass, from the end, so that the last one found is the first. */
#include "harness/image/finite.h"

#include <math.h>

size_t finite_faults(size_t n, const float *values, size_t *first)
{
    size_t faults = 0;
    for (size_t i = n; i-- > 0;) {
        if (isfinite(values[i]))
            continue;
        faults++;
        *first = i;
    }
    return faults;
}
