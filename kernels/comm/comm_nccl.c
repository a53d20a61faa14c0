/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport between processes with one GPU each: NCCL. Not between threads of a process.
 *
 * A communicator has a stream of its own. What is posted between the begin and the end of a group
 * goes there as one NCCL group, after an event of the caller's queue; its end is an event for which
 * a wait makes a queue wait. The host never waits, but in `drain` and for host gathers, and there
 * looks after its peers. Everything else may be captured into a graph.
 */
#include "kernels/backend.h"
#include "kernels/comm/comm_private.h"
#include "kernels/comm/nccl_link.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/cuda/exchange_lsa.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_PEERS = 1000 }; /* in one group, which takes 2048 operations */

/* Blocks of NCCL's kernels, each on an SM of its own, where receives wait beside computing. One
 * carries 11 GB/s and more, which is enough where there is the time of a patch; those that NCCL
 * would take slow attention and products down (results/README.md, "What is chosen for the user").
 * Our grids and cuBLAS's leave one SM out meanwhile, also where several such receives wait: with
 * two left out a pipe of two stages was no faster. */
enum { AHEAD_BLOCKS = 1 };

static cudaStream_t stream_of_queue(struct queue *q)
{
    return cuda_queue_of(q)->stream;
}

static ncclDataType_t type_of(enum dtype dtype)
{
    static const ncclDataType_t type[DTYPE_COUNT] = {
        [DTYPE_F32] = ncclFloat32, [DTYPE_BF16] = ncclBfloat16, [DTYPE_F16] = ncclFloat16};
    return type[dtype];
}

/* ---- groups ---- */

static enum status slot_take(struct nccl_link *link, struct nccl_slot **out)
{
    struct nccl_slot *slot = link->slots;
    if (slot) {
        link->slots = slot->next;
    } else {
        slot = calloc(1, sizeof *slot);
        if (!slot)
            return fail(ST_OOM, "no memory for a message");
        slot->link = link;
        enum status st = CU(cudaEventCreateWithFlags(&slot->done, cudaEventDisableTiming));
        if (st != ST_OK) {
            free(slot);
            return st;
        }
    }
    slot->handles = 0;
    slot->waited = NULL;
    slot->next = NULL;
    *out = slot;
    return ST_OK;
}

static enum status group_begin(struct nccl_link *link)
{
    if (link->world->aborted)
        return fail(ST_COMM, "not posted, since a rank gave up");
    if (link->depth > 0) {
        link->depth++;
        return ST_OK;
    }
    link->open = NULL;
    TRY(NCCL(link, group_start()));
    link->depth = 1;
    return ST_OK;
}

/* After a post that failed: an outer group stays open, for its own end. */
static enum status group_leave(struct nccl_link *link, enum status failure)
{
    struct nccl_slot *slot = link->open;
    if (--link->depth > 0)
        return failure;
    link->world->api.group_end();
    link->open = NULL;
    if (slot) {
        slot->next = link->slots;
        link->slots = slot;
    }
    return failure;
}

/* The link's stream goes on behind what q was given so far. */
static enum status follow(struct nccl_link *link, struct queue *q)
{
    TRY(CU(cudaEventRecord(link->ready, stream_of_queue(q))));
    return CU(cudaStreamWaitEvent(link->stream, link->ready, 0));
}

/* A post of the open group on q: its handle. NCCL asks the stream in each post whether it captures,
 * so the stream must have joined the queue's capture before the first. */
static enum status group_post(struct nccl_link *link, struct queue *q, void **handle)
{
    BUG_ON(!link->comm, "a message on a communicator of one rank");
    if (!link->open) {
        TRY(slot_take(link, &link->open));
        link->queue = q;
        TRY(follow(link, q));
    }
    BUG_ON(link->queue != q, "posts of two queues in one group");
    link->open->handles++;
    *handle = link->open;
    return ST_OK;
}

/* NCCL puts the whole group on the stream when it ends: behind what the queue was given since the
 * first post, too. */
