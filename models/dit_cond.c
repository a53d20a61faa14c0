/* SPDX-License-Identifier: Apache-2.0 */
/* What a DiT is told besides latent and text rows: timestep, label, micro-conditions, pooled text,
 * guidance; and the modulations made of it. Not the blocks that use them. */
#include "models/dit_internal.h"

#include "models/dit_names.h"

/* ---- which vectors a block's modulation has ---- */

int dit_modulation_parts(const struct dit *dit, int l, enum token_set stream)
{
    const struct dit_layer *layer = &dit->block[l].layer;
    bool text = stream == TOKENS_TEXT;
    if (text && layer->kind != DIT_JOINT)
        return 0;
    if (dit->config->modulation == DIT_ADALN_SHIFT)
        return 1;
    if (layer->kind == DIT_PARALLEL)
        return 3;
    if (text)
        return layer->text_out ? 6 : 2;
    return layer->dual ? 9 : 6;
}

int64_t dit_modulation_rows(const struct dit *dit)
{
    int64_t parts = dit->shard.head ? 2 : 0;
    for (int l = 0; l < dit->layers; l++)
        parts +=
            dit_modulation_parts(dit, l, TOKENS_IMAGE) + dit_modulation_parts(dit, l, TOKENS_TEXT);
    return parts * dit_channels(dit->config);
}

/* ---- memory ---- */

static enum status alloc3(struct arena *arena, enum dtype dtype, int64_t a, int64_t b, int64_t c,
                          struct tensor *out)
{
    int64_t dim[3] = {a, b, c};
    return arena_tensor(arena, dtype, 3, dim, out);
}

static enum status alloc2(struct arena *arena, int64_t a, int64_t b, struct tensor *out)
{
    int64_t dim[2] = {a, b};
    return arena_tensor(arena, DTYPE_F32, 2, dim, out);
}

static bool is_projected(const struct dit *dit)
{
    enum dit_modulation kind = dit->config->modulation;
    return kind == DIT_ADALN_SHARED || kind == DIT_ADALN_SHIFT;
}

static enum status modulation_init(struct dit *dit, struct arena *arena)
{
    int64_t B = dit->extent.lanes;
    int64_t C = dit_channels(dit->config);
    if (is_projected(dit))
        return alloc2(arena, B, dit_modulation_rows(dit), &dit->mod);
    TRY(alloc2(arena, B, 6 * C, &dit->single));
    TRY(alloc3(arena, DTYPE_F32, dit->layers, B, 6 * C, &dit->mod));
    return dit->shard.head ? alloc3(arena, DTYPE_F32, 2, B, C, &dit->head_mod) : ST_OK;
}

static enum status conditions_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t B = dit->extent.lanes;
    int64_t C = dit_channels(c);
    if (c->micro) {
        TRY(alloc2(arena, 2 * B, C / 3, &dit->micro1));
        TRY(alloc2(arena, 2 * B, C / 3, &dit->micro2));
    }
    if (c->pooled_dim > 0) {
        TRY(alloc2(arena, B, c->pooled_dim, &dit->pooled_in));
        TRY(alloc2(arena, B, c->text2_dim > 0 ? 4 * C : C, &dit->pooled_mid));
    }
    return arena_host(arena, sizeof(float) * (size_t)B * 4, (void **)&dit->host);
}

/* ---- the blocks' views of the step's modulation ---- */

/* Vector `part` of [B, parts*C] columns from `column` on. */
static struct tensor vector_of(const struct dit *dit, const struct tensor *mod, int64_t column,
                               int part)
{
    int64_t C = dit_channels(dit->config);
    return tensor_slice(mod, 1, column + part * C, C);
}

