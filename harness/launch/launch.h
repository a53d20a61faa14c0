/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell in a process group of its own: started, watched, and ended for certain. It decides how
 * the cell ended; what a record says beyond that is the caller's.
 *
 * The child speaks lines on its standard output; what is none of these goes to the log, with its
 * standard error:
 *
 * - "phase NAME": what it does now; leaving the phase "reference" or entering "decode" starts the
 *   clock again.
 * - "beat DONE TOTAL": it is alive.
 * - "fail STATUS MESSAGE": why it is about to end with a failure; STATUS as status_name() has it.
 * - "record {...}": one line of JSON.
 *
 * All times are measured by this process, all children are killed when it dies.
 */
#ifndef HARNESS_LAUNCH_LAUNCH_H
#define HARNESS_LAUNCH_LAUNCH_H

#include "harness/record/record.h"

struct launch {
    const char *const *argv;        /* NULL-ended; argv[0]: a path, or a program in PATH */
    const char *const *environment; /* (optional) NAME=VALUE that it gets besides; NULL-ended */
    const char *log;                /* file, replaced */
    double
        timeout_s; /* for the whole, and for the one-rank run before it and the decode; 0: none */
    double silence_s; /* the longest wait for a line; 0: timeout_silence_s(timeout_s) */
    void (*on_progress)(void *self, const char *phase, long done, long total); /* (optional) */
    void *on_progress_self;
};

enum {
    LAUNCH_GRACE_MS = 2000,     /* from SIGTERM to SIGKILL */
    LAUNCH_LINE_MAX = 16 << 20, /* bytes; a longer line is not ours */
    LAUNCH_LOG_MAX = 64 << 20,  /* bytes; a longer log begins anew: rows need the disk */
    LAUNCH_REASON = 2000,
};

struct launch_end {
    enum ending status;         /* ENDING_OK: it ended with 0 or 1 and gave a record */
    enum status code;           /* for the program's exit status */
    char reason[LAUNCH_REASON]; /* "" when ok */
    char *record;               /* the line's JSON, or NULL; freed by launch_end_release */
    size_t record_size;
};

/* ST_IO: nothing could be started (no log, no process). Otherwise *end tells how it went, and no
 * process is left. */
enum status launch_run(const struct launch *launch, struct launch_end *end);
void launch_end_release(struct launch_end *end);

#endif
