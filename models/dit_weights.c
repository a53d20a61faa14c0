/* SPDX-License-Identifier: Apache-2.0 */
/* Which parameter of a checkpoint goes where in a shard of the DiT: shapes and shares, by the names
 * of dit_names.h. Not file formats. */
#include "models/dit_load.h"
#include "models/dit_names.h"
#include "models/dit_position.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- around the blocks ---- */

/* The convolution of the patch embedding is a linear layer over (c, dy, dx), which is how its
 * weight is stored. */
static enum status load_embed(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const char *prefix = dit_names_of(c->naming)->embed;
    struct load_name weight = load_join(prefix, "weight");
    int64_t C = dit_channels(c);
    int64_t K = dit_features(c, c->in_channels);
    struct weights_slice whole = {0, C, 0, K};
    int64_t packed[2] = {C, K};
    int64_t shape[4] = {C, c->in_channels, c->patch, c->patch};
    TRY(load_room(ld, C, K, true, &dit->embed));
    TRY(load_shaped(ld, dit->embed.w, weight.text, c->packed ? 2 : 4, c->packed ? packed : shape,
                    whole));
    return load_bias(ld, prefix, C, &dit->embed);
}

/* A row of the table, made here: where weights are not read from a file. */
static enum status make_table_row(struct loader *ld, const struct dit *dit, int index,
                                  const struct tensor *to)
{
    int64_t C = dit_channels(dit->config);
    float *row = malloc((size_t)C * sizeof *row);
    if (!row)
        return fail(ST_OOM, "positions: no host memory");
    dit_position_table_row(dit->config, index, row);
    struct tensor from = tensor_of(row, NULL, DTYPE_F32, 1, &C);
    struct tensor at = *to;
    enum status st = op_copy(ld->q, &at, &from);
    if (st == ST_OK)
        st = queue_sync(ld->q);
    free(row);
    return st;
}

/* The image tokens' rows of a table [1, side^2, C] that is a weight. */
static enum status load_table(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const char *name = dit_names_of(c->naming)->positions;
    int64_t C = dit_channels(c);
    int64_t shape[3] = {1, (int64_t)c->table_side * c->table_side, C};
    int rows = dit->extent.height / c->patch;
    int columns = dit->extent.width / c->patch;
    int top;
    int left;
    int at = 0;
    struct loader exact = *ld;
    exact.dtype = DTYPE_F32;
    if (ld->names)
        return load_named(ld, name, 3, shape);
    TRY(dit_position_crop(c, rows, columns, &top, &left));
    TRY(load_alloc(&exact, span_count(&dit->image), C, &dit->positions));
    for (int r = 0; r < dit->image.n && !arena_measuring(ld->arena); r++)
        for (int t = 0; t < dit->image.run[r].count; t++, at++) {
            int token = dit->image.run[r].begin + t;
            int index = (top + token / columns) * c->table_side + left + token % columns;
            struct tensor to = tensor_at(&dit->positions, at);
            struct weights_slice slice = {0, 1, index * C, C};
            if (weights_name_at(ld->weights, 0))
                TRY(load_shaped(&exact, to, name, 3, shape, slice));
            else
                TRY(make_table_row(&exact, dit, index, &to));
        }
    return ST_OK;
}

/* A checkpoint orders the projection's rows (dy, dx, c), but where patches are packed; ours are (c,
 * dy, dx), like the latent's tokens, so that the first in_channels are a leading slice and guidance
 * and sampler never permute. */
static enum status load_head(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const char *prefix = dit_names_of(c->naming)->head;
    int64_t C = dit_channels(c);
    int pixels = dit_features(c, 1);
    int64_t rows = dit_features(c, c->out_channels);
    dit->head_norm.eps = 1e-6f;
    if (c->packed)
        return load_linear(ld, prefix, rows, C, true, &dit->head);
    TRY(load_room(ld, rows, C, true, &dit->head));
    for (int channel = 0; channel < c->out_channels; channel++)
        for (int pixel = 0; pixel < pixels; pixel++)
            TRY(load_rows(ld, prefix, rows, C,
                          (struct load_part){(int64_t)pixel * c->out_channels + channel, 1,
                                             (int64_t)channel * pixels + pixel},
                          &dit->head));
    return ST_OK;
}

