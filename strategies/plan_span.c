/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens a rank's rows stand for, at each level of the attention chain. Pure functions of a
 * plan. */
#include "strategies/plan.h"

#include <string.h>

/* The k-th of n parts of a run of whole token rows, larger parts first. */
static struct span rows_part(const struct span *span, int columns, int k, int n)
{
    struct span out = {0};
    for (int r = 0; r < span->n; r++) {
        int begin;
        int rows = part_of(span->run[r].count / columns, k, n, &begin);
        span_push(&out, span->run[r].begin + begin * columns, rows * columns);
    }
    return out;
}

static void append_patch(const struct plan *plan, const int *coord, int patch, struct span *out)
{
    struct span span = plan->patch[patch];
    int columns = problem_token_columns(&plan->problem);
    for (int s = 0; s < plan->n_splits; s++) {
        int axis = plan->split[s];
        int n = plan->mesh.size[axis];
        span = plan->split_rows[axis] ? rows_part(&span, columns, coord[axis], n)
                                      : span_part(&span, coord[axis], n);
    }
    BUG_ON(!span_append(out, &span), "more than %d token runs", SPAN_MAX_RUNS);
}

static void append_patches(const struct plan *plan, const int *coord, int patch, struct span *out)
{
    if (patch != PATCH_ALL) {
        append_patch(plan, coord, patch, out);
        return;
    }
    for (int m = 0; m < plan->n_patches; m++)
        append_patch(plan, coord, m, out);
}

void plan_span(const struct plan *plan, const int *coord, int patch, struct span *out)
{
    out->n = 0;
    append_patches(plan, coord ? coord : plan->coord, patch, out);
}

/* Appends the rows of every rank that differs from `coord` only on the axes in `mask`, outer axes
 * slowest. */
static void append_over(const struct plan *plan, int *coord, unsigned mask, int axis, int patch,
                        struct span *out)
{
    if (axis == plan->mesh.n_axes) {
        append_patches(plan, coord, patch, out);
        return;
    }
    if (!(mask >> axis & 1)) {
        append_over(plan, coord, mask, axis + 1, patch, out);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < plan->mesh.size[axis]; coord[axis]++)
        append_over(plan, coord, mask, axis + 1, patch, out);
    coord[axis] = own;
}

void plan_span_wide(const struct plan *plan, const int *coord, int patch, struct span *out)
{
    int at[MESH_MAX_AXES];
    memcpy(at, coord ? coord : plan->coord, sizeof at);
    out->n = 0;
    append_over(plan, at, plan->rejoined, 0, patch, out);
}

/* Stored axes are outside the rejoined ones, so that each stored part's rows lie together: a gather
 * lands in place. */
static void append_stored(const struct plan *plan, int *coord, int axis, struct span *out)
{
    if (axis == plan->mesh.n_axes) {
        for (int m = 0; m < plan->n_patches; m++)
            append_over(plan, coord, plan->rejoined, 0, m, out);
        return;
    }
    if (!(plan->stored >> axis & 1)) {
        append_stored(plan, coord, axis + 1, out);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < plan->mesh.size[axis]; coord[axis]++)
        append_stored(plan, coord, axis + 1, out);
    coord[axis] = own;
}

void plan_span_keys(const struct plan *plan, const int *coord, int patch, struct span *out)
{
    int at[MESH_MAX_AXES];
    if (!plan->attend[ATTN_STORE]) {
        plan_span_wide(plan, coord, patch, out);
        return;
    }
    memcpy(at, coord ? coord : plan->coord, sizeof at);
    out->n = 0;
    append_stored(plan, at, 0, out);
}

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
    int at[MESH_MAX_AXES];
    int64_t rows = 0;
    memcpy(at, coord, sizeof at);
    if (axis == plan->mesh.n_axes) {
        struct span span;
        int begin;
        plan_span(plan, at, PATCH_ALL, &span);
        int lanes = plan_requests(plan, at, &begin);
        if (branches && plan->branch_axis < 0)
            lanes *= problem_branches(&plan->problem);
        return (int64_t)span_count(&span) * lanes;
    }
    if (!plan_gathers(plan, axis, branches))
        return plan_gather_rows(plan, at, axis + 1, branches);
    for (at[axis] = 0; at[axis] < plan->mesh.size[axis]; at[axis]++)
        rows += plan_gather_rows(plan, at, axis + 1, branches);
    return rows;
}
