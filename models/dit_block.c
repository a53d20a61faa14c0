/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shard's blocks, one after the other, and what their kinds share. Which rank computes what is
 * decided by the shard and by the two hooks; what a block consists of, by the config's table.
 */
#include "models/dit_block.h"

#include <math.h>

/* ---- hooks without strategies ---- */

static enum status attend_serial(void *self, const struct attn_call *call)
{
    (void)self;
    struct tensor o = call->o;
    return op_attention(call->queue, &o, call->lse, &call->q, &call->k, &call->v, NULL,
                        call->scale);
}

static enum status row_linear_serial(void *self, struct tensor *y, const struct tensor *x,
                                     const struct tensor *w, struct queue *q)
{
    (void)self;
    return op_linear(q, y, x, w, NULL, ACT_NONE);
}

const struct dit_hooks dit_hooks_serial = {
    .attend = attend_serial,
    .row_linear = row_linear_serial,
};

/* ---- shared parts ---- */

int64_t dit_own(const struct dit *dit)
{
    return dit_channels(dit->config) / dit->shard.parts;
}

struct tensor dit_heads(const struct dit *dit, const struct tensor *rows, int64_t column, int heads)
{
    int head_dim = dit->config->head_dim;
    struct tensor part = tensor_slice(rows, 2, column, (int64_t)heads * head_dim);
    return tensor_split(&part, 2, heads, head_dim);
}

const struct dit_norm *dit_next_norm(const struct dit *dit, int l, enum token_set stream)
{
    if (l + 1 == dit->layers || dit->block[l + 1].starts)
        return NULL;
    const struct dit_block *next = &dit->block[l + 1];
    bool own = stream == TOKENS_TEXT && next->layer.kind == DIT_JOINT;
    return own ? &next->text.attn_norm : &next->image.attn_norm;
}

enum status dit_add(const struct dit_call *call, struct tensor *h, const struct tensor *y,
                    const struct dit_linear *linear, const struct tensor *gate, struct tensor *a,
                    const struct dit_norm *next)
{
    const struct tensor *gated = gate->data ? gate : NULL;
    if (!next)
        return TRACED("gate", op_gate_add(call->queue, h, y, dit_bias(linear), gated));
    struct norm norm = dit_norm_of(next);
    return TRACED("gate+norm",
                  op_gate_add_norm(call->queue, h, y, dit_bias(linear), gated, a, &norm));
}

/* The call's rows of the table of turns. */
static struct tensor rope_rows(const struct dit *dit, const struct dit_call *call)
{
    int at = span_find(&dit->image, call->image->run[0].begin);
    BUG_ON(at < 0, "token %d is not among the rows this model was opened for",
           call->image->run[0].begin);
    return tensor_slice(&dit->rope, 0, at, span_count(call->image));
}

enum status dit_qk(struct dit *dit, const struct dit_call *call, const struct dit_head_norm *norm,
                   bool image, struct tensor *q, struct tensor *k)
{
    const struct qk_norm how = {
        .centred = dit->config->qk_norm == DIT_QK_LAYER,
        .q_weight = norm->q.data ? &norm->q : NULL,
        .q_bias = norm->q_bias.data ? &norm->q_bias : NULL,
        .k_weight = norm->k.data ? &norm->k : NULL,
        .k_bias = norm->k_bias.data ? &norm->k_bias : NULL,
        .eps = 1e-6f,
    };
    bool normed = dit->config->qk_norm != DIT_QK_PLAIN;
    bool turned = image && dit->rope.data;
    struct tensor rope = turned ? rope_rows(dit, call) : (struct tensor){0};
    if (!normed && !turned)
        return ST_OK;
    const char *name = normed && turned ? "qk norm+rope" : normed ? "qk norm" : "rope";
    return TRACED(name,
                  op_qk_norm_rope(call->queue, q, k, normed ? &how : NULL, turned ? &rope : NULL));
}

/* [B, F*N, heads, D] as [B*F, N, heads, D]: the frames of a video attend each to itself. */
static struct tensor grids(const struct dit *dit, struct tensor x)
{
    int frames = dit->extent.frames;
    BUG_ON(frames > 1 && x.stride[0] != x.dim[1] * x.stride[1], "frames with a hole behind them");
    if (frames == 1)
        return x;
    x.dim[0] *= frames;
    x.dim[1] /= frames;
    x.stride[0] /= frames;
    return x;
}

