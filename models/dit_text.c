/* SPDX-License-Identifier: Apache-2.0 */
/* The text. It is the same in every step, so its projections and all keys and values that
 * cross-attention makes of it come once a loop. */
#include "models/dit_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

/* Text in the sequence: this rank's rows of it. */
static enum status sequence_init(struct dit *dit, struct arena *arena)
{
    int64_t B = dit->extent.lanes;
    if (!dit->shard.embed)
        return ST_OK;
    TRY(dit_alloc3(arena, dit->extent.dtype, B, dit->text_rows, dit->config->text_dim,
                   &dit->text_in));
    return dit_alloc3(arena, dit->extent.dtype, B, dit->text_rows, dit_channels(dit->config),
                      &dit->text_out);
}

static enum status pool_init(struct dit *dit, struct arena *arena)
{
    struct dit_pool *pool = &dit->pool;
    int64_t B = dit->extent.lanes;
    int64_t rows = dit->config->text2_tokens + 1;
    int64_t D2 = dit->config->text2_dim;
    int64_t pooled[2] = {B, dit->config->pooled_dim};
    TRY(dit_alloc3(arena, DTYPE_F32, B, rows, D2, &pool->given));
    TRY(dit_alloc3(arena, DTYPE_F32, B, rows, D2, &pool->rows));
    TRY(dit_alloc3(arena, DTYPE_F32, B, rows, D2, &pool->keys));
    TRY(dit_alloc3(arena, DTYPE_F32, B, rows, D2, &pool->values));
    TRY(dit_alloc3(arena, DTYPE_F32, B, 1, D2, &pool->query));
    TRY(dit_alloc3(arena, DTYPE_F32, B, 1, D2, &pool->sum));
    return arena_tensor(arena, DTYPE_F32, 2, pooled, &pool->pooled);
}

/* Rows that cross-attention takes. */
static int64_t cross_rows(const struct dit *dit)
{
    return dit->extent.text_tokens + dit->config->text2_tokens;
}

static enum status cross_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    enum dtype dtype = dit->extent.dtype;
    int64_t B = dit->extent.lanes;
    int64_t T = dit->extent.text_tokens;
    int64_t C = dit_channels(c);
    TRY(dit_alloc3(arena, dtype, B, T, c->text_dim, &dit->text_in));
    if (c->text2_dim > 0) {
        size_t marks = (size_t)(B * cross_rows(dit));
        TRY(arena_host(arena, marks * sizeof(bool), (void **)&dit->text_real));
        TRY(dit_alloc3(arena, dtype, B, c->text2_tokens, c->text2_dim, &dit->text2_in));
        TRY(dit_alloc3(arena, dtype, B, c->text2_tokens, 4 * (int64_t)c->text2_dim,
                       &dit->text2_mid));
        TRY(dit_alloc3(arena, dtype, B, cross_rows(dit), c->text_dim, &dit->text_out));
    } else {
        TRY(dit_alloc3(arena, dtype, B, T, C, &dit->text_mid));
        TRY(dit_alloc3(arena, dtype, B, T, C, &dit->text_out));
    }
    for (int l = 0; l < dit->layers; l++)
        if (dit->block[l].layer.kind == DIT_SEQUENTIAL)
            TRY(dit_alloc3(arena, dtype, B, cross_rows(dit), 2 * C, &dit->block[l].cross.text_kv));
    return arena_host(arena, sizeof(int) * (size_t)B, (void **)&dit->text_count);
}

enum status dit_text_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    if (c->joint)
        return sequence_init(dit, arena);
    if (c->text2_dim > 0)
        TRY(pool_init(dit, arena));
    return c->text_dim > 0 && dit->layers > 0 ? cross_init(dit, arena) : ST_OK;
}

/* ---- once: rows into device memory ---- */

/* to [count, width] := rows of a lane's text from `begin` on. */
static enum status copy_rows(const float *text, int64_t begin, int64_t count, int64_t width,
                             struct tensor to, struct queue *q)
{
    int64_t dim[2] = {count, width};
    struct tensor host = tensor_of((void *)(text + begin * width), NULL, DTYPE_F32, 2, dim);
    return op_copy(q, &to, &host);
}

