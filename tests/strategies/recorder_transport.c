/* SPDX-License-Identifier: Apache-2.0 */
/* The local transport with posts and waits that can be recorded. Moves nothing itself. */
#include "kernels/comm/rendezvous.h"
#include "tests/strategies/recorder_private.h"

#include <stdlib.h>

static const struct comm_ops *local(void)
{
    return comm_ops_find("local");
}

enum status recorder_post(struct job *j, struct queue *cpu)
{
    if (j->kind == JOB_SEND)
        return local()->send(j->comm, j->peer, &j->t[0], cpu, &j->message->real);
    if (j->kind == JOB_RECV)
        return local()->recv(j->comm, j->peer, &j->t[0], cpu, &j->message->real);
    return local()->wait(j->message->real, cpu);
}

static enum status world_open(const struct rendezvous *where, struct device *dev, void **world)
{
    return local()->open(where, recorder_cpu(dev), world);
}

static enum status world_split(void *comm, int color, int key, void **out, int *rank, int *size)
{
    return local()->split(comm, color, key, out, rank, size);
}

static void world_close(void *comm)
{
    local()->close(comm);
}

static enum status message(enum job_kind kind, void *comm, int peer, const struct tensor *t,
                           struct queue *q, void **handle)
{
    struct job job = JOB(kind, t);
    job.comm = comm;
    job.peer = peer;
    job.message = calloc(1, sizeof *job.message);
    BUG_ON(!job.message, "no memory for a message");
    *handle = job.message;
    return recorder_submit(q, job);
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

/* A recorded message comes again in the next launch, so its handle lives as long as the graph. */
static enum status wait(void *handle, struct queue *q)
{
    struct job job = {.kind = JOB_WAIT, .message = handle};
    bool recorded = recorder_records(q);
    enum status st = recorder_submit(q, job);
    if (!recorded)
        free(handle);
    return st;
}

static enum status host_gather(void *comm, const void *mine, size_t size, void *all)
{
    return local()->host_gather(comm, mine, size, all);
}

static void give_up(void *comm)
{
    local()->abort(comm);
}

const struct comm_ops recorder_transport = {
    .name = "recorder",
    .summary = "the local transport, recorded",
    .records = true,
    .open = world_open,
    .split = world_split,
    .close = world_close,
    .send = send,
    .recv = recv,
    .wait = wait,
    .host_gather = host_gather,
    .abort = give_up,
};