/* In the order in which checkpoints have them. */
static void set_stream(const struct dit *dit, const struct tensor *mod, int64_t column, int parts,
                       struct dit_stream *s)
{
    bool last_text = parts == 2;
    s->attn_norm.shift = vector_of(dit, mod, column, last_text ? 1 : 0);
    if (parts > 1)
        s->attn_norm.scale = vector_of(dit, mod, column, last_text ? 0 : 1);
    if (parts > 2)
        s->attn_gate = vector_of(dit, mod, column, 2);
    if (parts < 6)
        return;
    s->mlp_norm.shift = vector_of(dit, mod, column, 3);
    s->mlp_norm.scale = vector_of(dit, mod, column, 4);
    s->mlp_gate = vector_of(dit, mod, column, 5);
}

static void set_block(struct dit *dit, int l, const struct tensor *mod, int64_t *column)
{
    const struct dit_config *c = dit->config;
    struct dit_block *b = &dit->block[l];
    int image = dit_modulation_parts(dit, l, TOKENS_IMAGE);
    int text = dit_modulation_parts(dit, l, TOKENS_TEXT);
    /* diffusers' norm before attention fixes its own epsilon but with adaLN-single */
    float eps = c->modulation == DIT_ADALN_SINGLE ? c->norm_eps : 1e-6f;
    b->image.attn_norm.eps = b->text.attn_norm.eps = b->second_norm.eps = eps;
    b->image.mlp_norm.eps = b->text.mlp_norm.eps = c->norm_eps;
    set_stream(dit, mod, *column, image, &b->image);
    if (b->layer.dual) {
        b->second_norm.shift = vector_of(dit, mod, *column, 6);
        b->second_norm.scale = vector_of(dit, mod, *column, 7);
        b->second_gate = vector_of(dit, mod, *column, 8);
    }
    *column += image * (int64_t)dit_channels(c);
    if (text > 0)
        set_stream(dit, mod, *column, text, &b->text);
    *column += text * (int64_t)dit_channels(c);
}

static void set_views(struct dit *dit)
{
    int64_t C = dit_channels(dit->config);
    int64_t column = 0;
    int first = dit_names_of(dit->config->naming)->head_scale_first ? 1 : 0; /* where shift is */
    for (int l = 0; l < dit->layers; l++) {
        struct tensor layer = is_projected(dit) ? dit->mod : tensor_at(&dit->mod, l);
        column = is_projected(dit) ? column : 0;
        set_block(dit, l, &layer, &column);
    }
    if (!dit->shard.head)
        return;
    if (dit->config->modulation == DIT_ADALN_SINGLE) {
        dit->head_norm.shift = tensor_at(&dit->head_mod, 0);
        dit->head_norm.scale = tensor_at(&dit->head_mod, 1);
        return;
    }
    int64_t dim[2] = {dit->extent.lanes, 2 * C};
    struct tensor both = is_projected(dit) ? tensor_slice(&dit->mod, 1, column, 2 * C)
                                           : tensor_reshape(&dit->head_mod, 2, dim);
    dit->head_norm.shift = vector_of(dit, &both, 0, first);
    dit->head_norm.scale = vector_of(dit, &both, 0, 1 - first);
}

enum status dit_cond_init(struct dit *dit, struct arena *arena)
{
    int64_t B = dit->extent.lanes;
    int64_t C = dit_channels(dit->config);
    TRY(alloc3(arena, DTYPE_F32, dit->modulators, B, C, &dit->fixed));
    TRY(alloc2(arena, 2 * B, DIT_TIME_FEATURES, &dit->time_f));
    TRY(alloc2(arena, B, C, &dit->emb1));
    TRY(alloc2(arena, B, C, &dit->emb));
    TRY(alloc2(arena, B, C, &dit->emb_act));
    TRY(conditions_init(dit, arena));
    TRY(modulation_init(dit, arena));
    set_views(dit);
    return ST_OK;
}

/* ---- once a loop ---- */

enum status dit_mlp_forward(struct queue *q, const struct dit_mlp *mlp, enum act act,
                            const struct tensor *x, struct tensor *mid, struct tensor *out)
{
    TRY(op_linear(q, mid, x, &mlp->in.w, &mlp->in.b, act));
    return op_linear(q, out, mid, &mlp->out.w, &mlp->out.b, ACT_NONE);
}

