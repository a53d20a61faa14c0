/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport between processes with one GPU each: NCCL. Not between threads of a process.
 *
 * A communicator has a stream of its own. What is posted between the begin and the end of a group
 * goes there as one NCCL group, after an event of the caller's queue; its end is an event for which
 * a wait makes a queue wait. The host never waits, but in `drain` and for host gathers, and there
 * looks after its peers. Everything else may be recorded into a graph.
 */
#include "kernels/comm/comm_private.h"
#include "kernels/comm/nccl_api.h"
#include "kernels/comm/nccl_watch.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/cuda/exchange_lsa.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the communicators of this process share. */
struct nccl_world {
    struct nccl_api api;
    struct device *dev; /* borrowed */
    double timeout_s;
    const char *exchange; /* borrowed */
    struct nccl_link *links;
    int users;
    bool aborted;
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
    cudaStream_t stream;
    cudaEvent_t ready;  /* the queue had reached the group */
    cudaEvent_t joined; /* end of what a recording put on the stream */
    bool recorded;      /* since the last join */
    int depth;          /* of open groups */
    struct nccl_slot *open;
    struct queue *queue; /* of the open group */
    struct nccl_slot *slots;
    struct watch_track *track;
    struct exchange_lsa *lsa; /* NULL: exchanges are messages */
    char *host, *device;      /* of host gathers: pinned, and on the GPU */
    size_t room;
};

#define NCCL(link, call)                                                                           \
    nccl_check(&(link)->world->api, (link)->comm, (link)->world->api.call, "nccl " #call)

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
    if (link->depth++ > 0)
        return ST_OK;
    link->open = NULL;
    return NCCL(link, group_start());
}

/* The link's stream goes on behind what q was given so far. */
static enum status follow(struct nccl_link *link, struct queue *q)
{
    TRY(CU(cudaEventRecord(link->ready, stream_of_queue(q))));
    return CU(cudaStreamWaitEvent(link->stream, link->ready, 0));
}

/* A post of the open group on q: its handle. NCCL asks the stream in each post whether it records,
 * so the stream must have joined the queue's recording before the first. */
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
    link->recorded |= cuda_capturing(link->queue);
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
    TRY(group_post(link, q, handle));
    TRY(NCCL(link, send(t->data, count, type_of(t->dtype), peer, link->comm, link->stream)));
    return group_end(link);
}

static enum status nccl_recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                             void **handle)
{
    struct nccl_link *link = comm;
    size_t count = (size_t)tensor_count(t);
    TRY(group_begin(link));
    TRY(group_post(link, q, handle));
    TRY(NCCL(link, recv(t->data, count, type_of(t->dtype), peer, link->comm, link->stream)));
    return group_end(link);
}

