/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders as a kind of model: one step, from a latent to pixels. */
#include "models/vae.h"
#include "strategies/run_internal.h"

#include <math.h>
#include <string.h>

struct decoder {
    struct vae *vae;
    struct vae_hooks hooks;
};

/* ---- models ---- */

static const char *preset(int index)
{
    const struct vae_config *c = vae_config_at(index);
    return c ? c->name : NULL;
}

static bool find(const char *name, struct model *out)
{
    return vae_config_find(name, &out->decoder);
}

static enum status load(const char *folder, struct model *out)
{
    return vae_config_read(folder, &out->decoder, out->folder, sizeof out->folder);
}

static enum status check_weights(const struct model *model, const struct weights *weights)
{
    return vae_check_weights(&model->decoder, weights);
}

static const struct file_stamp *read_from(const struct model *model, int i)
{
    return i == 0 ? &model->decoder.read_from : NULL;
}

/* ---- problems ---- */

static struct kind_facts facts(const struct problem *p)
{
    const struct vae_config *c = p->decoder;
    return (struct kind_facts){
        .name = c->name,
        .scale = vae_config_scale(c),
        .patch = 1,
        .channels = c->latent_channels,
        .size = c->default_size,
        .frames = 1,
        .steps = 1,
        .most_steps = 1,
        .layers = vae_config_layers(c),
        .heads = 1,
        .head_dim = c->width[0],
        .result_channels = c->out_channels,
        .result_scale = vae_config_scale(c),
    };
}

static enum status ask(struct problem *p, double *guidance, const struct safetensors *text)
{
    const char *name = p->decoder->name;
    if (text)
        return fail(ST_INVALID, "--text: %s is a decoder, which reads none; leave it out", name);
    if (!isnan(*guidance) && *guidance != 0)
        return fail(ST_INVALID, "--guidance %g: %s is a decoder, which has none; leave it out",
                    *guidance, name);
    *guidance = 0;
    p->guided = false;
    p->text_tokens = 0;
    return ST_OK;
}

/* ---- plans ---- */

static enum status plan(struct plan *plan)
{
    plan->shard = (struct dit_shard){.layer_end = vae_config_layers(plan->problem.decoder),
                                     .parts = 1,
                                     .embed = true,
                                     .head = true};
    return ST_OK;
}

/* ---- memory ---- */

static enum status halo(void *self, const struct vae_halo *halo)
{
    struct strategy *rows = ((struct run *)self)->plan.rows;
    return rows->ops->halo(rows, halo);
}

static enum status halo_wait(void *self, const struct vae_halo *halo)
{
    struct strategy *rows = ((struct run *)self)->plan.rows;
    return rows->ops->halo_wait(rows, halo);
}

static enum status sums(void *self, struct tensor *sums, struct queue *q)
{
    struct strategy *rows = ((struct run *)self)->plan.rows;
    return rows->ops->sums(rows, sums, q);
}

static struct vae_hooks hooks_of(struct run *run)
{
    const struct strategy *rows = run->plan.rows;
    struct vae_hooks hooks = {.self = run, .attend = attn_outer};
    if (!rows || run->plan.mesh.size[rows->axis] == 1)
        return hooks;
    hooks.halo = halo;
    hooks.halo_wait = halo_wait;
    hooks.sums = sums;
    return hooks;
}

/* Pixels lie where the gather wants them: with one rank, or once gathered, they are the result. */
static enum status pixels_open(struct run *run)
{
    const struct problem *p = &run->plan.problem;
    int channels = p->decoder->out_channels;
    int features = problem_result_features(p, channels);
    int64_t dim[3] = {run->plan.requests, run_rows(run, TOKENS_IMAGE, PATCH_ALL), features};
    TRY(gather_open(run, false, channels));
    struct tensor own = gather_own(run, false, features, dim[0] * dim[1] * dim[2]);
    run->x = tensor_reshape(&own, 3, dim);
    return ST_OK;
}

static enum status allocate(struct run *run)
{
    const struct plan *plan = &run->plan;
    struct latent_geometry g = problem_geometry(&plan->problem);
    struct token_run own = plan_share(plan, TOKENS_IMAGE, NULL, 0);
    struct vae_extent extent = {
        .height = g.height,
        .width = g.width,
        .row_begin = own.begin / g.width,
        .row_end = (own.begin + own.count) / g.width,
        .chunk = plan->chunk,
        .dtype = plan->problem.dtype,
    };
    TRY(arena_host(run->arena[ARENA_ACTIVATIONS], sizeof *run->decoder, (void **)&run->decoder));
    run->decoder->hooks = hooks_of(run);
    TRY(latents_open(run));
    TRY(pixels_open(run));
    return vae_open(plan->problem.decoder, &extent, run->in.weights, run->q,
                    run->arena[ARENA_WEIGHTS], run->arena[ARENA_ACTIVATIONS], &run->decoder->vae);
}

static void close_model(struct run *run)
{
    if (run->decoder)
        vae_close(run->decoder->vae);
}

/* ---- a decode ---- */

static enum status upload(struct run *run)
{
    return TRACED("noise", latents_start(run));
}

static enum status nothing(struct run *run)
{
    (void)run;
    return ST_OK;
}

static enum status decode(void *self, struct run *run, int i, int patch)
{
    struct decoder *d = run->decoder;
    const struct problem *p = &run->plan.problem;
    int columns = problem_token_columns(p), scale = vae_config_scale(p->decoder);
    int64_t images = run->plan.requests, rows = run_rows(run, TOKENS_IMAGE, patch) / columns;
    int64_t from[4] = {images, rows, columns, p->decoder->latent_channels};
    int64_t to[4] = {images, rows * scale, (int64_t)columns * scale, p->decoder->out_channels};
    struct tensor latent = tensor_reshape(&run->start, 4, from);
    struct tensor pixels = tensor_reshape(&run->x, 4, to);
    struct vae_call call = {&d->hooks, run->q};
    (void)self;
    (void)i;
    latent = tensor_swap(&latent, 2, 3); /* to channels first */
    latent = tensor_swap(&latent, 1, 2);
    return RUN_TRACED_PASS(patch, vae_decode(d->vae, &call, &latent, &pixels));
}

static enum status step(struct run *run, int i)
{
    return run_captured(run, decode, NULL, i, PATCH_ALL, 0);
}

/* Rows [h, W, C] into [C, H, W]. */
static void place(const struct run_block *block, const float *rows, float *image)
{
    const struct plan *plan = block->plan;
    struct token_run own = plan_share(plan, TOKENS_IMAGE, block->coord, 0);
    int64_t scale = vae_config_scale(plan->problem.decoder), C = block->channels;
    int64_t width = block->geometry.width * scale, height = block->geometry.height * scale;
    int64_t first = own.begin / block->geometry.width * scale;
    int64_t count = own.count * scale * scale;
    for (int64_t c = 0; c < C; c++) {
        float *plane = image + (c * height + first) * width;
        for (int64_t n = 0; n < count; n++)
            plane[n] = rows[n * C + c];
    }
}

static const char *const references[] = {"decode", NULL};

const struct kind_ops kind_decoder = {
    .name = "decoder",
    .result = "image",
    .references = references,
    .preset = preset,
    .find = find,
    .there = vae_config_there,
    .load = load,
    .check_weights = check_weights,
    .read_from = read_from,
    .facts = facts,
    .ask = ask,
    .plan = plan,
    .allocate = allocate,
    .upload = upload,
    .rehearse = nothing,
    .reset = nothing,
    .begin = nothing,
    .step = step,
    .place = place,
    .close = close_model,
};
