/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cells of an experiment, one after the other, each with one row in the results file, whatever
 * becomes of it. Only this process writes rows; killed at any moment, a second start goes on where
 * the first one stood.
 */
#ifndef HARNESS_SWEEP_SWEEP_H
#define HARNESS_SWEEP_SWEEP_H

#include "harness/record/record.h"
#include "harness/sweep/experiment.h"

struct sweep_options {
    const char *results; /* file; NULL: results/NAME.jsonl */
    const char *filter;  /* POSIX extended expression over cell_text(); NULL: all cells */
    bool retry[ENDINGS]; /* rows of these statuses are run again */
    bool dry_run;        /* print what would happen, write nothing */
    bool profile;        /* cells whose row is ok get a profile, where they have none */
    bool nvtx;           /* ranks tell their ranges to NVTX */
    bool strict;         /* ST_WRONG when a row is wrong, crashed, timed out or failed */
    int rounds;          /* how often all cells are run; 0: as the experiment says */
    int64_t shuffle;     /* seed of each round's order; -1: as the experiment says */
    int argc;
    char **argv; /* for the records */
};

/* The table of rows and, last, their number by status go to standard output. ST_INTERRUPTED: a
 * signal came; the row of its cell says so and the cell will run again. */
enum status sweep_run(const struct experiment *experiment, const struct sweep_options *options);

#endif
