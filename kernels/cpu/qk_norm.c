/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of queries and keys, normed and rotated in place: one pass, shared by rows. */
#include "kernels/cpu/qk_norm.h"

#include "kernels/cpu/backend_cpu.h"

#include <math.h>

/* One of query and key. */
struct job {
    const struct simd_ops *simd;
    const struct tensor *x;             /* [B, N, H, D] */
    const struct tensor *weight, *bias; /* [D] or NULL */
    const struct qk_norm *norm;         /* NULL: none */
    const struct tensor *rope;          /* [N, D] or NULL */
};

static const float *floats_of(const struct tensor *t)
{
    return t ? t->data : NULL;
}

static void norm_head(const struct job *job, float *x, int64_t width)
{
    const struct simd_ops *simd = job->simd;
    float mean = job->norm->centred ? simd->moment(width, x, 0.0f, false) / (float)width : 0.0f;
    float squares = simd->moment(width, x, mean, true) / (float)width;
    const struct simd_norm n = {
        .mean = mean,
        .inverse = 1.0f / sqrtf(squares + job->norm->eps),
        .weight = floats_of(job->weight),
        .bias = job->norm->centred ? floats_of(job->bias) : NULL,
    };
    simd->norm(width, x, x, &n);
}

static void rotate_head(float *x, const float *turn, int64_t width)
{
    for (int64_t i = 0; i < width; i += 2) {
        float a = x[i], b = x[i + 1];
        x[i] = a * turn[i] - b * turn[i + 1];
        x[i + 1] = a * turn[i + 1] + b * turn[i];
    }
}

static void do_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct job *job = arg;
    const struct tensor *x = job->x;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i % x->dim[1];
        float *head = (float *)x->data + i / x->dim[1] * x->stride[0] + row * x->stride[1];
        for (int64_t h = 0; h < x->dim[2]; h++, head += x->stride[2]) {
            if (job->norm)
                norm_head(job, head, x->dim[3]);
            if (job->rope)
                rotate_head(head, floats_of(job->rope) + row * job->rope->stride[0], x->dim[3]);
        }
    }
}

static void run(struct cpu_device *cpu, struct job *job)
{
    int64_t width = job->x->dim[2] * job->x->dim[3];
    job->simd = cpu->simd;
    if (width > 0)
        pool_run(cpu->pool, job->x->dim[0] * job->x->dim[1], pool_grain(width), do_rows, job);
}

enum status qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                         const struct qk_norm *norm, const struct tensor *rope)
{
    struct job of_query = {.x = query, .norm = norm, .rope = rope};
    struct job of_key = {.x = key, .norm = norm, .rope = rope};
    if (norm) {
        of_query.weight = norm->q_weight;
        of_query.bias = norm->q_bias;
        of_key.weight = norm->k_weight;
        of_key.bias = norm->k_bias;
    }
    if (query)
        run(cpu_of(q), &of_query);
    if (key)
        run(cpu_of(q), &of_key);
    return ST_OK;
}
