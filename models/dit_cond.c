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

/* Rows of fp32 that a step's modulation has for each lane: of all layers, and of the head. */
static int64_t layer_numbers(const struct dit *dit)
{
    return is_projected(dit) ? dit_modulation_rows(dit)
                             : (int64_t)dit->layers * 6 * dit_channels(dit->config);
}

static int64_t head_numbers(const struct dit *dit)
{
    return is_projected(dit) || !dit->shard.head ? 0 : 2 * (int64_t)dit_channels(dit->config);
}

static enum status modulation_init(struct dit *dit, struct arena *arena)
{
    int64_t B = dit->extent.lanes;
    int64_t n = dit->extent.steps;
    int64_t C = dit_channels(dit->config);
    int64_t all = n * B * layer_numbers(dit);
    int64_t of_head = n * B * head_numbers(dit);
    TRY(arena_tensor(arena, DTYPE_F32, 1, &all, &dit->mods));
    if (is_projected(dit))
        return alloc2(arena, B, layer_numbers(dit), &dit->mod);
    TRY(alloc2(arena, n * B, 6 * C, &dit->single));
    TRY(dit_alloc3(arena, DTYPE_F32, dit->layers, B, 6 * C, &dit->mod));
    if (!dit->shard.head)
        return ST_OK;
    TRY(arena_tensor(arena, DTYPE_F32, 1, &of_head, &dit->head_mods));
    return dit_alloc3(arena, DTYPE_F32, 2, B, C, &dit->head_mod);
}

static enum status conditions_init(struct dit *dit, struct arena *arena)
{
    const struct dit_config *c = dit->config;
    int64_t B = dit->extent.lanes;
    int64_t C = dit_channels(c);
    int64_t micro = 3 * B;
    if (c->micro) {
        TRY(arena_tensor(arena, DTYPE_F32, 1, &micro, &dit->micro));
        TRY(alloc2(arena, 2 * B, C / 3, &dit->micro1));
        TRY(alloc2(arena, 2 * B, C / 3, &dit->micro2));
    }
    if (c->pooled_dim > 0) {
        TRY(alloc2(arena, B, c->pooled_dim, &dit->pooled_in));
        TRY(alloc2(arena, B, c->text2_dim > 0 ? 4 * C : C, &dit->pooled_mid));
    }
    if (c->guidance_in)
        TRY(arena_tensor(arena, DTYPE_F32, 1, &B, &dit->told));
    return arena_host(arena, sizeof(int) * (size_t)B, (void **)&dit->label);
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
    int64_t n = dit->extent.steps;
    int64_t C = dit_channels(dit->config);
    int64_t rows = n * B;
    TRY(dit_alloc3(arena, DTYPE_F32, dit->modulators, B, C, &dit->fixed));
    TRY(arena_tensor(arena, DTYPE_F32, 1, &rows, &dit->times));
    TRY(alloc2(arena, (n > 2 ? n : 2) * B, DIT_TIME_FEATURES, &dit->time_f));
    TRY(alloc2(arena, rows, C, &dit->emb1));
    TRY(alloc2(arena, rows, C, &dit->emb));
    TRY(alloc2(arena, rows, C, &dit->emb_act));
    TRY(conditions_init(dit, arena));
    TRY(modulation_init(dit, arena));
    set_views(dit);
    return ST_OK;
}

/* ---- once ---- */

/* to [count] := numbers of the host. */
static enum status upload(const float *numbers, int64_t count, struct tensor to, struct queue *q)
{
    struct tensor host = tensor_of((void *)numbers, NULL, DTYPE_F32, 1, &count);
    return op_copy(q, &to, &host);
}

