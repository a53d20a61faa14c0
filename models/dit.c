/* SPDX-License-Identifier: Apache-2.0 */
/* The DiT around its blocks: memory, patch embedding, output head. Not the blocks themselves. */
#include "models/dit_internal.h"
#include "models/dit_position.h"

#include <stdlib.h>

enum status dit_alloc3(struct arena *arena, enum dtype dtype, int64_t a, int64_t b, int64_t c,
                       struct tensor *out)
{
    int64_t dim[3] = {a, b, c};
    return arena_tensor(arena, dtype, 3, dim, out);
}

/* ---- views ---- */

struct tensor dit_view(const struct dit *dit, const struct tensor *flat, int64_t begin,
                       int64_t rows, int64_t width)
{
    int64_t dim[3] = {dit->extent.lanes, rows, width};
    struct tensor part = tensor_slice(flat, 0, begin, dim[0] * rows * width);
    return tensor_reshape(&part, 3, dim);
}

int64_t dit_rows_of(const struct dit *dit, const struct dit_call *call, enum token_set set)
{
    int64_t image = span_count(call->image);
    int64_t text = span_count(call->span) - image;
    int64_t rows = set == TOKENS_TEXT ? text : set == TOKENS_IMAGE ? image : text + image;
    return rows * dit->extent.frames;
}

struct tensor dit_rows(const struct dit *dit, const struct dit_call *call, const struct tensor *x,
                       enum token_set set)
{
    int64_t text = dit_rows_of(dit, call, TOKENS_TEXT);
    return tensor_slice(x, 1, set == TOKENS_IMAGE ? text : 0, dit_rows_of(dit, call, set));
}

struct norm dit_norm_of(const struct dit_norm *norm)
{
    return (struct norm){
        .weight = norm->weight.data ? &norm->weight : NULL,
        .bias = norm->bias.data ? &norm->bias : NULL,
        .shift = norm->shift.data ? &norm->shift : NULL,
        .scale = norm->scale.data ? &norm->scale : NULL,
        .eps = norm->eps,
    };
}

const struct tensor *dit_bias(const struct dit_linear *linear)
{
    return linear->b.data ? &linear->b : NULL;
}

/* ---- tables of positions ---- */

/* One row of a table for every image token of this rank. */
struct row_maker {
    void (*fill)(const struct dit_config *c, int rows, int columns, int token, float *out);
    int64_t width;
};

static void fill_rows(const struct dit *dit, const struct row_maker *make, float *out)
{
    const struct dit_config *c = dit->config;
    int rows = dit->extent.height / c->patch;
    int columns = dit->extent.width / c->patch;
    for (int r = 0; r < dit->image.n; r++)
        for (int t = 0; t < dit->image.run[r].count; t++, out += make->width)
            make->fill(c, rows, columns, dit->image.run[r].begin + t, out);
}

static enum status rows_init(struct dit *dit, struct queue *q, struct arena *arena,
                             struct row_maker make, struct tensor *out)
{
    int64_t dim[2] = {span_count(&dit->image), make.width};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, out));
    if (arena_measuring(arena))
        return ST_OK;
    float *host = malloc(tensor_bytes(out) + 1);
    if (!host)
        return fail(ST_OOM, "positions: %zu bytes of host memory", tensor_bytes(out));
    fill_rows(dit, &make, host);
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, 2, dim);
    enum status st = op_copy(q, out, &from);
    if (st == ST_OK)
        st = queue_sync(q);
    free(host);
    return st;
}

static enum status frames_init(struct dit *dit, struct queue *q, struct arena *arena)
{
    int64_t dim[2] = {dit->extent.frames, dit_channels(dit->config)};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &dit->frame_positions));
    if (arena_measuring(arena))
        return ST_OK;
    float *host = malloc(tensor_bytes(&dit->frame_positions));
    if (!host)
        return fail(ST_OOM, "positions of %d frames: no host memory", dit->extent.frames);
    for (int64_t f = 0; f < dim[0]; f++)
        dit_frame_row(dit->config, (int)f, host + f * dim[1]);
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, 2, dim);
    enum status st = op_copy(q, &dit->frame_positions, &from);
    if (st == ST_OK)
        st = queue_sync(q);
    free(host);
    return st;
}

/* A table among the weights is theirs to load (dit_weights.c). */
static enum status positions_init(struct dit *dit, struct queue *q, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    struct row_maker added = {dit_position_row, dit_channels(c)};
    struct row_maker turned = {dit_rope_row, c->head_dim};
    if (c->position == DIT_POSITION_SINCOS && dit->shard.embed)
        TRY(rows_init(dit, q, arena, added, &dit->positions));
    if (c->position == DIT_POSITION_ROPE && dit->layers > 0)
        TRY(rows_init(dit, q, arena, turned, &dit->rope));
    return c->temporal && dit->extent.frames > 1 ? frames_init(dit, q, arena) : ST_OK;
}

/* ---- memory ---- */

