/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function on every rank: ranks are threads of this process (local), or this process is one of
 * them (MPI, NCCL). Opens and closes each rank's device and world communicator; knows nothing of
 * what the function computes.
 */
#ifndef HARNESS_LAUNCH_RANKS_H
#define HARNESS_LAUNCH_RANKS_H

#include "kernels/backend.h"
#include "kernels/comm/comm.h"
#include "kernels/comm/rendezvous.h"

struct ranks {
    const char *backend, *transport;
    int n;
    int threads;      /* CPU threads of all ranks together, shared evenly, at least 1 each */
    double timeout_s; /* of a single wait for a peer; 0: none */
    /* this process' place among those of mpirun or fork_ranks.h; NULL: ranks are threads */
    const struct rendezvous *place;
    bool nvtx;            /* each tells its ranges to NVTX; where a tool is about, anyhow */
    const char *exchange; /* as struct rendezvous has it; NULL: auto */
    int first;            /* the GPU that rank 0 takes; the next ranks take the next ones, around */
};

struct rank {
    int index, n;
    struct device *dev;
    struct comm *world;
};

/* CPU threads of rank `index`: larger shares first. */
int ranks_threads(const struct ranks *ranks, int index);

/*
 * Runs job(self, rank) on every rank of this process and waits. When a thread fails its peers fail
 * too; the status and message are the cause's: a lost peer counts only where nothing else went
 * wrong. A process of several that fails with anything but ST_WRONG may leave peers waiting: it
 * must end without rendezvous_finish, so that whoever started it ends them.
 */
enum status ranks_each(const struct ranks *ranks,
                       enum status (*job)(void *self, const struct rank *rank), void *self);

#endif
