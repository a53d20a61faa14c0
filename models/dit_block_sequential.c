/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-attention, (optional) cross-attention on text, MLP, one after the other (DiT: Peebles & Xie
 * 2023; PixArt-alpha: Chen et al. 2023; HunyuanDiT: Li et al. 2024; Latte's blocks within a frame:
 * Ma et al. 2024).
 */
#include "models/dit_block.h"

#include <math.h>

/* h += cross-attention of x on the lanes' text, projected, with bias. The text is on every rank: no
 * hook. x: h, or its normed rows in scratch_a. */
static enum status cross_attention(struct dit *dit, const struct dit_call *call,
                                   const struct dit_cross *cross, const struct tensor *x,
                                   struct tensor *h)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    struct tensor q = dit_view(dit, &dit->scratch_wide, 0, h->dim[1], C);
    struct tensor o = dit_view(dit, &dit->scratch_a, 0, h->dim[1], C);
    TRY(TRACED("cross q",
               op_linear(call->queue, &q, x, &cross->q.w, dit_bias(&cross->q), ACT_NONE)));
    struct tensor q_heads = dit_heads(dit, &q, 0, c->heads);
    struct tensor k_heads = dit_heads(dit, &cross->text_kv, 0, c->heads);
    struct tensor v_heads = dit_heads(dit, &cross->text_kv, C, c->heads);
    struct tensor o_heads = dit_heads(dit, &o, 0, c->heads);
    TRY(dit_qk(dit, call, &cross->head_norm, true, &q_heads, NULL));
    TRY(TRACED("text attention",
               op_attention(call->queue, &o_heads, NULL, &q_heads, &k_heads, &v_heads,
                            dit->text_count, 1.0f / sqrtf((float)c->head_dim))));
    return TRACED("cross out", op_linear_add(call->queue, h, &o, &cross->out.w, &cross->out.b));
}

/* Behind self-attention, whose result is in y: to the rows normed for the MLP. */
static enum status through_text(struct dit *dit, const struct dit_call *call,
                                const struct dit_block *block, const struct tensor *y,
                                struct tensor *h)
{
    const struct dit_stream *s = &block->image;
    const struct dit_norm *before = block->cross.norm.weight.data ? &block->cross.norm : NULL;
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, h->dim[1], h->dim[2]);
    struct norm norm = dit_norm_of(&s->mlp_norm);
    TRY(dit_add(call, h, y, &s->attn.out, &s->attn_gate, &a, before));
    TRY(cross_attention(dit, call, &block->cross, before ? &a : h, h));
    return TRACED("norm", op_norm(call->queue, &a, h, &norm));
}

enum status dit_block_sequential(struct dit *dit, const struct dit_call *call, int l,
                                 struct tensor *h)
{
    const struct dit_block *block = &dit->block[l];
    const struct dit_stream *s = &block->image;
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, h->dim[1], h->dim[2]);
    struct tensor y = dit_view(dit, &dit->scratch_y, 0, h->dim[1], h->dim[2]);
    TRY(dit_self_attention(dit, call, &s->attn, block->site, &dit->scratch_a, &y));
    if (dit->config->cross)
        TRY(through_text(dit, call, block, &y, h));
    else
        TRY(dit_add(call, h, &y, &s->attn.out, &s->attn_gate, &a, &s->mlp_norm));
    TRY(dit_mlp_rows(dit, call, s, &a, &y));
    return dit_add(call, h, &y, &s->fc2, &s->mlp_gate, &a, dit_next_norm(dit, l, TOKENS_ALL));
}