static int64_t widest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Columns of scratch_wide that a block needs. */
static int64_t block_width(const struct dit *dit, const struct dit_block *block)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int64_t own = C / dit->shard.parts;
    int64_t mlp = c->mlp / dit->shard.parts;
    int64_t width = widest(3 * own, mlp);
    if (block->layer.kind == DIT_PARALLEL)
        width = 3 * own + own + mlp;
    if (block->layer.dual || c->cross)
        width = widest(width, C);
    return block->layer.skip_from >= 0 ? widest(width, 2 * C) : width;
}

static enum status scratch_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t rows = (int64_t)dit->extent.lanes * dit->extent.frames * span_count(&dit->all);
    int64_t narrow = rows * dit_channels(c);
    int64_t wide = 0;
    int64_t hidden[3] = {(int64_t)dit->extent.lanes * dit->extent.frames, span_count(&dit->all),
                         dit_channels(c)};
    for (int l = 0; l < dit->layers; l++)
        wide = widest(wide, block_width(dit, &dit->block[l]));
    wide *= rows;
    TRY(arena_tensor(arena, dit->extent.dtype, 1, &narrow, &dit->scratch_a));
    if (dit->layers == 0)
        return ST_OK;
    TRY(arena_tensor(arena, dit->extent.dtype, 1, &narrow, &dit->scratch_y));
    TRY(arena_tensor(arena, dit->extent.dtype, 1, &wide, &dit->scratch_wide));
    for (int l = 0; l < dit->layers; l++) {
        int to = dit->block[l].layer.skip_to;
        if (to >= 0 && to < dit->shard.layer_end)
            TRY(arena_tensor(arena, dit->extent.dtype, 3, hidden, &dit->block[l].skip_out));
    }
    return ST_OK;
}

static enum status open_parts(struct dit *dit, struct weights *weights, struct queue *q,
                              struct arena *weights_arena, struct arena *activations)
{
    TRY(TRACED("load", dit_load(dit, weights, q, weights_arena)));
    TRY(TRACED("load", positions_init(dit, q, weights_arena)));
    TRY(dit_cond_init(dit, activations));
    TRY(dit_text_init(dit, activations));
    return scratch_init(dit, activations);
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
    dit->image = *extent->image;
    dit->text_rows = span_count(&dit->all) - span_count(&dit->image);
    dit->layers = shard->layer_end - shard->layer_begin;
    enum status st = open_parts(dit, weights, q, weights_arena, activations);
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

/* ---- into the blocks and out of them ---- */

/* The text's rows, as this loop's prompt made them. A call's are neighbours among all. */
static enum status embed_text(struct dit *dit, const struct dit_call *call, struct tensor *h)
{
    struct tensor to = dit_rows(dit, call, h, TOKENS_TEXT);
    if (to.dim[1] == 0)
        return ST_OK;
    int at = span_find(&dit->all, call->span->run[0].begin);
    BUG_ON(at < 0, "text token %d is not of this model", call->span->run[0].begin);
    struct tensor from = tensor_slice(&dit->text_out, 1, at, to.dim[1]);
    return op_copy(call->queue, &to, &from);
}

static enum status embed(struct dit *dit, const struct dit_call *call, const struct tensor *x,
                         struct tensor *h)
{
    BUG_ON(!dit->shard.embed, "this shard has no patch embedding");
    int64_t text = h->dim[1] - x->dim[1];
    struct tensor image = tensor_slice(h, 1, text, x->dim[1]);
    TRY(embed_text(dit, call, h));
    TRY(op_linear(call->queue, &image, x, &dit->embed.w, &dit->embed.b, ACT_NONE));
    if (!dit->positions.data)
        return ST_OK;
    int at = span_find(&dit->image, call->image->run[0].begin);
    BUG_ON(at < 0, "token %d is not among the rows this model was opened for",
           call->image->run[0].begin);
    struct tensor positions = tensor_slice(&dit->positions, 0, at, x->dim[1]);
    return op_add_rows(call->queue, &image, &positions);
}

enum status dit_embed(struct dit *dit, const struct dit_call *call, const struct tensor *x,
                      struct tensor *h)
{
    return TRACED("embed", embed(dit, call, x, h));
}

static enum status head(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                        struct tensor *eps)
{
    BUG_ON(!dit->shard.head, "this shard has no output projection");
    int64_t features = eps->dim[eps->ndim - 1];
    int64_t rows = dit_rows_of(dit, call, TOKENS_ALL);
    int64_t of_h[3] = {dit->extent.lanes, rows, h->dim[2]};
    struct tensor lanes = tensor_reshape(h, 3, of_h);
    struct tensor image = dit_rows(dit, call, &lanes, TOKENS_IMAGE);
    int64_t of_eps[3] = {of_h[0], image.dim[1], features};
    struct tensor out = tensor_reshape(eps, 3, of_eps);
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, image.dim[1], h->dim[2]);
    struct tensor w = tensor_slice(&dit->head.w, 0, 0, features);
    struct tensor b = tensor_slice(&dit->head.b, 0, 0, features);
    struct norm norm = dit_norm_of(&dit->head_norm);
    TRY(op_norm(call->queue, &a, &image, &norm));
    return op_linear(call->queue, &out, &a, &w, &b, ACT_NONE);
}

enum status dit_head(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                     struct tensor *eps)
{
    return TRACED("head", head(dit, call, h, eps));
}
