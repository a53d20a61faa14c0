/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each place of a video attends over its frames, then MLP (Latte, Ma et al. 2024, variant 1). Ranks
 * hold all frames of their places, so this attention is local and always fresh: no hook.
 */
#include "models/dit_block.h"

#include <math.h>

/* [B, F*N, heads, D] as [B, N, F, heads, D]. */
static struct tensor by_place(const struct dit *dit, const struct tensor *x)
{
    int frames = dit->extent.frames;
    struct tensor split = tensor_split(x, 1, frames, x->dim[1] / frames);
    return tensor_swap(&split, 1, 2);
}

/* y := attention over the frames of the normed rows in scratch_a, projected, without bias. */
static enum status attend_frames(struct dit *dit, const struct dit_call *call,
                                 const struct dit_attention *attn, int64_t rows, struct tensor *y)
{
    int heads = dit->config->heads / dit->shard.parts;
    int64_t own = dit_own(dit);
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, rows, dit_channels(dit->config));
    struct tensor qkv = dit_view(dit, &dit->scratch_wide, 0, rows, 3 * own);
    struct tensor o = dit_view(dit, &dit->scratch_a, 0, rows, own); /* a is spent by then */
    struct tensor x[4];
    TRY(dit_qkv(call, &qkv, &a, &attn->qkv));
    for (int i = 0; i < 4; i++) {
        struct tensor part = dit_heads(dit, i < 3 ? &qkv : &o, i < 3 ? i * own : 0, heads);
        x[i] = by_place(dit, &part);
    }
    TRY(TRACED("frame attention", op_attention(call->queue, &x[3], NULL, &x[0], &x[1], &x[2], NULL,
                                               1.0f / sqrtf((float)dit->config->head_dim))));
    return dit_row_linear(call, "out", y, &o, &attn->out);
}

enum status dit_block_temporal(struct dit *dit, const struct dit_call *call, int l,
                               struct tensor *h)
{
    const struct dit_stream *s = &dit->block[l].image;
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, h->dim[1], h->dim[2]);
    struct tensor y = dit_view(dit, &dit->scratch_y, 0, h->dim[1], h->dim[2]);
    TRY(attend_frames(dit, call, &s->attn, h->dim[1], &y));
    TRY(dit_add(call, h, &y, &s->attn.out, &s->attn_gate, &a, &s->mlp_norm));
    TRY(dit_mlp_rows(dit, call, s, &a, &y));
    return dit_add(call, h, &y, &s->fc2, &s->mlp_gate, &a, dit_next_norm(dit, l, TOKENS_ALL));
}