/* This rank's rows of a text that is part of the sequence. */
static enum status set_sequence(struct dit *dit, const struct prompt *prompt, const int *row,
                                struct queue *q)
{
    const struct dit_config *c = dit->config;
    int64_t width = c->text_dim;
    int tokens = dit->extent.height / c->patch * (dit->extent.width / c->patch); /* before text's */
    for (int b = 0; b < dit->extent.lanes; b++) {
        const float *text = prompt->text + (int64_t)row[b] * prompt->text_tokens * width;
        struct tensor lane = tensor_at(&dit->text_in, b);
        int at = 0;
        for (int r = 0; at < dit->text_rows; at += dit->all.run[r++].count) {
            struct token_run run = dit->all.run[r];
            struct tensor to = tensor_slice(&lane, 0, at, run.count);
            TRY(copy_rows(text, run.begin - tokens, run.count, width, to, q));
        }
    }
    return ST_OK;
}

static enum status set_one(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q)
{
    int64_t T = dit->extent.text_tokens;
    int64_t width = dit->config->text_dim;
    for (int b = 0; b < dit->extent.lanes; b++) {
        TRY(copy_rows(prompt->text + row[b] * T * width, 0, T, width, tensor_at(&dit->text_in, b),
                      q));
        dit->text_count[b] = prompt->text_count[row[b]];
    }
    return ST_OK;
}

static enum status set_two(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q)
{
    const struct dit_config *c = dit->config;
    int64_t T = dit->extent.text_tokens;
    int64_t T2 = c->text2_tokens;
    for (int b = 0; b < dit->extent.lanes; b++) {
        TRY(copy_rows(prompt->text + row[b] * T * c->text_dim, 0, T, c->text_dim,
                      tensor_at(&dit->text_in, b), q));
        TRY(copy_rows(prompt->text2 + row[b] * T2 * c->text2_dim, 0, T2, c->text2_dim,
                      tensor_at(&dit->text2_in, b), q));
        dit->text_count[b] = (int)(T + T2);
        memcpy(dit->text_real + b * (T + T2), prompt->real + row[b] * (T + T2),
               (size_t)(T + T2) * sizeof(bool));
    }
    return ST_OK;
}

/* pool.given := the mean of a lane's rows, then the rows themselves. mean: host memory [B, D2]. */
static enum status fill_pool(struct dit *dit, const struct prompt *prompt, const int *row,
                             float *mean, struct queue *q)
{
    int64_t T2 = dit->config->text2_tokens;
    int64_t D2 = dit->config->text2_dim;
    for (int b = 0; b < dit->extent.lanes; b++) {
        const float *text = prompt->text2 + row[b] * T2 * D2;
        struct tensor lane = tensor_at(&dit->pool.given, b);
        for (int64_t d = 0; d < D2; d++) {
            double sum = 0;
            for (int64_t t = 0; t < T2; t++)
                sum += text[t * D2 + d];
            mean[b * D2 + d] = (float)(sum / (double)T2);
        }
        TRY(copy_rows(mean + b * D2, 0, 1, D2, tensor_slice(&lane, 0, 0, 1), q));
        TRY(copy_rows(text, 0, T2, D2, tensor_slice(&lane, 0, 1, T2), q));
    }
    return queue_sync(q);
}

static enum status set_pool(struct dit *dit, const struct prompt *prompt, const int *row,
                            struct queue *q)
{
    float *mean = malloc(sizeof *mean * (size_t)dit->extent.lanes * (size_t)dit->config->text2_dim);
    if (!mean)
        return fail(ST_OOM, "pooled text: no host memory");
    enum status st = fill_pool(dit, prompt, row, mean, q);
    free(mean);
    return st;
}

enum status dit_set_text(struct dit *dit, const struct prompt *prompt, const int *row,
                         struct queue *q)
{
    const struct dit_config *c = dit->config;
    if (c->text_dim == 0)
        return ST_OK;
    BUG_ON(prompt->text_tokens != dit->extent.text_tokens || prompt->text_dim != c->text_dim,
           "prompt [%d, %d] for a model opened with [%d, %d]", prompt->text_tokens,
           prompt->text_dim, dit->extent.text_tokens, c->text_dim);
    if (c->joint)
        return dit->shard.embed ? set_sequence(dit, prompt, row, q) : ST_OK;
    if (c->text2_dim > 0)
        TRY(set_pool(dit, prompt, row, q));
    if (dit->layers == 0)
        return ST_OK;
    return c->text2_dim > 0 ? set_two(dit, prompt, row, q) : set_one(dit, prompt, row, q);
}

/* ---- once a loop ---- */

