/* SPDX-License-Identifier: Apache-2.0 */
/* Threads as ranks. Makes no assertion itself. */
#include "tests/support/threads.h"

#include "kernels/backend.h"
#include "kernels/comm/rendezvous.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct thread {
    pthread_t id;
    const struct comm_ops *ops;
    struct rendezvous where;
    struct thread_rank self;
    threads_fn *fn;
    enum status status;
    char message[512];
};

static enum status open_rank(struct thread *t)
{
    struct thread_rank *self = &t->self;
    const struct device_options options = {.threads = 1};
    TRY(device_open(backend_find("cpu"), &options, &self->dev));
    TRY(queue_open(self->dev, &self->queue));
    return comm_open(t->ops, &t->where, self->dev, &self->world);
}

static void close_rank(struct thread_rank *self)
{
    if (self->world)
        comm_close(self->world);
    if (self->queue)
        queue_close(self->queue);
    if (self->dev)
        device_close(self->dev);
}

static void *rank_main(void *arg)
{
    struct thread *t = arg;
    status_clear();
    t->status = open_rank(t);
    if (t->status == ST_OK)
        t->status = t->fn(&t->self);
    if (t->status != ST_OK) {
        snprintf(t->message, sizeof(t->message), "%s", status_text());
        if (t->self.world)
            comm_abort(t->self.world);
    }
    close_rank(&t->self);
    return NULL;
}

/* The rank to blame: an error that is not ST_COMM comes before the ST_COMM of those who waited for
 * it. */
static const struct thread *find_culprit(const struct thread *thread, int n)
{
    const struct thread *culprit = NULL;
    for (int r = 0; r < n; r++) {
        if (thread[r].status == ST_OK)
            continue;
        if (!culprit || (culprit->status == ST_COMM && thread[r].status != ST_COMM))
            culprit = &thread[r];
    }
    return culprit;
}

enum status threads_run_over(const struct comm_ops *ops, int n, double timeout_s, threads_fn *fn,
                             void *arg, struct threads_result *result)
{
    BUG_ON(n < 1 || n > THREADS_MAX, "%d ranks; at most %d", n, THREADS_MAX);
    struct local_world *world;
    TRY(local_world_open(n, &world));
    struct thread *thread = calloc((size_t)n, sizeof(*thread));
    BUG_ON(!thread, "no memory for %d ranks", n);
    for (int r = 0; r < n; r++) {
        struct thread *t = &thread[r];
        t->ops = ops;
        t->where =
            (struct rendezvous){.rank = r, .size = n, .local = world, .timeout_s = timeout_s};
        t->self = (struct thread_rank){.rank = r, .size = n, .arg = arg};
        t->fn = fn;
        BUG_ON(pthread_create(&t->id, NULL, rank_main, t) != 0, "no thread for rank %d", r);
    }
    for (int r = 0; r < n; r++)
        pthread_join(thread[r].id, NULL);
    for (int r = 0; result && r < n; r++) {
        result->status[r] = thread[r].status;
        snprintf(result->message[r], sizeof(result->message[r]), "%s", thread[r].message);
    }
    const struct thread *culprit = find_culprit(thread, n);
    enum status st = ST_OK;
    if (culprit)
        st = fail(culprit->status, "rank %d: %s", culprit->self.rank, culprit->message);
    free(thread);
    local_world_close(world);
    return st;
}

enum status threads_run_within(int n, double timeout_s, threads_fn *fn, void *arg,
                               struct threads_result *result)
{
    return threads_run_over(comm_ops_find("local"), n, timeout_s, fn, arg, result);
}

enum status threads_run(int n, threads_fn *fn, void *arg)
{
    return threads_run_within(n, 60.0, fn, arg, NULL);
}
