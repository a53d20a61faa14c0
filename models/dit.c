/* SPDX-License-Identifier: Apache-2.0 */
/* The DiT around its blocks: memory, patch embedding, output head. Not the blocks themselves. */
#include "models/dit_internal.h"
#include "models/dit_position.h"

#include <stdlib.h>

struct tensor dit_view(const struct dit *dit, const struct tensor *flat, int64_t rows,
                       int64_t width)
{
    int64_t dim[3] = {dit->extent.lanes, rows, width};
    return tensor_of(flat->data, flat->dev, flat->dtype, 3, dim);
}

static enum status positions_init(struct dit *dit, struct queue *q, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int rows = dit->extent.height / c->patch;
    int columns = dit->extent.width / c->patch;
    int64_t dim[2] = {span_count(&dit->all), C};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &dit->positions));
    if (arena_measuring(arena))
        return ST_OK;
    float *row = malloc(sizeof(float) * (size_t)C);
    if (!row)
        return fail(ST_OOM, "position embeddings: %zu bytes of host memory",
                    sizeof(float) * (size_t)C);
    enum status st = ST_OK;
    int64_t at = 0;
    for (int r = 0; r < dit->all.n && st == ST_OK; r++) {
        for (int t = 0; t < dit->all.run[r].count && st == ST_OK; t++) {
            dit_position_row(c, rows, columns, dit->all.run[r].begin + t, row);
            struct tensor host = tensor_of(row, NULL, DTYPE_F32, 1, &C);
            struct tensor to = tensor_at(&dit->positions, at++);
            st = op_copy(q, &to, &host);
            if (st == ST_OK && t + 1 == dit->all.run[r].count)
                st = queue_sync(q);
        }
    }
    free(row);
    return st;
}

static enum status scratch_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int64_t rows = (int64_t)dit->extent.lanes * span_count(&dit->all);
    int64_t wide = 3 * C / dit->shard.parts;
    if (c->mlp / dit->shard.parts > wide)
        wide = c->mlp / dit->shard.parts;
    if (c->cross && C > wide)
        wide = C;
    int64_t narrow = rows * C;
    wide *= rows;
    TRY(arena_tensor(arena, dit->extent.dtype, 1, &narrow, &dit->scratch_a));
    if (dit->layers == 0)
        return ST_OK;
    TRY(arena_tensor(arena, dit->extent.dtype, 1, &narrow, &dit->scratch_y));
    return arena_tensor(arena, dit->extent.dtype, 1, &wide, &dit->scratch_wide);
}

enum status dit_open(const struct dit_config *config, const struct dit_shard *shard,
                     const struct dit_extent *extent, struct weights *weights, struct queue *q,
                     struct arena *weights_arena, struct arena *activations, struct dit **out)
{
    struct dit *dit = calloc(1, sizeof *dit);
    if (!dit)
        return fail(ST_OOM, "model %s: %zu bytes of host memory", config->name, sizeof *dit);
    dit->config = config;
    dit->shard = *shard;
    dit->extent = *extent;
    dit->all = *extent->all;
    dit->layers = shard->layer_end - shard->layer_begin;

    enum status st = dit_load(dit, weights, q, weights_arena);
    if (st == ST_OK && shard->embed)
        st = positions_init(dit, q, weights_arena);
    if (st == ST_OK)
        st = dit_cond_init(dit, activations);
    if (st == ST_OK)
        st = scratch_init(dit, activations);
    if (st != ST_OK) {
        dit_close(dit);
        return fail_prefix(st, "model %s", config->name);
    }
    *out = dit;
    return ST_OK;
}

void dit_close(struct dit *dit)
{
    free(dit);
}

enum status dit_embed(struct dit *dit, const struct dit_call *call, const struct tensor *x,
                      struct tensor *h)
{
    BUG_ON(!dit->shard.embed, "this shard has no patch embedding");
    TRY(op_linear(call->queue, h, x, &dit->embed_w, &dit->embed_b, ACT_NONE));
    int64_t row = 0;
    for (int r = 0; r < call->span->n; r++) {
        struct token_run run = call->span->run[r];
        int at = span_find(&dit->all, run.begin);
        BUG_ON(at < 0, "token %d is not among the rows this model was opened for", run.begin);
        struct tensor rows = tensor_slice(h, 1, row, run.count);
        struct tensor positions = tensor_slice(&dit->positions, 0, at, run.count);
        TRY(op_add_rows(call->queue, &rows, &positions));
        row += run.count;
    }
    return ST_OK;
}

enum status dit_head(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                     struct tensor *eps)
{
    BUG_ON(!dit->shard.head, "this shard has no output projection");
    int64_t features = eps->dim[eps->ndim - 1];
    struct tensor a = dit_view(dit, &dit->scratch_a, h->dim[1], h->dim[2]);
    struct tensor w = tensor_slice(&dit->head_w, 0, 0, features);
    struct tensor b = tensor_slice(&dit->head_b, 0, 0, features);
    struct tensor shift = dit_head_mod(dit, 0);
    struct tensor scale = dit_head_mod(dit, 1);
    const struct norm n = {.shift = &shift, .scale = &scale, .eps = 1e-6f};
    TRY(op_norm(call->queue, &a, h, &n));
    return op_linear(call->queue, eps, &a, &w, &b, ACT_NONE);
}
