/* SPDX-License-Identifier: Apache-2.0 */
/* What one rank holds: rows, the model and its tensors, strategies' buffers. Runs over measuring
 * arenas for the plan's prediction. */
#include "strategies/run_internal.h"

#include <stdlib.h>

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
    for (int k = 0; k < ARENA_KINDS; k++)
        TRY(arena_open(run->dev, k, &run->arena[k]));
    TRY(rows_init(run));
    TRY(run->plan.problem.kind->allocate(run));
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
