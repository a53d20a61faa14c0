/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a list of cells is, on standard error. On a terminal one line that moves at least once a
 * second, by a thread of its own: bar, cells, time, time left, step, cell. Elsewhere one plain line
 * for each cell that is over. Says nothing about results.
 */
#ifndef HARNESS_REPORT_PROGRESS_H
#define HARNESS_REPORT_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>

struct progress {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t over;
    pthread_t ticker;
    bool ticking; /* the thread runs */
    bool bar;     /* standard error is a terminal */
    bool colour;
    bool shown; /* the line stands there */
    int total;  /* cells */
    int done;
    int skipped; /* of done: had a row already, and cost no time */
    char cell[200];
    char phase[40];
    long step, steps; /* of this phase; steps 0: not told */
    double part;      /* of the current cell's measurement, 0 to 1 */
    double start;     /* seconds */
    double cell_start, part_start;
    double worked; /* seconds of the cells that are over */
    double drawn;  /* seconds: the last drawing */
};

void progress_start(struct progress *progress, int total, int skipped);

/* The next cell begins. */
void progress_cell(struct progress *progress, const char *text);

/* Fits launch.h's on_progress; self: the struct progress. From any thread. */
void progress_step(void *self, const char *phase, long done, long total);

/* The cell is over. status: a word such as "ok"; good: coloured green, else red; text: what to say
 * of it. On a terminal the line scrolls up above the bar. */
void progress_done(struct progress *progress, const char *status, bool good, const char *text);

/* A message among the cells' lines. */
void progress_say(struct progress *progress, const char *text);

/* Takes the line away and ends the thread. A second call does nothing. */
void progress_finish(struct progress *progress);

/* The line as it stands at time `now` (seconds of clock_seconds), at most `columns` characters; for
 * draw and tests. text of size bytes; returns it. */
char *progress_line(const struct progress *progress, double now, int columns, char *text,
                    size_t size);

#endif
