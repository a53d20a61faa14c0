/* SPDX-License-Identifier: Apache-2.0 */
/* Remembers calls and makes them later. Computes nothing itself. */
#include "kernels/backend.h"
#include "tests/strategies/capturing_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct capturing_device {
    struct device base;
    struct device *cpu;
    int launches;
};

struct capturing_queue {
    struct queue base;
    struct queue *cpu;
    struct capture *open; /* being made, or NULL */
};

static struct capturing_queue *queue_of(struct queue *q)
{
    return (struct capturing_queue *)q;
}

/* ---- jobs ---- */

struct job capturing_job(enum job_kind kind, int n, const struct tensor *const *t)
{
    struct job job = {.kind = kind};
    for (int i = 0; i < n; i++) {
        job.has[i] = t[i] != NULL;
        if (!t[i])
            continue;
        job.t[i] = *t[i];
        job.t[i].dev = NULL;
    }
    return job;
}

static enum status perform(struct job *j, struct queue *q)
{
    struct tensor *t = j->t;
    struct tensor *o[TENSORS]; /* those that may be missing */
    for (int i = 0; i < TENSORS; i++)
        o[i] = j->has[i] ? &t[i] : NULL;
    struct norm norm = {o[5], o[6], o[7], o[8], o[9], j->value};
    struct qk_norm qk_norm = {j->centred, o[3], o[4], o[5], o[6], j->value};
    struct conv conv = {j->conv.upsample, j->conv.above, j->conv.below, o[3], o[4]};
    struct group_norm group_norm = {o[2], o[3], o[4], j->elements, j->value, j->act};
    struct group_parts group_parts = {o[1], j->own_elements, j->elements};
    switch (j->kind) {
    case JOB_COPY:
        return op_copy(q, &t[0], &t[1]);
    case JOB_FILL:
        return op_fill(q, &t[0], j->value);
    case JOB_LINEAR:
        return op_linear(q, &t[0], &t[1], &t[2], o[3], j->act);
    case JOB_LINEAR_ADD:
        return op_linear_add(q, &t[0], &t[1], &t[2], o[3]);
    case JOB_ACTIVATE:
        return op_activate(q, &t[0], &t[1], j->act);
    case JOB_NORM:
        return op_norm(q, &t[0], &t[1], &norm);
    case JOB_GATE_ADD:
        return op_gate_add(q, &t[0], &t[1], o[2], o[3]);
    case JOB_GATE_ADD_NORM:
        return op_gate_add_norm(q, &t[0], &t[1], o[2], o[3], &t[4], &norm);
    case JOB_QK_NORM_ROPE:
        return op_qk_norm_rope(q, o[0], o[1], j->normed ? &qk_norm : NULL, o[2]);
    case JOB_ADD_ROWS:
        return op_add_rows(q, &t[0], &t[1]);
    case JOB_ADD:
        return op_add(q, &t[0], &t[1]);
    case JOB_ADD_OUTER:
        return op_add_outer(q, &t[0], &t[1], &t[2]);
    case JOB_TIMESTEP:
        return op_timestep(q, &t[0], &t[1], j->value);
    case JOB_ATTENTION:
        return op_attention(q, &t[0], o[1], &t[2], &t[3], &t[4], j->n_counts ? j->count : NULL,
                            j->value);
    case JOB_MERGE:
        return op_merge(q, &t[0], &t[1], &t[2], &t[3]);
    case JOB_ADVANCE:
        return op_advance(q, &t[0], &t[1], o[2], &t[3], o[4], &t[5]);
    case JOB_CONV:
        return op_conv(q, &t[0], &t[1], &t[2], &conv);
    case JOB_CONV_FOLD:
        return op_conv_fold(q, &t[0], &t[1]);
    case JOB_GROUP_SUMS:
        return op_group_sums(q, &t[0], &t[1]);
    case JOB_GROUP_CENTRE:
        return op_group_centre(q, &t[0], &group_parts);
    case JOB_GROUP_NORM:
        return op_group_norm(q, &t[0], &t[1], &group_norm);
    default:
        return capturing_post(j, q);
    }
}

/* Now, or when the graph is launched. */
enum status capturing_submit(struct queue *queue, struct job job)
{
    struct capturing_queue *q = queue_of(queue);
    struct capture *r = q->open;
    if (!r)
        return perform(&job, q->cpu);
    if (r->n == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        r->job = realloc(r->job, (size_t)r->room * sizeof *r->job);
        BUG_ON(!r->job, "no memory for %d jobs", r->room);
    }
    r->job[r->n++] = job;
    return ST_OK;
}

/* ---- ops ---- */

static enum status copy(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    BUG_ON(queue_of(q)->open && (!dst->dev || !src->dev), "a copy of host memory in a graph");
    return capturing_submit(q, JOB(JOB_COPY, dst, src));
}

static enum status fill(struct queue *q, struct tensor *t, float value)
{
    struct job job = JOB(JOB_FILL, t);
    job.value = value;
    return capturing_submit(q, job);
}

