/* SPDX-License-Identifier: Apache-2.0 */
/* Open MPI's mpirun: what it is told, where it leaves things, and what it means. Starts none. */
#ifndef HARNESS_LAUNCH_MPIRUN_H
#define HARNESS_LAUNCH_MPIRUN_H

#include "harness/launch/scratch.h"

enum { MPIRUN_VARIABLES = 5 };

/* The surroundings of one mpirun. */
struct mpirun {
    struct scratch scratch;
    char tmpdir[PATH_MAX + 10];
    const char *environment[MPIRUN_VARIABLES]; /* NAME=VALUE, NULL-ended */
};

/* Its sessions go into a folder of ours, and daemons notice a dead link within a minute instead of
 * eight; what the user has set stays. ST_IO. */
enum status mpirun_init(struct mpirun *out);
void mpirun_release(struct mpirun *mpirun);

/* ST_INVALID: it hangs or fails with so few open files as it may have with n ranks. */
enum status mpirun_check_limits(int n);

/* "; mpirun as root ..." where the text is its complaint about that, else "". */
const char *mpirun_hint(const char *text);

#endif
