/* SPDX-License-Identifier: Apache-2.0 */
/* The local transport with posts and waits that can be captured, and a sum of its own. */
#include "kernels/comm/rendezvous.h"
#include "tests/strategies/capturing_private.h"
#include "tests/strategies/local_sum.h"

#include <stdlib.h>

static const struct comm_ops *local(void)
{
    return comm_ops_find("local");
}

struct endpoint {
    void *local;
    int rank, size;
};

/* ---- messages ---- */

enum status capturing_post(struct job *j, struct queue *cpu)
{
    const struct endpoint *end = j->message->comm;
    if (j->kind == JOB_SEND)
        return local()->send(end->local, j->peer, &j->t[0], cpu, &j->message->real);
    if (j->kind == JOB_RECV)
        return local()->recv(end->local, j->peer, &j->t[0], cpu, &j->message->real);
    if (j->message->sum.data)
        return local_sum(end->local, end->rank, end->size, &j->message->sum, cpu);
    return local()->wait(j->message->real, cpu);
}

static struct message *message_open(void *comm)
{
    struct message *message = calloc(1, sizeof *message);
    BUG_ON(!message, "no memory for a message");
    message->comm = comm;
    return message;
}

static enum status message(enum job_kind kind, void *comm, int peer, const struct tensor *t,
                           struct queue *q, void **handle)
{
    struct job job = JOB(kind, t);
    job.peer = peer;
    job.message = message_open(comm);
    *handle = job.message;
    return capturing_submit(q, job);
}

static enum status send(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle)
{
    return message(JOB_SEND, comm, peer, t, q, handle);
}

static enum status recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle)
{
    return message(JOB_RECV, comm, peer, t, q, handle);
}

/* Comes about in its wait: as late as a stream may make it. */
static enum status all_reduce(void *comm, struct tensor *inout, struct queue *q, void **handle)
{
    struct message *m = message_open(comm);
    (void)q;
    m->sum = *inout;
    m->sum.dev = NULL;
    *handle = m;
    return ST_OK;
}

/* A captured message comes again in the next launch, so its handle lives as long as the graph. */
static enum status wait(void *handle, struct queue *q)
{
    struct job job = {.kind = JOB_WAIT, .message = handle};
    bool captured = capturing_now(q);
    enum status st = capturing_submit(q, job);
    if (!captured)
        free(handle);
    return st;
}

/* ---- life ---- */

static enum status endpoint_open(enum status st, struct endpoint end, void **out)
{
    struct endpoint *kept = malloc(sizeof *kept);
    BUG_ON(!kept, "no memory for an endpoint");
    if (st == ST_OK) {
        *kept = end;
        *out = kept;
    } else {
        free(kept);
    }
    return st;
}

static enum status world_open(const struct rendezvous *where, struct device *dev, void **world)
{
    struct endpoint end = {.rank = where->rank, .size = where->size};
    enum status st = local()->open(where, capturing_cpu(dev), &end.local);
    return endpoint_open(st, end, world);
}

static enum status world_split(void *comm, int color, int key, enum comm_use use, void **out,
                               int *rank, int *size)
{
    struct endpoint *parent = comm;
    struct endpoint end;
    enum status st = local()->split(parent->local, color, key, use, &end.local, rank, size);
    end.rank = *rank;
    end.size = *size;
    return endpoint_open(st, end, out);
}

static void world_close(void *comm)
{
    struct endpoint *end = comm;
    local()->close(end->local);
    free(end);
}

static enum status host_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct endpoint *end = comm;
    return local()->host_gather(end->local, mine, size, all);
}

static void give_up(void *comm)
{
    struct endpoint *end = comm;
    local()->abort(end->local);
}

const struct comm_ops capturing_transport = {
    .name = "capturing",
    .summary = "the local transport, captured",
    .captures = true,
    .open = world_open,
    .split = world_split,
    .close = world_close,
    .send = send,
    .recv = recv,
    .wait = wait,
    .all_reduce = all_reduce,
    .host_gather = host_gather,
    .abort = give_up,
};