enum status dit_attend(struct dit *dit, const struct dit_call *call, int site,
                       const struct dit_qkvo *x)
{
    struct dit_site where = dit_site_at(dit->config, site);
    struct attn_call attn = {
        .site = site,
        .queries = where.queries,
        .keys = where.keys,
        .step = call->step,
        .patch = call->patch,
        .fresh = call->fresh,
        .span = where.keys == TOKENS_IMAGE ? call->image : call->span,
        .q = grids(dit, x->q),
        .k = grids(dit, x->k),
        .v = grids(dit, x->v),
        .o = grids(dit, x->o),
        .scale = 1.0f / sqrtf((float)dit->config->head_dim),
        .queue = call->queue,
    };
    return TRACED("attention", call->hooks->attend(call->hooks->attend_self, &attn));
}

enum status dit_row_linear(const struct dit_call *call, const char *name, struct tensor *y,
                           const struct tensor *x, const struct dit_linear *linear)
{
    const struct dit_hooks *hooks = call->hooks;
    return TRACED(name, hooks->row_linear(hooks->row_linear_self, y, x, &linear->w, call->queue));
}

enum status dit_qkv(const struct dit_call *call, struct tensor *qkv, const struct tensor *a,
                    const struct dit_linear *linear)
{
    return TRACED("qkv", op_linear(call->queue, qkv, a, &linear->w, dit_bias(linear), ACT_NONE));
}

enum status dit_self_attention(struct dit *dit, const struct dit_call *call,
                               const struct dit_attention *attn, int site,
                               const struct tensor *flat, struct tensor *y)
{
    int heads = dit->config->heads / dit->shard.parts;
    int64_t own = dit_own(dit);
    int64_t rows = y->dim[1];
    struct tensor a = dit_view(dit, flat, 0, rows, y->dim[2]);
    struct tensor qkv = dit_view(dit, &dit->scratch_wide, 0, rows, 3 * own);
    struct tensor o = dit_view(dit, flat, 0, rows, own); /* a is spent by then */
    TRY(dit_qkv(call, &qkv, &a, &attn->qkv));
    struct dit_qkvo x = {
        .q = dit_heads(dit, &qkv, 0, heads),
        .k = dit_heads(dit, &qkv, own, heads),
        .v = dit_heads(dit, &qkv, 2 * own, heads),
        .o = dit_heads(dit, &o, 0, heads),
    };
    TRY(dit_qk(dit, call, &attn->norm, true, &x.q, &x.k));
    TRY(dit_attend(dit, call, site, &x));
    return dit_row_linear(call, "out", y, &o, &attn->out);
}

enum status dit_mlp_rows(struct dit *dit, const struct dit_call *call,
                         const struct dit_stream *stream, const struct tensor *a, struct tensor *y)
{
    int64_t width = dit->config->mlp / dit->shard.parts;
    struct tensor f = dit_view(dit, &dit->scratch_wide, 0, a->dim[1], width);
    TRY(TRACED("fc1+gelu",
               op_linear(call->queue, &f, a, &stream->fc1.w, &stream->fc1.b, ACT_GELU_TANH)));
    return dit_row_linear(call, "fc2", y, &f, &stream->fc2);
}

/* ---- from block to block ---- */

/* Where the output of block `producer` (global) lies for the block that takes it. */
static struct tensor skip_place(const struct dit *dit, const struct dit_call *call, int producer,
                                const struct tensor *h)
{
    bool given = call->skips && call->skips[producer].data;
    BUG_ON(!given && producer < dit->shard.layer_begin, "nobody brings the output of block %d",
           producer);
    struct tensor place =
        given ? call->skips[producer] : dit->block[producer - dit->shard.layer_begin].skip_out;
    return tensor_of(place.data, place.dev, place.dtype, 3, h->dim);
}

