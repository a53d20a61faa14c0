/* SPDX-License-Identifier: Apache-2.0 */
/* Building a plan: the strategies' contributions, the refusals. Spans are in plan_span.c, bytes in
 * volume.c. */
#include "strategies/plan.h"

#include "strategies/strategy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 65536 };

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

enum status plan_split_heads(struct plan *plan, int axis)
{
    int n = plan->mesh.size[axis];
    int all = problem_facts(&plan->problem).heads;
    char legal[200];
    char left[60] = "";
    if (plan->heads != all)
        snprintf(left, sizeof left, " that the axes before it leave of the model's %d", all);
    if (plan->heads % n != 0)
        return plan_refuse("%s=%d does not divide %d heads%s; legal degrees: %s",
                           plan->mesh.name[axis], n, plan->heads, left,
                           plan_divisors(plan->heads, legal, sizeof legal));
    plan->heads /= n;
    return ST_OK;
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

enum status plan_cut_patches(struct plan *plan, int patches, bool text)
{
    int rows = problem_token_rows(&plan->problem);
    if (patches > rows)
        return plan_refuse("patches=%d: a patch is a run of whole token rows, and %dx%d pixels "
                           "have %d; legal: 1 to %d",
                           patches, plan->problem.width, plan->problem.height, rows, rows);
    plan->n_patches = patches;
    plan->text_in_patches = text;
    return ST_OK;
}

/* The smallest part is the last rank's; if that has an image token in every patch, all have. Parts
 * of the text may be empty. */
static enum status check_parts(const struct plan *plan)
{
    int last[MESH_MAX_AXES];
    char text[SPEC_TEXT];
    for (int a = 0; a < plan->mesh.n_axes; a++)
        last[a] = plan->mesh.size[a] - 1;
    for (int m = 0; m < plan->n_patches; m++)
        if (plan_share(plan, TOKENS_IMAGE, last, m).count == 0)
            return plan_refuse("'%s': patch %d has %d tokens, too few for the ranks that share it; "
                               "use fewer patches or ranks, or a larger size",
                               spec_text(&plan->spec, text), m,
                               plan_patch(plan, TOKENS_IMAGE, m).count);
    return ST_OK;
}

int plan_sites(const struct plan *plan, int *begin)
{
    *begin = dit_sites(plan->problem.config, plan->shard.layer_begin);
    return dit_sites(plan->problem.config, plan->shard.layer_end) - *begin;
}

enum comm_when plan_when(const struct plan *plan, int axis, int step)
{
    if (step == plan->problem.steps - 1 && plan->last_differs[axis])
        return COMM_LAST_STEP;
    return step < plan->warmup ? COMM_WARMUP_STEP : COMM_STEP;
}

int plan_steps_of(const struct plan *plan, int axis, enum comm_when when)
{
    if (when == COMM_ONCE)
        return 1;
    int count = 0;
    for (int i = 0; i < plan->problem.steps; i++)
        count += plan_when(plan, axis, i) == when;
    return count;
}

struct lane plan_lane(const struct plan *plan, int i)
{
    int branch = plan->branch >= 0 ? plan->branch : i / plan->requests;
    return (struct lane){plan->request_begin + i % plan->requests, branch};
}

/* What a strategy's own tests would find late: tokens that no attention sees, patches that nobody
 * keeps keys for, and a branch of guidance without the other. */
static void check_owners(const struct plan *plan)
{
    const struct strategy *collect = plan->attend[ATTN_COLLECT];
    for (int s = 0; s < plan->n_splits; s++) {
        int axis = plan->split[s];
        bool joined = (plan->rejoined | plan->stored) >> axis & 1;
        BUG_ON(!joined && (!collect || collect->axis != axis),
               "%s splits tokens, and no attention level sees those of all its ranks",
               plan->mesh.name[axis]);
    }
    BUG_ON(plan->n_patches > 1 && !plan->attend[ATTN_STORE], "patches without a key store");
    BUG_ON(plan->branch >= 0 && !plan->guide, "one branch of guidance, and nobody has the other");
}

static void plan_start(struct plan *plan)
{
    plan->mesh.n_axes = plan->spec.n;
    for (int a = 0; a < plan->spec.n; a++) {
        struct spec_item *item = &plan->spec.item[a];
        plan->mesh.name[a] = item->ops->name;
        plan->mesh.size[a] = item->degree;
        plan->strategy[a] = (struct strategy){.ops = item->ops, .item = item, .axis = a};
    }
    mesh_coords(&plan->mesh, plan->rank, plan->coord);
    plan->branch = plan->branch_axis = plan->request_axis = -1;
    plan->heads = problem_facts(&plan->problem).heads;
    plan->n_patches = 1;
    plan->exact = true;
}

/* `spec` as the user gave it: a composite is refused by its own name. */
static enum status check_kinds(const struct plan *plan, const struct spec *spec)
{
    const struct kind_ops *kind = plan->problem.kind;
    char names[200] = "";
    for (int i = 0; i < spec->n; i++) {
        const struct strategy_ops *ops = spec->item[i].ops;
        if (!ops->kind || ops->kind == kind)
            continue;
        size_t used = 0;
        for (int s = 0; strategy_at(s); s++)
            if (!strategy_at(s)->kind || strategy_at(s)->kind == kind)
                used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                         used ? ", " : "", strategy_at(s)->name);
        return plan_refuse("%s splits a %s, and %s is a %s; legal: %s", ops->name, ops->kind->name,
                           problem_facts(&plan->problem).name, kind->name, names);
    }
    return ST_OK;
}

static enum status plan_make(struct plan *plan, const struct spec *spec, int ranks)
{
    char text[SPEC_TEXT];
    TRY(problem_check(&plan->problem));
    TRY(check_kinds(plan, spec));
    TRY(spec_expand(spec, problem_facts(&plan->problem).heads, &plan->spec));
    int product = spec_ranks(&plan->spec);
    if (ranks < 1 || ranks > MAX_RANKS)
        return fail(ST_INVALID, "ranks: %d; from 1 to %d is legal", ranks, MAX_RANKS);
    if (product != ranks)
        return plan_refuse("'%s' needs %d ranks, the product of its degrees, and %d are given; use "
                           "--ranks %d or other "
                           "degrees",
                           spec_text(&plan->spec, text), product, ranks, product);
    plan_start(plan);
    TRY(plan->problem.kind->plan(plan));
    for (int a = 0; a < plan->mesh.n_axes; a++)
        TRY(plan->strategy[a].ops->plan(&plan->strategy[a], plan));
    plan->requests = plan_requests(plan, plan->coord, &plan->request_begin);
    plan->n_lanes = plan->requests * (plan->branch >= 0 ? 1 : problem_branches(&plan->problem));
    plan->n_grids = plan->n_lanes * plan->problem.frames;
    check_owners(plan);
    return check_parts(plan);
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
