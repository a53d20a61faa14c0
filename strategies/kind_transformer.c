/* SPDX-License-Identifier: Apache-2.0 */
/* Transformers as a kind of model: a denoising loop, from noise to a latent. */
#include "models/dit_config_quarter.h"
#include "strategies/run_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_STEPS = 100000 };

/* ---- models ---- */

static const char *preset(int index)
{
    const struct dit_config *c = dit_config_at(index);
    return c ? c->name : NULL;
}

static bool find(const char *name, struct model *out)
{
    return dit_config_find(name, &out->dit);
}

/* A pipeline's folder; what else a folder may be, load says. */
static enum status there(const char *folder, bool *yes)
{
    char path[PATH_MAX];
    *yes = snprintf(path, sizeof path, "%s/transformer", folder) < (int)sizeof path &&
           access(path, F_OK) == 0;
    return ST_OK;
}

static enum status load(const char *folder, struct model *out)
{
    return dit_config_load(folder, &out->dit, out->folder, sizeof out->folder);
}

static enum status check_weights(const struct model *model, const struct weights *weights)
{
    return dit_check_weights(&model->dit, weights);
}

static const struct file_stamp *read_from(const struct model *model, int i)
{
    return i < DIT_CONFIG_FILES ? &model->dit.read_from[i] : NULL;
}

/* ---- problems ---- */

static struct kind_facts facts(const struct problem *p)
{
    const struct dit_config *c = p->config;
    return (struct kind_facts){
        .name = c->name,
        .scale = c->vae_scale,
        .patch = c->patch,
        .channels = c->in_channels,
        .video = c->frames > 0,
        .joint = c->joint,
        .size = c->default_size,
        .frames = dit_frames(c),
        .steps = c->default_steps,
        .most_steps = MAX_STEPS,
        .layers = c->layers,
        .heads = c->heads,
        .head_dim = c->head_dim,
        .result_channels = c->in_channels,
        .result_scale = 1,
    };
}

/* Rows of the text embeddings: the file's, or the model's own, as always beside a second text. */
static enum status ask(struct problem *p, double *guidance, const struct safetensors *text)
{
    const struct dit_config *c = p->config;
    const struct safetensors_entry *rows = text ? safetensors_find(text, "text") : NULL;
    if (isnan(*guidance))
        *guidance = c->default_guidance;
    p->guided = problem_guides(c, *guidance);
    p->text_tokens = c->text_tokens;
    if (rows && rows->ndim == 3 && rows->dim[1] > 0 && rows->dim[1] <= PROMPT_MAX_TOKENS &&
        c->text2_dim == 0)
        p->text_tokens = (int)rows->dim[1]; /* anything else is named by prompt_open_file */
    return ST_OK;
}

static enum status schedule(const struct problem *p, struct sampler **out)
{
    return sampler_open(&p->config->sampler, p->steps, problem_tokens(p), out);
}

static enum status prompt(const struct problem *p, const struct safetensors *text, uint64_t seed,
                          struct prompt **out)
{
    static const char *const none[] = {NULL};
    if (text)
        return prompt_open_file(p->config, text, p->requests * problem_branches(p), p->width,
                                p->height, PROMPT_RUN, none, out);
    return prompt_open_synthetic(p->config, p->requests, p->guided, p->width, p->height, seed, out);
}

/* ---- plans ---- */

/* A table of positions that is a weight may be smaller than the grid. */
static enum status check_table(const struct problem *p)
{
    const struct dit_config *c = p->config;
    int side = c->table_side * c->patch * c->vae_scale;
    int rows = problem_token_rows(p);
    int columns = problem_token_columns(p);
    if (c->position != DIT_POSITION_TABLE || (rows <= c->table_side && columns <= c->table_side))
        return ST_OK;
    return plan_refuse("%s at %dx%d pixels has %d x %d tokens, and its table of positions %d x %d; "
                       "legal sizes: at most %dx%d pixels",
                       c->name, p->width, p->height, columns, rows, c->table_side, c->table_side,
                       side, side);
}

static enum status plan(struct plan *plan)
{
    TRY(check_table(&plan->problem));
    plan->shard = (struct dit_shard){
        .layer_end = plan->problem.config->layers, .parts = 1, .embed = true, .head = true};
    return ST_OK;
}

/* ---- memory ---- */

static enum status row_linear_owned(void *self, struct tensor *y, const struct tensor *x,
                                    const struct tensor *w, struct queue *q)
{
    struct strategy *owner = self;
    return owner->ops->row_linear(owner, y, x, w, q);
}

static void set_hooks(struct run *run)
{
    run->hooks = dit_hooks_serial;
    run->hooks.attend = attn_outer;
    run->hooks.attend_self = run;
    if (run->plan.row_linear && run->plan.row_linear->ops->row_linear) {
        run->hooks.row_linear = row_linear_owned;
        run->hooks.row_linear_self = run->plan.row_linear;
    }
}

static int features(const struct run *run, bool all_channels)
{
    const struct dit_config *c = run->plan.problem.config;
    return dit_features(c, all_channels ? c->out_channels : c->in_channels);
}

