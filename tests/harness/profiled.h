/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a profile's folder, for tests; each function fails the test that calls it. */
#ifndef TESTS_HARNESS_PROFILED_H
#define TESTS_HARNESS_PROFILED_H

#include "harness/profile/csv.h"

#include <jansson.h>

/* Columns of breakdown.csv; INSTANCES and CEILING: of kernels.csv. */
enum { RANK, STEP, TOTAL, COMPUTE, COMM, EXPOSED, HTA, OSU, GAPS, BUBBLE, WAIT, OTHER, COLUMNS };
enum { INSTANCES = 2, CEILING = 14 };

struct profiled {
    const char *folder; /* borrowed */
    json_t *json;       /* profile.json */
    struct csv breakdown, kernels;
    int ranks, rows; /* rows: of breakdown.csv */
};

struct profiled profiled_open(const char *folder);
void profiled_close(struct profiled *profiled);

/* Cells: a count; a number of at least 0. */
int64_t profiled_whole(const struct csv *csv, int row, int column);
double profiled_number(const struct csv *csv, int row, int column);

/* Of a column of breakdown.csv over all steps of a rank. */
double profiled_sum(const struct profiled *profiled, int rank, int column);

#endif
