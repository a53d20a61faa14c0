/* SPDX-License-Identifier: Apache-2.0 */
/* What a DiT is told besides the latent: timestep, label, micro-conditions, text. Not the blocks
 * that use it. */
#include "models/dit_internal.h"

static enum status alloc3(struct arena *arena, enum dtype dtype, int64_t a, int64_t b, int64_t c,
                          struct tensor *out)
{
    int64_t dim[3] = {a, b, c};
    return arena_tensor(arena, dtype, 3, dim, out);
}

static enum status alloc2(struct arena *arena, enum dtype dtype, int64_t a, int64_t b,
                          struct tensor *out)
{
    int64_t dim[2] = {a, b};
    return arena_tensor(arena, dtype, 2, dim, out);
}

static enum status text_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t B = dit->extent.lanes;
    int64_t T = dit->extent.text_tokens;
    int64_t C = dit_channels(c);
    enum dtype dtype = dit->extent.dtype;
    int64_t kv[4] = {dit->layers, B, T, 2 * C};
    TRY(alloc3(arena, dtype, B, T, c->text_dim, &dit->text_in));
    TRY(alloc3(arena, dtype, B, T, C, &dit->text_mid));
    TRY(alloc3(arena, dtype, B, T, C, &dit->text_out));
    TRY(arena_tensor(arena, dtype, 4, kv, &dit->text_kv));
    return arena_host(arena, sizeof(int) * (size_t)B, (void **)&dit->text_count);
}

enum status dit_cond_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t B = dit->extent.lanes;
    int64_t C = dit_channels(c);
    TRY(alloc3(arena, DTYPE_F32, dit->modulators, B, C, &dit->fixed));
    TRY(alloc2(arena, DTYPE_F32, 2 * B, DIT_TIME_FEATURES, &dit->time_f));
    TRY(alloc2(arena, DTYPE_F32, B, C, &dit->emb1));
    TRY(alloc2(arena, DTYPE_F32, B, C, &dit->emb));
    TRY(alloc2(arena, DTYPE_F32, B, C, &dit->emb_act));
    TRY(alloc2(arena, DTYPE_F32, B, MOD_PARTS * C, &dit->single));
    TRY(alloc3(arena, DTYPE_F32, dit->layers, B, MOD_PARTS * C, &dit->mod));
    if (dit->shard.head)
        TRY(alloc3(arena, DTYPE_F32, 2, B, C, &dit->head_mod));
    if (c->micro) {
        TRY(alloc2(arena, DTYPE_F32, 2 * B, C / 3, &dit->micro1));
        TRY(alloc2(arena, DTYPE_F32, 2 * B, C / 3, &dit->micro2));
        TRY(arena_host(arena, sizeof(float) * (size_t)B * 3, (void **)&dit->micro_host));
    }
    if (c->text_dim > 0 && dit->layers > 0)
        TRY(text_init(dit, arena));
    return ST_OK;
}

struct tensor dit_mod(const struct dit *dit, int l, int which)
{
    int64_t C = dit_channels(dit->config);
    struct tensor layer = tensor_at(&dit->mod, l);
    return tensor_slice(&layer, 1, which * C, C);
}

struct tensor dit_head_mod(const struct dit *dit, int which)
{
    if (dit->config->modulation == DIT_ADALN_SINGLE)
        return tensor_at(&dit->head_mod, which);
    int64_t C = dit_channels(dit->config);
    int64_t dim[2] = {dit->extent.lanes, 2 * C};
    struct tensor both = tensor_reshape(&dit->head_mod, 2, dim);
    return tensor_slice(&both, 1, which * C, C);
}

/* out [n, cols] := silu(x w1^T + b1) w2^T + b2; mid: scratch of the hidden rows. */
static enum status mlp_silu(struct queue *q, const struct dit_mlp *mlp, const struct tensor *x,
                            struct tensor *mid, struct tensor *out)
{
    TRY(op_linear(q, mid, x, &mlp->w1, &mlp->b1, ACT_SILU));
    return op_linear(q, out, mid, &mlp->w2, &mlp->b2, ACT_NONE);
}

/* `values` (n of them per lane, lane-major) through sinusoids and an embedder, into columns of
 * fixed[0] from `column`. */