static enum status group_end(struct nccl_link *link)
{
    if (--link->depth > 0)
        return ST_OK;
    struct nccl_slot *slot = link->open;
    link->open = NULL;
    if (!slot)
        return NCCL(link, group_end());
    TRY(follow(link, link->queue));
    TRY(NCCL(link, group_end()));
    TRY(CU(cudaEventRecord(slot->done, link->stream)));
    link->captured |= cuda_capturing(link->queue);
    link->track->used = true;
    return watch_track_post(link->track, link->stream);
}

static enum status nccl_group(void *comm, bool begin)
{
    return begin ? group_begin(comm) : group_end(comm);
}

/* ---- posts ---- */

static enum status nccl_send(void *comm, int peer, const struct tensor *t, struct queue *q,
                             void **handle)
{
    struct nccl_link *link = comm;
    size_t count = (size_t)tensor_count(t);
    TRY(group_begin(link));
    enum status st = group_post(link, q, handle);
    if (st == ST_OK)
        st = NCCL(link, send(t->data, count, type_of(t->dtype), peer, link->comm, link->stream));
    return st == ST_OK ? group_end(link) : group_leave(link, st);
}

static enum status nccl_recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                             void **handle)
{
    struct nccl_link *link = comm;
    size_t count = (size_t)tensor_count(t);
    TRY(group_begin(link));
    enum status st = group_post(link, q, handle);
    if (st == ST_OK)
        st = NCCL(link, recv(t->data, count, type_of(t->dtype), peer, link->comm, link->stream));
    return st == ST_OK ? group_end(link) : group_leave(link, st);
}

static enum status nccl_all_reduce(void *comm, struct tensor *inout, struct queue *q, void **handle)
{
    struct nccl_link *link = comm;
    size_t count = (size_t)tensor_count(inout);
    TRY(group_begin(link));
    enum status st = group_post(link, q, handle);
    if (st == ST_OK)
        st = NCCL(link, all_reduce(inout->data, inout->data, count, type_of(inout->dtype), ncclSum,
                                   link->comm, link->stream));
    return st == ST_OK ? group_end(link) : group_leave(link, st);
}

static enum status nccl_wait(void *handle, struct queue *q)
{
    struct nccl_slot *slot = handle;
    struct nccl_link *link = slot->link;
    enum status st = ST_OK;
    if (slot->waited != q)
        st = CU(cudaStreamWaitEvent(stream_of_queue(q), slot->done, 0));
    slot->waited = q;
    if (--slot->handles == 0) {
        slot->next = link->slots;
        link->slots = slot;
    }
    return st;
}

static enum status nccl_join(void *comm, struct queue *q)
{
    struct nccl_link *link = comm;
    if (!link->captured)
        return ST_OK;
    link->captured = false;
    TRY(CU(cudaEventRecord(link->joined, link->stream)));
    return CU(cudaStreamWaitEvent(stream_of_queue(q), link->joined, 0));
}

static void nccl_announce(void *comm, const char *label)
{
    struct nccl_link *link = comm;
    if (link->track)
        link->track->label = label;
}

/* ---- the host's waits ---- */

static enum status nccl_drain(void *comm, struct queue *q)
{
    struct nccl_link *link = comm;
    if (link->world->aborted)
        return fail(ST_COMM, "not waited for, since a rank gave up");
    bool used = false; /* a run without messages waits for no peer */
    for (const struct nccl_link *l = link->world->links; l; l = l->next)
        used |= l->track && l->track->used;
    return nccl_link_wait(link->world, stream_of_queue(q), used);
}

/* ---- life ---- */

static void world_leave(struct nccl_world *world, struct nccl_link *link)
{
    struct nccl_link **at = &world->links;
    while (*at && *at != link)
        at = &(*at)->next;
    if (*at)
        *at = link->next;
    if (--world->users == 0)
        free(world);
}

/* Of a link whose receives are posted ahead, from its begin to its end. */
static void hold(struct nccl_link *link, bool begin)
{
    struct nccl_world *world = link->world;
    if (begin == link->ahead)
        return;
    link->ahead = begin;
    world->ahead += begin ? 1 : -1;
    cuda_hold(world->dev, world->ahead > 0 ? AHEAD_BLOCKS : 0);
}

