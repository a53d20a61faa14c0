/* SPDX-License-Identifier: Apache-2.0 */
/* Which parameter of a checkpoint goes where in a shard of the DiT: diffusers' names and shapes,
 * not file formats. */
#include "models/dit_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that a model asks for, while nothing is loaded. */
struct names {
    int n;
    int room;
    char (*name)[128];
};

struct loader {
    struct weights *weights;
    struct queue *q;
    struct arena *arena;
    enum dtype dtype;    /* of the tensors allocated next */
    struct names *names; /* not NULL: only collects names */
};

static enum status collect(struct names *names, const char *name)
{
    if (names->n == names->room) {
        int room = names->room ? 2 * names->room : 256;
        void *more = realloc(names->name, (size_t)room * sizeof *names->name);
        if (!more)
            return fail(ST_OOM, "names of %d parameters: no host memory", room);
        names->name = more;
        names->room = room;
    }
    snprintf(names->name[names->n++], sizeof *names->name, "%s", name);
    return ST_OK;
}

/* Allocates [rows, cols], or [cols] when rows is 0. */
static enum status load_alloc(struct loader *ld, int64_t rows, int64_t cols, struct tensor *out)
{
    int64_t dim[2] = {rows, cols};
    if (rows == 0)
        return arena_tensor(ld->arena, ld->dtype, 1, &cols, out);
    return arena_tensor(ld->arena, ld->dtype, 2, dim, out);
}

/* dst := rows and columns of parameter `name` of shape [rows, cols] (rows 0: a vector). */
static enum status load_slice(struct loader *ld, struct tensor dst, const char *name, int64_t rows,
                              int64_t cols, struct weights_slice slice)
{
    if (ld->names)
        return collect(ld->names, name);
    if (arena_measuring(ld->arena))
        return ST_OK;
    int64_t shape[2] = {rows, cols};
    return weights_fill(ld->weights, name, rows ? 2 : 1, rows ? shape : &cols, &slice, ld->q, &dst);
}

static enum status load_matrix(struct loader *ld, const char *name, int64_t rows, int64_t cols,
                               struct tensor *out)
{
    struct weights_slice whole = {0, rows, 0, cols};
    TRY(load_alloc(ld, rows, cols, out));
    return load_slice(ld, *out, name, rows, cols, whole);
}

static enum status load_vector(struct loader *ld, const char *name, int64_t count,
                               struct tensor *out)
{
    struct weights_slice whole = {0, 1, 0, count};
    TRY(load_alloc(ld, 0, count, out));
    return load_slice(ld, *out, name, 0, count, whole);
}

/* "<prefix>.weight" [rows, cols] and, where b is given, "<prefix>.bias" [rows]. */
static enum status load_linear(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                               struct tensor *w, struct tensor *b)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    TRY(load_matrix(ld, name, rows, cols, w));
    if (!b)
        return ST_OK;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return load_vector(ld, name, rows, b);
}

/* Rows of a linear layer, and the first row of ours that they become. */
struct row_part {
    int64_t begin, count, at;
};

static enum status load_rows(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                             struct row_part part, struct tensor *w, struct tensor *b)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    struct weights_slice slice = {part.begin, part.count, 0, cols};
    TRY(load_slice(ld, tensor_slice(w, 0, part.at, part.count), name, rows, cols, slice));
    if (!b)
        return ST_OK;
    snprintf(name, sizeof name, "%s.bias", prefix);
    struct weights_slice of_bias = {0, 1, part.begin, part.count};
    return load_slice(ld, tensor_slice(b, 0, part.at, part.count), name, 0, rows, of_bias);
}

/* The columns [begin, begin+count) of a linear layer, with its whole bias. */
static enum status load_columns(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                                int64_t begin, int64_t count, struct tensor *w, struct tensor *b)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    struct weights_slice slice = {0, rows, begin, count};
    TRY(load_alloc(ld, rows, count, w));
    TRY(load_slice(ld, *w, name, rows, cols, slice));
    snprintf(name, sizeof name, "%s.bias", prefix);
    return load_vector(ld, name, rows, b);
}

