/* SPDX-License-Identifier: Apache-2.0 */
/* Runs `ditbench profile` and reads the tables of its folder, for tests; each function fails the
 * test that calls it. */
#ifndef TESTS_HARNESS_PROFILED_H
#define TESTS_HARNESS_PROFILED_H

#include "harness/profile/csv.h"
#include "tests/harness/program.h"

#include <jansson.h>

/* Columns of breakdown.csv; INSTANCES and CEILING: of kernels.csv. */
enum { RANK, STEP, TOTAL, COMPUTE, COMM, EXPOSED, HTA, OSU, GAPS, BUBBLE, WAIT, OTHER, COLUMNS };
enum { INSTANCES = 2, CEILING = 14 };

/* A folder of this test; a text of its own, for those of program_file are used again. */
struct profiled_place {
    char path[200];
};

struct profiled_place profiled_place_of(const char *name);

/* pixart-tiny at 64 px, 4 steps. */
struct program profiled_run(const char *strategy, const char *folder, const char *more,
                            const char *transport);

/* It ended well; where gnuplot is missing all but the pictures is there, and the status says so. */
void profiled_done(const struct program *program);

struct profiled {
    const char *folder; /* borrowed */
    json_t *json;       /* profile.json */
    struct csv breakdown, kernels;
    int ranks, rows; /* rows: of breakdown.csv */
};

struct profiled profiled_open(const char *folder);
void profiled_close(struct profiled *profiled);

/* A member of an object of profile.json. */
int64_t profiled_count(const json_t *json, const char *key);

/* Cells: a count; a number of at least 0. */
int64_t profiled_whole(const struct csv *csv, int row, int column);
double profiled_number(const struct csv *csv, int row, int column);

/* Of a column of breakdown.csv over all steps of a rank. */
double profiled_sum(const struct profiled *profiled, int rank, int column);

#endif