/* After an abort or a broken device nothing is asked of the driver that might wait. */
static void nccl_close(void *comm)
{
    struct nccl_link *link = comm;
    struct nccl_world *world = link->world;
    bool broken = world->aborted || cudaPeekAtLastError() != cudaSuccess;
    hold(link, false);
    exchange_lsa_close(link->lsa, broken);
    if (!broken) {
        if (link->stream)
            cudaStreamSynchronize(link->stream);
        if (link->comm)
            world->api.destroy(link->comm);
        while (link->slots) {
            struct nccl_slot *slot = link->slots;
            link->slots = slot->next;
            cudaEventDestroy(slot->done);
            free(slot);
        }
        if (link->ready)
            cudaEventDestroy(link->ready);
        if (link->joined)
            cudaEventDestroy(link->joined);
        if (link->stream)
            cudaStreamDestroy(link->stream);
        cudaFreeHost(link->host);
        cudaFree(link->device);
        watch_track_close(link->track);
    }
    world_leave(world, link);
    free(link);
}

static enum status link_resources(struct nccl_link *link)
{
    int least;
    int greatest;
    if (!link->comm)
        return ST_OK;
    TRY(CU(cudaDeviceGetStreamPriorityRange(&least, &greatest)));
    TRY(CU(cudaStreamCreateWithPriority(&link->stream, cudaStreamNonBlocking, greatest)));
    TRY(CU(cudaEventCreateWithFlags(&link->ready, cudaEventDisableTiming)));
    TRY(CU(cudaEventCreateWithFlags(&link->joined, cudaEventDisableTiming)));
    TRY(watch_track_open(&link->track));
    link->settled = !exchange_lsa_wanted(link->world->exchange);
    return exchange_lsa_open(link->world->exchange, link->comm, link->size, &link->lsa);
}

/* A byte to and from every peer. NCCL connects two ranks in their first exchange, and the host
 * waits there: the links of a pipeline, met in different orders by its ranks, would wait for each
 * other. */
static enum status connect_peers(struct nccl_link *link)
{
    size_t n = (size_t)link->size;
    if (!link->comm)
        return ST_OK;
    TRY(nccl_link_room(link, 2 * n));
    TRY(NCCL(link, group_start()));
    for (int d = 1; d < link->size; d++) {
        int to = (link->rank + d) % link->size;
        int from = (link->rank + link->size - d) % link->size;
        if (d % CONNECT_PEERS == 0) {
            TRY(NCCL(link, group_end()));
            TRY(NCCL(link, group_start()));
        }
        TRY(NCCL(link, send(link->device + to, 1, ncclInt8, to, link->comm, link->stream)));
        TRY(NCCL(link, recv(link->device + n + from, 1, ncclInt8, from, link->comm, link->stream)));
    }
    TRY(NCCL(link, group_end()));
    link->track->label = "connection of all pairs";
    TRY(watch_track_post(link->track, link->stream));
    return nccl_link_wait(link->world, link->stream, true);
}

/* Takes the communicator; NULL with size 1. */
static enum status link_open(struct nccl_world *world, ncclComm_t comm, int rank, int size,
                             struct nccl_link **out)
{
    struct nccl_link *link = calloc(1, sizeof *link);
    if (!link)
        return fail(ST_OOM, "no memory for rank %d of %d", rank, size);
    link->world = world;
    link->comm = comm;
    link->rank = rank;
    link->size = size;
    link->next = world->links;
    world->links = link;
    world->users++;
    enum status st = link_resources(link);
    if (st != ST_OK) {
        char message[600];
        snprintf(message, sizeof message, "%s", status_message());
        nccl_abort_links(world); /* ncclCommDestroy waits for peers, and they wait for this rank */
        world->users++;          /* the caller still has it */
        nccl_close(link);
        world->users--;
        return fail(st, "%s", message);
    }
    *out = link;
    return ST_OK;
}