static enum status micro_condition(struct dit *dit, const struct dit_mlp *mlp, float *values, int n,
                                   int64_t column, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    int64_t third = dit_channels(dit->config) / 3;
    int64_t count = B * n;
    struct tensor host = tensor_of(values, NULL, DTYPE_F32, 1, &count);
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, count);
    struct tensor mid = tensor_slice(&dit->micro1, 0, 0, count);
    struct tensor out = tensor_slice(&dit->micro2, 0, 0, count);
    /* the first column of `out`'s memory is free until the embedder runs: the values pass through
     * it */
    struct tensor staged = tensor_of(out.data, out.dev, DTYPE_F32, 1, &count);
    TRY(op_copy(q, &staged, &host));
    TRY(op_timestep(q, &features, &staged, dit->config->freq_shift));
    TRY(mlp_silu(q, mlp, &features, &mid, &out));
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
    float *resolution = dit->micro_host;
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

/* The text is the same in every step, so its projection and every layer's keys and values are made
 * once per loop. */
static enum status set_text(struct dit *dit, const struct prompt *prompt, const int *row,
                            struct queue *q)
{
    int64_t dim[2] = {dit->extent.text_tokens, dit->config->text_dim};
    BUG_ON(prompt->text_tokens != dit->extent.text_tokens ||
               prompt->text_dim != dit->config->text_dim,
           "prompt [%d, %d] for a model opened with [%d, %d]", prompt->text_tokens,
           prompt->text_dim, dit->extent.text_tokens, dit->config->text_dim);
    for (int b = 0; b < dit->extent.lanes; b++) {
        struct tensor host =
            tensor_of(prompt->text + row[b] * dim[0] * dim[1], NULL, DTYPE_F32, 2, dim);
        struct tensor lane = tensor_at(&dit->text_in, b);
        TRY(op_copy(q, &lane, &host));
        dit->text_count[b] = prompt->text_count[row[b]];
    }
    TRY(op_linear(q, &dit->text_mid, &dit->text_in, &dit->text.w1, &dit->text.b1, ACT_GELU_TANH));
    TRY(op_linear(q, &dit->text_out, &dit->text_mid, &dit->text.w2, &dit->text.b2, ACT_NONE));
    for (int l = 0; l < dit->layers; l++) {
        const struct dit_block *block = &dit->block[l];
        struct tensor kv = tensor_at(&dit->text_kv, l);
        TRY(op_linear(q, &kv, &dit->text_out, &block->cross_kv_w,
                      dit->config->attn_bias ? &block->cross_kv_b : NULL, ACT_NONE));
    }
    return ST_OK;
}

enum status dit_set_prompt(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q)
{
    if (dit->config->classes > 0)
        TRY(set_labels(dit, prompt, row, q));
    if (dit->config->micro)
        TRY(set_micro(dit, prompt, row, q));
    if (dit->config->text_dim > 0 && dit->layers > 0)
        TRY(set_text(dit, prompt, row, q));
    return ST_OK;
}

/* emb [B, C] := the time embedding of modulator m, plus what is fixed in a loop. Needs time_f. */
static enum status embed_time(struct dit *dit, int m, struct queue *q)
{
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, dit->extent.lanes);
    TRY(mlp_silu(q, &dit->modulator[m].time, &features, &dit->emb1, &dit->emb));
    if (dit->config->classes == 0 && !dit->config->micro)
        return ST_OK;
    struct tensor fixed = tensor_at(&dit->fixed, m);
    return op_add(q, &dit->emb, &fixed);
}

static enum status condition_single(struct dit *dit, struct queue *q)
{
    const struct dit_modulator *m = &dit->modulator[0];
    TRY(embed_time(dit, 0, q));
    if (dit->layers > 0) {
        TRY(op_activate(q, &dit->emb_act, &dit->emb, ACT_SILU));
        TRY(op_linear(q, &dit->single, &dit->emb_act, &m->w, &m->b, ACT_NONE));
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
        if (of_head) {
            int64_t dim[2] = {dit->extent.lanes, 2 * (int64_t)dit_channels(dit->config)};
            struct tensor out = tensor_reshape(&dit->head_mod, 2, dim);
            TRY(op_linear(q, &out, &dit->emb_act, &dit->head_mod_w, &dit->head_mod_b, ACT_NONE));
        } else {
            struct tensor out = tensor_at(&dit->mod, m);
            TRY(op_linear(q, &out, &dit->emb_act, &dit->modulator[m].w, &dit->modulator[m].b,
                          ACT_NONE));
        }
    }
    return ST_OK;
}

enum status dit_condition(struct dit *dit, const struct tensor *timestep, struct queue *q)
{
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, dit->extent.lanes);
    TRY(op_timestep(q, &features, timestep, dit->config->freq_shift));
    return dit->config->modulation == DIT_ADALN_SINGLE ? condition_single(dit, q)
                                                       : condition_zero(dit, q);
}
