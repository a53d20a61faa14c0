/* SPDX-License-Identifier: Apache-2.0 */
/* Ops over the rows of h [B, N, C] with fp32 vectors [B, C] beside it: one pass, shared by rows. */
#include "kernels/cpu/norm.h"

#include "kernels/cpu/backend_cpu.h"

#include <math.h>

/* One of the three ops: the gated sum is done where y is set, the norm where a is. */
struct job {
    const struct simd_ops *simd;
    const struct tensor *h, *y, *bias, *gate; /* h += gate * (y + bias) */
    const struct tensor *a;                   /* a = the rows of h normed */
    const struct norm *norm;
};

static float *row_of(const struct tensor *t, int64_t lane, int64_t row)
{
    return (float *)t->data + lane * t->stride[0] + row * t->stride[1];
}

/* Row b of [B, C], or [C]; NULL for no tensor. */
static const float *vector_of(const struct tensor *t, int64_t lane)
{
    return t ? (const float *)t->data + (t->ndim == 2 ? lane * t->stride[0] : 0) : NULL;
}

static const float *onwards(const float *vector, int64_t by)
{
    return vector ? vector + by : NULL;
}

/* A row of h and of what is beside it, whose length may be 0. */
static void norm_row(const struct job *job, int64_t lane, int64_t row)
{
    const struct norm *norm = job->norm;
    const float *h = row_of(job->h, lane, row);
    const float *more = norm->beside ? row_of(norm->beside, lane, row) : NULL;
    float *a = row_of(job->a, lane, row);
    int64_t width = job->a->dim[2], first = job->h->dim[2], rest = width - first;
    const struct simd_ops *simd = job->simd;
    float sum = simd->moment(first, h, 0.0f, false) + simd->moment(rest, more, 0.0f, false);
    float mean = sum / (float)width;
    float squares = simd->moment(first, h, mean, true) + simd->moment(rest, more, mean, true);
    struct simd_norm n = {
        .mean = mean,
        .inverse = 1.0f / sqrtf(squares / (float)width + norm->eps),
        .weight = vector_of(norm->weight, lane),
        .bias = vector_of(norm->bias, lane),
        .scale = vector_of(norm->scale, lane),
        .shift = vector_of(norm->shift, lane),
    };
    simd->norm(first, a, h, &n);
    if (!more)
        return;
    n.weight = onwards(n.weight, first);
    n.bias = onwards(n.bias, first);
    n.scale = onwards(n.scale, first);
    n.shift = onwards(n.shift, first);
    simd->norm(rest, a + first, more, &n);
}

static void do_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct job *job = arg;
    int64_t rows = job->h->dim[1];
    int64_t width = job->h->dim[2];
    for (int64_t i = begin; i < end; i++) {
        int64_t lane = i / rows;
        int64_t row = i % rows;
        float *h = row_of(job->h, lane, row);
        if (job->y)
            job->simd->gate_add(width, h, row_of(job->y, lane, row),
                                job->bias ? job->bias->data : NULL, vector_of(job->gate, lane));
        if (job->a)
            norm_row(job, lane, row);
    }
}

static enum status run(struct queue *q, struct job *job)
{
    struct cpu_device *cpu = cpu_of(q);
    int64_t width = job->a ? job->a->dim[2] : job->h->dim[2];
    job->simd = cpu->simd;
    if (width > 0)
        pool_run(cpu->pool, job->h->dim[0] * job->h->dim[1], pool_grain(width), do_rows, job);
    return ST_OK;
}

enum status norm_run(struct queue *q, struct tensor *y, const struct tensor *x,
                     const struct norm *norm)
{
    struct job job = {.h = x, .a = y, .norm = norm};
    return run(q, &job);
}

enum status norm_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                          const struct tensor *bias, const struct tensor *gate)
{
    struct job job = {.h = h, .y = y, .bias = bias, .gate = gate};
    return run(q, &job);
}

enum status norm_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                               const struct tensor *bias, const struct tensor *gate,
                               struct tensor *a, const struct norm *norm)
{
    struct job job = {.h = h, .y = y, .bias = bias, .gate = gate, .a = a, .norm = norm};
    return run(q, &job);
}