static enum status linear(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct tensor *w, const struct tensor *bias, enum act act)
{
    struct job job = JOB(JOB_LINEAR, y, x, w, bias);
    job.act = act;
    return capturing_submit(q, job);
}

static enum status linear_add(struct queue *q, struct tensor *h, const struct tensor *x,
                              const struct tensor *w, const struct tensor *bias)
{
    return capturing_submit(q, JOB(JOB_LINEAR_ADD, h, x, w, bias));
}

static enum status activate(struct queue *q, struct tensor *y, const struct tensor *x, enum act act)
{
    struct job job = JOB(JOB_ACTIVATE, y, x);
    job.act = act;
    return capturing_submit(q, job);
}

/* Tensors 5 to 9 of a job are those of a norm. */
static enum status norm(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct norm *n)
{
    struct job job =
        JOB(JOB_NORM, y, x, NULL, NULL, NULL, n->weight, n->bias, n->shift, n->scale, n->beside);
    job.value = n->eps;
    return capturing_submit(q, job);
}

static enum status gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                            const struct tensor *bias, const struct tensor *gate)
{
    return capturing_submit(q, JOB(JOB_GATE_ADD, h, y, bias, gate));
}

static enum status gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                                 const struct tensor *bias, const struct tensor *gate,
                                 struct tensor *a, const struct norm *n)
{
    struct job job = JOB(JOB_GATE_ADD_NORM, h, y, bias, gate, a, n->weight, n->bias, n->shift,
                         n->scale, n->beside);
    job.value = n->eps;
    return capturing_submit(q, job);
}

static enum status qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                                const struct qk_norm *n, const struct tensor *rope)
{
    const struct qk_norm none = {0};
    const struct qk_norm *of = n ? n : &none;
    struct job job =
        JOB(JOB_QK_NORM_ROPE, query, key, rope, of->q_weight, of->q_bias, of->k_weight, of->k_bias);
    job.normed = n != NULL;
    job.centred = of->centred;
    job.value = of->eps;
    return capturing_submit(q, job);
}

static enum status add_rows(struct queue *q, struct tensor *h, const struct tensor *table)
{
    return capturing_submit(q, JOB(JOB_ADD_ROWS, h, table));
}

static enum status add(struct queue *q, struct tensor *y, const struct tensor *x)
{
    return capturing_submit(q, JOB(JOB_ADD, y, x));
}

static enum status add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                             const struct tensor *t)
{
    return capturing_submit(q, JOB(JOB_ADD_OUTER, out, table, t));
}

static enum status timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                            float freq_shift)
{
    struct job job = JOB(JOB_TIMESTEP, out, t);
    job.value = freq_shift;
    return capturing_submit(q, job);
}

static enum status attention(struct queue *q, struct tensor *o, struct tensor *lse,
                             const struct tensor *query, const struct tensor *key,
                             const struct tensor *value, const int *key_count, float scale)
{
    struct job job = JOB(JOB_ATTENTION, o, lse, query, key, value);
    job.value = scale;
    job.n_counts = key_count ? (int)query->dim[0] : 0;
    BUG_ON(job.n_counts > COUNTS, "%d lanes", job.n_counts);
    for (int i = 0; i < job.n_counts; i++)
        job.count[i] = key_count[i];
    return capturing_submit(q, job);
}

static enum status merge(struct queue *q, struct tensor *o, struct tensor *lse,
                         const struct tensor *o2, const struct tensor *lse2)
{
    return capturing_submit(q, JOB(JOB_MERGE, o, lse, o2, lse2));
}

static enum status advance(struct queue *q, struct tensor *x, struct tensor *hist,
                           const struct tensor *eps_u, const struct tensor *eps_c,
                           const struct tensor *noise, const struct tensor *coef)
{
    return capturing_submit(q, JOB(JOB_ADVANCE, x, hist, eps_u, eps_c, noise, coef));
}

static enum status conv(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct tensor *w, const struct conv *c)
{
    struct job job = JOB(JOB_CONV, y, x, w, c->bias, c->add);
    job.conv = *c;
    return capturing_submit(q, job);
}

static enum status conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w)
{
    return capturing_submit(q, JOB(JOB_CONV_FOLD, folded, w));
}

static enum status group_sums(struct queue *q, struct tensor *sums, const struct tensor *x)
{
    return capturing_submit(q, JOB(JOB_GROUP_SUMS, sums, x));
}

static enum status group_centre(struct queue *q, struct tensor *sums, const struct group_parts *p)
{
    struct job job = JOB(JOB_GROUP_CENTRE, sums, p->own);
    job.elements = p->count;
    job.own_elements = p->own_count;
    return capturing_submit(q, job);
}

static enum status group_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                              const struct group_norm *n)
{
    struct job job = JOB(JOB_GROUP_NORM, y, x, n->sums, n->weight, n->bias);
    job.elements = n->count;
    job.value = n->eps;
    job.act = n->act;
    return capturing_submit(q, job);
}

