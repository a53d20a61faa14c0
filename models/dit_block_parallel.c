/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text and image as one stream, attention and MLP side by side: both read the same normed rows, and
 * one product takes both results (FLUX.1, Black Forest Labs 2024; the layout of Dehghani et al.
 * 2023, ViT-22B). Where text does not ride along, its rows are none.
 */
#include "models/dit_block.h"

enum status dit_block_parallel(struct dit *dit, const struct dit_call *call, int l,
                               struct tensor *h)
{
    const struct dit_stream *s = &dit->block[l].image;
    int heads = dit->config->heads / dit->shard.parts;
    int64_t rows = h->dim[1];
    int64_t own = dit_own(dit);
    int64_t mlp = dit->config->mlp / dit->shard.parts;
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, rows, h->dim[2]);
    struct tensor y = dit_view(dit, &dit->scratch_y, 0, rows, h->dim[2]);
    struct tensor qkv = dit_view(dit, &dit->scratch_wide, 0, rows, 3 * own);
    struct tensor both =
        dit_view(dit, &dit->scratch_wide, tensor_count(&qkv), rows, own + mlp); /* o, then f */
    struct tensor f = tensor_slice(&both, 2, own, mlp);
    TRY(dit_qkv(call, &qkv, &a, &s->attn.qkv));
    TRY(TRACED("fc1+gelu", op_linear(call->queue, &f, &a, &s->fc1.w, &s->fc1.b, ACT_GELU_TANH)));
    struct dit_qkvo x = {
        .q = dit_heads(dit, &qkv, 0, heads),
        .k = dit_heads(dit, &qkv, own, heads),
        .v = dit_heads(dit, &qkv, 2 * own, heads),
        .o = dit_heads(dit, &both, 0, heads),
    };
    static const enum token_set streams[2] = {TOKENS_TEXT, TOKENS_IMAGE};
    for (int i = 0; i < 2; i++) {
        struct tensor q = dit_rows(dit, call, &x.q, streams[i]);
        struct tensor k = dit_rows(dit, call, &x.k, streams[i]);
        if (q.dim[1] > 0)
            TRY(dit_qk(dit, call, &s->attn.norm, streams[i] == TOKENS_IMAGE, &q, &k));
    }
    TRY(dit_attend(dit, call, dit->block[l].site, &x));
    TRY(dit_row_linear(call, "out+fc2", &y, &both, &s->attn.out));
    return dit_add(call, h, &y, &s->attn.out, &s->attn_gate, &a, dit_next_norm(dit, l, TOKENS_ALL));
}
