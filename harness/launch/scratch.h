/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder for what others leave lying about: ranks that meet, mpirun's sessions. It bears a name
 * of ours and holds a file that its owner keeps locked, so that whoever comes later can prove that
 * the owner is dead, and remove it.
 */
#ifndef HARNESS_LAUNCH_SCRATCH_H
#define HARNESS_LAUNCH_SCRATCH_H

#include "kernels/base/status.h"

#include <limits.h>

struct scratch {
    char path[PATH_MAX]; /* "": none */
    int lock;
};

/* Makes ditbench-KIND-XXXXXX in TMPDIR, /tmp or /dev/shm; kind: "ranks" or "mpi". ST_IO. */
enum status scratch_open(const char *kind, struct scratch *out);

/* Removes it and all that is in it; a second time it does nothing. */
void scratch_close(struct scratch *scratch);

/* Removes this user's folders whose owners are dead. What cannot be removed stays. */
void scratch_remove_orphans(void);

#endif
