/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of one block in a shard of the DiT, by its kind. What is around the blocks is in
 * dit_weights.c. */
#include "models/dit_load.h"
#include "models/dit_names.h"

#include <stdio.h>

/* A block that is being loaded. */
struct block_loader {
    struct loader *ld;
    const struct dit *dit;
    const struct dit_block_names *names;
    char prefix[64];
};

static struct load_name in_block(const struct block_loader *bl, const char *name)
{
    return load_join(bl->prefix, name);
}

static struct load_name in_attention(const struct block_loader *bl,
                                     const struct dit_attention_names *attn, const char *name)
{
    struct load_name prefix = load_join(bl->prefix, attn->name);
    return load_join(prefix.text, name);
}

/* ---- attention ---- */

/* q, k and v of the shard's heads, one under the other, so that one product makes all three. */
static enum status load_qkv(struct block_loader *bl, const struct dit_attention_names *attn,
                            bool text, struct dit_linear *qkv)
{
    const struct dit_config *c = bl->dit->config;
    const char *part[3] = {attn->q, attn->k, attn->v};
    const char *of_text[3] = {attn->add_q, attn->add_k, attn->add_v};
    int64_t C = dit_channels(c);
    int64_t own = C / bl->dit->shard.parts;
    TRY(load_room(bl->ld, 3 * own, C, c->attn_bias, qkv));
    for (int i = 0; i < 3; i++) {
        struct load_name name = in_attention(bl, attn, text ? of_text[i] : part[i]);
        struct load_part rows = {own * bl->dit->shard.part, own, i * own};
        TRY(load_rows(bl->ld, name.text, C, C, rows, qkv));
    }
    return ST_OK;
}

static enum status load_head_norm(struct block_loader *bl, const struct dit_attention_names *attn,
                                  bool text, struct dit_head_norm *norm)
{
    const struct dit_config *c = bl->dit->config;
    bool bias = c->qk_norm == DIT_QK_LAYER;
    if (c->qk_norm == DIT_QK_PLAIN)
        return ST_OK;
    struct load_name q = in_attention(bl, attn, text ? attn->add_q_norm : attn->q_norm);
    struct load_name k = in_attention(bl, attn, text ? attn->add_k_norm : attn->k_norm);
    TRY(load_affine(bl->ld, q.text, c->head_dim, &norm->q, bias ? &norm->q_bias : NULL));
    return load_affine(bl->ld, k.text, c->head_dim, &norm->k, bias ? &norm->k_bias : NULL);
}

/* The columns of the shard's heads, or hidden columns; the bias whole. */
static enum status load_out(struct block_loader *bl, const char *prefix, int64_t cols, int64_t own,
                            struct dit_linear *out)
{
    int64_t C = dit_channels(bl->dit->config);
    struct load_part part = {own * bl->dit->shard.part, own, 0};
    TRY(load_room(bl->ld, C, own, true, out));
    TRY(load_columns(bl->ld, prefix, C, cols, part, out));
    return load_bias(bl->ld, prefix, C, out);
}

/* Self-attention, or a stream's part of joint attention. */
static enum status load_attention(struct block_loader *bl, const struct dit_attention_names *attn,
                                  bool text, struct dit_attention *out)
{
    int64_t C = dit_channels(bl->dit->config);
    struct load_name name = in_attention(bl, attn, text ? attn->add_out : attn->out);
    TRY(load_qkv(bl, attn, text, &out->qkv));
    TRY(load_head_norm(bl, attn, text, &out->norm));
    return load_out(bl, name.text, C, C / bl->dit->shard.parts, &out->out);
}

/* Text that gives keys and values only. Its checkpoints have the parameters of queries, too. */
static enum status load_last_text(struct block_loader *bl, struct dit_attention *out)
{
    TRY(load_qkv(bl, &bl->names->attention, true, &out->qkv));
    return load_head_norm(bl, &bl->names->attention, true, &out->norm);
}

static enum status load_cross(struct block_loader *bl, struct dit_cross *cross)
{
    const struct dit_config *c = bl->dit->config;
    const struct dit_attention_names *attn = &bl->names->second;
    int64_t C = dit_channels(c);
    int64_t width = dit_cross_width(c);
    struct load_name q = in_attention(bl, attn, attn->q);
    struct load_name out = in_attention(bl, attn, attn->out);
    if (c->affine) {
        struct load_name norm = in_block(bl, bl->names->norm_cross);
        TRY(load_affine(bl->ld, norm.text, C, &cross->norm.weight, &cross->norm.bias));
        cross->norm.eps = c->norm_eps;
    }
    TRY(load_linear(bl->ld, q.text, C, C, c->attn_bias, &cross->q));
    TRY(load_room(bl->ld, 2 * C, width, c->attn_bias, &cross->kv));
    for (int i = 0; i < 2; i++) {
        struct load_name name = in_attention(bl, attn, i ? attn->v : attn->k);
        struct load_part all = {0, C, i * C};
        TRY(load_rows(bl->ld, name.text, C, width, all, &cross->kv));
    }
    TRY(load_head_norm(bl, attn, false, &cross->head_norm));
    return load_linear(bl->ld, out.text, C, C, true, &cross->out);
}