/* features [count, 256] := those of `values` on the host. staged: room for them on the device. */
static enum status number_features(struct dit *dit, float *values, int64_t count, void *staged,
                                   struct queue *q, struct tensor *features)
{
    struct tensor host = tensor_of(values, NULL, DTYPE_F32, 1, &count);
    struct tensor at = tensor_of(staged, dit->time_f.dev, DTYPE_F32, 1, &count);
    *features = tensor_slice(&dit->time_f, 0, 0, count);
    TRY(op_copy(q, &at, &host));
    return op_timestep(q, features, &at, dit->config->freq_shift);
}

/* `values` (n of them per lane, lane-major) through sinusoids and an embedder, into columns of
 * fixed[0] from `column`. */
static enum status micro_condition(struct dit *dit, const struct dit_mlp *mlp, float *values, int n,
                                   int64_t column, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    int64_t third = dit_channels(dit->config) / 3;
    struct tensor mid = tensor_slice(&dit->micro1, 0, 0, B * n);
    struct tensor out = tensor_slice(&dit->micro2, 0, 0, B * n);
    struct tensor features;
    /* the first column of `out`'s memory is free until the embedder runs: the values pass through
     * it */
    TRY(number_features(dit, values, B * n, out.data, q, &features));
    TRY(dit_mlp_forward(q, mlp, ACT_SILU, &features, &mid, &out));
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    struct tensor columns = tensor_slice(&fixed, 1, column, n * third);
    int64_t dim[2] = {B, n * third};
    struct tensor rows = tensor_reshape(&out, 2, dim);
    return op_copy(q, &columns, &rows);
}

/* Resolution (height, width) takes two thirds of the channels, the aspect ratio one (PixArt-alpha
 * 1024). */
static enum status set_micro(struct dit *dit, const struct prompt *prompt, const int *row,
                             struct queue *q)
{
    int B = dit->extent.lanes;
    float *resolution = dit->host;
    float *aspect = resolution + (size_t)B * 2;
    for (int b = 0; b < B; b++) {
        resolution[2 * b] = prompt->resolution[2 * row[b]];
        resolution[2 * b + 1] = prompt->resolution[2 * row[b] + 1];
        aspect[b] = prompt->aspect[row[b]];
    }
    int64_t third = dit_channels(dit->config) / 3;
    TRY(micro_condition(dit, &dit->resolution, resolution, 2, 0, q));
    return micro_condition(dit, &dit->aspect, aspect, 1, 2 * third, q);
}

static enum status set_labels(struct dit *dit, const struct prompt *prompt, const int *row,
                              struct queue *q)
{
    for (int m = 0; m < dit->modulators; m++) {
        struct tensor fixed = tensor_at(&dit->fixed, m);
        for (int b = 0; b < dit->extent.lanes; b++) {
            struct tensor to = tensor_slice(&fixed, 0, b, 1);
            struct tensor from =
                tensor_slice(&dit->modulator[m].labels, 0, prompt->label[row[b]], 1);
            TRY(op_copy(q, &to, &from));
        }
    }
    return ST_OK;
}

/* fixed[0] := the pooled text through its embedder. */
static enum status set_pooled(struct dit *dit, const struct prompt *prompt, const int *row,
                              struct queue *q)
{
    int64_t P = dit->config->pooled_dim;
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    struct tensor in = dit->pooled_in;
    if (dit->config->text2_dim > 0) {
        TRY(dit_pool_text(dit, prompt, row, q));
        in = dit->pool.pooled;
    }
    for (int b = 0; b < dit->extent.lanes && dit->config->text2_dim == 0; b++) {
        struct tensor lane = tensor_at(&in, b);
        struct tensor host = tensor_of(prompt->pooled + row[b] * P, NULL, DTYPE_F32, 1, &P);
        TRY(op_copy(q, &lane, &host));
    }
    return dit_mlp_forward(q, &dit->pooled, ACT_SILU, &in, &dit->pooled_mid, &fixed);
}

