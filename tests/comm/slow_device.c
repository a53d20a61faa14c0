/* SPDX-License-Identifier: Apache-2.0 */
/* Queues as threads, events as counters: orders of execution that a CPU device never shows. Not
 * fast. */
#include "tests/comm/slow_device.h"

#include "kernels/backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum job_kind { JOB_COPY, JOB_ADD, JOB_MARK, JOB_AWAIT, JOB_STOP };

/* Marks are numbered when the host makes them; whoever awaits the event waits for the latest
 * number of that moment. */
struct slow_event {
    pthread_mutex_t lock;
    pthread_cond_t reached_more;
    uint64_t marked, reached;
    int users; /* the owner and the jobs in queues; the last frees it */
};

struct job {
    struct job *next;
    enum job_kind kind;
    struct tensor dst, src;
    struct slow_event *event;
    uint64_t number;
};

struct slow_queue {
    struct queue base;
    struct device *alone; /* queues run at once, and a CPU device has one pool of threads */
    struct queue *cpu;    /* where the work is done */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *head, *tail;
    bool idle;
    unsigned seed;
};

/* ---- events ---- */

static enum status event_make(struct device *dev, struct event *out)
{
    (void)dev;
    struct slow_event *event = calloc(1, sizeof(*event));
    BUG_ON(!event, "no memory for an event");
    pthread_mutex_init(&event->lock, NULL);
    pthread_cond_init(&event->reached_more, NULL);
    event->users = 1;
    out->state = event;
    return ST_OK;
}

static void event_drop(struct slow_event *event)
{
    pthread_mutex_lock(&event->lock);
    bool last = --event->users == 0;
    pthread_mutex_unlock(&event->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&event->lock);
    pthread_cond_destroy(&event->reached_more);
    free(event);
}

static void event_free(struct device *dev, struct event *event)
{
    (void)dev;
    event_drop(event->state);
    event->state = NULL;
}

static void event_reach(struct slow_event *event, uint64_t number)
{
    pthread_mutex_lock(&event->lock);
    event->reached = number;
    pthread_cond_broadcast(&event->reached_more);
    pthread_mutex_unlock(&event->lock);
    event_drop(event);
}

static void event_await(struct slow_event *event, uint64_t number)
{
    pthread_mutex_lock(&event->lock);
    while (event->reached < number)
        pthread_cond_wait(&event->reached_more, &event->lock);
    pthread_mutex_unlock(&event->lock);
    event_drop(event);
}

/* ---- queues ---- */

static void enqueue(struct queue *queue, const struct job *what)
{
    struct slow_queue *q = (struct slow_queue *)queue;
    struct job *job = malloc(sizeof(*job));
    BUG_ON(!job, "no memory for a job");
    *job = *what;
    job->next = NULL;
    pthread_mutex_lock(&q->lock);
    if (q->head)
        q->tail->next = job;
    else
        q->head = job;
    q->tail = job;
    q->idle = false;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static struct job *dequeue(struct slow_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (!q->head) {
        q->idle = true;
        pthread_cond_broadcast(&q->changed);
        pthread_cond_wait(&q->changed, &q->lock);
    }
    struct job *job = q->head;
    q->head = job->next;
    pthread_mutex_unlock(&q->lock);
    return job;
}

/* Nothing, or up to 100 us. */
static void dawdle(struct slow_queue *q)
{
    struct timespec nap = {.tv_nsec = rand_r(&q->seed) % 100000};
    if (rand_r(&q->seed) % 4 == 0)
        nanosleep(&nap, NULL);
}

static void on_cpu(const struct tensor *t, struct tensor *out)
{
    *out = *t;
    out->dev = NULL;
}

static void *queue_main(void *arg)
{
    struct slow_queue *q = arg;
    for (;;) {
        struct job *job = dequeue(q);
        struct tensor dst;
        struct tensor src;
        on_cpu(&job->dst, &dst);
        on_cpu(&job->src, &src);
        dawdle(q);
        enum status st = ST_OK;
        enum job_kind kind = job->kind;
        if (kind == JOB_COPY)
            st = op_copy(q->cpu, &dst, &src);
        else if (kind == JOB_ADD)
            st = op_add(q->cpu, &dst, &src);
        else if (kind == JOB_MARK)
            event_reach(job->event, job->number);
        else if (kind == JOB_AWAIT)
            event_await(job->event, job->number);
        BUG_ON(st != ST_OK, "a job failed: %s", status_message());
        free(job);
        if (kind == JOB_STOP)
            return NULL;
    }
}

static enum status queue_make(struct device *dev, struct queue **out)
{
    struct slow_queue *q = calloc(1, sizeof(*q));
    BUG_ON(!q, "no memory for a queue");
    q->base.dev = dev;
    q->seed = (unsigned)(uintptr_t)q;
    TRY(device_open(backend_find("cpu"), &dev->options, &q->alone));
    TRY(queue_open(q->alone, &q->cpu));
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    BUG_ON(pthread_create(&q->thread, NULL, queue_main, q) != 0, "no thread for a queue");
    *out = &q->base;
    return ST_OK;
}

static void queue_free(struct queue *queue)
{
    struct slow_queue *q = (struct slow_queue *)queue;
    enqueue(queue, &(struct job){.kind = JOB_STOP});
    pthread_join(q->thread, NULL);
    queue_close(q->cpu);
    device_close(q->alone);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->changed);
    free(q);
}

