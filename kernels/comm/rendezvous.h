/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ranks of one run meet. For local: an object shared by the threads; for MPI:
 * MPI_COMM_WORLD. */
#ifndef KERNELS_COMM_RENDEZVOUS_H
#define KERNELS_COMM_RENDEZVOUS_H

#include "kernels/base/status.h"

#include <stdbool.h>

struct local_world; /* mailboxes of the threads of one process (local_world.c) */

struct rendezvous {
    int rank, size;
    struct local_world *local; /* local transport only; borrowed */
    double timeout_s;          /* a wait longer than this is ST_TIMEOUT; 0: none */
};

enum status local_world_open(int size, struct local_world **out);
void local_world_close(struct local_world *world);

/* MPI: initialises MPI when mpirun started this process (*under true) and tells rank and size;
 * elsewhere, or without MPI in the build, *under is false. rendezvous_finish ends MPI if this
 * started it. */
enum status rendezvous_mpi(int *argc, char ***argv, bool *under, struct rendezvous *out);
void rendezvous_finish(void);

#endif