static enum status load_mlp(struct loader *ld, const char *prefix, int64_t in, int64_t mid,
                            struct dit_mlp *mlp)
{
    char name[256];
    snprintf(name, sizeof name, "%s.linear_1", prefix);
    TRY(load_linear(ld, name, mid, in, &mlp->w1, &mlp->b1));
    snprintf(name, sizeof name, "%s.linear_2", prefix);
    return load_linear(ld, name, mid, mid, &mlp->w2, &mlp->b2);
}

/* q, k and v of the shard's heads, one under the other, so that one product makes all three. */
static enum status load_qkv(struct loader *ld, const struct dit *dit, const char *block,
                            struct dit_block *b)
{
    static const char *const part_name[3] = {"to_q", "to_k", "to_v"};
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int64_t own = C / dit->shard.parts;
    TRY(load_alloc(ld, 3 * own, C, &b->qkv_w));
    if (c->attn_bias)
        TRY(load_alloc(ld, 0, 3 * own, &b->qkv_b));
    for (int i = 0; i < 3; i++) {
        char prefix[200];
        snprintf(prefix, sizeof prefix, "%s.attn1.%s", block, part_name[i]);
        struct row_part part = {own * dit->shard.part, own, i * own};
        TRY(load_rows(ld, prefix, C, C, part, &b->qkv_w, c->attn_bias ? &b->qkv_b : NULL));
    }
    return ST_OK;
}

static enum status load_cross(struct loader *ld, const struct dit *dit, const char *block,
                              struct dit_block *b)
{
    int64_t C = dit_channels(dit->config);
    bool bias = dit->config->attn_bias;
    char prefix[200];
    snprintf(prefix, sizeof prefix, "%s.attn2.to_q", block);
    TRY(load_linear(ld, prefix, C, C, &b->cross_q_w, bias ? &b->cross_q_b : NULL));
    TRY(load_alloc(ld, 2 * C, C, &b->cross_kv_w));
    if (bias)
        TRY(load_alloc(ld, 0, 2 * C, &b->cross_kv_b));
    for (int i = 0; i < 2; i++) {
        snprintf(prefix, sizeof prefix, "%s.attn2.%s", block, i ? "to_v" : "to_k");
        struct row_part all = {0, C, i * C};
        TRY(load_rows(ld, prefix, C, C, all, &b->cross_kv_w, bias ? &b->cross_kv_b : NULL));
    }
    snprintf(prefix, sizeof prefix, "%s.attn2.to_out.0", block);
    return load_linear(ld, prefix, C, C, &b->cross_out_w, &b->cross_out_b);
}

static enum status load_block(struct loader *ld, const struct dit *dit, int layer,
                              struct dit_block *b)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int64_t own = C / dit->shard.parts;
    int64_t own_mlp = c->mlp / dit->shard.parts;
    char block[64];
    char prefix[200];
    snprintf(block, sizeof block, "transformer_blocks.%d", layer);
    TRY(load_qkv(ld, dit, block, b));
    snprintf(prefix, sizeof prefix, "%s.attn1.to_out.0", block);
    TRY(load_columns(ld, prefix, C, C, own * dit->shard.part, own, &b->out_w, &b->out_b));
    if (c->cross)
        TRY(load_cross(ld, dit, block, b));
    snprintf(prefix, sizeof prefix, "%s.ff.net.0.proj", block);
    TRY(load_alloc(ld, own_mlp, C, &b->fc1_w));
    TRY(load_alloc(ld, 0, own_mlp, &b->fc1_b));
    struct row_part part = {own_mlp * dit->shard.part, own_mlp, 0};
    TRY(load_rows(ld, prefix, c->mlp, C, part, &b->fc1_w, &b->fc1_b));
    snprintf(prefix, sizeof prefix, "%s.ff.net.2", block);
    return load_columns(ld, prefix, C, c->mlp, own_mlp * dit->shard.part, own_mlp, &b->fc2_w,
                        &b->fc2_b);
}