static enum status queue_drain(struct queue *queue)
{
    struct slow_queue *q = (struct slow_queue *)queue;
    pthread_mutex_lock(&q->lock);
    while (q->head || !q->idle)
        pthread_cond_wait(&q->changed, &q->lock);
    pthread_mutex_unlock(&q->lock);
    return ST_OK;
}

static enum status mark(struct queue *q, struct event *event)
{
    struct slow_event *slow = event->state;
    pthread_mutex_lock(&slow->lock);
    uint64_t number = ++slow->marked;
    slow->users++;
    pthread_mutex_unlock(&slow->lock);
    enqueue(q, &(struct job){.kind = JOB_MARK, .event = slow, .number = number});
    return ST_OK;
}

static enum status await(struct queue *q, const struct event *event)
{
    struct slow_event *slow = event->state;
    pthread_mutex_lock(&slow->lock);
    uint64_t number = slow->marked;
    slow->users++;
    pthread_mutex_unlock(&slow->lock);
    enqueue(q, &(struct job){.kind = JOB_AWAIT, .event = slow, .number = number});
    return ST_OK;
}

static enum status copy(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    enqueue(q, &(struct job){.kind = JOB_COPY, .dst = *dst, .src = *src});
    return ST_OK;
}

static enum status add(struct queue *q, struct tensor *y, const struct tensor *x)
{
    enqueue(q, &(struct job){.kind = JOB_ADD, .dst = *y, .src = *x});
    return ST_OK;
}

/* ---- device ---- */

static enum status device_make(const struct device_options *options, struct device **out)
{
    *out = calloc(1, sizeof **out);
    BUG_ON(!*out, "no memory for a device");
    (*out)->options = *options;
    return ST_OK;
}

static void device_free(struct device *dev)
{
    free(dev);
}

static struct backend_ops ops;

static void make_ops(void)
{
    const struct backend_ops *cpu = backend_find("cpu");
    ops = (struct backend_ops){
        .name = "slow",
        .summary = "the CPU behind queues that lag",
        .supports = cpu->supports,
        .count = cpu->count,
        .open = device_make,
        .close = device_free,
        .alloc = cpu->alloc,
        .release = cpu->release,
        .queue_open = queue_make,
        .queue_close = queue_free,
        .queue_sync = queue_drain,
        .event_open = event_make,
        .event_close = event_free,
        .mark = mark,
        .await = await,
        .copy = copy,
        .add = add,
    };
}

const struct backend_ops *slow_device_ops(void)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, make_ops);
    return &ops;
}