/* Masked rows of a lane become learned ones, run by run. */
static enum status pad_rows(struct dit *dit, int b, struct queue *q)
{
    int64_t rows = cross_rows(dit);
    const bool *real = dit->text_real + b * rows;
    struct tensor lane = tensor_at(&dit->text_out, b);
    for (int64_t i = 0; i < rows;) {
        int64_t end = i;
        while (end < rows && !real[end])
            end++;
        if (end > i) {
            struct tensor to = tensor_slice(&lane, 0, i, end - i);
            struct tensor from = tensor_slice(&dit->text_padding, 0, i, end - i);
            TRY(op_copy(q, &to, &from));
        }
        i = end + 1;
    }
    return ST_OK;
}

/* Both texts, the second one brought to the first one's width, one behind the other. */
static enum status begin_two(struct dit *dit, struct queue *q)
{
    int64_t T = dit->extent.text_tokens;
    struct tensor first = tensor_slice(&dit->text_out, 1, 0, T);
    struct tensor second = tensor_slice(&dit->text_out, 1, T, dit->config->text2_tokens);
    TRY(op_copy(q, &first, &dit->text_in));
    TRY(dit_mlp_forward(q, &dit->text2_mlp, ACT_SILU, &dit->text2_in, &dit->text2_mid, &second));
    for (int b = 0; b < dit->extent.lanes; b++)
        TRY(pad_rows(dit, b, q));
    return ST_OK;
}

/* Keys and values of a block's cross-attention. */
static enum status begin_cross(struct dit *dit, struct dit_cross *cross, struct queue *q)
{
    const struct dit_config *c = dit->config;
    const struct dit_head_norm *n = &cross->head_norm;
    const struct qk_norm how = {.centred = c->qk_norm == DIT_QK_LAYER,
                                .k_weight = &n->k,
                                .k_bias = n->k_bias.data ? &n->k_bias : NULL,
                                .eps = 1e-6f};
    struct tensor keys = tensor_slice(&cross->text_kv, 2, 0, dit_channels(c));
    struct tensor heads = tensor_split(&keys, 2, c->heads, c->head_dim);
    TRY(op_linear(q, &cross->text_kv, &dit->text_out, &cross->kv.w, dit_bias(&cross->kv),
                  ACT_NONE));
    return c->qk_norm == DIT_QK_PLAIN ? ST_OK : op_qk_norm_rope(q, NULL, &heads, &how, NULL);
}

enum status dit_begin_text(struct dit *dit, struct queue *q)
{
    const struct dit_config *c = dit->config;
    if (c->text_dim == 0 || (c->joint && (!dit->shard.embed || dit->text_rows == 0)))
        return ST_OK;
    if (c->joint)
        return op_linear(q, &dit->text_out, &dit->text_in, &dit->text.w, &dit->text.b, ACT_NONE);
    if (dit->layers == 0)
        return ST_OK;
    TRY(c->text2_dim > 0 ? begin_two(dit, q)
                         : dit_mlp_forward(q, &dit->text_mlp, ACT_GELU_TANH, &dit->text_in,
                                           &dit->text_mid, &dit->text_out));
    for (int l = 0; l < dit->layers; l++)
        if (dit->block[l].layer.kind == DIT_SEQUENTIAL)
            TRY(begin_cross(dit, &dit->block[l].cross, q));
    return ST_OK;
}

enum status dit_pool_text(struct dit *dit, struct queue *q)
{
    struct dit_pool *pool = &dit->pool;
    int64_t B = dit->extent.lanes;
    int64_t D2 = dit->config->text2_dim;
    struct tensor first = tensor_slice(&pool->rows, 1, 0, 1);
    TRY(op_copy(q, &pool->rows, &pool->given));
    TRY(op_add_rows(q, &pool->rows, &pool->positions));
    TRY(op_linear(q, &pool->query, &first, &pool->q.w, &pool->q.b, ACT_NONE));
    TRY(op_linear(q, &pool->keys, &pool->rows, &pool->k.w, &pool->k.b, ACT_NONE));
    TRY(op_linear(q, &pool->values, &pool->rows, &pool->v.w, &pool->v.b, ACT_NONE));
    struct tensor heads[4] = {pool->query, pool->keys, pool->values, pool->sum};
    for (int i = 0; i < 4; i++)
        heads[i] = tensor_split(&heads[i], 2, DIT_POOL_HEADS, D2 / DIT_POOL_HEADS);
    TRY(op_attention(q, &heads[3], NULL, &heads[0], &heads[1], &heads[2], NULL,
                     1.0f / sqrtf((float)(D2 / DIT_POOL_HEADS))));
    int64_t dim[2] = {B, D2};
    struct tensor sum = tensor_reshape(&pool->sum, 2, dim);
    return op_linear(q, &pool->pooled, &sum, &pool->out.w, &pool->out.b, ACT_NONE);
}