static enum status load_text(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const struct dit_names *n = dit_names_of(c->naming);
    int64_t wide = 4 * (int64_t)c->text2_dim;
    if (c->joint)
        return dit->shard.embed
                   ? load_linear(ld, n->text, dit_channels(c), c->text_dim, true, &dit->text)
                   : ST_OK;
    if (c->text_dim == 0 || dit->layers == 0)
        return ST_OK;
    if (c->text2_dim == 0)
        return load_mlp(ld, n->text_mlp, c->text_dim, dit_channels(c), dit_channels(c),
                        &dit->text_mlp);
    TRY(load_mlp(ld, n->text2_mlp, c->text2_dim, wide, c->text_dim, &dit->text2_mlp));
    return load_matrix(ld, n->text_padding, c->text_tokens + c->text2_tokens, c->text_dim,
                       &dit->text_padding);
}

/* ---- conditioning, fp32 ---- */

static enum status load_pool(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const struct dit_names *n = dit_names_of(c->naming);
    struct dit_pool *pool = &dit->pool;
    int64_t D2 = c->text2_dim;
    TRY(load_matrix(ld, n->pool_positions, c->text2_tokens + 1, D2, &pool->positions));
    TRY(load_linear(ld, n->pool_q, D2, D2, true, &pool->q));
    TRY(load_linear(ld, n->pool_k, D2, D2, true, &pool->k));
    TRY(load_linear(ld, n->pool_v, D2, D2, true, &pool->v));
    return load_linear(ld, n->pool_out, c->pooled_dim, D2, true, &pool->out);
}

/* What one embedder of the model is told besides the time. */
static enum status load_conditions(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const struct dit_names *n = dit_names_of(c->naming);
    int64_t C = dit_channels(c);
    if (c->micro) {
        TRY(load_mlp(ld, n->resolution, DIT_TIME_FEATURES, C / 3, C / 3, &dit->resolution));
        TRY(load_mlp(ld, n->aspect, DIT_TIME_FEATURES, C / 3, C / 3, &dit->aspect));
    }
    if (c->guidance_in)
        TRY(load_mlp(ld, n->guidance, DIT_TIME_FEATURES, C, C, &dit->guidance));
    if (c->pooled_dim > 0)
        TRY(load_mlp(ld, n->pooled, c->pooled_dim, c->text2_dim > 0 ? 4 * C : C, C, &dit->pooled));
    return c->text2_dim > 0 ? load_pool(ld, dit) : ST_OK;
}

/* adaLN-single: one modulator for all, a table for each block. */
static enum status load_single(struct loader *ld, struct dit *dit)
{
    const struct dit_names *n = dit_names_of(dit->config->naming);
    int64_t C = dit_channels(dit->config);
    TRY(load_linear(ld, n->mod, 6 * C, C, true, &dit->modulator[0].linear));
    if (dit->layers > 0)
        TRY(load_alloc(ld, dit->layers, 6 * C, &dit->table));
    for (int l = 0; l < dit->layers; l++) {
        const struct dit_layer *layer = &dit->block[l].layer;
        char prefix[64];
        snprintf(prefix, sizeof prefix, n->of[layer->kind].block, layer->index);
        struct load_name name = load_join(prefix, n->of[layer->kind].table);
        struct weights_slice whole = {0, 6, 0, C};
        TRY(load_slice(ld, tensor_slice(&dit->table, 0, l, 1), name.text, 6, C, whole));
    }
    return dit->shard.head ? load_matrix(ld, n->head_table, 2, C, &dit->head_table) : ST_OK;
}

/* adaLN-zero: an embedder and a projection in every block; the head uses block 0's embedder with a
 * projection of its own. */
static enum status load_zero(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    const struct dit_names *n = dit_names_of(c->naming);
    const struct dit_block_names *block = &n->of[DIT_SEQUENTIAL];
    int64_t C = dit_channels(c);
    for (int m = 0; m < dit->modulators; m++) {
        bool of_head = m == dit->layers;
        struct dit_modulator *to = &dit->modulator[m];
        char prefix[64];
        snprintf(prefix, sizeof prefix, block->block, of_head ? 0 : dit->shard.layer_begin + m);
        struct load_name time = load_join(prefix, block->time);
        struct load_name labels = load_join(prefix, block->labels);
        struct load_name linear = load_join(prefix, block->mod);
        TRY(load_mlp(ld, time.text, DIT_TIME_FEATURES, C, C, &to->time));
        TRY(load_matrix(ld, labels.text, c->classes + 1, C, &to->labels));
        if (!of_head)
            TRY(load_linear(ld, linear.text, 6 * C, C, true, &to->linear));
    }
    return dit->shard.head ? load_linear(ld, n->head_mod, 2 * C, C, true, &dit->head_project)
                           : ST_OK;
}

/* One embedder, a projection for each stream of each block, and the head's: one under the other, so
 * that one product makes all modulations of a step. */
