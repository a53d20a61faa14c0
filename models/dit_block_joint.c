/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text and image with weights of their own, attending together (MM-DiT: Stable Diffusion 3, Esser
 * et al. 2024; FLUX.1's double blocks). Both streams' products write into the rows of one Q, K, V
 * buffer, and the output projections read from the rows of its result: nothing is put together or
 * taken apart. Behind the last block that needs it, the text gives keys and values only. A second
 * attention, over the image alone, is Stable Diffusion 3.5's (MMDiT-X).
 */
#include "models/dit_block.h"

static const enum token_set streams[2] = {TOKENS_TEXT, TOKENS_IMAGE};

static const struct dit_stream *stream_of(const struct dit_block *block, enum token_set set)
{
    return set == TOKENS_TEXT ? &block->text : &block->image;
}

static bool goes_on(const struct dit_block *block, enum token_set set)
{
    return set == TOKENS_IMAGE || block->layer.text_out;
}

/* A stream's rows of qkv := the products of its normed rows, its queries and keys ready. */
static enum status stream_qkv(struct dit *dit, const struct dit_call *call,
                              const struct dit_block *block, enum token_set set,
                              const struct tensor *a, const struct tensor *qkv)
{
    const struct dit_attention *attn = &stream_of(block, set)->attn;
    int heads = dit->config->heads / dit->shard.parts;
    int64_t own = dit_own(dit);
    int64_t skip = goes_on(block, set) ? 0 : own; /* no queries */
    struct tensor x = dit_rows(dit, call, a, set);
    struct tensor rows = dit_rows(dit, call, qkv, set);
    struct tensor y = tensor_slice(&rows, 2, skip, 3 * own - skip);
    struct tensor w = tensor_slice(&attn->qkv.w, 0, skip, 3 * own - skip);
    struct tensor b = attn->qkv.b;
    if (b.data)
        b = tensor_slice(&b, 0, skip, 3 * own - skip);
    struct tensor q = dit_heads(dit, &rows, 0, heads);
    struct tensor k = dit_heads(dit, &rows, own, heads);
    TRY(TRACED("qkv", op_linear(call->queue, &y, &x, &w, b.data ? &b : NULL, ACT_NONE)));
    return dit_qk(dit, call, &attn->norm, set == TOKENS_IMAGE, skip ? NULL : &q, &k);
}

/* h's image rows += the second attention of them, over the image alone. scratch_a stays as it is.
 */
static enum status second_attention(struct dit *dit, const struct dit_call *call,
                                    const struct dit_block *block, struct tensor *h)
{
    struct tensor image = dit_rows(dit, call, h, TOKENS_IMAGE);
    struct tensor a = dit_view(dit, &dit->scratch_y, 0, image.dim[1], h->dim[2]);
    struct tensor y = dit_view(dit, &dit->scratch_wide, 0, image.dim[1], h->dim[2]);
    struct norm norm = dit_norm_of(&block->second_norm);
    TRY(TRACED("norm", op_norm(call->queue, &a, &image, &norm)));
    TRY(dit_self_attention(dit, call, &block->second, block->site + 1, &dit->scratch_y, &y));
    return dit_add(call, &image, &y, &block->second.out, &block->second_gate, NULL, NULL);
}

/* y := joint attention of the normed rows in scratch_a, each stream's rows projected by its own
 * weights, without bias; y[0] the text's, y[1] the image's. */
static enum status joint_attention(struct dit *dit, const struct dit_call *call,
                                   const struct dit_block *block, int64_t rows, struct tensor y[2])
{
    int heads = dit->config->heads / dit->shard.parts;
    int64_t own = dit_own(dit);
    enum token_set queries = block->layer.text_out ? TOKENS_ALL : TOKENS_IMAGE;
    struct tensor a = dit_view(dit, &dit->scratch_a, 0, rows, dit_channels(dit->config));
    struct tensor qkv = dit_view(dit, &dit->scratch_wide, 0, rows, 3 * own);
    struct tensor o = dit_view(dit, &dit->scratch_a, 0, rows, own); /* a is spent by then */
    struct tensor asking = dit_rows(dit, call, &qkv, queries);
    struct tensor answered = dit_rows(dit, call, &o, queries);
    for (int i = 0; i < 2; i++)
        if (dit_rows_of(dit, call, streams[i]) > 0)
            TRY(stream_qkv(dit, call, block, streams[i], &a, &qkv));
    struct dit_qkvo x = {
        .q = dit_heads(dit, &asking, 0, heads),
        .k = dit_heads(dit, &qkv, own, heads),
        .v = dit_heads(dit, &qkv, 2 * own, heads),
        .o = dit_heads(dit, &answered, 0, heads),
    };
    TRY(dit_attend(dit, call, block->site, &x));
    for (int i = 0; i < 2; i++) {
        struct tensor part = dit_rows(dit, call, &o, streams[i]);
        if (goes_on(block, streams[i]) && part.dim[1] > 0)
            TRY(dit_row_linear(call, "out", &y[i], &part, &stream_of(block, streams[i])->attn.out));
    }
    return ST_OK;
}

enum status dit_block_joint(struct dit *dit, const struct dit_call *call, int l, struct tensor *h)
{
    const struct dit_block *block = &dit->block[l];
    int64_t C = h->dim[2];
    int64_t text = dit_rows_of(dit, call, TOKENS_TEXT);
    int64_t image = dit_rows_of(dit, call, TOKENS_IMAGE);
    struct tensor all = dit_view(dit, &dit->scratch_a, 0, h->dim[1], C);
    struct tensor y[2] = {dit_view(dit, &dit->scratch_y, 0, text, C),
                          dit_view(dit, &dit->scratch_y, h->dim[0] * text * C, image, C)};
    if (block->layer.dual)
        TRY(second_attention(dit, call, block, h));
    TRY(joint_attention(dit, call, block, h->dim[1], y));
    for (int i = 0; i < 2; i++) {
        const struct dit_stream *s = stream_of(block, streams[i]);
        struct tensor rows = dit_rows(dit, call, h, streams[i]);
        struct tensor a = dit_rows(dit, call, &all, streams[i]);
        if (!goes_on(block, streams[i]) || rows.dim[1] == 0)
            continue;
        TRY(dit_add(call, &rows, &y[i], &s->attn.out, &s->attn_gate, &a, &s->mlp_norm));
        TRY(dit_mlp_rows(dit, call, s, &a, &y[i]));
        TRY(dit_add(call, &rows, &y[i], &s->fc2, &s->mlp_gate, &a,
                    dit_next_norm(dit, l, streams[i])));
    }
    return ST_OK;
}
