/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in tiles of queries and keys with the softmax taken online (Milakov & Gimelshein 2018;
 * FlashAttention, Dao et al. 2022): two matrix products a tile, in between the exponentials over
 * scores that never leave the cache. A task is one lane, head and block of queries; each worker
 * does a fixed run of tasks.
 */
#include "kernels/cpu/attention.h"

#include "kernels/cpu/backend_cpu.h"
#include "kernels/cpu/linear.h"

#include <math.h>
#include <string.h>

enum {
    QUERIES_LEAST = 16,          /* a block of queries is not cut smaller to occupy more workers */
    TASKS_PER_WORKER = 4,        /* enough for parts that differ by one task not to matter */
    WORKER_MULTIPLIES = 1 << 16, /* fewer are not worth waking a worker for */
};

_Static_assert((int)ATTENTION_SCRATCH <= (int)CPU_SCRATCH, "a worker's tile fits");

struct job {
    struct cpu_device *cpu;
    const struct tensor *query, *key, *value, *o;
    const struct tensor *lse; /* NULL: not wanted */
    const int *key_count;     /* [B], NULL: all */
    float scale;
    int64_t block, blocks; /* queries of a task; tasks of a head */
};

/* One task: rows first .. first+rows-1 of one lane and head. */
struct tile {
    const struct simd_ops *simd;
    int64_t rows, keys, width; /* width: head dim */
    const float *q, *k, *v;
    float *o;
    int64_t q_stride, k_stride, v_stride, o_stride;
    float scale;
    float *scores;  /* [rows, keys of the block] */
    float *largest; /* [rows] so far */
    float *sum;     /* [rows] of exp(score - largest) so far */
};

static float *row_of(const struct tensor *t, int64_t lane, int64_t row, int64_t head)
{
    return (float *)t->data + lane * t->stride[0] + row * t->stride[1] + head * t->stride[2];
}

/* BLAS wants a row stride of at least the row; that of a single row means nothing. */
static int64_t blas_stride(const struct tensor *t)
{
    BUG_ON(t->dim[1] > 1 && t->stride[1] < t->dim[3],
           "attention: rows of %lld elements at a stride of %lld", (long long)t->dim[3],
           (long long)t->stride[1]);
    return t->dim[1] > 1 ? t->stride[1] : t->dim[3];
}

/*
 * Turns the scores of a block of keys into exp(score - largest), and brings sum and o of the blocks
 * before to the new largest. A row without a finite score keeps -inf there, and its sum is 0.
 */
static void soften(const struct tile *t, int64_t keys, bool first)
{
    for (int64_t i = 0; i < t->rows; i++) {
        float *scores = t->scores + i * keys;
        float before = first ? -INFINITY : t->largest[i];
        float after = fmaxf(before, t->simd->max(keys, scores));
        float sum = t->simd->exp_sum(keys, scores, after > -INFINITY ? after : 0.0f);
        if (!first) {
            float factor = after > -INFINITY ? expf(before - after) : 0.0f;
            sum += t->sum[i] * factor;
            if (factor != 1.0f)
                t->simd->mix(t->width, t->o + i * t->o_stride, factor, NULL, 0.0f);
        }
        t->largest[i] = after;
        t->sum[i] = sum;
    }
}

static void attend_tile(const struct tile *t)
{
    for (int64_t key = 0; key < t->keys; key += ATTENTION_KEYS) {
        int64_t keys = t->keys - key < ATTENTION_KEYS ? t->keys - key : ATTENTION_KEYS;
        bool first = key == 0;
        const struct linear_product scores = {
            .m = t->rows,
            .n = keys,
            .k = t->width,
            .a = t->q,
            .b = t->k + key * t->k_stride,
            .c = t->scores,
            .a_stride = t->q_stride,
            .b_stride = t->k_stride,
            .c_stride = keys,
            .b_transposed = true,
            .alpha = t->scale,
        };
        const struct linear_product sums = {
            .m = t->rows,
            .n = t->width,
            .k = keys,
            .a = t->scores,
            .b = t->v + key * t->v_stride,
            .c = t->o,
            .a_stride = keys,
            .b_stride = t->v_stride,
            .c_stride = t->o_stride,
            .alpha = 1.0f,
            .beta = first ? 0.0f : 1.0f,
        };
        linear_multiply(&scores);
        soften(t, keys, first);
        linear_multiply(&sums);
    }
}

/* o and lse of a task's rows from the running sums; without keys o = 0 and lse = -inf. */
static void finish_rows(const struct job *job, const struct tile *t, int64_t lane, int64_t first,
                        int64_t head)
{
    for (int64_t i = 0; i < t->rows; i++) {
        float *o = t->o + i * t->o_stride;
        bool none = t->keys == 0 || t->sum[i] == 0.0f;
        if (none) {
            for (int64_t d = 0; d < t->width; d++)
                o[d] = 0.0f;
        } else {
            t->simd->mix(t->width, o, 1.0f / t->sum[i], NULL, 0.0f);
        }
        if (job->lse) {
            float *lse = row_of(job->lse, lane, first + i, head);
            *lse = none ? -INFINITY : t->largest[i] + logf(t->sum[i]);
        }
    }
}