static enum status set_lane(struct dit *dit, const struct prompt *prompt, int b, int row,
                            struct queue *q)
{
    const struct dit_config *c = dit->config;
    int64_t B = dit->extent.lanes;
    if (c->classes > 0)
        dit->label[b] = prompt->label[row];
    if (c->micro) {
        TRY(upload(prompt->resolution + (size_t)2 * row, 2, tensor_slice(&dit->micro, 0, 2 * b, 2),
                   q));
        TRY(upload(prompt->aspect + row, 1, tensor_slice(&dit->micro, 0, 2 * B + b, 1), q));
    }
    if (c->pooled_dim > 0 && c->text2_dim == 0)
        TRY(upload(prompt->pooled + (int64_t)row * c->pooled_dim, c->pooled_dim,
                   tensor_at(&dit->pooled_in, b), q));
    if (!c->guidance_in)
        return ST_OK;
    float guidance = 1000 * prompt->guidance[row];
    TRY(upload(&guidance, 1, tensor_slice(&dit->told, 0, b, 1), q));
    return queue_sync(q); /* the number is gone then */
}

static enum status set_prompt(struct dit *dit, const struct prompt *prompt, const int *row,
                              struct queue *q)
{
    for (int b = 0; b < dit->extent.lanes; b++)
        TRY(set_lane(dit, prompt, b, row[b], q));
    return dit_set_text(dit, prompt, row, q);
}

enum status dit_set_prompt(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q)
{
    return TRACED("prompt", set_prompt(dit, prompt, row, q));
}

/* ---- once a loop ---- */

enum status dit_mlp_forward(struct queue *q, const struct dit_mlp *mlp, enum act act,
                            const struct tensor *x, struct tensor *mid, struct tensor *out)
{
    TRY(op_linear(q, mid, x, &mlp->in.w, &mlp->in.b, act));
    return op_linear(q, out, mid, &mlp->out.w, &mlp->out.b, ACT_NONE);
}

/* `values` (n of them per lane, lane-major) through sinusoids and an embedder, into columns of
 * fixed[0] from `column`. */
static enum status micro_condition(struct dit *dit, const struct dit_mlp *mlp,
                                   const struct tensor *values, int n, int64_t column,
                                   struct queue *q)
{
    int64_t B = dit->extent.lanes;
    int64_t third = dit_channels(dit->config) / 3;
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, B * n);
    struct tensor mid = tensor_slice(&dit->micro1, 0, 0, B * n);
    struct tensor out = tensor_slice(&dit->micro2, 0, 0, B * n);
    TRY(op_timestep(q, &features, values, dit->config->freq_shift));
    TRY(dit_mlp_forward(q, mlp, ACT_SILU, &features, &mid, &out));
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    struct tensor columns = tensor_slice(&fixed, 1, column, n * third);
    int64_t dim[2] = {B, n * third};
    struct tensor rows = tensor_reshape(&out, 2, dim);
    return op_copy(q, &columns, &rows);
}

/* Resolution (height, width) takes two thirds of the channels, the aspect ratio one (PixArt-alpha
 * 1024). */
static enum status begin_micro(struct dit *dit, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    int64_t third = dit_channels(dit->config) / 3;
    struct tensor resolution = tensor_slice(&dit->micro, 0, 0, 2 * B);
    struct tensor aspect = tensor_slice(&dit->micro, 0, 2 * B, B);
    TRY(micro_condition(dit, &dit->resolution, &resolution, 2, 0, q));
    return micro_condition(dit, &dit->aspect, &aspect, 1, 2 * third, q);
}

static enum status begin_labels(struct dit *dit, struct queue *q)
{
    for (int m = 0; m < dit->modulators; m++) {
        struct tensor fixed = tensor_at(&dit->fixed, m);
        for (int b = 0; b < dit->extent.lanes; b++) {
            struct tensor to = tensor_slice(&fixed, 0, b, 1);
            struct tensor from = tensor_slice(&dit->modulator[m].labels, 0, dit->label[b], 1);
            TRY(op_copy(q, &to, &from));
        }
    }
    return ST_OK;
}

/* fixed[0] := the pooled text through its embedder. */
static enum status begin_pooled(struct dit *dit, struct queue *q)
{
    bool pooling = dit->config->text2_dim > 0;
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    if (pooling)
        TRY(dit_pool_text(dit, q));
    return dit_mlp_forward(q, &dit->pooled, ACT_SILU, pooling ? &dit->pool.pooled : &dit->pooled_in,
                           &dit->pooled_mid, &fixed);
}

