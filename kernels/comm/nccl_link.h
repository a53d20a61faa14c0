/* SPDX-License-Identifier: Apache-2.0 */
/* A communicator of the NCCL transport, for its files: what it holds, and how the host waits. */
#ifndef KERNELS_COMM_NCCL_LINK_H
#define KERNELS_COMM_NCCL_LINK_H

#include "kernels/base/tensor.h"
#include "kernels/comm/nccl_api.h"
#include "kernels/comm/nccl_watch.h"
#include "kernels/device.h"

#include <stdatomic.h>

struct comm_push; /* push.h */

/* What the communicators of this process share. */
struct nccl_world {
    struct nccl_api api;
    struct device *dev; /* borrowed */
    double timeout_s;
    const char *exchange; /* borrowed */
    struct nccl_link *links;
    int users;
    int ahead; /* open links whose receives are posted ahead */
    atomic_bool aborted;
    atomic_int looks; /* under way at the communicators; an abort lets them end first */
    bool by_kernel;   /* exchange_lsa.h moved rows, on a link that may be closed now */
};

/* The end of one group; many handles, one event. */
struct nccl_slot {
    struct nccl_slot *next; /* in the list of free ones */
    struct nccl_link *link;
    cudaEvent_t done;
    int handles;
    const struct queue *waited; /* already waits for it */
};

struct nccl_link {
    struct nccl_world *world;
    struct nccl_link *next;
    ncclComm_t comm; /* NULL: one rank */
    int rank, size;
    bool ahead; /* its receives are posted ahead */
    cudaStream_t stream;
    cudaEvent_t ready;  /* the queue had reached the group */
    cudaEvent_t joined; /* end of what a capture put on the stream */
    bool captured;      /* since the last join */
    int depth;          /* of open groups */
    struct nccl_slot *open;
    struct queue *queue; /* of the open group */
    struct nccl_slot *slots;
    struct watch_track *track;
    struct exchange_lsa *lsa; /* NULL: exchanges are messages */
    bool settled;             /* all ranks exchange by it, or none */
    unsigned exchanges;       /* by it */
    char *host, *device;      /* of host gathers: pinned, and on the GPU */
    size_t room;
};

#define NCCL(link, call)                                                                           \
    nccl_check(&(link)->world->api, (link)->comm, (link)->world->api.call, "nccl " #call)

/* Until the stream is empty. ST_COMM: a peer failed; ST_TIMEOUT, where `limited`: no operation of
 * any communicator came to its end for the world's timeout_s; the message names the operations. */
enum status nccl_link_wait(struct nccl_world *world, cudaStream_t stream, bool limited);

/* At least `bytes` in host and in device memory of the link; old contents are lost. */
enum status nccl_link_room(struct nccl_link *link, size_t bytes);

/* nccl_vote.c: among the ranks of my color, by key: my place, and how many they are. *alone: every
 * color has one rank. Collective over the parent. */
enum status nccl_vote(struct nccl_link *parent, int color, int key, int *rank, int *size,
                      bool *alone);

/* nccl_abort.c, once: ends what the links' streams wait for, and what is posted from then on fails.
 * Returns soon, whatever NCCL still waits for. */
void nccl_abort_links(struct nccl_world *world);

/* nccl_exchange.c: the transport's exchange, exchange_form, exchange_alloc, pushes and sums. */
enum status nccl_exchange(void *comm, bool to_heads, int n, const struct tensor *narrow,
                          const struct tensor *wide, int first_row, struct queue *q, bool *taken);
const char *nccl_exchange_form(void *comm);
enum status nccl_push_takes(void *comm, const struct comm_push *push, struct queue *q, bool *taken);
enum status nccl_push(void *comm, const struct comm_push *push, struct queue *q);
enum status nccl_sum_takes(void *comm, const struct tensor *part, struct queue *q, bool *taken);
enum status nccl_sum(void *comm, const struct tensor *out, const struct tensor *part,
                     struct queue *q);
enum status nccl_exchange_alloc(void *comm, size_t bytes, void **out, void **owner);

/* The transport's host_gather. One that fails ends the world. */
enum status nccl_link_gather(void *comm, const void *mine, size_t size, void *all);

#endif
