/* SPDX-License-Identifier: Apache-2.0 */
/* What one rank holds: rows, latents, model, strategies' buffers. Runs over measuring arenas for
 * the plan's prediction. */
#include "strategies/run_internal.h"

#include <stdlib.h>

int run_features(const struct run *run, bool all_channels)
{
    const struct dit_config *c = run->plan.problem.config;
    return dit_features(c, all_channels ? c->out_channels : c->in_channels);
}

struct arena *run_arena(struct run *run, enum arena_kind kind)
{
    return run->arena[kind];
}

enum status run_tensor(struct run *run, enum arena_kind kind, int ndim, const int64_t *dim,
                       struct tensor *out)
{
    return arena_tensor(run->arena[kind], run->plan.problem.dtype, ndim, dim, out);
}

static enum status rows_init(struct run *run)
{
    const struct plan *plan = &run->plan;
    size_t slots = (size_t)plan_slots(plan);
    size_t lanes = (size_t)plan->n_lanes;
    struct arena *arena = run->arena[ARENA_ACTIVATIONS];
    for (int set = 0; set < TOKEN_SETS; set++) {
        TRY(arena_host(arena, slots * sizeof *run->span[set], (void **)&run->span[set]));
        TRY(arena_host(arena, slots * sizeof *run->rows[set], (void **)&run->rows[set]));
    }
    TRY(arena_host(arena, slots * sizeof *run->row_begin, (void **)&run->row_begin));
    TRY(arena_host(arena, lanes * sizeof *run->prompt_row, (void **)&run->prompt_row));
    int begin = 0;
    for (int m = PATCH_ALL; m < plan->n_patches; m++) {
        int slot = plan_slot(m);
        for (int set = 0; set < TOKEN_SETS; set++) {
            TRY(plan_span(plan, set, PLAN_OWN, NULL, m, arena, &run->span[set][slot]));
            run->rows[set][slot] = span_count(&run->span[set][slot]);
        }
        if (m == PATCH_ALL)
            continue;
        run->row_begin[slot] = begin;
        begin += run->rows[TOKENS_IMAGE][slot];
    }
    for (int b = 0; b < plan->n_lanes; b++) {
        struct lane lane = plan_lane(plan, b);
        run->prompt_row[b] = lane.branch * plan->problem.requests + lane.request;
    }
    return ST_OK;
}

static enum status latents_init(struct run *run)
{
    const struct plan *plan = &run->plan;
    struct arena *arena = run->arena[ARENA_ACTIVATIONS];
    int64_t C = dit_channels(plan->problem.config);
    int64_t own = (int64_t)plan->requests * plan->problem.frames;
    int64_t n = run_rows(run, TOKENS_IMAGE, PATCH_ALL);
    int64_t latent[3] = {own, n, run_features(run, false)};
    int64_t input[3] = {plan->n_grids, n, run_features(run, false)};
    int64_t hidden[3] = {plan->n_grids, run_rows(run, TOKENS_ALL, PATCH_ALL), C};
    int64_t eps[3] = {plan->n_grids, n, run_features(run, plan->problem.all_channels)};

    TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, hidden, &run->h));
    if (plan->shard.embed || plan->shard.head) {
        TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->start));
        TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->x));
    }
    if (plan->shard.embed)
        TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, input, &run->input));
    if (!plan->shard.head)
        return ST_OK;
    TRY(run_tensor(run, ARENA_ACTIVATIONS, 3, eps, &run->eps));
    TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->hist));
    if (plan->problem.config->sampler.kind == SAMPLER_DDPM)
        TRY(arena_tensor(arena, DTYPE_F32, 3, latent, &run->noise));
    bool branches = plan->problem.all_channels;
    int most = 1;
    for (int a = 0; a < plan->mesh.n_axes; a++)
        most = plan->mesh.size[a] > most ? plan->mesh.size[a] : most;
    TRY(arena_host(arena, (size_t)most * sizeof *run->gather_part, (void **)&run->gather_part));
    int64_t whole = plan_gather_rows(plan, plan->coord, 0, branches) * run_features(run, branches);
    return arena_tensor(run->arena[ARENA_BUFFERS], DTYPE_F32, 1, &whole, &run->whole);
}

static enum status strategies_init(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        s->run = run;
        if (s->ops->state_size)
            TRY(arena_host(run->arena[ARENA_BUFFERS], s->ops->state_size, &s->state));
        if (s->ops->init)
            TRY(s->ops->init(s, run));
    }
    return ST_OK;
}

enum status run_allocate(struct run *run)
{
    const struct problem *p = &run->plan.problem;
    struct latent_geometry geometry = problem_geometry(p);
    for (int k = 0; k < ARENA_KINDS; k++)
        TRY(arena_open(run->dev, k, &run->arena[k]));
    TRY(rows_init(run));
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
    TRY(latents_init(run));
    return strategies_init(run);
}

enum status plan_memory(const struct plan *plan, size_t bytes[ARENA_KINDS])
{
    struct run_inputs nothing = {0};
    struct run *run;
    TRY(run_open(plan, &nothing, NULL, NULL, &run));
    for (int k = 0; k < ARENA_KINDS; k++)
        bytes[k] = run_memory(run, k);
    run_close(run);
    return ST_OK;
}

size_t run_memory(const struct run *run, enum arena_kind kind)
{
    return arena_peak(run->arena[kind]);
}