/* fixed[0] += the guidance through its embedder. */
static enum status add_guidance(struct dit *dit, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    struct tensor features = tensor_slice(&dit->time_f, 0, 0, B);
    struct tensor mid = tensor_slice(&dit->emb1, 0, 0, B);
    struct tensor out = tensor_slice(&dit->emb, 0, 0, B);
    struct tensor fixed = tensor_at(&dit->fixed, 0);
    TRY(op_timestep(q, &features, &dit->told, dit->config->freq_shift));
    TRY(dit_mlp_forward(q, &dit->guidance, ACT_SILU, &features, &mid, &out));
    return op_add(q, &fixed, &out);
}

static enum status begin_conditions(struct dit *dit, struct queue *q)
{
    const struct dit_config *c = dit->config;
    if (c->classes > 0)
        TRY(begin_labels(dit, q));
    if (c->micro)
        TRY(begin_micro(dit, q));
    if (c->pooled_dim > 0)
        TRY(begin_pooled(dit, q));
    return c->guidance_in ? add_guidance(dit, q) : ST_OK;
}

enum status dit_begin(struct dit *dit, struct queue *q)
{
    TRY(TRACED("condition", begin_conditions(dit, q)));
    return TRACED("text", dit_begin_text(dit, q));
}

/* ---- for some steps at once ---- */

/* The first rows of a scratch tensor: those of the steps at hand. */
static struct tensor made_rows(const struct dit *dit, const struct tensor *all)
{
    return tensor_slice(all, 0, 0, (int64_t)dit->made * dit->extent.lanes);
}

/* [a, rows, c] at the start of flat memory. */
static struct tensor made_view(const struct tensor *flat, int64_t a, int64_t rows, int64_t c)
{
    int64_t dim[3] = {a, rows, c};
    return tensor_of(flat->data, flat->dev, flat->dtype, 3, dim);
}

/* emb [n*B, C] := the time embeddings of modulator m, plus what is fixed in a loop. Needs time_f.
 */
static enum status embed_time(struct dit *dit, int m, struct tensor *emb, struct queue *q)
{
    const struct dit_config *c = dit->config;
    struct tensor features = made_rows(dit, &dit->time_f);
    struct tensor mid = made_rows(dit, &dit->emb1);
    *emb = made_rows(dit, &dit->emb);
    TRY(dit_mlp_forward(q, &dit->modulator[m].time, ACT_SILU, &features, &mid, emb));
    if (c->classes == 0 && !c->micro && c->pooled_dim == 0)
        return ST_OK;
    struct tensor fixed = tensor_at(&dit->fixed, m);
    struct tensor steps = tensor_split(emb, 0, dit->made, dit->extent.lanes);
    return op_add_rows(q, &steps, &fixed);
}

static enum status condition_single(struct dit *dit, struct queue *q)
{
    int64_t C = dit_channels(dit->config);
    const struct dit_linear *linear = &dit->modulator[0].linear;
    struct tensor emb;
    struct tensor act = made_rows(dit, &dit->emb_act);
    struct tensor single = made_rows(dit, &dit->single);
    struct tensor mods = made_view(&dit->mods, dit->layers, act.dim[0], 6 * C);
    struct tensor head = made_view(&dit->head_mods, 2, act.dim[0], C);
    TRY(embed_time(dit, 0, &emb, q));
    if (dit->layers > 0) {
        TRY(op_activate(q, &act, &emb, ACT_SILU));
        TRY(op_linear(q, &single, &act, &linear->w, &linear->b, ACT_NONE));
        TRY(op_add_outer(q, &mods, &dit->table, &single));
    }
    return dit->shard.head ? op_add_outer(q, &head, &dit->head_table, &emb) : ST_OK;
}

