/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up all communicators of a process without waiting for NCCL. Not the end of a healthy one.
 *
 * ncclCommAbort first tells the communicator's kernels to leave, and then waits until no graph
 * refers to it any more. The caller's graphs are released after its abort, so NCCL gets a thread
 * for each communicator: one that waits keeps no other from being told.
 */
#include "kernels/base/clock.h"
#include "kernels/comm/nccl_link.h"
#include "kernels/cuda/exchange_lsa.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_S = 1 };

/* Outlives the caller; the last of its users frees it. */
struct farewell {
    ncclResult_t (*abort)(ncclComm_t comm);
    atomic_int left;  /* communicators that are not gone */
    atomic_int users; /* their threads, and the caller */
};

struct leaver {
    struct farewell *farewell;
    ncclComm_t comm;
};

static void farewell_drop(struct farewell *farewell)
{
    if (atomic_fetch_sub(&farewell->users, 1) == 1)
        free(farewell);
}

static void *leave(void *arg)
{
    struct leaver *leaver = arg;
    struct farewell *farewell = leaver->farewell;
    farewell->abort(leaver->comm);
    atomic_fetch_sub(&farewell->left, 1);
    farewell_drop(farewell);
    free(leaver);
    return NULL;
}

/* Without memory or a thread the communicator is left to the end of the process. */
static void send_off(struct farewell *farewell, ncclComm_t comm)
{
    pthread_t thread;
    struct leaver *leaver = malloc(sizeof *leaver);
    if (!leaver)
        return;
    *leaver = (struct leaver){farewell, comm};
    atomic_fetch_add(&farewell->left, 1);
    atomic_fetch_add(&farewell->users, 1);
    if (pthread_create(&thread, NULL, leave, leaver) == 0) {
        pthread_detach(thread);
        return;
    }
    atomic_fetch_sub(&farewell->left, 1);
    atomic_fetch_sub(&farewell->users, 1);
    free(leaver);
}

void nccl_abort_links(struct nccl_world *world)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    if (atomic_exchange(&world->aborted, true))
        return;
    while (atomic_load(&world->looks) > 0)
        nanosleep(&nap, NULL);
    struct farewell *farewell = malloc(sizeof *farewell);
    if (!farewell)
        return;
    farewell->abort = world->api.abort;
    atomic_init(&farewell->left, 0);
    atomic_init(&farewell->users, 1);
    for (struct nccl_link *link = world->links; link; link = link->next) {
        if (link->lsa)
            exchange_lsa_stop(link->lsa);
        if (link->comm)
            send_off(farewell, link->comm);
    }
    double end = clock_seconds() + PATIENCE_S;
    while (atomic_load(&farewell->left) > 0 && clock_seconds() < end)
        nanosleep(&nap, NULL);
    farewell_drop(farewell);
}
