/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of verdicts, on plain numbers. Knows no pack and no record. */
#ifndef HARNESS_PAPER_JUDGE_H
#define HARNESS_PAPER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

enum paper_verdict { PAPER_REPRODUCED, PAPER_NOT_REPRODUCED, PAPER_NOT_COMPARABLE, PAPER_VERDICTS };

/* "reproduced", "not reproduced", "not comparable" */
const char *paper_verdict_name(enum paper_verdict verdict);

enum { PAPER_WHY = 400 };

/* Of the published ratio; and what two published values must differ by to have an order. */
#define PAPER_RATIO_TOLERANCE 0.25
#define PAPER_ORDER_LEAST     0.05

/* Whether |ours / published - 1| <= PAPER_RATIO_TOLERANCE, the edges included. Both > 0. why of
 * PAPER_WHY bytes: the numbers in words. */
enum paper_verdict paper_judge_ratio(double published, double ours, char *why);

/*
 * Whether the order of value `at` among n is kept: for no other one, whose published value differs
 * by more than PAPER_ORDER_LEAST of the smaller, ours stand the other way round or equal. NaN in
 * `ours`: we have none; NaN in `published`: no order. PAPER_NOT_COMPARABLE where that leaves no
 * other one. name [n] for `why`.
 */
enum paper_verdict paper_judge_order(int n, const double *published, const double *ours,
                                     const char *const *name, int at, char *why);

#endif
