/* SPDX-License-Identifier: Apache-2.0 */
/* Latents between images [C, F, h, w] and a rank's token rows [F, n, K]: the start of a loop, the
 * sampler's noise, the end. */
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
    int features = dit_features(run->plan.problem.config, channels);
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
                 (size_t)run_features(run, false);
    for (int r = 0; r < plan->requests; r++)
        latents_pack(run, images, plan->problem.config->in_channels, plan->request_begin + r,
                     host + (size_t)r * one);
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

enum status latents_start(struct run *run)
{
    if (!run->start.data || !run->in.sampler)
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

struct scatter {
    const struct plan *plan;
    struct latent_geometry geometry;
    const float *from;
    float *out;
    int channels;
    bool branches;
};

/* One rank's rows [n, features] of a frame into an image. */
static void scatter_grid(struct scatter *s, const int *coord, float *image)
{
    int features = dit_features(s->plan->problem.config, s->channels);
    for (int m = 0; m < s->plan->n_patches; m++) {
        struct token_run run = plan_share(s->plan, TOKENS_IMAGE, coord, m);
        for (int t = 0; t < run.count; t++, s->from += features)
            token_copy(&s->geometry, s->channels, run.begin + t, image, (float *)s->from, true);
    }
}

/* One rank's block [grids, n, features] into the images. */
static void scatter_block(struct scatter *s, const int *coord)
{
    const struct plan *plan = s->plan;
    int begin;
    int requests = plan_requests(plan, coord, &begin);
    int branches = s->branches && plan->branch_axis < 0 ? problem_branches(&plan->problem) : 1;
    int first = s->branches && plan->branch_axis >= 0 ? coord[plan->branch_axis] : 0;
    struct latent_geometry *g = &s->geometry;
    size_t image = (size_t)s->channels * (size_t)g->frames * (size_t)g->height * (size_t)g->width;
    for (int b = 0; b < branches; b++)
        for (int r = 0; r < requests; r++) {
            size_t row = (size_t)(first + b) * (size_t)plan->problem.requests + (size_t)(begin + r);
            for (g->frame = 0; g->frame < g->frames; g->frame++)
                scatter_grid(s, coord, s->out + row * image);
        }
}

static void scatter_over(struct scatter *s, int *coord, int axis)
{
    if (axis == s->plan->mesh.n_axes) {
        scatter_block(s, coord);
        return;
    }
    if (!plan_gathers(s->plan, axis, s->branches)) {
        scatter_over(s, coord, axis + 1);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < s->plan->mesh.size[axis]; coord[axis]++)
        scatter_over(s, coord, axis + 1);
    coord[axis] = own;
}

/* All-gathers over the splitting axes, from the inside out, in place in run->whole: before the
 * gather over an axis my region holds the blocks of all inner coordinates. */
static enum status gather_axes(struct run *run, const struct tensor *mine, bool branches,
                               int features)
{
    const struct plan *plan = &run->plan;
    int64_t begin[MESH_MAX_AXES + 1]; /* where my region begins when axes >= a are gathered */
    int at[MESH_MAX_AXES];
    memcpy(at, plan->coord, sizeof at);
    begin[0] = 0;
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        begin[a + 1] = begin[a];
        for (at[a] = 0; at[a] < plan->coord[a] && plan_gathers(plan, a, branches); at[a]++)
            begin[a + 1] += plan_gather_rows(plan, at, a + 1, branches) * features;
        at[a] = plan->coord[a];
    }
    struct tensor own = tensor_slice(&run->whole, 0, begin[plan->mesh.n_axes], tensor_count(mine));
    struct tensor to = tensor_reshape(&own, mine->ndim, mine->dim);
    TRY(op_copy(run->q, &to, mine));
    for (int a = plan->mesh.n_axes - 1; a >= 0; a--) {
        if (!plan_gathers(plan, a, branches) || plan->mesh.size[a] == 1)
            continue;
        struct tensor *part = run->gather_part;
        struct comm_req req = {0};
        int64_t offset = begin[a];
        for (at[a] = 0; at[a] < plan->mesh.size[a]; at[a]++) {
            int64_t count = plan_gather_rows(plan, at, a + 1, branches) * features;
            part[at[a]] = tensor_slice(&run->whole, 0, offset, count);
            offset += count;
        }
        at[a] = plan->coord[a];
        TRY(comm_all_gather(run_comm(run, a, 0), &part[plan->coord[a]], part, run->q, &req));
        TRY(comm_wait(&req, run->q));
    }
    return ST_OK;
}

/* Gathers `mine` (fp32 or model dtype, [grids, n, features]) of all ranks with the head; images on
 * the output rank. */
static enum status gather_images(struct run *run, const struct tensor *mine, bool branches,
                                 int channels, float *out)
{
    const struct plan *plan = &run->plan;
    mesh_set_when(run->mesh, COMM_ONCE);
    if (!plan->shard.head)
        return ST_OK;
    TRY(TRACED("gather", gather_axes(run, mine, branches, run_features(run, branches))));
    if (plan->rank != plan_output_rank(plan) || !out)
        return run_drain(run);
    float *host = malloc(tensor_bytes(&run->whole) + 1);
    if (!host)
        return fail(ST_OOM, "output: %zu bytes of host memory", tensor_bytes(&run->whole));
    struct tensor to = tensor_of(host, NULL, DTYPE_F32, 1, run->whole.dim);
    enum status st = TRACED("gather", op_copy(run->q, &to, &run->whole));
    if (st == ST_OK)
        st = run_drain(run);
    if (st == ST_OK) {
        int coord[MESH_MAX_AXES];
        struct scatter s = {plan, problem_geometry(&plan->problem), host, out, channels, branches};
        memcpy(coord, plan->coord, sizeof coord);
        scatter_over(&s, coord, 0);
    }
    free(host);
    return st;
}

enum status run_gather(struct run *run, float *out)
{
    return gather_images(run, &run->x, false, run->plan.problem.config->in_channels, out);
}

enum status run_gather_eps(struct run *run, float *out)
{
    return gather_images(run, &run->eps, true, run->plan.problem.config->out_channels, out);
}
