/* SPDX-License-Identifier: Apache-2.0 */
/* A published figure on this machine, from its pack to its page. */
#ifndef HARNESS_PAPER_PAPER_H
#define HARNESS_PAPER_PAPER_H

#include "harness/paper/cells.h"

struct paper_options {
    const char *pack;    /* NAME or FILE as it was given, for the page */
    const char *folder;  /* NULL: results/paper/NAME */
    const char *results; /* file of rows, which packs may share; NULL: FOLDER/results.jsonl */
    const char *filter;  /* POSIX extended expression over the texts of cells; NULL: all */
    bool dry_run;        /* print what would become of each cell; write nothing */
    struct paper_machine machine;
    int argc;
    char **argv; /* for the records */
};

/*
 * Runs what runs and writes FOLDER/verdicts.csv, figure.*, normalised.*, index.html and report.md;
 * the verdicts go to standard output, too. ST_OK whatever they are; ST_COMM: a cell failed, and all
 * else is written; ST_INTERRUPTED: nothing is written but rows; ST_INVALID, ST_IO, ST_OOM.
 */
enum status paper_reproduce(const char *path, const struct paper_options *options);

#endif
