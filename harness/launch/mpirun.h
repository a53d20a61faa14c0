/* SPDX-License-Identifier: Apache-2.0 */
/* Open MPI's mpirun: how it is called, what it is told, where it leaves things, and what it means.
 */
#ifndef HARNESS_LAUNCH_MPIRUN_H
#define HARNESS_LAUNCH_MPIRUN_H

#include "harness/launch/scratch.h"

/* The surroundings of one mpirun: its sessions go into a folder of ours. */
struct mpirun {
    struct scratch scratch;
    char tmpdir[PATH_MAX + 10];
    const char *environment[2]; /* NAME=VALUE, NULL-ended */
};

/* ST_IO. */
enum status mpirun_init(struct mpirun *out);
void mpirun_release(struct mpirun *mpirun);

enum { MPIRUN_WORDS = 6 };

/* `mpirun -n RANKS --bind-to none`, NULL-ended: what stands before a program whose processes are
 * the ranks, whose threads must not share one core. The words are constants or lie in `number`. */
void mpirun_words(int ranks, char number[12], const char *words[MPIRUN_WORDS]);

/* ST_INVALID: it hangs or fails with so few open files as it may have with n ranks. */
enum status mpirun_check_limits(int n);

/* "; mpirun as root ..." where the text is its complaint about that, else "". */
const char *mpirun_hint(const char *text);

#endif