static enum status nccl_all_reduce(void *comm, struct tensor *inout, struct queue *q, void **handle)
{
    struct nccl_link *link = comm;
    size_t count = (size_t)tensor_count(inout);
    TRY(group_begin(link));
    TRY(group_post(link, q, handle));
    TRY(NCCL(link, all_reduce(inout->data, inout->data, count, type_of(inout->dtype), ncclSum,
                              link->comm, link->stream)));
    return group_end(link);
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
    if (!link->recorded)
        return ST_OK;
    link->recorded = false;
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

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum status peers_failed(const struct nccl_world *world)
{
    for (struct nccl_link *link = world->links; link; link = link->next) {
        ncclResult_t error = ncclSuccess;
        if (!link->comm)
            continue;
        TRY(NCCL(link, async_error(link->comm, &error)));
        if (error != ncclSuccess && error != ncclInProgress)
            return nccl_check(&world->api, link->comm, error, "a peer or the link to it");
    }
    return ST_OK;
}

/* True when an operation of some communicator came to its end since the last look. */
static bool any_moved(const struct nccl_world *world)
{
    bool moved = false;
    for (struct nccl_link *link = world->links; link; link = link->next)
        moved |= link->track && watch_track_moved(link->track);
    return moved;
}

static enum status nothing_moves(const struct nccl_world *world)
{
    char text[600] = "";
    size_t used = 0;
    for (struct nccl_link *link = world->links; link; link = link->next) {
        char one[WATCH_TEXT];
        if (!link->track || link->track->posted == 0)
            continue;
        watch_track_describe(link->track, one);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", one);
        if (used >= sizeof text)
            break;
    }
    return fail(ST_TIMEOUT,
                "%s: not through within %g s; look at what the other ranks do, or allow more with "
                "--timeout",
                text[0] ? text : "the first operation", world->timeout_s);
}

/* Until the stream is empty, or a peer failed, or nothing moved for the time-out. */
static enum status wait_stream(struct nccl_world *world, cudaStream_t stream)
{
    struct timespec nap = {.tv_nsec = 20000};
    double moved = now_s();
    double looked = moved;
    any_moved(world);
    for (;;) {
        cudaError_t state = cudaStreamQuery(stream);
        if (state != cudaErrorNotReady)
            return CU(state);
        nanosleep(&nap, NULL);
        if (nap.tv_nsec < 200000)
            nap.tv_nsec += 10000;
        double now = now_s();
        if (now - looked < 0.01)
            continue;
        looked = now;
        TRY(peers_failed(world));
        if (any_moved(world))
            moved = now;
        else if (world->timeout_s > 0 && now - moved > world->timeout_s)
            return nothing_moves(world);
    }
}

static enum status nccl_drain(void *comm, struct queue *q)
{
    struct nccl_link *link = comm;
    return wait_stream(link->world, stream_of_queue(q));
}

static enum status gather_room(struct nccl_link *link, size_t bytes)
{
    if (bytes <= link->room)
        return ST_OK;
    cudaFreeHost(link->host);
    cudaFree(link->device);
    link->host = link->device = NULL;
    link->room = 0;
    TRY(CU(cudaHostAlloc((void **)&link->host, bytes, cudaHostAllocDefault)));
    TRY(CU(cudaMalloc((void **)&link->device, bytes)));
    link->room = bytes;
    return ST_OK;
}

static enum status nccl_host_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct nccl_link *link = comm;
    size_t part = size > 0 ? size : 1; /* a barrier gathers a byte */
    size_t own = (size_t)link->rank * part;
    size_t bytes = (size_t)link->size * part;
    if (link->world->aborted)
        return fail(ST_COMM, "a rank gave up before all met");
    if (!link->comm) {
        if (size > 0)
            memcpy(all, mine, size);
        return ST_OK;
    }
    TRY(gather_room(link, bytes));
    link->host[own] = 0;
    if (size > 0)
        memcpy(link->host + own, mine, size);
    TRY(CU(cudaMemcpyAsync(link->device + own, link->host + own, part, cudaMemcpyHostToDevice,
                           link->stream)));
    TRY(NCCL(link, all_gather(link->device + own, link->device, part, ncclInt8, link->comm,
                              link->stream)));
    link->track->label = "host gather";
    TRY(watch_track_post(link->track, link->stream));
    TRY(CU(cudaMemcpyAsync(link->host, link->device, bytes, cudaMemcpyDeviceToHost, link->stream)));
    TRY(wait_stream(link->world, link->stream));
    if (size > 0)
        memcpy(all, link->host, bytes);
    return ST_OK;
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

/* After an abort or a broken device nothing is asked of the driver that might wait. */
static void nccl_close(void *comm)
{
    struct nccl_link *link = comm;
    struct nccl_world *world = link->world;
    bool broken = world->aborted || cudaPeekAtLastError() != cudaSuccess;
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
    TRY(gather_room(link, 2 * n));
    TRY(NCCL(link, group_start()));
    for (int r = 0; r < link->size; r++) {
        if (r == link->rank)
            continue;
        TRY(NCCL(link, send(link->device + r, 1, ncclInt8, r, link->comm, link->stream)));
        TRY(NCCL(link, recv(link->device + n + r, 1, ncclInt8, r, link->comm, link->stream)));
    }
    TRY(NCCL(link, group_end()));
    link->track->label = "connection of all pairs";
    TRY(watch_track_post(link->track, link->stream));
    return wait_stream(link->world, link->stream);
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
        world->users++; /* the caller still has it */
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
    struct nccl_link *given = comm;
    struct nccl_world *world = given->world;
    if (world->aborted)
        return;
    world->aborted = true;
    for (struct nccl_link *link = world->links; link; link = link->next)
        if (link->comm)
            world->api.abort(link->comm);
}

struct vote {
    int color, key;
};

/* My place among the ranks of my color; *alone: every color has one rank. */
static void count_votes(const struct vote *vote, int n, int me, int *rank, int *size, bool *alone)
{
    *rank = 0;
    *size = 0;
    *alone = true;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++)
            *alone &= vote[i].color != vote[j].color;
        if (vote[i].color != vote[me].color)
            continue;
        (*size)++;
        *rank += vote[i].key < vote[me].key || (vote[i].key == vote[me].key && i < me);
    }
}

