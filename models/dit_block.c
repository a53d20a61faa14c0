/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer block, whole, for every model family (DiT: Peebles & Xie 2023; PixArt-alpha: Chen
 * et al. 2023, with cross-attention on text). Which rank computes what is decided by the shard and
 * by the two hooks.
 */
#include "kernels/base/trace.h"
#include "models/dit_internal.h"

#include <math.h>

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

/* [B, N, heads*D] columns from `column` as [B, N, heads, D]. */
static struct tensor heads_view(const struct tensor *rows, int64_t column, int heads, int head_dim)
{
    struct tensor part = tensor_slice(rows, 2, column, (int64_t)heads * head_dim);
    return tensor_split(&part, 2, heads, head_dim);
}

/* y := attention over the whole sequence of the normed rows in scratch_a, projected, without bias.
 */
static enum status self_attention(struct dit *dit, const struct dit_call *call, int l, int64_t rows,
                                  struct tensor *y)
{
    const struct dit_config *c = dit->config;
    const struct dit_block *block = &dit->block[l];
    int heads = c->heads / dit->shard.parts;
    int64_t own = (int64_t)heads * c->head_dim;
    struct tensor a = dit_view(dit, &dit->scratch_a, rows, dit_channels(c));
    struct tensor qkv = dit_view(dit, &dit->scratch_wide, rows, 3 * own);
    struct tensor o = dit_view(dit, &dit->scratch_a, rows, own); /* a is spent once qkv exists */
    TRY(op_linear(call->queue, &qkv, &a, &block->qkv_w, c->attn_bias ? &block->qkv_b : NULL,
                  ACT_NONE));
    struct attn_call attn = {
        .layer = dit->shard.layer_begin + l,
        .step = call->step,
        .patch = call->patch,
        .fresh = call->fresh,
        .span = call->span,
        .q = heads_view(&qkv, 0, heads, c->head_dim),
        .k = heads_view(&qkv, own, heads, c->head_dim),
        .v = heads_view(&qkv, 2 * own, heads, c->head_dim),
        .o = heads_view(&o, 0, heads, c->head_dim),
        .scale = 1.0f / sqrtf((float)c->head_dim),
        .queue = call->queue,
    };
    TRY(call->hooks->attend(call->hooks->attend_self, &attn));
    return call->hooks->row_linear(call->hooks->row_linear_self, y, &o, &block->out_w, call->queue);
}

/* h += cross-attention of h on the lanes' text, projected, with bias. The text is on every rank: no
 * hook. */
static enum status cross_attention(struct dit *dit, const struct dit_call *call, int l,
                                   struct tensor *h)
{
    const struct dit_config *c = dit->config;
    const struct dit_block *block = &dit->block[l];
    int64_t C = dit_channels(c);
    struct tensor q = dit_view(dit, &dit->scratch_a, h->dim[1], C);
    struct tensor o = dit_view(dit, &dit->scratch_wide, h->dim[1], C);
    struct tensor kv = tensor_at(&dit->text_kv, l);
    TRY(op_linear(call->queue, &q, h, &block->cross_q_w, c->attn_bias ? &block->cross_q_b : NULL,
                  ACT_NONE));
    struct tensor q_heads = heads_view(&q, 0, c->heads, c->head_dim);
    struct tensor k_heads = heads_view(&kv, 0, c->heads, c->head_dim);
    struct tensor v_heads = heads_view(&kv, C, c->heads, c->head_dim);
    struct tensor o_heads = heads_view(&o, 0, c->heads, c->head_dim);
    TRY(op_attention(call->queue, &o_heads, NULL, &q_heads, &k_heads, &v_heads, dit->text_count,
                     1.0f / sqrtf((float)c->head_dim)));
    return op_linear_add(call->queue, h, &o, &block->cross_out_w, &block->cross_out_b);
}

