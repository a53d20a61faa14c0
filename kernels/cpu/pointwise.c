/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise ops: loops over rows (the last axis, dense), which workers share where it pays. */
#include "kernels/cpu/pointwise.h"

#include "kernels/cpu/backend_cpu.h"

#include <math.h>

/* Rows of a tensor: all axes but the last. */
static int64_t row_count(const struct tensor *t)
{
    int64_t rows = 1;
    for (int a = 0; a + 1 < t->ndim; a++)
        rows *= t->dim[a];
    return rows;
}

static int64_t row_width(const struct tensor *t)
{
    return t->ndim > 0 ? t->dim[t->ndim - 1] : 1;
}

/* The start of row `row`, counted with the last of the other axes running fastest. */
static float *row_of(const struct tensor *t, int64_t row)
{
    int64_t offset = 0;
    for (int a = t->ndim - 2; a >= 0; a--) {
        offset += row % t->dim[a] * t->stride[a];
        row /= t->dim[a];
    }
    return (float *)t->data + offset;
}

struct activate_job {
    const struct simd_ops *simd;
    const struct tensor *y, *x;
    enum act act;
};

static void activate_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct activate_job *job = arg;
    for (int64_t i = begin; i < end; i++)
        job->simd->activate(row_width(job->y), row_of(job->y, i), row_of(job->x, i), NULL,
                            job->act);
}

enum status pointwise_activate(struct queue *q, struct tensor *y, const struct tensor *x,
                               enum act act)
{
    struct cpu_device *cpu = cpu_of(q);
    struct activate_job job = {cpu->simd, y, x, act};
    if (row_width(y) > 0)
        pool_run(cpu->pool, row_count(y), pool_grain(row_width(y)), activate_rows, &job);
    return ST_OK;
}

/* y += x over rows; where x has no first axis (a table), its rows repeat. */
struct add_job {
    const struct simd_ops *simd;
    const struct tensor *y, *x;
    int64_t repeat; /* rows of x */
};

static void add_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct add_job *job = arg;
    for (int64_t i = begin; i < end; i++)
        job->simd->gate_add(row_width(job->y), row_of(job->y, i), row_of(job->x, i % job->repeat),
                            NULL, NULL);
}

enum status pointwise_add_rows(struct queue *q, struct tensor *h, const struct tensor *table)
{
    struct cpu_device *cpu = cpu_of(q);
    struct add_job job = {cpu->simd, h, table, table->dim[0]};
    if (row_width(h) > 0)
        pool_run(cpu->pool, row_count(h), pool_grain(row_width(h)), add_rows, &job);
    return ST_OK;
}

/* Both are contiguous: rows are whatever divides well. */
static void add_elements(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct add_job *job = arg;
    job->simd->gate_add(end - begin, (float *)job->y->data + begin,
                        (const float *)job->x->data + begin, NULL, NULL);
}

enum status pointwise_add(struct queue *q, struct tensor *y, const struct tensor *x)
{
    struct cpu_device *cpu = cpu_of(q);
    struct add_job job = {cpu->simd, y, x, 0};
    pool_run(cpu->pool, tensor_count(y), pool_grain(1), add_elements, &job);
    return ST_OK;
}

enum status pointwise_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                                const struct tensor *t)
{
    (void)q; /* a few hundred thousand elements a step: one thread */
    for (int64_t l = 0; l < out->dim[0]; l++) {
        const float *of_layer = (const float *)table->data + l * table->stride[0];
        for (int64_t b = 0; b < out->dim[1]; b++) {
            const float *of_lane = (const float *)t->data + b * t->stride[0];
            float *sum = (float *)out->data + l * out->stride[0] + b * out->stride[1];
            for (int64_t k = 0; k < out->dim[2]; k++)
                sum[k] = of_layer[k] + of_lane[k];
        }
    }
    return ST_OK;
}

/* In fp32 throughout, as the models were trained: a phase of 1000 radians carries fp32's rounding
 * of 3e-5. */
enum status pointwise_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                               float freq_shift)
{
    (void)q;
    int64_t half = out->dim[1] / 2;
    for (int64_t b = 0; b < out->dim[0]; b++) {
        float time = ((const float *)t->data)[b * t->stride[0]];
        float *row = (float *)out->data + b * out->stride[0];
        for (int64_t i = 0; i < half; i++) {
            float exponent = -logf(10000.0f) * (float)i / ((float)half - freq_shift);
            float phase = time * expf(exponent);
            row[i] = cosf(phase);
            row[half + i] = sinf(phase);
        }
    }
    return ST_OK;
}

struct advance_job {
    const struct tensor *x, *hist, *eps_u, *eps_c, *noise;
    struct advance_coef coef;
};

/* hist is not read where its coefficient is 0: before the first step it holds nothing. */
static void advance_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct advance_job *job = arg;
    const struct advance_coef *c = &job->coef;
    for (int64_t i = begin; i < end; i++) {
        float *x = row_of(job->x, i);
        float *hist = row_of(job->hist, i);
        const float *eps_c = row_of(job->eps_c, i);
        const float *eps_u = job->eps_u ? row_of(job->eps_u, i) : NULL;
        const float *noise = job->noise ? row_of(job->noise, i) : NULL;
        for (int64_t k = 0; k < row_width(job->x); k++) {
            float m = eps_u ? eps_u[k] + c->guidance * (eps_c[k] - eps_u[k]) : eps_c[k];
            float x0 = c->x0_x * x[k] + c->x0_m * m;
            if (c->clip > 0.0f)
                x0 = x0 > c->clip ? c->clip : x0 < -c->clip ? -c->clip : x0;
            float next = c->c_x * x[k] + c->c_m * m + c->c_x0 * x0;
            if (c->c_hist != 0.0f)
                next += c->c_hist * hist[k];
            if (noise)
                next += c->c_noise * noise[k];
            x[k] = next;
            hist[k] = x0;
        }
    }
}

enum status pointwise_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                              const struct tensor *eps_u, const struct tensor *eps_c,
                              const struct tensor *noise, const struct tensor *coef)
{
    struct advance_job job = {x,     hist,  eps_u,
                              eps_c, noise, *(const struct advance_coef *)coef->data};
    if (row_width(x) > 0)
        pool_run(cpu_of(q)->pool, row_count(x), pool_grain(row_width(x)), advance_rows, &job);
    return ST_OK;
}
