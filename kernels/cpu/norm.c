/* SPDX-License-Identifier: Apache-2.0 */
/* Ops over the rows of h [B, N, C] with fp32 vectors [B, C] beside it: one pass, shared by rows. */
#include "kernels/cpu/norm.h"

#include "kernels/cpu/backend_cpu.h"

/* One of the three ops: the gated sum is done where y is set, the norm where a is. */
struct job {
    const struct simd_ops *simd;
    const struct tensor *h, *y, *bias, *gate; /* h += gate * (y + bias) */
    const struct tensor *a;                   /* a = norm(h) */
    const struct modulation *m;
};

static float *row_of(const struct tensor *t, int64_t lane, int64_t row)
{
    return (float *)t->data + lane * t->stride[0] + row * t->stride[1];
}

/* Row b of [B, C]; NULL for no tensor. */
static const float *vector_of(const struct tensor *t, int64_t lane)
{
    return t ? (const float *)t->data + lane * t->stride[0] : NULL;
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
            job->simd->norm(width, row_of(job->a, lane, row), h, vector_of(job->m->shift, lane),
                            vector_of(job->m->scale, lane), job->m->eps);
    }
}

static enum status run(struct queue *q, struct job *job)
{
    struct cpu_device *cpu = cpu_of(q);
    job->simd = cpu->simd;
    if (job->h->dim[2] > 0)
        pool_run(cpu->pool, job->h->dim[0] * job->h->dim[1], pool_grain(job->h->dim[2]), do_rows,
                 job);
    return ST_OK;
}

enum status norm_modulate(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct modulation *m)
{
    struct job job = {.h = x, .a = y, .m = m};
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
                               struct tensor *a, const struct modulation *m)
{
    struct job job = {.h = h, .y = y, .bias = bias, .gate = gate, .a = a, .m = m};
    return run(q, &job);
}
