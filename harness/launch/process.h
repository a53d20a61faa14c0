/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending a group of processes. What they say is launch.c's business. */
#ifndef HARNESS_LAUNCH_PROCESS_H
#define HARNESS_LAUNCH_PROCESS_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid; /* and the id of its group */
    int out;   /* its standard output, non-blocking */
    bool ended;
    int wait_status; /* as waitpid gives it, once ended */
};

/* Its own group, no core file, no input, standard error into `log` (an open descriptor); it is
 * killed when the calling thread dies. environment: NAME=VALUE that it gets besides, NULL-ended;
 * may be NULL. ST_IO: the program could not be started. */
enum status process_start(const char *const *argv, const char *const *environment, int log,
                          struct process *out);

/* True once it has ended; never waits. */
bool process_poll(struct process *process);

/* SIGTERM to the group, `grace_ms`, then SIGKILL. */
void process_stop(struct process *process, int grace_ms);

/* Kills what the group, or a process that left it, has left behind, and closes `out`. */
void process_finish(struct process *process);

#endif
