/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a list of cells is, on standard error: a bar with the time left on a terminal, one plain
 * line for each cell elsewhere. Says nothing about results.
 */
#ifndef HARNESS_REPORT_PROGRESS_H
#define HARNESS_REPORT_PROGRESS_H

#include <stdbool.h>

struct progress {
    bool bar; /* standard error is a terminal */
    bool colour;
    bool shown; /* a bar stands on the line */
    int total;  /* cells */
    int done;
    int skipped; /* of done: had a row already, and cost no time */
    char cell[200];
    char phase[40];
    double part;  /* of the current cell, 0 to 1 */
    double start; /* seconds */
    double drawn; /* seconds: the last drawing */
};

void progress_start(struct progress *progress, int total, int skipped);

/* The next cell begins. */
void progress_cell(struct progress *progress, const char *text);

/* Fits launch.h's on_progress; self: the struct progress. */
void progress_step(void *self, const char *phase, long done, long total);

/* The cell is over. status: a word such as "ok"; good: coloured green, else red; text: what to say
 * of it. On a terminal the line scrolls up above the bar. */
void progress_done(struct progress *progress, const char *status, bool good, const char *text);

/* Takes the bar away. */
void progress_finish(struct progress *progress);

#endif
