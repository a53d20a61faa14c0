/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, devices and world communicators of the ranks of one process. Computes nothing. */
#include "harness/launch/ranks.h"

#include "harness/base/limits.h"
#include "kernels/base/trace_nvtx.h"
#include "models/span.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_BYTES = 8 << 20 };

/* Threads begin their job together or not at all: a rank must not wait for one that has no thread
 * or no device. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int missing; /* threads that have not come yet */
    bool failed; /* one of them is not ready and will not be */
};

struct member {
    const struct ranks *ranks;
    struct gate *gate; /* NULL: not a thread */
    struct rendezvous where;
    enum status (*job)(void *self, const struct rank *rank);
    void *self;
    pthread_t thread;
    enum status outcome;
    char message[1024];
};

int ranks_threads(const struct ranks *ranks, int index)
{
    int begin;
    int share = part_of(ranks->threads, index, ranks->n, &begin);
    return share > 0 ? share : 1;
}

/* Waits until all have come; true when all were ready. */
static bool gate_pass(struct gate *gate, int arrivals, bool ready)
{
    pthread_mutex_lock(&gate->lock);
    gate->failed |= !ready;
    gate->missing -= arrivals;
    if (gate->missing == 0)
        pthread_cond_broadcast(&gate->moved);
    while (gate->missing > 0)
        pthread_cond_wait(&gate->moved, &gate->lock);
    bool open = !gate->failed;
    pthread_mutex_unlock(&gate->lock);
    return open;
}

static enum status with_world(const struct member *w, struct device *dev)
{
    struct comm *world = NULL;
    enum status st = comm_open(comm_ops_find(w->ranks->transport), &w->where, dev, &world);
    bool all = w->gate ? gate_pass(w->gate, 1, st == ST_OK) : st == ST_OK;
    if (all) {
        struct rank rank = {w->where.rank, w->where.size, dev, world};
        st = w->job(w->self, &rank);
    }
    /* A wrong result is agreed on; any other failure ends the waits of the peers that are threads.
     */
    if (all && st != ST_OK && st != ST_WRONG && w->gate)
        comm_abort(world);
    comm_close(world);
    return st;
}

static enum status run_one(const struct member *w)
{
    const struct backend_ops *ops = backend_find(w->ranks->backend);
    struct device_options options = {.threads = ranks_threads(w->ranks, w->where.rank)};
    struct device *dev = NULL;
    int devices = 1;
    enum status st = ops->count(&devices);
    options.ordinal = devices > 0 ? (w->ranks->first + w->where.rank) % devices : 0;
    if (st == ST_OK)
        st = device_open(ops, &options, &dev);
    if (st != ST_OK) {
        if (w->gate)
            gate_pass(w->gate, 1, false);
        return st;
    }
    st = with_world(w, dev);
    device_close(dev);
    return st;
}

/* A range of a thread can be told by that thread only. */
static enum status run_traced(const struct member *w)
{
    struct trace_sink *sink;
    if (!w->ranks->nvtx && !trace_nvtx_wanted())
        return run_one(w);
    enum status st = trace_nvtx_open(&sink);
    if (st != ST_OK) {
        if (w->gate)
            gate_pass(w->gate, 1, false);
        return st;
    }
    trace_add(sink);
    st = run_one(w);
    trace_remove(sink);
    trace_nvtx_close(sink);
    return st;
}

static void *member_main(void *argument)
{
    struct member *w = argument;
    status_clear();
    w->outcome = run_traced(w);
    snprintf(w->message, sizeof w->message, "%s", status_message());
    return NULL;
}

/* The cause among the outcomes: not the peers that lost their partner because of it. */
static const struct member *cause_of(const struct member *w, int n)
{
    const struct member *lost = NULL;
    for (int i = 0; i < n; i++) {
        if (w[i].outcome != ST_OK && w[i].outcome != ST_COMM)
            return &w[i];
        if (w[i].outcome == ST_COMM && !lost)
            lost = &w[i];
    }
    return lost;
}

/* All ranks tell the same: they agreed, and no one of them is to be named. */
static bool unanimous(const struct member *w, int n)
{
    for (int i = 1; i < n; i++)
        if (w[i].outcome != w[0].outcome || strcmp(w[i].message, w[0].message) != 0)
            return false;
    return true;
}

static enum status outcome_of(const struct member *w, int n)
{
    const struct member *cause = cause_of(w, n);
    if (!cause)
        return ST_OK;
    if (unanimous(w, n) || strncmp(cause->message, "rank ", 5) == 0)
        return fail(cause->outcome, "%s", cause->message);
    return fail(cause->outcome, "rank %d: %s", cause->where.rank, cause->message);
}

/* The stack is as large as is usual, whatever `ulimit -s` says. */
static int start_thread(struct member *w)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&w->thread, &attributes, member_main, w);
    pthread_attr_destroy(&attributes);
    return error;
}

static enum status run_threads(const struct ranks *ranks, struct gate *gate, struct member *w)
{
    int started = 0;
    int error = 0;
    while (started < ranks->n && !error) {
        error = start_thread(&w[started]);
        started += !error;
    }
    if (error)
        gate_pass(gate, ranks->n - started, false);
    for (int i = 0; i < started; i++)
        pthread_join(w[i].thread, NULL);
    if (error)
        return fail(ST_OOM, "rank %d of %d: no thread: %s; use fewer ranks or more processes%s",
                    started, ranks->n, strerror(error), limits_hint(error));
    return outcome_of(w, ranks->n);
}

static enum status run_local(const struct ranks *ranks,
                             enum status (*job)(void *, const struct rank *), void *self)
{
    struct local_world *world;
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, ranks->n, false};
    TRY(local_world_open(ranks->n, &world));
    struct member *w = calloc((size_t)ranks->n, sizeof *w);
    enum status st = w ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", ranks->n);
    for (int i = 0; i < ranks->n && w; i++)
        w[i] = (struct member){
            .ranks = ranks,
            .gate = &gate,
            .where = {.rank = i,
                      .size = ranks->n,
                      .local = world,
                      .timeout_s = ranks->timeout_s,
                      .exchange = ranks->exchange},
            .job = job,
            .self = self,
        };
    if (st == ST_OK)
        st = run_threads(ranks, &gate, w);
    free(w);
    local_world_close(world);
    return st;
}

enum status ranks_each(const struct ranks *ranks,
                       enum status (*job)(void *self, const struct rank *rank), void *self)
{
    BUG_ON(!backend_find(ranks->backend), "backend %s is not in this build", ranks->backend);
    BUG_ON(!comm_ops_find(ranks->transport), "transport %s is not in this build", ranks->transport);
    if (!ranks->place)
        return run_local(ranks, job, self);
    struct member one = {.ranks = ranks, .where = *ranks->place, .job = job, .self = self};
    one.where.timeout_s = ranks->timeout_s;
    one.where.exchange = ranks->exchange;
    member_main(&one);
    return outcome_of(&one, 1);
}