/* The convolution of the patch embedding is a linear layer over (c, dy, dx), which is how its
 * weight is stored. */
static enum status load_embed(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    int64_t K = dit_features(c, c->in_channels);
    struct weights_slice whole = {0, C, 0, K};
    int64_t shape[4] = {C, c->in_channels, c->patch, c->patch};
    TRY(load_alloc(ld, C, K, &dit->embed_w));
    if (ld->names)
        TRY(collect(ld->names, "pos_embed.proj.weight"));
    else if (!arena_measuring(ld->arena))
        TRY(weights_fill(ld->weights, "pos_embed.proj.weight", 4, shape, &whole, ld->q,
                         &dit->embed_w));
    return load_vector(ld, "pos_embed.proj.bias", C, &dit->embed_b);
}

/* The checkpoint orders the projection's rows (dy, dx, c); ours are (c, dy, dx), like the latent's
 * tokens, so that the first in_channels are a leading slice and guidance and sampler never permute.
 */
static enum status load_head(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const char *prefix = c->modulation == DIT_ADALN_SINGLE ? "proj_out" : "proj_out_2";
    int64_t C = dit_channels(c);
    int pixels = dit_features(c, 1);
    int64_t rows = dit_features(c, c->out_channels);
    TRY(load_alloc(ld, rows, C, &dit->head_w));
    TRY(load_alloc(ld, 0, rows, &dit->head_b));
    for (int channel = 0; channel < c->out_channels; channel++)
        for (int pixel = 0; pixel < pixels; pixel++)
            TRY(load_rows(ld, prefix, rows, C,
                          (struct row_part){(int64_t)pixel * c->out_channels + channel, 1,
                                            (int64_t)channel * pixels + pixel},
                          &dit->head_w, &dit->head_b));
    return ST_OK;
}

static enum status load_modulator(struct loader *ld, const struct dit_config *c, const char *prefix,
                                  bool projection, struct dit_modulator *m)
{
    int64_t C = dit_channels(c);
    char name[200];
    snprintf(name, sizeof name, "%s.emb.timestep_embedder", prefix);
    TRY(load_mlp(ld, name, DIT_TIME_FEATURES, C, &m->time));
    if (c->classes > 0) {
        snprintf(name, sizeof name, "%s.emb.class_embedder.embedding_table.weight", prefix);
        TRY(load_matrix(ld, name, c->classes + 1, C, &m->labels));
    }
    if (!projection)
        return ST_OK;
    snprintf(name, sizeof name, "%s.linear", prefix);
    return load_linear(ld, name, MOD_PARTS * C, C, &m->w, &m->b);
}

/* adaLN-single: one modulator for all, a table for each block. */
static enum status load_single(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    TRY(load_modulator(ld, c, "adaln_single", true, &dit->modulator[0]));
    if (c->micro) {
        TRY(load_mlp(ld, "adaln_single.emb.resolution_embedder", DIT_TIME_FEATURES, C / 3,
                     &dit->resolution));
        TRY(load_mlp(ld, "adaln_single.emb.aspect_ratio_embedder", DIT_TIME_FEATURES, C / 3,
                     &dit->aspect));
    }
    if (dit->layers > 0)
        TRY(load_alloc(ld, dit->layers, MOD_PARTS * C, &dit->table));
    for (int l = 0; l < dit->layers; l++) {
        char name[96];
        snprintf(name, sizeof name, "transformer_blocks.%d.scale_shift_table",
                 dit->shard.layer_begin + l);
        struct weights_slice whole = {0, MOD_PARTS, 0, C};
        TRY(load_slice(ld, tensor_slice(&dit->table, 0, l, 1), name, MOD_PARTS, C, whole));
    }
    if (dit->shard.head)
        TRY(load_matrix(ld, "scale_shift_table", 2, C, &dit->head_table));
    return ST_OK;
}

