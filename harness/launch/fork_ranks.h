/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks as processes of this host, without MPI: one program started n times, each told its place,
 * with a folder in which they meet. Whoever starts them does nothing else meanwhile: no thread, no
 * driver. Watching their lines and the time is launch.h's business, one process above.
 */
#ifndef HARNESS_LAUNCH_FORK_RANKS_H
#define HARNESS_LAUNCH_FORK_RANKS_H

#include "kernels/comm/rendezvous.h"

#include <sys/types.h>

enum { FORK_RANKS_GRACE_MS = 2000 }; /* for the others, once a rank has ended badly */

/* The rank that ended badly and brought the others down. */
struct fork_ranks_end {
    int rank; /* -1: all ended with status 0 */
    pid_t pid;
    int wait_status; /* as waitpid gives it */
};

/*
 * Starts argv (argv[0]: a path, or a program in PATH) n times and waits for all. They inherit
 * standard output and error, stay in this process' group, and die with it. When one ends badly the
 * others have FORK_RANKS_GRACE_MS to say what they saw, then they are killed. SIGTERM, SIGINT and
 * SIGHUP kill them at once: ST_INTERRUPTED. ST_IO: a rank could not be started. The folder is gone
 * and no rank is left whatever the status.
 */
enum status fork_ranks_run(const char *const *argv, int n, struct fork_ranks_end *end);

/* What this process should end with: 0, that rank's status, or 128 + its signal. */
int fork_ranks_code(const struct fork_ranks_end *end);

/* "rank 1 (process 4711) died of signal 9 (Killed)" into text, which is returned; "" when all went
 * well. */
char *fork_ranks_text(const struct fork_ranks_end *end, char *text, size_t size);

/* *is: this process was started by fork_ranks_run, and *out is its place. ST_INVALID: the variables
 * that say so are not what it writes. The folder's name is borrowed from the environment. */
enum status fork_ranks_place(bool *is, struct rendezvous *out);

#endif
