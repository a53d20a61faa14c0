/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of a cell: how long it may take in all, and how long it may be silent. They are asked,
 * and act on nothing: the launcher ends the ranks. A rank's own last resort is watchdog.h. */
#ifndef HARNESS_LAUNCH_TIMEOUT_H
#define HARNESS_LAUNCH_TIMEOUT_H

#include <stdbool.h>

enum { TIMEOUT_SILENCE_S = 900 }; /* where a cell has no time-out */

struct timeout {
    double total_s;      /* 0: none */
    double silence_s;    /* the longest wait for a sign of life */
    double start, heard; /* clock_seconds */
};

/* silence_s 0: timeout_silence_s(total_s). Both clocks run from now on. */
struct timeout timeout_start(double total_s, double silence_s);

/* How long a cell with that time-out may be silent: as long as it may take, or TIMEOUT_SILENCE_S.
 */
double timeout_silence_s(double total_s);

void timeout_restart(struct timeout *timeout); /* the clock of the whole begins anew */
void timeout_heard(struct timeout *timeout);   /* a sign of life */

/* A clock has run out: *silent says which one, *limit_s what it allowed. */
bool timeout_ran_out(const struct timeout *timeout, bool *silent, double *limit_s);

#endif
