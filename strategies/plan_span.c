/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens a rank's rows stand for, at each level of the attention chain. Pure functions of a
 * plan. */
#include "strategies/plan.h"

#include <string.h>

/* Image tokens are numbered from 0 on, the text's behind them. */
struct token_run plan_patch(const struct plan *plan, enum token_set part, int m)
{
    const struct problem *p = &plan->problem;
    int columns = problem_token_columns(p);
    int begin;
    int count;
    if (part == TOKENS_IMAGE) {
        count = part_of(problem_token_rows(p), m, plan->n_patches, &begin);
        return (struct token_run){begin * columns, count * columns};
    }
    if (plan->text_in_patches)
        count = part_of(problem_text(p), m, plan->n_patches, &begin);
    else
        count = part_of(m == 0 ? problem_text(p) : 0, 0, 1, &begin);
    return (struct token_run){problem_tokens(p) + begin, count};
}

/* The k-th part of a run of tokens on that axis. */
static struct token_run cut(const struct plan *plan, enum token_set part, int axis, int k,
                            struct token_run run)
{
    bool rows = plan->split_rows[axis] && part == TOKENS_IMAGE;
    int unit = rows ? problem_token_columns(&plan->problem) : 1;
    int begin;
    int count = part_of(run.count / unit, k, plan->mesh.size[axis], &begin);
    return (struct token_run){run.begin + begin * unit, count * unit};
}

struct token_run plan_share(const struct plan *plan, enum token_set part, const int *coord, int m)
{
    struct token_run run = plan_patch(plan, part, m);
    coord = coord ? coord : plan->coord;
    for (int s = 0; s < plan->n_splits; s++)
        run = cut(plan, part, plan->split[s], coord[plan->split[s]], run);
    return run;
}

/* Axes whose ranks' rows are taken together. */
static unsigned axes_of(const struct plan *plan, enum plan_rows of)
{
    unsigned stored = plan->attend[ATTN_STORE] ? plan->stored : 0;
    return of == PLAN_OWN ? 0 : of == PLAN_WIDE ? plan->rejoined : plan->rejoined | stored;
}

static bool whole_store(const struct plan *plan, enum plan_rows of)
{
    return of == PLAN_KEYS && plan->attend[ATTN_STORE];
}

/* Tokens of `run` for all ranks that differ from `coord` on `axes` only, cut from split s on. Where
 * no cut of one rank follows, the parts add up to the run. */
static int count_over(const struct plan *plan, enum token_set part, unsigned axes, const int *coord,
                      int s, struct token_run run)
{
    unsigned left = 0;
    for (int t = s; t < plan->n_splits; t++)
        left |= 1u << plan->split[t];
    if ((left & ~axes) == 0)
        return run.count;
    int axis = plan->split[s];
    if (!(axes >> axis & 1))
        return count_over(plan, part, axes, coord, s + 1, cut(plan, part, axis, coord[axis], run));
    int count = 0;
    for (int k = 0; k < plan->mesh.size[axis]; k++)
        count += count_over(plan, part, axes, coord, s + 1, cut(plan, part, axis, k, run));
    return count;
}

/* Patches first .. end-1 that a question is about. */
static int patches_of(const struct plan *plan, enum plan_rows of, int patch, int *end)
{
    bool all = patch == PATCH_ALL || whole_store(plan, of);
    *end = all ? plan->n_patches : patch + 1;
    return all ? 0 : patch;
}

static bool has_part(enum token_set set, enum token_set part)
{
    return set == part || set == TOKENS_ALL;
}

int plan_rows(const struct plan *plan, enum token_set set, enum plan_rows of, const int *coord,
              int patch)
{
    static const enum token_set parts[2] = {TOKENS_TEXT, TOKENS_IMAGE};
    int rows = 0;
    int end;
    coord = coord ? coord : plan->coord;
    for (int m = patches_of(plan, of, patch, &end); m < end; m++)
        for (int i = 0; i < 2; i++)
            if (has_part(set, parts[i]))
                rows += count_over(plan, parts[i], axes_of(plan, of), coord, 0,
                                   plan_patch(plan, parts[i], m));
    return rows;
}

int plan_peer_rows(const struct plan *plan, enum token_set set, enum plan_rows of, int axis,
                   int peer, int patch)
{
    int coord[MESH_MAX_AXES];
    memcpy(coord, plan->coord, sizeof coord);
    coord[axis] = peer;
    return plan_rows(plan, set, of, coord, patch);
}

void plan_peer_begins(const struct plan *plan, enum token_set set, enum plan_rows of, int axis,
                      int *begin)
{
    begin[0] = 0;
    for (int r = 0; r < plan->mesh.size[axis]; r++)
        begin[r + 1] = begin[r] + plan_peer_rows(plan, set, of, axis, r, PATCH_ALL);
}