/* adaLN-zero: a modulator in every block; the head uses block 0's embedder with a projection of its
 * own. */
static enum status load_zero(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    int64_t C = dit_channels(c);
    for (int m = 0; m < dit->modulators; m++) {
        bool of_head = m == dit->layers;
        char prefix[96];
        snprintf(prefix, sizeof prefix, "transformer_blocks.%d.norm1",
                 of_head ? 0 : dit->shard.layer_begin + m);
        TRY(load_modulator(ld, c, prefix, !of_head, &dit->modulator[m]));
    }
    if (dit->shard.head)
        TRY(load_linear(ld, "proj_out_1", 2 * C, C, &dit->head_mod_w, &dit->head_mod_b));
    return ST_OK;
}

static enum status load_all(struct loader *loader, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    struct loader ld = *loader;
    struct arena *arena = ld.arena;
    bool single = c->modulation == DIT_ADALN_SINGLE;

    dit->modulators = single ? 1 : dit->layers + (dit->shard.head ? 1 : 0);
    TRY(arena_host(arena, sizeof(*dit->modulator) * (size_t)(dit->modulators + 1),
                   (void **)&dit->modulator));
    TRY(arena_host(arena, sizeof(*dit->block) * (size_t)(dit->layers + 1), (void **)&dit->block));
    if (dit->shard.embed)
        TRY(load_embed(&ld, dit));
    if (c->text_dim > 0 && dit->layers > 0)
        TRY(load_mlp(&ld, "caption_projection", c->text_dim, dit_channels(c), &dit->text));
    for (int l = 0; l < dit->layers; l++)
        TRY(load_block(&ld, dit, dit->shard.layer_begin + l, &dit->block[l]));
    if (dit->shard.head)
        TRY(load_head(&ld, dit));
    ld.dtype = DTYPE_F32;
    return single ? load_single(&ld, dit) : load_zero(&ld, dit);
}

enum status dit_load(struct dit *dit, struct weights *weights, struct queue *q, struct arena *arena)
{
    struct loader ld = {weights, q, arena, dit->extent.dtype, NULL};
    TRY(load_all(&ld, dit));
    return arena_measuring(arena) ? ST_OK : queue_sync(q); // other queues may use them at once
}

static bool has_name(const struct names *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0)
            return true;
    return false;
}

/* What older checkpoints carry besides: a table of positions, which is computed here, and an
 * embedding for dropped captions, which only training uses. */
static bool is_inert(const char *name)
{
    return strcmp(name, "pos_embed.pos_embed") == 0 ||
           strcmp(name, "caption_projection.y_embedding") == 0;
}

static enum status check_names(const struct weights *weights, const struct names *names)
{
    const char *name;
    for (int i = 0; (name = weights_name_at(weights, i)); i++)
        if (!has_name(names, name) && !is_inert(name))
            return fail(
                ST_INVALID,
                "tensor \"%.200s\": the model has no use for it; its config.json says other "
                "layers or flags than the weights have",
                name);
    return ST_OK;
}

enum status dit_check_weights(const struct dit_config *config, const struct weights *weights)
{
    struct names names = {0};
    struct dit dit = {.config = config, .layers = config->layers};
    struct loader ld = {.names = &names};
    dit.shard =
        (struct dit_shard){.layer_end = config->layers, .parts = 1, .embed = true, .head = true};
    enum status st = arena_open(NULL, ARENA_WEIGHTS, &ld.arena);
    if (st == ST_OK)
        st = load_all(&ld, &dit);
    if (st == ST_OK)
        st = check_names(weights, &names);
    arena_close(ld.arena);
    free(names.name);
    return st == ST_OK ? st : fail_prefix(st, "%s", config->name);
}
