/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of GPUs around a cell: whether its arenas fit before one is opened, and what libraries
 * took besides. Allocates nothing on a GPU. Nothing here concerns the CPU, whose ranks share one
 * memory and whose libraries take none worth a line.
 */
#ifndef HARNESS_MEASURE_HEADROOM_H
#define HARNESS_MEASURE_HEADROOM_H

#include "harness/host/gpus.h"
#include "harness/launch/ranks.h"
#include "kernels/identity.h"

/* For each rank, what its libraries take once its device is open: workspaces, graphs, buffers of
 * further communicators. */
#define HEADROOM_MARGIN ((uint64_t)512 << 20)

#define HEADROOM_UNKNOWN UINT64_MAX

/* The GPUs that this process may open, as they were before it did. */
struct headroom {
    int n; /* 0: the backend is the CPU */
    struct {
        char id[sizeof((struct identity *)0)->id];
        uint64_t before; /* bytes free then, or HEADROOM_UNKNOWN */
    } gpu[GPUS_MAX];
};

/* Ranks on one GPU, and what they want of it. */
struct headroom_share {
    int gpu, ranks;
    int first;       /* of the ranks */
    uint64_t arenas; /* bytes of all of them */
    uint64_t margin; /* for libraries; may be 0 */
    uint64_t available;
};

/* ST_OOM with the numbers when arenas and margin are more than what is available. */
enum status headroom_judge(const struct headroom_share *share);

/* The same for a cell of thread or process ranks over this host's GPUs, by what NVML says is free;
 * ST_OK where it says nothing. predicted [ranks]: bytes of their arenas. Opens no device. */
enum status headroom_foresee(int ranks, const uint64_t *predicted);

/* Before the process opens its first device. */
enum status headroom_look(const char *backend, struct headroom *out);

/* Collective, with every device open and no arena: the same answer on every rank. */
enum status headroom_check(const struct headroom *headroom, const struct rank *rank,
                           uint64_t predicted);

/*
 * Collective, with every arena open and the loops done: *library := bytes that this rank's GPU lost
 * since headroom_look, less the arenas on it. Ranks that share a GPU cannot be told apart and get
 * equal shares. 0 on the CPU; HEADROOM_UNKNOWN where NVML does not tell.
 */
enum status headroom_library(const struct headroom *headroom, const struct rank *rank,
                             uint64_t arenas, uint64_t *library);

#endif