static void attend_tasks(void *arg, int worker, int64_t begin, int64_t end)
{
    const struct job *job = arg;
    int64_t heads = job->query->dim[2];
    float *scratch = job->cpu->scratch + (int64_t)worker * CPU_SCRATCH;
    for (int64_t task = begin; task < end; task++) {
        int64_t first = task % job->blocks * job->block;
        int64_t head = task / job->blocks % heads;
        int64_t lane = task / job->blocks / heads;
        int64_t left = job->query->dim[1] - first;
        struct tile tile = {
            .simd = job->cpu->simd,
            .rows = left < job->block ? left : job->block,
            .keys = job->key_count ? job->key_count[lane] : job->key->dim[1],
            .width = job->query->dim[3],
            .q = row_of(job->query, lane, first, head),
            .k = row_of(job->key, lane, 0, head),
            .v = row_of(job->value, lane, 0, head),
            .o = row_of(job->o, lane, first, head),
            .q_stride = blas_stride(job->query),
            .k_stride = blas_stride(job->key),
            .v_stride = blas_stride(job->value),
            .o_stride = blas_stride(job->o),
            .scale = job->scale,
            .scores = scratch,
            .largest = scratch + ATTENTION_QUERIES * ATTENTION_KEYS,
            .sum = scratch + ATTENTION_QUERIES * ATTENTION_KEYS + ATTENTION_QUERIES,
        };
        attend_tile(&tile);
        finish_rows(job, &tile, lane, first, head);
    }
}

/* Four axes. */
static void attend(struct queue *q, const struct tensor *o, const struct tensor *lse,
                   const struct tensor *query, const struct tensor *key, const struct tensor *value,
                   const int *key_count, float scale)
{
    struct cpu_device *cpu = cpu_of(q);
    int64_t lanes_heads = query->dim[0] * query->dim[2];
    int64_t rows = query->dim[1];
    if (lanes_heads == 0 || rows == 0)
        return;
    struct job job = {cpu, query, key, value, o, lse, key_count, scale, ATTENTION_QUERIES, 0};
    int64_t wanted = (int64_t)TASKS_PER_WORKER * pool_threads(cpu->pool);
    while (job.block > QUERIES_LEAST && lanes_heads * ((rows + job.block - 1) / job.block) < wanted)
        job.block /= 2;
    job.blocks = (rows + job.block - 1) / job.block;
    int64_t task = job.block * key->dim[1] * query->dim[3] * 2 + 1; /* multiplications */
    pool_run(cpu->pool, lanes_heads * job.blocks, WORKER_MULTIPLIES / task + 1, attend_tasks, &job);
}

enum status attention_run(struct queue *q, struct tensor *o, struct tensor *lse,
                          const struct tensor *query, const struct tensor *key,
                          const struct tensor *value, const int *key_count, float scale)
{
    if (query->ndim == 4) {
        attend(q, o, lse, query, key, value, key_count, scale);
        return ST_OK;
    }
    for (int64_t i = 0; i < query->dim[0]; i++) {
        struct tensor part[] = {tensor_at(o, i), tensor_at(query, i), tensor_at(key, i),
                                tensor_at(value, i), lse ? tensor_at(lse, i) : *o};
        attend(q, &part[0], lse ? &part[4] : NULL, &part[1], &part[2], &part[3], NULL, scale);
    }
    return ST_OK;
}

struct merge_job {
    const struct simd_ops *simd;
    const struct tensor *o, *lse, *o2, *lse2;
};

/* With m = max(lse, lse2): o = (e^(lse-m) o + e^(lse2-m) o2) / (e^(lse-m) + e^(lse2-m)). */
static void merge_row(const struct merge_job *job, int64_t lane, int64_t row, int64_t head)
{
    float *lse = row_of(job->lse, lane, row, head);
    float *o = row_of(job->o, lane, row, head);
    const float *o2 = row_of(job->o2, lane, row, head);
    float lse2 = *row_of(job->lse2, lane, row, head);
    int64_t width = job->o->dim[3];
    if (lse2 == -INFINITY)
        return;
    if (*lse == -INFINITY) {
        memcpy(o, o2, (size_t)width * sizeof(float));
        *lse = lse2;
        return;
    }
    float largest = fmaxf(*lse, lse2);
    float a = expf(*lse - largest);
    float b = expf(lse2 - largest);
    job->simd->mix(width, o, a / (a + b), o2, b / (a + b));
    *lse = largest + logf(a + b);
}

static void merge_rows(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct merge_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t head = 0; head < job->o->dim[2]; head++)
            merge_row(job, i / job->o->dim[1], i % job->o->dim[1], head);
    }
}

enum status attention_merge(struct queue *q, struct tensor *o, struct tensor *lse,
                            const struct tensor *o2, const struct tensor *lse2)
{
    struct cpu_device *cpu = cpu_of(q);
    struct merge_job job = {cpu->simd, o, lse, o2, lse2};
    int64_t row = o->dim[2] * o->dim[3] + 1;
    pool_run(cpu->pool, o->dim[0] * o->dim[1], pool_grain(row), merge_rows, &job);
    return ST_OK;
}
