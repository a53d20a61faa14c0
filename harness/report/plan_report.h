/* SPDX-License-Identifier: Apache-2.0 */
/* What the plan says of every rank, as JSON and as a table. Plans nothing itself, prints nothing.
 */
#ifndef HARNESS_REPORT_PLAN_REPORT_H
#define HARNESS_REPORT_PLAN_REPORT_H

#include "harness/cell/setup.h"

#include <jansson.h>

/* One object: model, size, strategy, ranks, supported, reason, exact, per_rank (interface of `plan
 * --json`). A cell that is refused: ST_UNSUPPORTED, with *out saying so. Other failures leave *out
 * NULL. *out is the caller's. */
enum status plan_report(const struct setup *setup, json_t **out);

/* Prints that object as a table on standard output. */
void plan_report_print(const struct setup *setup, const json_t *report);

#endif