static enum status random_normal(struct queue *q, struct tensor *out,
                                 const struct latent_geometry *geometry, int first_token,
                                 uint64_t seed, uint64_t stream)
{
    struct tensor t = *out;
    BUG_ON(queue_of(q)->open, "random numbers in a graph");
    t.dev = NULL;
    return op_random_normal(queue_of(q)->cpu, &t, geometry, first_token, seed, stream);
}

static enum status random_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                  uint64_t stream, uint64_t first, int64_t row_step)
{
    struct tensor t = *out;
    BUG_ON(queue_of(q)->open, "random numbers in a graph");
    t.dev = NULL;
    return op_random_uniform(queue_of(q)->cpu, &t, scale, seed, stream, first, row_step);
}

/* ---- graphs ---- */

static enum status graph_start(struct queue *q)
{
    queue_of(q)->open = calloc(1, sizeof(struct capture));
    BUG_ON(!queue_of(q)->open, "no memory for a graph");
    return ST_OK;
}

static enum status graph_stop(struct queue *q, struct graph *out)
{
    out->state = queue_of(q)->open;
    queue_of(q)->open = NULL;
    return ST_OK;
}

static enum status graph_run(struct queue *q, const struct graph *graph)
{
    struct capture *r = graph->state;
    ((struct capturing_device *)q->dev)->launches++;
    for (int i = 0; i < r->n; i++)
        TRY(perform(&r->job[i], queue_of(q)->cpu));
    return ST_OK;
}

static void graph_free(struct device *dev, struct graph *graph)
{
    struct capture *r = graph->state;
    (void)dev;
    for (int i = 0; i < r->n; i++)
        if (r->job[i].kind == JOB_WAIT)
            free(r->job[i].message);
    free(r->job);
    free(r);
}

int capturing_launches(const struct device *dev)
{
    return ((const struct capturing_device *)dev)->launches;
}

/* ---- device and queue ---- */

static enum status device_make(const struct device_options *options, struct device **out)
{
    struct capturing_device *dev = calloc(1, sizeof *dev);
    BUG_ON(!dev, "no memory for a device");
    dev->base.options = *options;
    TRY(device_open(backend_find("cpu"), options, &dev->cpu));
    *out = &dev->base;
    return ST_OK;
}

static struct device *cpu_of(struct device *dev)
{
    return ((struct capturing_device *)dev)->cpu;
}

static void device_free(struct device *dev)
{
    device_close(cpu_of(dev));
    free(dev);
}

static enum status queue_make(struct device *dev, struct queue **out)
{
    struct capturing_queue *q = calloc(1, sizeof *q);
    BUG_ON(!q, "no memory for a queue");
    q->base.dev = dev;
    TRY(queue_open(cpu_of(dev), &q->cpu));
    *out = &q->base;
    return ST_OK;
}

static void queue_free(struct queue *q)
{
    queue_close(queue_of(q)->cpu);
    free(q);
}

static enum status queue_drain(struct queue *q)
{
    BUG_ON(queue_of(q)->open, "a wait of the host in a graph");
    return queue_sync(queue_of(q)->cpu);
}

static enum status mark(struct queue *q, struct event *event)
{
    BUG_ON(queue_of(q)->open, "a mark in a graph");
    return queue_mark(queue_of(q)->cpu, event);
}

static struct backend_ops ops;

static void make_ops(void)
{
    ops = *backend_find("cpu");
    ops.name = "capturing";
    ops.summary = "the CPU, captured";
    ops.open = device_make;
    ops.close = device_free;
    ops.queue_open = queue_make;
    ops.queue_close = queue_free;
    ops.queue_sync = queue_drain;
    ops.mark = mark;
    ops.copy = copy;
    ops.fill = fill;
    ops.linear = linear;
    ops.linear_add = linear_add;
    ops.activate = activate;
    ops.norm = norm;
    ops.gate_add = gate_add;
    ops.gate_add_norm = gate_add_norm;
    ops.qk_norm_rope = qk_norm_rope;
    ops.add_rows = add_rows;
    ops.add = add;
    ops.add_outer = add_outer;
    ops.timestep = timestep;
    ops.attention = attention;
    ops.merge = merge;
    ops.advance = advance;
    ops.conv = conv;
    ops.conv_fold = conv_fold;
    ops.group_sums = group_sums;
    ops.group_centre = group_centre;
    ops.group_norm = group_norm;
    ops.random_normal = random_normal;
    ops.random_uniform = random_uniform;
    ops.graph_begin = graph_start;
    ops.graph_end = graph_stop;
    ops.graph_launch = graph_run;
    ops.graph_release = graph_free;
}

const struct backend_ops *capturing_backend(void)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, make_ops);
    return &ops;
}

bool capturing_now(struct queue *q)
{
    return queue_of(q)->open != NULL;
}

struct device *capturing_cpu(struct device *dev)
{
    return cpu_of(dev);
}
