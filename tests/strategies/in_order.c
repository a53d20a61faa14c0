/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each end of a communicator is its stream: it makes the posts, group after group. */
#include "tests/strategies/in_order.h"

#include "kernels/backend.h"
#include "kernels/comm/rendezvous.h"
#include "tests/strategies/local_sum.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum post_kind { SEND, RECV, SUM };

struct post {
    struct post *next; /* of its group */
    struct group *group;
    enum post_kind kind;
    int peer;
    struct tensor t;
    void *real; /* the local transport's handle */
};

/* Lives until its last handle was waited for. */
struct group {
    struct group *next; /* of the stream */
    struct end *end;
    struct post *first, **last;
    int handles;
    bool done;
    enum status status;
    char message[512];
};

struct end {
    void *local;
    int rank, size;
    struct device *dev; /* of the thread */
    struct queue *q;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct group *stream, **tail; /* what the thread has not begun */
    struct group *open;           /* of the caller, not on the stream yet */
    int depth;
    bool closing;
};

static const struct comm_ops *local(void)
{
    return comm_ops_find("local");
}

/* ---- the stream ---- */

static enum status begin(struct end *end, struct post *post)
{
    if (post->kind == SEND)
        return local()->send(end->local, post->peer, &post->t, end->q, &post->real);
    if (post->kind == RECV)
        return local()->recv(end->local, post->peer, &post->t, end->q, &post->real);
    return local_sum(end->local, end->rank, end->size, &post->t, end->q);
}

/* The posts of a group come about together. */
static enum status carry_out(struct end *end, struct group *group)
{
    enum status st = ST_OK;
    for (struct post *post = group->first; post && st == ST_OK; post = post->next)
        st = begin(end, post);
    for (struct post *post = group->first; post; post = post->next)
        if (post->real) {
            enum status ended = local()->wait(post->real, end->q);
            st = st == ST_OK ? ended : st;
        }
    return st == ST_OK ? queue_sync(end->q) : st;
}

static void *stream_main(void *arg)
{
    struct end *end = arg;
    pthread_mutex_lock(&end->lock);
    for (;;) {
        while (!end->stream && !end->closing)
            pthread_cond_wait(&end->changed, &end->lock);
        struct group *group = end->stream;
        if (!group)
            break;
        end->stream = group->next;
        if (!end->stream)
            end->tail = &end->stream;
        pthread_mutex_unlock(&end->lock);
        status_clear();
        enum status st = carry_out(end, group);
        pthread_mutex_lock(&end->lock);
        group->status = st;
        snprintf(group->message, sizeof group->message, "%s", status_message());
        group->done = true;
        pthread_cond_broadcast(&end->changed);
    }
    pthread_mutex_unlock(&end->lock);
    return NULL;
}

/* ---- posts ---- */

static void group_begin(struct end *end)
{
    if (end->depth++ > 0)
        return;
    end->open = calloc(1, sizeof *end->open);
    BUG_ON(!end->open, "no memory for a group");
    end->open->end = end;
    end->open->last = &end->open->first;
}

static void group_end(struct end *end)
{
    if (--end->depth > 0)
        return;
    struct group *group = end->open;
    end->open = NULL;
    if (!group->first) {
        free(group);
        return;
    }
    pthread_mutex_lock(&end->lock);
    *end->tail = group;
    end->tail = &group->next;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static enum status group(void *comm, bool begins)
{
    if (begins)
        group_begin(comm);
    else
        group_end(comm);
    return ST_OK;
}

static enum status put(void *comm, enum post_kind kind, int peer, const struct tensor *t,
                       void **handle)
{
    struct end *end = comm;
    struct post *post = calloc(1, sizeof *post);
    BUG_ON(!post, "no memory for a message");
    group_begin(end);
    *post = (struct post){NULL, end->open, kind, peer, *t, NULL};
    *end->open->last = post;
    end->open->last = &post->next;
    end->open->handles++;
    *handle = end->open;
    group_end(end);
    return ST_OK;
}

static enum status send(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle)
{
    (void)q;
    return put(comm, SEND, peer, t, handle);
}

static enum status recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle)
{
    (void)q;
    return put(comm, RECV, peer, t, handle);
}

static enum status all_reduce(void *comm, struct tensor *inout, struct queue *q, void **handle)
{
    (void)q;
    return put(comm, SUM, -1, inout, handle);
}

static void group_free(struct group *group)
{
    while (group->first) {
        struct post *post = group->first;
        group->first = post->next;
        free(post);
    }
    free(group);
}

static enum status wait(void *handle, struct queue *q)
{
    struct group *group = handle;
    struct end *end = group->end;
    (void)q;
    pthread_mutex_lock(&end->lock);
    while (!group->done)
        pthread_cond_wait(&end->changed, &end->lock);
    enum status st = group->status;
    if (st != ST_OK)
        fail(st, "%s", group->message);
    bool last = --group->handles == 0;
    pthread_mutex_unlock(&end->lock);
    if (last)
        group_free(group);
    return st;
}

/* ---- life ---- */

/* Takes the local transport's end. */
static enum status end_open(void *local_end, int rank, int size, void **out)
{
    const struct device_options options = {.threads = 1};
    struct end *end = calloc(1, sizeof *end);
    BUG_ON(!end, "no memory for an endpoint");
    end->local = local_end;
    end->rank = rank;
    end->size = size;
    end->tail = &end->stream;
    pthread_mutex_init(&end->lock, NULL);
    pthread_cond_init(&end->changed, NULL);
    TRY(device_open(backend_find("cpu"), &options, &end->dev));
    TRY(queue_open(end->dev, &end->q));
    BUG_ON(pthread_create(&end->thread, NULL, stream_main, end) != 0, "no thread for a stream");
    *out = end;
    return ST_OK;
}

static enum status world_open(const struct rendezvous *where, struct device *dev, void **world)
{
    void *end;
    TRY(local()->open(where, dev, &end));
    return end_open(end, where->rank, where->size, world);
}

static enum status world_split(void *comm, int color, int key, enum comm_use use, void **out,
                               int *rank, int *size)
{
    struct end *parent = comm;
    void *end;
    TRY(local()->split(parent->local, color, key, use, &end, rank, size));
    return end_open(end, *rank, *size, out);
}

static void world_close(void *comm)
{
    struct end *end = comm;
    pthread_mutex_lock(&end->lock);
    end->closing = true;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
    pthread_join(end->thread, NULL);
    local()->close(end->local);
    queue_close(end->q);
    device_close(end->dev);
    pthread_mutex_destroy(&end->lock);
    pthread_cond_destroy(&end->changed);
    free(end);
}

static enum status host_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct end *end = comm;
    return local()->host_gather(end->local, mine, size, all);
}

static void give_up(void *comm)
{
    struct end *end = comm;
    local()->abort(end->local);
}

const struct comm_ops in_order_transport = {
    .name = "in order",
    .summary = "the local transport, a stream for each end of a communicator",
    .open = world_open,
    .split = world_split,
    .close = world_close,
    .send = send,
    .recv = recv,
    .wait = wait,
    .group = group,
    .all_reduce = all_reduce,
    .host_gather = host_gather,
    .abort = give_up,
};