/* y := the MLP of the normed rows in scratch_a, without the second bias. */
static enum status mlp(struct dit *dit, const struct dit_call *call, int l, int64_t rows,
                       struct tensor *y)
{
    const struct dit_block *block = &dit->block[l];
    struct tensor a = dit_view(dit, &dit->scratch_a, rows, dit_channels(dit->config));
    struct tensor f = dit_view(dit, &dit->scratch_wide, rows, dit->config->mlp / dit->shard.parts);
    TRY(op_linear(call->queue, &f, &a, &block->fc1_w, &block->fc1_b, ACT_GELU_TANH));
    return call->hooks->row_linear(call->hooks->row_linear_self, y, &f, &block->fc2_w, call->queue);
}

/* What the rows are normed for: the attention or the MLP of the shard's layer l. */
struct norm_for {
    int l;
    int shift; /* part of its modulation; the scale is the next */
    float eps;
};

/* scratch_a := the rows normed and modulated for what follows. */
static enum status norm(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                        struct norm_for next)
{
    struct tensor a = dit_view(dit, &dit->scratch_a, h->dim[1], h->dim[2]);
    struct tensor shift = dit_mod(dit, next.l, next.shift);
    struct tensor scale = dit_mod(dit, next.l, next.shift + 1);
    const struct norm n = {.shift = &shift, .scale = &scale, .eps = next.eps};
    return op_norm(call->queue, &a, h, &n);
}

/* h += gate (y + bias); scratch_a := the rows normed and modulated for what follows. */
static enum status add_and_norm(struct dit *dit, const struct dit_call *call, struct tensor *h,
                                const struct tensor *y, const struct tensor *bias,
                                const struct tensor *gate, struct norm_for next)
{
    struct tensor a = dit_view(dit, &dit->scratch_a, h->dim[1], h->dim[2]);
    struct tensor shift = dit_mod(dit, next.l, next.shift);
    struct tensor scale = dit_mod(dit, next.l, next.shift + 1);
    const struct norm n = {.shift = &shift, .scale = &scale, .eps = next.eps};
    return op_gate_add_norm(call->queue, h, y, bias, gate, &a, &n);
}

/* One block; expects the rows normed for its attention in scratch_a, and leaves them so for the
 * next block. */
static enum status block_forward(struct dit *dit, const struct dit_call *call, int l,
                                 struct tensor *h, float attn_eps)
{
    const struct dit_config *c = dit->config;
    const struct dit_block *block = &dit->block[l];
    struct tensor y = dit_view(dit, &dit->scratch_y, h->dim[1], h->dim[2]);
    struct tensor attn_gate = dit_mod(dit, l, MOD_ATTN_GATE);
    struct tensor mlp_gate = dit_mod(dit, l, MOD_MLP_GATE);
    const struct norm_for mlp_next = {l, MOD_MLP_SHIFT, c->norm_eps};

    TRY(self_attention(dit, call, l, h->dim[1], &y));
    if (c->cross) {
        TRY(op_gate_add(call->queue, h, &y, &block->out_b, &attn_gate));
        TRY(cross_attention(dit, call, l, h));
        TRY(norm(dit, call, h, mlp_next));
    } else {
        TRY(add_and_norm(dit, call, h, &y, &block->out_b, &attn_gate, mlp_next));
    }
    TRY(mlp(dit, call, l, h->dim[1], &y));
    if (l + 1 == dit->layers)
        return op_gate_add(call->queue, h, &y, &block->fc2_b, &mlp_gate);
    return add_and_norm(dit, call, h, &y, &block->fc2_b, &mlp_gate,
                        (struct norm_for){l + 1, MOD_ATTN_SHIFT, attn_eps});
}

enum status dit_blocks(struct dit *dit, const struct dit_call *call, struct tensor *h)
{
    if (dit->layers == 0)
        return ST_OK;
    /* diffusers' AdaLayerNormZero fixes its own epsilon; adaLN-single uses the configured one */
    float attn_eps = dit->config->modulation == DIT_ADALN_ZERO ? 1e-6f : dit->config->norm_eps;
    TRY(norm(dit, call, h, (struct norm_for){0, MOD_ATTN_SHIFT, attn_eps}));
    for (int l = 0; l < dit->layers; l++) {
        trace_set_layer(dit->shard.layer_begin + l);
        TRY(block_forward(dit, call, l, h, attn_eps));
    }
    trace_set_layer(-1);
    return ST_OK;
}