static enum status nccl_split(void *comm, int color, int key, void **out, int *rank, int *size)
{
    struct nccl_link *parent = comm;
    struct vote mine = {color, key};
    struct vote *vote = calloc((size_t)parent->size, sizeof *vote);
    bool alone = true;
    ncclComm_t child = NULL;
    if (!vote)
        return fail(ST_OOM, "no memory to split %d ranks", parent->size);
    enum status st = nccl_host_gather(parent, &mine, sizeof mine, vote);
    if (st == ST_OK)
        count_votes(vote, parent->size, parent->rank, rank, size, &alone);
    free(vote);
    TRY(st);
    if (!alone) {
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        config.blocking = 1;
        TRY(NCCL(parent, split(parent->comm, color, key, &child, &config)));
    }
    if (*size == 1 && child) { /* colors of several ranks elsewhere: this one moves nothing */
        parent->world->api.destroy(child);
        child = NULL;
    }
    struct nccl_link *link;
    TRY(link_open(parent->world, child, *rank, *size, &link));
    st = connect_peers(link);
    if (st != ST_OK) {
        nccl_abort(link);
        nccl_close(link);
        return st;
    }
    *out = link;
    return ST_OK;
}

/* ---- exchange of heads ---- */

static enum status nccl_exchange(void *comm, bool to_heads, int n, const struct tensor *narrow,
                                 const struct tensor *wide, int first_row, struct queue *q,
                                 bool *taken)
{
    struct nccl_link *link = comm;
    *taken = false;
    if (!link->lsa)
        return ST_OK;
    return exchange_lsa_run(link->lsa, to_heads, n, narrow, wide, first_row, q, taken);
}

static enum status nccl_exchange_alloc(void *comm, size_t bytes, void **out, void **owner)
{
    struct nccl_link *link = comm;
    *out = NULL;
    return link->lsa ? exchange_lsa_alloc(link->lsa, bytes, out, owner) : ST_OK;
}

const struct comm_ops comm_nccl_ops = {
    .name = "nccl",
    .summary = "one process for each GPU; NCCL over NVLink, PCIe or a network",
    .records = true,
    .open = nccl_open,
    .split = nccl_split,
    .close = nccl_close,
    .send = nccl_send,
    .recv = nccl_recv,
    .wait = nccl_wait,
    .group = nccl_group,
    .all_reduce = nccl_all_reduce,
    .exchange = nccl_exchange,
    .exchange_alloc = nccl_exchange_alloc,
    .exchange_free = exchange_lsa_free,
    .host_gather = nccl_host_gather,
    .announce = nccl_announce,
    .join = nccl_join,
    .drain = nccl_drain,
    .abort = nccl_abort,
};
