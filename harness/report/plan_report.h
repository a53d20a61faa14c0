/* SPDX-License-Identifier: Apache-2.0 */
/* What the plan says of every rank, as JSON and as a table. Plans nothing itself. */
#ifndef HARNESS_REPORT_PLAN_REPORT_H
#define HARNESS_REPORT_PLAN_REPORT_H

#include "harness/cell/setup.h"

#include <jansson.h>

/*
 * One object: model, size, strategy, ranks, supported, reason, exact, per_rank (interface of `plan
 * --json`), and the sums over the steps of a loop and all ranks: loop {calls, api_bytes,
 * wire_bytes}, memory {worst_rank, worst_bytes, total_bytes}. only: per_rank has this rank alone;
 * -1: all. A cell that is refused: ST_UNSUPPORTED, with *out saying so. Other failures leave *out
 * NULL. *out is the caller's.
 */
enum status plan_report(const struct setup *setup, int only, json_t **out);

/* Prints that object on standard output: a table of all ranks and what the first and the last of
 * them send, or all about one rank. */
void plan_report_print(const struct setup *setup, const json_t *report);

#endif