/* ---- MLP ---- */

static enum status load_fc1(struct block_loader *bl, const char *name, struct dit_linear *fc1)
{
    const struct dit_config *c = bl->dit->config;
    int64_t own = c->mlp / bl->dit->shard.parts;
    struct load_name prefix = in_block(bl, name);
    struct load_part part = {own * bl->dit->shard.part, own, 0};
    TRY(load_room(bl->ld, own, dit_channels(c), true, fc1));
    return load_rows(bl->ld, prefix.text, c->mlp, dit_channels(c), part, fc1);
}

static enum status load_mlp_rows(struct block_loader *bl, const char *in, const char *out,
                                 struct dit_stream *s)
{
    const struct dit_config *c = bl->dit->config;
    struct load_name prefix = in_block(bl, out);
    TRY(load_fc1(bl, in, &s->fc1));
    return load_out(bl, prefix.text, c->mlp, c->mlp / bl->dit->shard.parts, &s->fc2);
}

/* ---- blocks by kind ---- */

/* One product takes attention's columns and the MLP's: of both this shard's own. */
static enum status load_parallel(struct block_loader *bl, struct dit_stream *s)
{
    const struct dit_config *c = bl->dit->config;
    const struct dit_shard *shard = &bl->dit->shard;
    int64_t C = dit_channels(c);
    int64_t own = C / shard->parts;
    int64_t mlp = c->mlp / shard->parts;
    struct load_name out = in_block(bl, bl->names->joined_out);
    struct load_part heads = {own * shard->part, own, 0};
    struct load_part hidden = {C + mlp * shard->part, mlp, own};
    TRY(load_qkv(bl, &bl->names->attention, false, &s->attn.qkv));
    TRY(load_head_norm(bl, &bl->names->attention, false, &s->attn.norm));
    TRY(load_fc1(bl, bl->names->mlp_in, &s->fc1));
    TRY(load_room(bl->ld, C, own + mlp, true, &s->attn.out));
    TRY(load_columns(bl->ld, out.text, C, C + c->mlp, heads, &s->attn.out));
    TRY(load_columns(bl->ld, out.text, C, C + c->mlp, hidden, &s->attn.out));
    return load_bias(bl->ld, out.text, C, &s->attn.out);
}

static enum status load_joint(struct block_loader *bl, struct dit_block *b)
{
    const struct dit_block_names *n = bl->names;
    TRY(load_attention(bl, &n->attention, false, &b->image.attn));
    TRY(load_mlp_rows(bl, n->mlp_in, n->mlp_out, &b->image));
    if (b->layer.dual)
        TRY(load_attention(bl, &n->second, false, &b->second));
    if (!b->layer.text_out)
        return load_last_text(bl, &b->text.attn);
    TRY(load_attention(bl, &n->attention, true, &b->text.attn));
    return load_mlp_rows(bl, n->text_mlp_in, n->text_mlp_out, &b->text);
}

static enum status load_single_stream(struct block_loader *bl, struct dit_block *b)
{
    TRY(load_attention(bl, &bl->names->attention, false, &b->image.attn));
    if (bl->dit->config->cross && b->layer.kind == DIT_SEQUENTIAL)
        TRY(load_cross(bl, &b->cross));
    return load_mlp_rows(bl, bl->names->mlp_in, bl->names->mlp_out, &b->image);
}

static enum status load_norms(struct block_loader *bl, struct dit_block *b)
{
    const struct dit_block_names *n = bl->names;
    int64_t C = dit_channels(bl->dit->config);
    if (bl->dit->config->affine) {
        struct load_name attn = in_block(bl, n->norm_attn);
        struct load_name mlp = in_block(bl, n->norm_mlp);
        TRY(load_affine(bl->ld, attn.text, C, &b->image.attn_norm.weight,
                        &b->image.attn_norm.bias));
        TRY(load_affine(bl->ld, mlp.text, C, &b->image.mlp_norm.weight, &b->image.mlp_norm.bias));
    }
    if (b->layer.skip_from < 0)
        return ST_OK;
    struct load_name norm = in_block(bl, n->skip_norm);
    struct load_name skip = in_block(bl, n->skip);
    b->skip_norm.eps = bl->dit->config->norm_eps;
    TRY(load_affine(bl->ld, norm.text, 2 * C, &b->skip_norm.weight, &b->skip_norm.bias));
    return load_linear(bl->ld, skip.text, C, 2 * C, true, &b->skip);
}

enum status dit_load_block(struct loader *ld, struct dit *dit, int l)
{
    struct block_loader bl = {.ld = ld, .dit = dit};
    struct dit_block *b = &dit->block[l];
    bl.names = &dit_names_of(dit->config->naming)->of[b->layer.kind];
    snprintf(bl.prefix, sizeof bl.prefix, bl.names->block, b->layer.index);
    TRY(load_norms(&bl, b));
    if (b->layer.kind == DIT_PARALLEL)
        return load_parallel(&bl, &b->image);
    return b->layer.kind == DIT_JOINT ? load_joint(&bl, b) : load_single_stream(&bl, b);
}
