/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of a rank that nobody may be left to end: one of `mpirun ditbench run`, or a worker on
 * a host that is cut off from its launcher. When it runs out, the rank says so and dies, and
 * mpirun, where it still can, ends the others. One for each process.
 */
#ifndef HARNESS_LAUNCH_WATCHDOG_H
#define HARNESS_LAUNCH_WATCHDOG_H

#include "kernels/base/status.h"

#include <stdbool.h>

enum {
    WATCHDOG_GRACE_S = 5,      /* so much later than the launcher would, a rank ends itself */
    WATCHDOG_LAST_WORDS_S = 2, /* for saying why; a pipe that nobody reads takes for ever */
};

struct watchdog {
    int rank;
    double limit_s;   /* of the cell, and again of the one-rank run before it and of the decode; 0:
                         none */
    double wait_s;    /* of a wait for another rank's one-rank run; 0: none */
    double silence_s; /* the longest wait for a step where a rank computes; 0: none */
    void (*end)(enum status st); /* to say why: the error record; then the process ends */
};

/* The limits of launch.h for a cell with this time-out (0: none), longer by grace_s. A one-rank run
 * is over by the time-out or ends the cell, so that nobody waits much longer for one. */
struct watchdog watchdog_limits(int rank, double timeout_s, double grace_s);

/* ST_OOM: no thread. It runs as long as the process. */
enum status watchdog_start(const struct watchdog *watchdog);

/* A phase begins: "load", "reference", "open", "warm-up", "measure", "gather", "decode", "leave".
 * computes: this rank has steps to do in it; otherwise it may wait for another's one-rank run. */
void watchdog_phase(const char *name, bool computes);

/* A step was done. Without a watchdog this and the above do nothing. */
void watchdog_beat(void);

#endif