static enum status latents_init(struct run *run)
{
    const struct plan *plan = &run->plan;
    struct arena *arena = run->arena[ARENA_ACTIVATIONS];
    const struct dit_config *c = plan->problem.config;
    int64_t C = dit_channels(c);
    int64_t own = (int64_t)plan->requests * plan->problem.frames;
    int64_t n = run_rows(run, TOKENS_IMAGE, PATCH_ALL);
    int64_t latent[3] = {own, n, features(run, false)};
    int64_t input[3] = {plan->n_grids, n, features(run, false)};
    int64_t hidden[3] = {plan->n_grids, run_rows(run, TOKENS_ALL, PATCH_ALL), C};
    int64_t eps[3] = {plan->n_grids, n, features(run, plan->problem.all_channels)};

    TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, hidden, &run->h));
    if (plan->shard.embed || plan->shard.head) {
        TRY(latents_open(run));
        TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->x));
    }
    if (plan->shard.embed)
        TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, input, &run->input));
    if (!plan->shard.head)
        return ST_OK;
    TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, eps, &run->eps));
    TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->hist));
    if (c->sampler.kind == SAMPLER_DDPM)
        TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->noise));
    bool branches = plan->problem.all_channels;
    return gather_open(run, branches, branches ? c->out_channels : c->in_channels);
}

static enum status allocate(struct run *run)
{
    const struct problem *p = &run->plan.problem;
    struct latent_geometry geometry = problem_geometry(p);
    set_hooks(run);
    struct dit_extent extent = {
        .lanes = run->plan.n_lanes,
        .all = &run->span[TOKENS_ALL][0],
        .image = &run->span[TOKENS_IMAGE][0],
        .frames = p->frames,
        .steps = schedule_at_once(&run->plan),
        .text_tokens = p->text_tokens,
        .width = geometry.width,
        .height = geometry.height,
        .dtype = p->dtype,
    };
    TRY(dit_open(p->config, &run->plan.shard, &extent, run->in.weights, run->q,
                 run->arena[ARENA_WEIGHTS], run->arena[ARENA_ACTIVATIONS], &run->dit));
    TRY(schedule_init(run));
    return latents_init(run);
}

static void close_model(struct run *run)
{
    dit_close(run->dit);
}

/* ---- loops ---- */

static enum status upload(struct run *run)
{
    const struct sampler *sampler = run->in.sampler;
    BUG_ON(!run->plan.problem.all_channels &&
               (!sampler || sampler->steps != run->plan.problem.steps),
           "a loop without its schedule");
    TRY(TRACED("schedule", schedule_upload(run)));
    TRY(TRACED("noise", latents_start(run)));
    return dit_set_prompt(run->dit, run->in.prompt, run->prompt_row, run->q);
}

static enum status reset(struct run *run)
{
    if (run->x.data)
        TRY(op_copy(run->q, &run->x, &run->start));
    return run->hist.data ? op_fill(run->q, &run->hist, 0.0f) : ST_OK;
}

/* The whole sequence, or after the warm-up patch after patch, through the model of this rank. */
static enum status default_step(void *self, struct run *run, int i, int patch)
{
    const struct plan *plan = &run->plan;
    (void)self;
    if (i < plan->warmup || plan->n_patches == 1)
        TRY(run_pass(run, i, patch));
    else
        for (int m = 0; m < plan->n_patches; m++)
            TRY(run_pass(run, i, m));
    return run_settle(run);
}

/* What depends on the prompt alone. */
static enum status from_prompt(void *self, struct run *run, int i, int patch)
{
    (void)self;
    (void)i;
    (void)patch;
    return dit_begin(run->dit, run->q);
}

static enum status step(struct run *run, int i)
{
    struct strategy *schedule = run->plan.schedule;
    TRY(schedule_step(run, i));
    if (!schedule || !schedule->ops->step)
        return run_captured(run, default_step, NULL, i, PATCH_ALL, 0);
    return schedule->ops->step(schedule, run, i);
}

static enum status try_step(struct run *run, int i)
{
    struct strategy *schedule = run->plan.schedule;
    run_set_when(run, i);
    TRY(schedule_try(run, i));
    return schedule->ops->rehearse(schedule, run, i);
}

/* The kinds of steps that a schedule has: the first, the first stale one, the last. */
static enum status rehearse(struct run *run)
{
    struct strategy *schedule = run->plan.schedule;
    int last = run->plan.problem.steps - 1;
    int stale = run->plan.warmup < last ? run->plan.warmup : last;
    const int step[3] = {0, stale, last};
    bool due = !run->rehearsed && schedule && schedule->ops->rehearse && graph_supported(run->dev);
    run->rehearsed = true;
    if (!due)
        return ST_OK;
    TRY(run_captured(run, from_prompt, NULL, 0, PATCH_ALL, 0));
    for (int k = 0; k < 3; k++)
        TRY(TRACE(TRACE_STEP, "rehearsal of step", step[k], try_step(run, step[k])));
    return run_drain(run);
}

static enum status begin(struct run *run)
{
    return run_captured(run, from_prompt, NULL, 0, PATCH_ALL, 0);
}

static const char *const references[] = {"forward", "sample", NULL};

const struct kind_ops kind_transformer = {
    .name = "transformer",
    .result = "latent",
    .references = references,
    .preset = preset,
    .find = find,
    .there = there,
    .load = load,
    .check_weights = check_weights,
    .read_from = read_from,
    .facts = facts,
    .ask = ask,
    .schedule = schedule,
    .prompt = prompt,
    .plan = plan,
    .allocate = allocate,
    .upload = upload,
    .reset = reset,
    .rehearse = rehearse,
    .begin = begin,
    .step = step,
    .place = latents_place,
    .close = close_model,
};