static enum status meet(struct nccl_world *world, const struct rendezvous *where, ncclComm_t *out)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id;
    memset(&id, 0, sizeof id);
    config.blocking = 1;
    if (where->size == 1)
        return ST_OK;
    if (where->rank == 0)
        TRY(nccl_check(&world->api, NULL, world->api.get_unique_id(&id), "ncclGetUniqueId"));
    TRY(rendezvous_broadcast(where, "nccl-id", &id, sizeof id));
    enum status st = nccl_check(&world->api, NULL,
                                world->api.init_rank(out, where->size, id, where->rank, &config),
                                "ncclCommInitRankConfig");
    return st == ST_OK ? ST_OK
                       : fail_prefix(st,
                                     "rank %d of %d on GPU %d (ranks that share a GPU take "
                                     "--transport local)",
                                     where->rank, where->size, world->dev->options.ordinal);
}

static enum status nccl_open(const struct rendezvous *where, struct device *dev, void **out)
{
    if (strcmp(dev->ops->name, "cuda") != 0)
        return fail(ST_UNSUPPORTED,
                    "it moves memory of GPUs, and the backend is %s; use "
                    "--transport local or mpi",
                    dev->ops->name);
    struct nccl_world *world = calloc(1, sizeof *world);
    if (!world)
        return fail(ST_OOM, "no memory for %zu bytes", sizeof *world);
    world->dev = dev;
    world->timeout_s = where->timeout_s;
    world->exchange = where->exchange;
    world->users = 1; /* this function */
    struct nccl_link *link = NULL;
    ncclComm_t comm = NULL;
    enum status st = CU(cudaSetDevice(dev->options.ordinal));
    if (st == ST_OK)
        st = nccl_api_open(&world->api);
    if (st == ST_OK)
        st = meet(world, where, &comm);
    if (st == ST_OK)
        st = link_open(world, comm, where->rank, where->size, &link);
    world->users--;
    if (st != ST_OK) {
        if (world->users == 0)
            free(world);
        return st;
    }
    *out = link;
    return ST_OK;
}

static void nccl_abort(void *comm)
{
    struct nccl_link *link = comm;
    nccl_abort_links(link->world);
}

/* All ranks of the parent take part. *out NULL: the only one of its color, which moves nothing. */
static enum status split_off(struct nccl_link *parent, int color, int key, enum comm_use use,
                             int size, ncclComm_t *out)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 1;
    if (use == COMM_AHEAD)
        config.maxCTAs = AHEAD_BLOCKS;
    TRY(NCCL(parent, split(parent->comm, color, key, out, &config)));
    if (size > 1)
        return ST_OK;
    parent->world->api.destroy(*out);
    *out = NULL;
    return ST_OK;
}

static enum status nccl_split(void *comm, int color, int key, enum comm_use use, void **out,
                              int *rank, int *size)
{
    struct nccl_link *parent = comm;
    struct nccl_link *link = NULL;
    bool alone = true;
    ncclComm_t child = NULL;
    enum status st = nccl_vote(parent, color, key, rank, size, &alone);
    if (st == ST_OK && !alone)
        st = split_off(parent, color, key, use, *size, &child);
    if (st == ST_OK)
        st = link_open(parent->world, child, *rank, *size, &link);
    if (st == ST_OK)
        st = connect_peers(link);
    if (st != ST_OK) { /* the peers wait for this rank, those of other colors in the next split */
        nccl_abort(parent);
        if (link)
            nccl_close(link);
        return st;
    }
    if (use == COMM_AHEAD && child)
        hold(link, true);
    *out = link;
    return ST_OK;
}

const struct comm_ops comm_nccl_ops = {
    .name = "nccl",
    .summary = "one process for each GPU; NCCL over NVLink, PCIe or a network",
    .captures = true,
    .open = nccl_open,
    .split = nccl_split,
    .close = nccl_close,
    .send = nccl_send,
    .recv = nccl_recv,
    .wait = nccl_wait,
    .group = nccl_group,
    .all_reduce = nccl_all_reduce,
    .exchange = nccl_exchange,
    .exchange_form = nccl_exchange_form,
    .exchange_alloc = nccl_exchange_alloc,
    .exchange_free = exchange_lsa_free,
    .push_takes = nccl_push_takes,
    .push = nccl_push,
    .sum_takes = nccl_sum_takes,
    .sum = nccl_sum,
    .host_gather = nccl_link_gather,
    .announce = nccl_announce,
    .join = nccl_join,
    .drain = nccl_drain,
    .abort = nccl_abort,
};
