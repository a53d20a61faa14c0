/* SPDX-License-Identifier: Apache-2.0 */
/* The local transport with posts and waits that can be captured, and a sum of its own. */
#include "kernels/comm/rendezvous.h"
#include "models/span.h"
#include "tests/strategies/capturing_private.h"

#include <stdlib.h>
#include <string.h>

static const struct comm_ops *local(void)
{
    return comm_ops_find("local");
}

struct endpoint {
    void *local;
    int rank, size;
};

/* ---- sums ---- */

/* Every rank's tensor into all[size][count]. */
static enum status gather(const struct endpoint *end, const struct tensor *mine, float *all,
                          struct queue *cpu)
{
    int64_t count = tensor_count(mine);
    for (int d = 1; d < end->size; d++) {
        int to = (end->rank + d) % end->size;
        int from = (end->rank + end->size - d) % end->size;
        struct tensor landing = tensor_of(all + from * count, NULL, DTYPE_F32, 1, &count);
        void *sent;
        void *received;
        TRY(local()->recv(end->local, from, &landing, cpu, &received));
        TRY(local()->send(end->local, to, mine, cpu, &sent));
        TRY(local()->wait(received, cpu));
        TRY(local()->wait(sent, cpu));
    }
    memcpy(all + end->rank * count, mine->data, (size_t)count * sizeof *all);
    return queue_sync(cpu);
}

/* Adds in the order of the built-in ring: part p from rank p+1 round to rank p. */
static enum status sum(const struct endpoint *end, const struct tensor *inout, struct queue *cpu)
{
    int64_t count = tensor_count(inout);
    struct tensor mine = tensor_reshape(inout, 1, &count);
    float *out = inout->data;
    float *all = malloc((size_t)(end->size * count) * sizeof *all);
    BUG_ON(!all, "no memory for a sum");
    enum status st = gather(end, &mine, all, cpu);
    for (int p = 0; p < end->size && st == ST_OK; p++) {
        int begin;
        int part = part_of((int)count, p, end->size, &begin);
        for (int i = begin; i < begin + part; i++) {
            out[i] = all[(p + 1) % end->size * count + i];
            for (int r = 2; r <= end->size; r++)
                out[i] += all[(p + r) % end->size * count + i];
        }
    }
    free(all);
    return st;
}

/* ---- messages ---- */

enum status capturing_post(struct job *j, struct queue *cpu)
{
    const struct endpoint *end = j->message->comm;
    if (j->kind == JOB_SEND)
        return local()->send(end->local, j->peer, &j->t[0], cpu, &j->message->real);
    if (j->kind == JOB_RECV)
        return local()->recv(end->local, j->peer, &j->t[0], cpu, &j->message->real);
    if (j->message->sum.data)
        return sum(end, &j->message->sum, cpu);
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
