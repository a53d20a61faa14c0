/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of a process that nobody watches: a rank of `mpirun ditbench run`. When it runs out,
 * the rank says so and dies, and mpirun ends the others. */
#ifndef HARNESS_LAUNCH_WATCHDOG_H
#define HARNESS_LAUNCH_WATCHDOG_H

#include "kernels/base/status.h"

#include <stdbool.h>

/* limit_s: for a phase, 0: none; silence_s: the longest wait for a step on the rank that reports.
 * ST_OOM: no thread. */
enum status watchdog_start(int rank, double limit_s, double silence_s);

/* A phase begins. Ranks that wait for another's one-rank run get its time too. */
void watchdog_phase(const char *name, bool reporter);

/* A step was done. */
void watchdog_beat(void);

/* From here on no clock runs. */
void watchdog_stop(void);

#endif
