/* SPDX-License-Identifier: Apache-2.0 */
/* The account of what was compared. Not a test. */
#include "tests/cuda/reference.h"

#include "tests/cuda/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double reference_tolerance(enum dtype dtype, const char *spec)
{
    return dtype == DTYPE_F32 ? cell_tolerance(spec) : 5e-2;
}

void reference_judge(struct reference_tally *tally, const char *spec, const struct cell_result *got,
                     const struct cell_result *want, double tolerance)
{
    double distance = want ? cell_distance(got, want) : 0;
    bool near = distance <= tolerance;
    tally->cells++;
    if (tally->cells == 1 || !(distance <= tally->worst)) {
        tally->worst = distance;
        snprintf(tally->spec, sizeof tally->spec, "%s", spec);
    }
    if (near && got->bytes_match && got->memory_match)
        return;
    tally->bad++;
    fprintf(stderr, "%s: %s: relative L2 %.3g, tolerance %g%s%s%s\n", tally->group, spec, distance,
            tolerance, got->bytes_match ? "" : "; bytes differ from the formula",
            got->memory_match ? "" : "; memory differs from the prediction",
            near ? "" : "; LATENTS DIFFER");
    if (got->mismatch[0])
        fprintf(stderr, "    %s\n", got->mismatch);
}

void reference_print(const struct reference_tally *tally)
{
    printf("     %s: %d cells, %d bad, worst relative L2 %.3g (%s)\n", tally->group, tally->cells,
           tally->bad, tally->worst, tally->cells > 0 ? tally->spec : "none");
    fflush(stdout);
}
