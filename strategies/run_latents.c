/* SPDX-License-Identifier: Apache-2.0 */
/* Latents between images [C, F, h, w] and a rank's token rows [F, n, K]: the start of a loop, the
 * sampler's noise. */
#include "strategies/run_internal.h"

#include <stdlib.h>
#include <string.h>

/* Index of feature (c, dy, dx) of a token in an image [C, F, h, w]. */
static int64_t pixel_of(const struct latent_geometry *g, int token, int channel, int dy, int dx)
{
    int columns = g->width / g->patch;
    int64_t y = (int64_t)(token / columns) * g->patch + dy;
    int64_t x = (int64_t)(token % columns) * g->patch + dx;
    return (((int64_t)channel * g->frames + g->frame) * g->height + y) * g->width + x;
}

/* Copies one token's features out of (unpack false) or into (true) an image. */
static void token_copy(const struct latent_geometry *g, int channels, int token, float *image,
                       float *features, bool unpack)
{
    for (int c = 0; c < channels; c++)
        for (int dy = 0; dy < g->patch; dy++)
            for (int dx = 0; dx < g->patch; dx++, features++) {
                float *pixel = image + pixel_of(g, token, c, dy, dx);
                if (unpack)
                    *pixel = *features;
                else
                    *features = *pixel;
            }
}

/* rows [F, n, K] := my rows of image `request` of a batch [.., channels, F, h, w]. */
void latents_pack(const struct run *run, const float *image, int channels, int request, float *rows)
{
    struct latent_geometry g = problem_geometry(&run->plan.problem);
    int features = channels * g.patch * g.patch;
    float *from = (float *)image + (int64_t)request * channels * g.frames * g.height * g.width;
    const struct span *span = &run->span[TOKENS_IMAGE][0];
    for (g.frame = 0; g.frame < g.frames; g.frame++)
        for (int r = 0; r < span->n; r++)
            for (int t = 0; t < span->run[r].count; t++, rows += features)
                token_copy(&g, channels, span->run[r].begin + t, from, rows, false);
}

static enum status draw(struct run *run, struct tensor *x, uint64_t stream_base)
{
    struct latent_geometry g = problem_geometry(&run->plan.problem);
    const struct span *span = &run->span[TOKENS_IMAGE][0];
    for (int64_t i = 0; i < x->dim[0]; i++) {
        struct tensor grid = tensor_at(x, i);
        int64_t row = 0;
        g.frame = (int)(i % g.frames);
        for (int k = 0; k < span->n; k++) {
            struct tensor rows = tensor_slice(&grid, 0, row, span->run[k].count);
            uint64_t stream = stream_base + (uint64_t)(run->plan.request_begin + i / g.frames);
            TRY(op_random_normal(run->q, &rows, &g, span->run[k].begin, run->in.seed, stream));
            row += span->run[k].count;
        }
    }
    return ST_OK;
}

/* Copies n rows of own requests from a batch of images into x, through the caller's host buffer of
 * x's size. */
static enum status pack_requests(struct run *run, const float *images, float *host,
                                 struct tensor *x)
{
    const struct plan *plan = &run->plan;
    size_t one = (size_t)plan->problem.frames * (size_t)run_rows(run, TOKENS_IMAGE, PATCH_ALL) *
                 (size_t)problem_features(&plan->problem);
    for (int r = 0; r < plan->requests; r++)
        latents_pack(run, images, problem_geometry(&plan->problem).channels,
                     plan->request_begin + r, host + (size_t)r * one);
    if (!x)
        return ST_OK;
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, x->ndim, x->dim);
    return op_copy(run->q, x, &from);
}

/* Own rows of all given step noise, packed once: the loop only copies. */
static enum status pack_step_noise(struct run *run)
{
    struct latent_geometry g = problem_geometry(&run->plan.problem);
    size_t images = (size_t)run->plan.problem.requests * (size_t)g.channels * (size_t)g.frames *
                    (size_t)g.height * (size_t)g.width;
    size_t own = (size_t)tensor_count(&run->noise);
    int draws = run->in.sampler->n_draws;
    TRY(arena_host(run->arena[ARENA_ACTIVATIONS], own * sizeof(float) * (size_t)(draws + 1),
                   (void **)&run->host_noise));
    for (int d = 0; d < draws; d++)
        TRY(pack_requests(run, run->in.step_noise + (size_t)d * images,
                          run->host_noise + (size_t)d * own, NULL));
    return ST_OK;
}

enum status latents_open(struct run *run)
{
    const struct plan *plan = &run->plan;
    int64_t dim[3] = {(int64_t)plan->requests * plan->problem.frames,
                      run_rows(run, TOKENS_IMAGE, PATCH_ALL), problem_features(&plan->problem)};
    return arena_tensor(run->arena[ARENA_ACTIVATIONS], DTYPE_F32, 3, dim, &run->start);
}

enum status latents_start(struct run *run)
{
    if (!run->start.data || run->plan.problem.all_channels)
        return ST_OK;
    if (run->in.step_noise && run->noise.data)
        TRY(pack_step_noise(run));
    if (!run->in.latent)
        return draw(run, &run->start, 0);
    float *host = malloc(tensor_bytes(&run->start) + 1);
    if (!host)
        return fail(ST_OOM, "initial latents: %zu bytes of host memory", tensor_bytes(&run->start));
    enum status st = pack_requests(run, run->in.latent, host, &run->start);
    if (st == ST_OK)
        st = queue_sync(run->q);
    free(host);
    return st;
}

/* The streams of step noise lie above those of initial noise, one block of 2^32 for each step. */
enum status latents_noise(struct run *run, int i)
{
    const struct sampler *sampler = run->in.sampler;
    if (!run->noise.data || !sampler->draws[i])
        return ST_OK;
    if (!run->host_noise)
        return draw(run, &run->noise, ((uint64_t)i + 1) << 32);
    int row = 0;
    for (int k = 0; k < i; k++)
        row += sampler->draws[k];
    struct tensor from = tensor_of(run->host_noise + (int64_t)row * tensor_count(&run->noise), NULL,
                                   DTYPE_F32, run->noise.ndim, run->noise.dim);
    return op_copy(run->q, &run->noise, &from);
}

void latents_place(const struct run_block *block, const float *rows, float *image)
{
    const struct latent_geometry *g = &block->geometry;
    int features = block->channels * g->patch * g->patch;
    for (int m = 0; m < block->plan->n_patches; m++) {
        struct token_run run = plan_share(block->plan, TOKENS_IMAGE, block->coord, m);
        for (int t = 0; t < run.count; t++, rows += features)
            token_copy(g, block->channels, run.begin + t, image, (float *)rows, true);
    }
}