/* fixed[0] += the guidance through its embedder; its unit is that of timesteps. */
static enum status add_guidance(struct dit *dit, const struct prompt *prompt, const int *row,
                                struct queue *q)
{
    int B = dit->extent.lanes;
    struct tensor features;
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    for (int b = 0; b < B; b++)
        dit->host[b] = 1000 * prompt->guidance[row[b]];
    TRY(number_features(dit, dit->host, B, dit->emb.data, q, &features));
    TRY(dit_mlp_forward(q, &dit->guidance, ACT_SILU, &features, &dit->emb1, &dit->emb));
    return op_add(q, &fixed, &dit->emb);
}

enum status dit_set_prompt(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q)
{
    const struct dit_config *c = dit->config;
    if (c->classes > 0)
        TRY(set_labels(dit, prompt, row, q));
    if (c->micro)
        TRY(set_micro(dit, prompt, row, q));
    if (c->pooled_dim > 0)
        TRY(set_pooled(dit, prompt, row, q));
    if (c->guidance_in)
        TRY(add_guidance(dit, prompt, row, q));
    return dit_set_text(dit, prompt, row, q);
}

/* ---- once a step ---- */

/* emb [B, C] := the time embedding of modulator m, plus what is fixed in a loop. Needs time_f. */
static enum status embed_time(struct dit *dit, int m, struct queue *q)
{
    const struct dit_config *c = dit->config;
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, dit->extent.lanes);
    TRY(dit_mlp_forward(q, &dit->modulator[m].time, ACT_SILU, &features, &dit->emb1, &dit->emb));
    if (c->classes == 0 && !c->micro && c->pooled_dim == 0)
        return ST_OK;
    struct tensor fixed = tensor_at(&dit->fixed, m);
    return op_add(q, &dit->emb, &fixed);
}

static enum status condition_single(struct dit *dit, struct queue *q)
{
    const struct dit_linear *linear = &dit->modulator[0].linear;
    if (dit->layers > 0) {
        TRY(op_activate(q, &dit->emb_act, &dit->emb, ACT_SILU));
        TRY(op_linear(q, &dit->single, &dit->emb_act, &linear->w, &linear->b, ACT_NONE));
        TRY(op_add_outer(q, &dit->mod, &dit->table, &dit->single));
    }
    return dit->shard.head ? op_add_outer(q, &dit->head_mod, &dit->head_table, &dit->emb) : ST_OK;
}

static enum status condition_zero(struct dit *dit, struct queue *q)
{
    for (int m = 0; m < dit->modulators; m++) {
        TRY(embed_time(dit, m, q));
        TRY(op_activate(q, &dit->emb_act, &dit->emb, ACT_SILU));
        bool of_head = m == dit->layers;
        const struct dit_linear *linear = of_head ? &dit->head_project : &dit->modulator[m].linear;
        int64_t dim[2] = {dit->extent.lanes, linear->w.dim[0]};
        struct tensor out =
            of_head ? tensor_reshape(&dit->head_mod, 2, dim) : tensor_at(&dit->mod, m);
        TRY(op_linear(q, &out, &dit->emb_act, &linear->w, &linear->b, ACT_NONE));
    }
    return ST_OK;
}

enum status dit_condition(struct dit *dit, const struct tensor *timestep, struct queue *q)
{
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, dit->extent.lanes);
    TRY(op_timestep(q, &features, timestep, dit->config->freq_shift));
    if (dit->config->modulation == DIT_ADALN_ZERO)
        return condition_zero(dit, q);
    TRY(embed_time(dit, 0, q));
    if (dit->config->modulation == DIT_ADALN_SINGLE)
        return condition_single(dit, q);
    TRY(op_activate(q, &dit->emb_act, &dit->emb, ACT_SILU));
    return op_linear(q, &dit->mod, &dit->emb_act, &dit->project.w, &dit->project.b, ACT_NONE);
}