static enum status condition_zero(struct dit *dit, struct queue *q)
{
    int64_t C = dit_channels(dit->config);
    for (int m = 0; m < dit->modulators; m++) {
        bool of_head = m == dit->layers;
        const struct dit_linear *linear = of_head ? &dit->head_project : &dit->modulator[m].linear;
        struct tensor emb;
        struct tensor act = made_rows(dit, &dit->emb_act);
        struct tensor mods = made_view(&dit->mods, dit->layers, act.dim[0], 6 * C);
        struct tensor head = made_view(&dit->head_mods, 1, act.dim[0], 2 * C);
        struct tensor out = of_head ? tensor_at(&head, 0) : tensor_at(&mods, m);
        TRY(embed_time(dit, m, &emb, q));
        TRY(op_activate(q, &act, &emb, ACT_SILU));
        TRY(op_linear(q, &out, &act, &linear->w, &linear->b, ACT_NONE));
    }
    return ST_OK;
}

static enum status condition_projected(struct dit *dit, struct queue *q)
{
    struct tensor emb;
    struct tensor act = made_rows(dit, &dit->emb_act);
    struct tensor all = made_view(&dit->mods, 1, act.dim[0], layer_numbers(dit));
    struct tensor mods = tensor_at(&all, 0);
    TRY(embed_time(dit, 0, &emb, q));
    TRY(op_activate(q, &act, &emb, ACT_SILU));
    return op_linear(q, &mods, &act, &dit->project.w, &dit->project.b, ACT_NONE);
}

static enum status condition(struct dit *dit, const struct tensor *timesteps, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    BUG_ON(timesteps->dim[0] > dit->extent.steps, "%lld steps for a model opened for %d at once",
           (long long)timesteps->dim[0], dit->extent.steps);
    dit->made = (int)timesteps->dim[0];
    struct tensor times = tensor_slice(&dit->times, 0, 0, dit->made * B);
    struct tensor rows = tensor_split(&times, 0, dit->made, B);
    struct tensor features = made_rows(dit, &dit->time_f);
    TRY(op_copy(q, &rows, timesteps));
    TRY(op_timestep(q, &features, &times, dit->config->freq_shift));
    if (is_projected(dit))
        return condition_projected(dit, q);
    return dit->config->modulation == DIT_ADALN_ZERO ? condition_zero(dit, q)
                                                     : condition_single(dit, q);
}

enum status dit_condition(struct dit *dit, const struct tensor *timesteps, struct queue *q)
{
    return TRACED("modulation", condition(dit, timesteps, q));
}

/* ---- once a step ---- */

/* to := the k-th step's rows of made [a, n*B, c]. */
static enum status take_step(const struct dit *dit, const struct tensor *flat, int64_t a, int64_t c,
                             int k, const struct tensor *to, struct queue *q)
{
    int64_t B = dit->extent.lanes;
    int64_t dim[3] = {a, B, c};
    struct tensor made = made_view(flat, a, dit->made * B, c);
    struct tensor from = tensor_slice(&made, 1, k * B, B);
    struct tensor out = tensor_reshape(to, 3, dim);
    return op_copy(q, &out, &from);
}

static enum status take_steps(struct dit *dit, int k, struct queue *q)
{
    int64_t C = dit_channels(dit->config);
    BUG_ON(k < 0 || k >= dit->made, "step %d of %d that were conditioned", k, dit->made);
    if (is_projected(dit))
        return take_step(dit, &dit->mods, 1, layer_numbers(dit), k, &dit->mod, q);
    if (dit->layers > 0)
        TRY(take_step(dit, &dit->mods, dit->layers, 6 * C, k, &dit->mod, q));
    if (!dit->shard.head)
        return ST_OK;
    bool single = dit->config->modulation == DIT_ADALN_SINGLE;
    return take_step(dit, &dit->head_mods, single ? 2 : 1, single ? C : 2 * C, k, &dit->head_mod,
                     q);
}

enum status dit_step(struct dit *dit, int k, struct queue *q)
{
    return TRACED("modulation", take_steps(dit, k, q));
}