static enum status load_projections(struct loader *ld, struct dit *dit)
{
    static const enum token_set streams[2] = {TOKENS_IMAGE, TOKENS_TEXT};
    const struct dit_names *n = dit_names_of(dit->config->naming);
    int64_t C = dit_channels(dit->config);
    struct load_part part = {0};
    struct loader model = *ld;
    model.dtype = dit->extent.dtype;
    TRY(load_room(&model, dit_modulation_rows(dit), C, true, &dit->project));
    for (int l = 0; l < dit->layers; l++)
        for (int i = 0; i < 2; i++) {
            const struct dit_layer *layer = &dit->block[l].layer;
            const struct dit_block_names *block = &n->of[layer->kind];
            char prefix[64];
            snprintf(prefix, sizeof prefix, block->block, layer->index);
            part.count = dit_modulation_parts(dit, l, streams[i]) * C;
            if (part.count == 0)
                continue;
            struct load_name name = load_join(prefix, i ? block->text_mod : block->mod);
            TRY(load_rows(&model, name.text, part.count, C, part, &dit->project));
            part.at += part.count;
        }
    part.count = 2 * C;
    return dit->shard.head ? load_rows(&model, n->head_mod, part.count, C, part, &dit->project)
                           : ST_OK;
}

static enum status load_conditioning(struct loader *ld, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    bool zero = c->modulation == DIT_ADALN_ZERO;
    dit->modulators = zero ? dit->layers + (dit->shard.head ? 1 : 0) : 1;
    TRY(arena_host(ld->arena, sizeof(*dit->modulator) * (size_t)(dit->modulators + 1),
                   (void **)&dit->modulator));
    if (zero)
        return load_zero(ld, dit);
    TRY(load_mlp(ld, dit_names_of(c->naming)->time, DIT_TIME_FEATURES, dit_channels(c),
                 dit_channels(c), &dit->modulator[0].time));
    TRY(load_conditions(ld, dit));
    return c->modulation == DIT_ADALN_SINGLE ? load_single(ld, dit) : load_projections(ld, dit);
}

/* ---- all ---- */

static enum status load_all(struct loader *loader, struct dit *dit)
{
    const struct dit_config *c = dit->config;
    struct loader ld = *loader;
    TRY(arena_host(ld.arena, sizeof(*dit->block) * (size_t)(dit->layers + 1),
                   (void **)&dit->block));
    if (dit->shard.embed)
        TRY(load_embed(&ld, dit));
    if (dit->shard.embed && c->position == DIT_POSITION_TABLE)
        TRY(load_table(&ld, dit));
    TRY(load_text(&ld, dit));
    for (int l = 0; l < dit->layers; l++) {
        dit_describe_block(dit, l);
        TRY(dit_load_block(&ld, dit, l));
    }
    if (dit->shard.head)
        TRY(load_head(&ld, dit));
    ld.dtype = DTYPE_F32;
    return load_conditioning(&ld, dit);
}

enum status dit_load(struct dit *dit, struct weights *weights, struct queue *q, struct arena *arena)
{
    struct loader ld = {weights, q, arena, dit->extent.dtype, NULL};
    TRY(load_all(&ld, dit));
    return arena_measuring(arena) ? ST_OK : queue_sync(q); // other queues may use them at once
}

static bool has_name(const struct load_names *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0)
            return true;
    return false;
}

static bool is_inert(const struct dit_names *names, const char *name)
{
    for (int i = 0; i < DIT_NAMES_INERT && names->inert[i]; i++)
        if (strcmp(name, names->inert[i]) == 0)
            return true;
    return false;
}

static enum status check_names(const struct dit_config *config, const struct weights *weights,
                               const struct load_names *names)
{
    const char *name;
    for (int i = 0; (name = weights_name_at(weights, i)); i++)
        if (!has_name(names, name) && !is_inert(dit_names_of(config->naming), name))
            return fail(
                ST_INVALID,
                "tensor \"%.200s\": the model has no use for it; its config.json says other "
                "layers or flags than the weights have",
                name);
    return ST_OK;
}

enum status dit_check_weights(const struct dit_config *config, const struct weights *weights)
{
    struct load_names names = {0};
    struct dit dit = {.config = config, .layers = config->layers};
    struct loader ld = {.weights = (struct weights *)weights, .names = &names};
    dit.shard =
        (struct dit_shard){.layer_end = config->layers, .parts = 1, .embed = true, .head = true};
    enum status st = arena_open(NULL, ARENA_WEIGHTS, &ld.arena);
    if (st == ST_OK)
        st = load_all(&ld, &dit);
    if (st == ST_OK)
        st = check_names(config, weights, &names);
    arena_close(ld.arena);
    free(names.name);
    return st == ST_OK ? st : fail_prefix(st, "%s", config->name);
}