/* h := the skip's linear layer of the rows and the early block's rows side by side, normed. */
static enum status join_skip(struct dit *dit, const struct dit_call *call,
                             const struct dit_block *block, struct tensor *h)
{
    struct tensor early = skip_place(dit, call, block->layer.skip_from, h);
    struct tensor both = dit_view(dit, &dit->scratch_wide, 0, h->dim[1], 2 * h->dim[2]);
    struct norm norm = dit_norm_of(&block->skip_norm);
    norm.beside = &early;
    TRY(op_norm(call->queue, &both, h, &norm));
    return op_linear(call->queue, h, &both, &block->skip.w, &block->skip.b, ACT_NONE);
}

/* h [B, F*N, C] += each frame's position. */
static enum status add_frames(struct dit *dit, const struct dit_call *call, struct tensor *h)
{
    int frames = dit->extent.frames;
    for (int64_t b = 0; b < h->dim[0]; b++) {
        struct tensor lane = tensor_at(h, b);
        struct tensor places = tensor_split(&lane, 0, frames, h->dim[1] / frames);
        struct tensor turned = tensor_swap(&places, 0, 1); /* [N, F, C] */
        TRY(op_add_rows(call->queue, &turned, &dit->frame_positions));
    }
    return ST_OK;
}

static enum status norm_stream(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                               enum token_set set, const struct dit_norm *how)
{
    struct tensor all = dit_view(dit, &dit->scratch_a, 0, h->dim[1], h->dim[2]);
    struct tensor a = dit_rows(dit, call, &all, set);
    struct tensor rows = dit_rows(dit, call, h, set);
    struct norm norm = dit_norm_of(how);
    return rows.dim[1] > 0 ? TRACED("norm", op_norm(call->queue, &a, &rows, &norm)) : ST_OK;
}

void dit_describe_block(struct dit *dit, int l)
{
    struct dit_block *block = &dit->block[l];
    int layer = dit->shard.layer_begin + l;
    block->layer = dit_config_layer(dit->config, layer);
    block->site = dit_sites(dit->config, layer);
    block->adds_frames =
        block->layer.kind == DIT_TEMPORAL && block->layer.index == 0 && dit->extent.frames > 1;
    block->starts = l == 0 || block->layer.skip_from >= 0 || block->adds_frames;
}

/* What no block before it did: the rows that come in, normed for its attention. */
static enum status start_block(struct dit *dit, const struct dit_call *call, int l,
                               struct tensor *h)
{
    const struct dit_block *block = &dit->block[l];
    if (block->layer.skip_from >= 0)
        TRY(TRACED("skip", join_skip(dit, call, block, h)));
    if (block->adds_frames)
        TRY(TRACED("embed", add_frames(dit, call, h)));
    if (block->layer.kind != DIT_JOINT)
        return norm_stream(dit, call, h, TOKENS_ALL, &block->image.attn_norm);
    TRY(norm_stream(dit, call, h, TOKENS_TEXT, &block->text.attn_norm));
    return norm_stream(dit, call, h, TOKENS_IMAGE, &block->image.attn_norm);
}

static enum status block_forward(struct dit *dit, const struct dit_call *call, int l,
                                 struct tensor *h)
{
    static enum status (*const kinds[])(struct dit *, const struct dit_call *, int,
                                        struct tensor *) = {
        [DIT_SEQUENTIAL] = dit_block_sequential,
        [DIT_JOINT] = dit_block_joint,
        [DIT_PARALLEL] = dit_block_parallel,
        [DIT_TEMPORAL] = dit_block_temporal,
    };
    const struct dit_layer *layer = &dit->block[l].layer;
    if (dit->block[l].starts)
        TRY(start_block(dit, call, l, h));
    TRY(kinds[layer->kind](dit, call, l, h));
    if (layer->skip_to < 0)
        return ST_OK;
    struct tensor place = skip_place(dit, call, dit->shard.layer_begin + l, h);
    return TRACED("skip", op_copy(call->queue, &place, h));
}

enum status dit_blocks(struct dit *dit, const struct dit_call *call, struct tensor *h)
{
    int64_t dim[3] = {dit->extent.lanes, dit_rows_of(dit, call, TOKENS_ALL), h->dim[2]};
    struct tensor lanes = tensor_reshape(h, 3, dim);
    for (int l = 0; l < dit->layers; l++)
        TRY(TRACED_LAYER(dit->shard.layer_begin + l, block_forward(dit, call, l, &lanes)));
    return ST_OK;
}
