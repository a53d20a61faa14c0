/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder's run that leaves files. The command is cli/decode.c's business. */
#include "harness/measure/decode.h"

#include "harness/image/picture_files.h"
#include "harness/measure/headroom.h"
#include "strategies/run.h"

#include <math.h>
#include <stdlib.h>

/* ---- the cell ---- */

static enum status fill_size(const struct vae_config *decoder, const struct latent *latents,
                             struct cell *cell)
{
    int64_t scale = vae_config_scale(decoder);
    int64_t height = latents->height * scale, width = latents->width * scale;
    if (latents->channels != decoder->latent_channels)
        return fail(
            ST_INVALID,
            "%s: its decoder takes latents of %d channels, and these have %d: wanted the vae/ "
            "of the same pipeline",
            decoder->name, decoder->latent_channels, latents->channels);
    if (decoder->out_channels != 1 && decoder->out_channels != 3)
        return fail(
            ST_INVALID,
            "%s: its decoder makes pictures of %d channels, and a PNG file is written of 1 or 3",
            decoder->name, decoder->out_channels);
    if (latents->n > PROBLEM_MAX_REQUESTS)
        return fail(ST_INVALID, "%d pictures; at most %d are decoded at once: use a part of them",
                    latents->n, PROBLEM_MAX_REQUESTS);
    if (height > INT_MAX || width > INT_MAX)
        return fail(ST_INVALID,
                    "latents of %d x %d: the pictures would have more than %d pixels a side",
                    latents->width, latents->height, INT_MAX);
    cell->height = (int)height;
    cell->width = (int)width;
    cell->requests = latents->n;
    return ST_OK;
}

enum status decode_open(const struct cell *asked, const struct latent *latents,
                        const struct rendezvous *place, struct setup **out)
{
    struct cell cell = *asked;
    struct model model;
    *out = NULL;
    cell.kind = &kind_decoder;
    TRY(model_load(cell.model, cell.kind, &model));
    TRY(fill_size(&model.decoder, latents, &cell));
    return setup_open(&cell, place, out);
}

/* ---- the run ---- */

struct job {
    struct decode *decode;
    struct weights *weights;
    struct headroom headroom;
};

/* Collective: the largest of what the ranks say. */
static enum status largest(const struct rank *rank, double mine, double *out)
{
    double *all = calloc((size_t)rank->n, sizeof *all);
    enum status st =
        comm_agree(rank->world, all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", rank->n));
    if (st == ST_OK)
        st = comm_host_gather(rank->world, &mine, sizeof mine, all);
    *out = mine;
    for (int r = 0; r < rank->n && st == ST_OK; r++)
        *out = fmax(*out, all[r]);
    free(all);
    return st;
}

/* pixels [requests, channels, H, W], on the rank that has them. */
static enum status write_pictures(struct decode *d, const float *pixels, double ms)
{
    const struct setup *s = d->setup;
    const char *const text[][2] = {{"Model", s->cell.model}};
    const struct png_picture common = {
        .channels = s->model.decoder.out_channels,
        .height = s->cell.height,
        .width = s->cell.width,
        .n_texts = 1,
        .text = text,
    };
    TRY(picture_files_write(d->path, s->cell.requests, &common, pixels));
    d->wrote = true;
    d->ms = ms;
    return ST_OK;
}

/* pixels: NULL but on the rank that gets the result. */
static enum status decode_loop(const struct job *job, const struct rank *rank,
                               const struct plan *plan, float *pixels)
{
    struct decode *d = job->decode;
    const struct run_inputs inputs = {
        .weights = job->weights,
        .latent = d->latent,
        .seed = (uint64_t)d->setup->cell.seed,
        .graph = d->setup->cell.graph,
    };
    struct run *run;
    double step_ms, ms = 0;
    TRY(run_open(plan, &inputs, rank->dev, rank->world, &run));
    enum status st = run_loop(run, &ms, &step_ms);
    if (st == ST_OK)
        st = run_gather(run, pixels);
    run_close(run);
    TRY(st);
    TRY(largest(rank, ms, &ms));
    return comm_agree(rank->world, pixels ? write_pictures(d, pixels, ms) : ST_OK);
}

static enum status check_headroom(const struct job *job, const struct rank *rank,
                                  const struct plan *plan)
{
    size_t kind[ARENA_KINDS];
    uint64_t bytes = 0;
    enum status st = plan_memory(plan, kind);
    for (int k = 0; k < ARENA_KINDS && st == ST_OK; k++)
        bytes += kind[k];
    TRY(comm_agree(rank->world, st));
    return headroom_check(&job->headroom, rank, bytes);
}

static enum status on_rank(void *self, const struct rank *rank)
{
    const struct job *job = self;
    const struct setup *s = job->decode->setup;
    struct plan *plan;
    float *pixels = NULL;
    TRY(plan_build(&s->problem, &s->spec, rank->n, rank->index, &plan));
    enum status st = ST_OK;
    if (rank->index == plan_output_rank(plan)) {
        pixels = malloc(problem_result_count(&s->problem) * sizeof *pixels);
        if (!pixels)
            st = fail(ST_OOM, "pixels of %d pictures: no host memory", s->cell.requests);
    }
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = check_headroom(job, rank, plan);
    if (st == ST_OK)
        st = decode_loop(job, rank, plan, pixels);
    free(pixels);
    plan_close(plan);
    return st;
}

enum status decode_run(struct decode *decode)
{
    struct job job = {.decode = decode};
    struct ranks ranks = setup_ranks(decode->setup, decode->place);
    ranks.first = decode->device;
    decode->wrote = false;
    decode->agreed = true;
    TRY(headroom_look(ranks.backend, &job.headroom));
    TRY(setup_weights(decode->setup, &job.weights));
    enum status st = ranks_each(&ranks, on_rank, &job);
    decode->agreed = st == ST_OK || st == ST_WRONG;
    weights_close(job.weights);
    return st;
}
