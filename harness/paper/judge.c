/* SPDX-License-Identifier: Apache-2.0 */
/* Ratios and orders. */
#include "harness/paper/judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *paper_verdict_name(enum paper_verdict verdict)
{
    static const char *const names[PAPER_VERDICTS] = {
        [PAPER_REPRODUCED] = "reproduced",
        [PAPER_NOT_REPRODUCED] = "not reproduced",
        [PAPER_NOT_COMPARABLE] = "not comparable",
    };
    return names[verdict];
}

/* The last bit of a quotient decides nothing. */
static bool within(double off)
{
    return fabs(off) <= PAPER_RATIO_TOLERANCE * (1 + 1e-9);
}

/* Decimals with which the percentage lies on the side of the rule that the verdict says. */
static int decimals_of(double off)
{
    int decimals = 0;
    char text[60];
    for (; decimals < 6; decimals++) {
        snprintf(text, sizeof text, "%.*f", decimals, 100 * off);
        if (within(strtod(text, NULL) / 100) == within(off))
            break;
    }
    return decimals;
}

enum paper_verdict paper_judge_ratio(double published, double ours, char *why)
{
    double off = ours / published - 1;
    snprintf(why, PAPER_WHY, "ratio %.3g, published %.3g: %+.*f%%", ours, published,
             decimals_of(off), 100 * off);
    return within(off) ? PAPER_REPRODUCED : PAPER_NOT_REPRODUCED;
}

/* -1: a is smaller; 1: larger; 0: they have no order. */
static int published_order(double a, double b)
{
    double least = fmin(a, b) * PAPER_ORDER_LEAST;
    return fabs(a - b) > least ? (a < b ? -1 : 1) : 0;
}

enum paper_verdict paper_judge_order(int n, const double *published, const double *ours,
                                     const char *const *name, int at, char *why)
{
    int asked = 0;
    int kept = 0;
    int broken = -1;
    for (int i = 0; i < n; i++) {
        int order = i == at ? 0 : published_order(published[at], published[i]);
        if (order == 0 || isnan(ours[i]) || isnan(ours[at]))
            continue;
        bool same = order < 0 ? ours[at] < ours[i] : ours[at] > ours[i];
        asked++;
        kept += same;
        if (!same && broken < 0)
            broken = i;
    }
    if (asked == 0)
        snprintf(why, PAPER_WHY, "no other value of ours here has a published order with it");
    else if (broken < 0)
        snprintf(why, PAPER_WHY, "its order with %d other%s is kept", asked, asked == 1 ? "" : "s");
    else
        snprintf(why, PAPER_WHY, "its order with %d of %d others is kept; not with %.200s", kept,
                 asked, name[broken]);
    return asked == 0 ? PAPER_NOT_COMPARABLE : broken < 0 ? PAPER_REPRODUCED : PAPER_NOT_REPRODUCED;
}
