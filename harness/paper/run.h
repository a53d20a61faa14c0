/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a pack that a machine can run, one after the other, a row each in a results file.
 * Judges nothing. */
#ifndef HARNESS_PAPER_RUN_H
#define HARNESS_PAPER_RUN_H

#include "harness/paper/cells.h"

struct paper_run {
    const struct pack *pack;
    const struct paper_cells *cells;
    const char *results; /* the file; it may hold rows of other packs */
    int argc;
    char **argv; /* for the records */
};

/*
 * Cells that are not wanted are left alone, and those whose row is ok or unsupported; those that
 * failed are run again. *failed: cells whose row is neither now, rows of cells that do not run here
 * among them. ST_INTERRUPTED: a signal came, and the same command goes on from there;
 * ST_INVALID, ST_IO: of the results file.
 */
enum status paper_run_cells(const struct paper_run *run, int *failed);

#endif