/* ---- run lists ---- */

/* Patches first .. end-1 of a set of tokens. */
struct pick {
    const struct plan *plan;
    enum token_set set;
    int first, end;
};

static void push_rank(const struct pick *pick, const int *coord, struct span *out)
{
    static const enum token_set parts[2] = {TOKENS_TEXT, TOKENS_IMAGE};
    for (int i = 0; i < 2; i++)
        for (int m = pick->first; has_part(pick->set, parts[i]) && m < pick->end; m++) {
            struct token_run run = plan_share(pick->plan, parts[i], coord, m);
            span_push(out, run.begin, run.count);
        }
}

/* Every rank that differs from `coord` only on `axes`, outer axes slowest. */
static void push_over(const struct pick *pick, int *coord, unsigned axes, int axis,
                      struct span *out)
{
    if (axis == pick->plan->mesh.n_axes) {
        push_rank(pick, coord, out);
        return;
    }
    if (!(axes >> axis & 1)) {
        push_over(pick, coord, axes, axis + 1, out);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < pick->plan->mesh.size[axis]; coord[axis]++)
        push_over(pick, coord, axes, axis + 1, out);
    coord[axis] = own;
}

/* Stored axes are outside the rejoined ones, so that each stored part's rows lie together: a gather
 * lands in place. */
static void push_stored(const struct pick *pick, int *coord, int axis, struct span *out)
{
    const struct plan *plan = pick->plan;
    if (axis == plan->mesh.n_axes) {
        for (int m = pick->first; m < pick->end; m++) {
            struct pick one = {plan, pick->set, m, m + 1};
            push_over(&one, coord, plan->rejoined, 0, out);
        }
        return;
    }
    if (!(plan->stored >> axis & 1)) {
        push_stored(pick, coord, axis + 1, out);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < plan->mesh.size[axis]; coord[axis]++)
        push_stored(pick, coord, axis + 1, out);
    coord[axis] = own;
}

enum status plan_span(const struct plan *plan, enum token_set set, enum plan_rows of,
                      const int *coord, int patch, struct arena *arena, struct span *out)
{
    int at[MESH_MAX_AXES];
    unsigned axes = axes_of(plan, of);
    struct pick pick = {.plan = plan, .set = set};
    pick.first = patches_of(plan, of, patch, &pick.end);
    int runs = (pick.end - pick.first) * (set == TOKENS_ALL ? 2 : 1);
    for (int a = 0; a < plan->mesh.n_axes; a++)
        runs *= axes >> a & 1 ? plan->mesh.size[a] : 1;
    *out = (struct span){.room = runs};
    TRY(arena_host(arena, (size_t)runs * sizeof *out->run, (void **)&out->run));
    memcpy(at, coord ? coord : plan->coord, sizeof at);
    if (whole_store(plan, of))
        push_stored(&pick, at, 0, out);
    else
        push_over(&pick, at, axes, 0, out);
    return ST_OK;
}

/* ---- the final gather ---- */

int plan_requests(const struct plan *plan, const int *coord, int *begin)
{
    int axis = plan->request_axis;
    if (axis < 0) {
        *begin = 0;
        return plan->problem.requests;
    }
    return part_of(plan->problem.requests, coord[axis], plan->mesh.size[axis], begin);
}

int plan_output_rank(const struct plan *plan)
{
    int coord[MESH_MAX_AXES] = {0};
    for (int a = 0; a < plan->mesh.n_axes; a++)
        if (plan->schedule && plan->schedule->axis == a)
            coord[a] = plan->mesh.size[a] - 1;
    return mesh_rank(&plan->mesh, coord);
}

bool plan_gathers(const struct plan *plan, int axis, bool branches)
{
    for (int s = 0; s < plan->n_splits; s++)
        if (plan->split[s] == axis)
            return true;
    return axis == plan->request_axis || (branches && axis == plan->branch_axis);
}

int64_t plan_gather_rows(const struct plan *plan, const int *coord, int axis, bool branches)
{
    int64_t rows = 0;
    int begin;
    unsigned inner = ~0u << axis;
    for (int m = 0; m < plan->n_patches; m++)
        rows += count_over(plan, TOKENS_IMAGE, inner, coord, 0, plan_patch(plan, TOKENS_IMAGE, m));
    rows *= plan->problem.frames;
    rows *=
        plan->request_axis >= axis ? plan->problem.requests : plan_requests(plan, coord, &begin);
    bool all_branches = plan->branch_axis < 0 || plan->branch_axis >= axis;
    return branches && all_branches ? rows * problem_branches(&plan->problem) : rows;
}
