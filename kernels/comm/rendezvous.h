/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ranks of one run meet. For local: an object shared by the threads; for MPI:
 * MPI_COMM_WORLD; for processes that only share a host: a folder, in which small values appear
 * whole (written aside and renamed). */
#ifndef KERNELS_COMM_RENDEZVOUS_H
#define KERNELS_COMM_RENDEZVOUS_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct local_world; /* mailboxes of the threads of one process (local_world.c) */

struct rendezvous {
    int rank, size;
    struct local_world *local; /* local transport only; borrowed */
    const char *folder;        /* processes of one host without MPI: where they meet; borrowed */
    double timeout_s;          /* a wait longer than this is ST_TIMEOUT; 0: none */
    const char *exchange; /* NCCL's form of exchanges and pushes: "lsa", one kernel; "auto", the
                             same where all ranks can; "nccl" or NULL: messages */
};

enum status local_world_open(int size, struct local_world **out);
void local_world_close(struct local_world *world);

/* The ranks' start: value [size], rank 0's on every rank, through the folder where there is one,
 * else over MPI. ST_TIMEOUT: rank 0 wrote none within timeout_s (0: 60 s). ST_INVALID: neither. */
enum status rendezvous_broadcast(const struct rendezvous *where, const char *name, void *value,
                                 size_t size);

/* MPI: initialises MPI when mpirun started this process (*under true) and tells rank and size;
 * elsewhere, or without MPI in the build, *under is false. argc and argv may be NULL.
 * rendezvous_finish ends MPI if this started it. */
enum status rendezvous_mpi(int *argc, char ***argv, bool *under, struct rendezvous *out);
void rendezvous_finish(void);

/* This process' rank as mpirun's variables tell it, before MPI is initialised; -1: not told. */
int rendezvous_mpi_rank(void);

#endif
