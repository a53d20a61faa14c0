/* SPDX-License-Identifier: Apache-2.0 */
/* Building a plan: the problem, the strategies' contributions, the refusals. Spans are in
 * plan_span.c, bytes in plan_volume.c. */
#include "strategies/plan.h"

#include "strategies/strategy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIXELS = 65536, MAX_STEPS = 100000, MAX_RANKS = 65536 };

struct latent_geometry problem_geometry(const struct problem *p)
{
    const struct dit_config *c = p->config;
    return (struct latent_geometry){c->in_channels, p->height / c->vae_scale,
                                    p->width / c->vae_scale, c->patch};
}

int problem_token_columns(const struct problem *p)
{
    return p->width / (p->config->vae_scale * p->config->patch);
}

static int problem_token_rows(const struct problem *p)
{
    return p->height / (p->config->vae_scale * p->config->patch);
}

int problem_tokens(const struct problem *p)
{
    return problem_token_columns(p) * problem_token_rows(p);
}

static enum status check_side(const char *what, int pixels, int unit)
{
    if (pixels >= unit && pixels <= MAX_PIXELS && pixels % unit == 0)
        return ST_OK;
    int below = pixels / unit * unit;
    if (pixels < unit || pixels > MAX_PIXELS)
        return fail(ST_INVALID, "%s: %d pixels; a multiple of %d from %d to %d is wanted", what,
                    pixels, unit, unit, MAX_PIXELS);
    return fail(ST_INVALID,
                "%s: %d pixels is not a multiple of %d; the nearest legal ones are %d and %d", what,
                pixels, unit, below, below + unit);
}

enum status problem_check(struct problem *p)
{
    const struct dit_config *c = p->config;
    int unit = c->vae_scale * c->patch;
    p->width = p->width ? p->width : c->default_size;
    p->height = p->height ? p->height : c->default_size;
    p->steps = p->steps ? p->steps : c->default_steps;
    p->requests = p->requests ? p->requests : 1;
    TRY(check_side("width", p->width, unit));
    TRY(check_side("height", p->height, unit));
    if (p->steps < 1 || p->steps > MAX_STEPS)
        return fail(ST_INVALID, "steps: %d; from 1 to %d is legal", p->steps, MAX_STEPS);
    int most = PLAN_MAX_LANES / problem_branches(p);
    if (p->requests < 1 || p->requests > most)
        return fail(ST_INVALID, "requests: %d; from 1 to %d is legal", p->requests, most);
    return ST_OK;
}

enum status plan_refuse(const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(ST_UNSUPPORTED, "%s", text);
}

enum status plan_claim(struct plan *plan, struct strategy **slot, const char *slot_name,
                       struct strategy *me)
{
    (void)plan;
    if (*slot)
        return plan_refuse("%s and %s both own the %s; use one of them", (*slot)->ops->name,
                           me->ops->name, slot_name);
    *slot = me;
    return ST_OK;
}

const char *plan_divisors(int n, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int d = 1; d <= n && used + 16 < size; d++)
        if (n % d == 0)
            used += (size_t)snprintf(buffer + used, size - used, "%s%d", used ? ", " : "", d);
    return buffer;
}

enum status plan_split_tokens(struct plan *plan, int axis, bool rows)
{
    int n = plan->mesh.size[axis];
    int have = problem_token_rows(&plan->problem);
    if (rows && n > have)
        return plan_refuse("%s=%d needs a token row for each rank, and %dx%d pixels have %d; legal "
                           "degrees: 1 to %d",
                           plan->mesh.name[axis], n, plan->problem.width, plan->problem.height,
                           have, have);
    plan->split[plan->n_splits++] = axis;
    plan->split_rows[axis] = rows;
    return ST_OK;
}

enum status plan_cut_patches(struct plan *plan, int patches)
{
    int rows = problem_token_rows(&plan->problem);
    int columns = problem_token_columns(&plan->problem);
    int most = rows < PLAN_MAX_PATCHES ? rows : PLAN_MAX_PATCHES;
    if (patches > most)
        return plan_refuse("patches=%d: a patch is a run of whole token rows, and %dx%d pixels "
                           "have %d; legal: 1 to %d",
                           patches, plan->problem.width, plan->problem.height, rows, most);
    plan->n_patches = patches;
    for (int m = 0; m < patches; m++) {
        int begin;
        int count = part_of(rows, m, patches, &begin);
        plan->patch[m] = span_of(begin * columns, count * columns);
    }
    return ST_OK;
}

