/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plot`: records in, charts and tables out. */
#ifndef HARNESS_PLOT_PLOT_H
#define HARNESS_PLOT_PLOT_H

#include "kernels/base/status.h"

enum {
    PLOT_SVG = 1,
    PLOT_PNG = 2,
    PLOT_PDF = 4,
    PLOT_SETTINGS = 50, /* more of file, host, commit, model, size, ... are not drawn all unasked */
    PLOT_FEW = 3,       /* but those with most rows */
};

struct plot_options {
    const char *folder;     /* NULL: plots/NAME, after the first file */
    unsigned formats;       /* PLOT_ bits; 0: SVG and PNG */
    double width_cm;        /* of every chart; 0: what each takes */
    const char *title;      /* of every chart; "": none; NULL: each its own */
    const char *strategies; /* extended regular expression: only these, and each combination as a
                               curve of its own; NULL: all, combinations by their fastest */
    int settings;           /* draws those with most rows, so many; 0: all, or PLOT_FEW */
    int with_n;
    const char *const *with; /* CSV files of published figures, over the speed-ups */
};

/*
 * Reads n results files and writes into the folder, which is created: table.csv and table.md of all
 * rows, and of the rows that are ok
 *     latency-vs-ranks   a curve for each strategy, median and p10 to p90
 *     latency-vs-size    where there are several sizes
 *     speedup            over the serial run, and efficiency, where there is one
 *     bytes              counted against closed form
 *     memory             of the fullest rank
 *     memory-vs-size     where a size did not fit: what fits, and what the plan foresees
 *     peers              a step, where rows of other programs are among them
 * as CHART.MODEL.SIZE.svg and so on, and their numbers as data/CHART.MODEL.SIZE.gp. One chart holds
 * one setting of one file, host and commit. Names of what was written go to standard output; how
 * many rows are in no chart, and other remarks, to standard error. No row that is ok: tables only.
 * ST_IO: a file cannot be read or written; or gnuplot is missing, and then tables and data are
 * there all the same. ST_INVALID: a line that is no record, a file named twice, an expression that
 * is none.
 */
enum status plot_files(const char *const *paths, int n, const struct plot_options *options);

#endif