/* The smallest part is the last rank's; if that has a token in every patch, all have. */
static enum status check_parts(const struct plan *plan)
{
    int last[MESH_MAX_AXES];
    char text[SPEC_TEXT];
    long runs = plan->n_patches;
    for (int a = 0; a < plan->mesh.n_axes; a++)
        last[a] = plan->mesh.size[a] - 1;
    for (int s = 0; s < plan->n_splits; s++) {
        runs *= plan->mesh.size[plan->split[s]];
        if (runs > SPAN_MAX_RUNS)
            return plan_refuse(
                "'%s': patches times sequence ranks exceed %d; use fewer patches or ranks",
                spec_text(&plan->spec, text), SPAN_MAX_RUNS);
    }
    for (int m = 0; m < plan->n_patches; m++) {
        struct span span;
        plan_span(plan, last, m, &span);
        if (span_count(&span) == 0)
            return plan_refuse("'%s': patch %d has %d tokens, fewer than the ranks that share it; "
                               "use fewer patches or "
                               "ranks, or a larger size",
                               spec_text(&plan->spec, text), m, span_count(&plan->patch[m]));
    }
    return ST_OK;
}

static enum status list_lanes(struct plan *plan)
{
    int branches = problem_branches(&plan->problem);
    plan->requests = plan_requests(plan, plan->coord, &plan->request_begin);
    for (int branch = 0; branch < branches; branch++) {
        if (plan->branch >= 0 && plan->branch != branch)
            continue;
        for (int r = 0; r < plan->requests; r++)
            plan->lane[plan->n_lanes++] = (struct lane){plan->request_begin + r, branch};
    }
    return ST_OK;
}

static void plan_start(struct plan *plan)
{
    const struct dit_config *c = plan->problem.config;
    plan->mesh.n_axes = plan->spec.n;
    for (int a = 0; a < plan->spec.n; a++) {
        struct spec_item *item = &plan->spec.item[a];
        plan->mesh.name[a] = item->ops->name;
        plan->mesh.size[a] = item->degree;
        plan->strategy[a] = (struct strategy){.ops = item->ops, .item = item, .axis = a};
    }
    mesh_coords(&plan->mesh, plan->rank, plan->coord);
    plan->branch = plan->branch_axis = plan->request_axis = -1;
    plan->shard =
        (struct dit_shard){.layer_end = c->layers, .parts = 1, .embed = true, .head = true};
    plan->heads = c->heads;
    plan->n_patches = 1;
    plan->patch[0] = span_of(0, problem_tokens(&plan->problem));
    plan->exact = true;
}

static enum status plan_make(struct plan *plan, const struct spec *spec, int ranks)
{
    char text[SPEC_TEXT];
    TRY(problem_check(&plan->problem));
    TRY(spec_expand(spec, plan->problem.config->heads, &plan->spec));
    int product = spec_ranks(&plan->spec);
    if (ranks < 1 || ranks > MAX_RANKS)
        return fail(ST_INVALID, "ranks: %d; from 1 to %d is legal", ranks, MAX_RANKS);
    if (product != ranks)
        return plan_refuse("'%s' needs %d ranks, the product of its degrees, and %d are given; use "
                           "--ranks %d or other "
                           "degrees",
                           spec_text(&plan->spec, text), product, ranks, product);
    plan_start(plan);
    for (int a = 0; a < plan->mesh.n_axes; a++)
        TRY(plan->strategy[a].ops->plan(&plan->strategy[a], plan));
    TRY(check_parts(plan));
    return list_lanes(plan);
}

enum status plan_build(const struct problem *problem, const struct spec *spec, int ranks, int rank,
                       struct plan **out)
{
    struct plan *plan = calloc(1, sizeof *plan);
    *out = NULL;
    if (!plan)
        return fail(ST_OOM, "plan: %zu bytes of host memory", sizeof *plan);
    plan->problem = *problem;
    plan->rank = rank;
    enum status st = plan_make(plan, spec, ranks);
    if (st != ST_OK) {
        plan_close(plan);
        return st;
    }
    *out = plan;
    return ST_OK;
}

void plan_close(struct plan *plan)
{
    free(plan);
}
