/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a warm-up step needs is of that step: keys of a store that hold NaNs when it begins do not
 * reach the result. A strategy of the test's own, innermost of all, sees every site's store and
 * spoils it.
 */
#include "kernels/op.h"
#include "tests/support/cells.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { SITES = 40, STORES = 2 };

/* Keys and values of each site, in each store that attention was ever given. */
struct poison {
    struct tensor k[SITES][STORES], v[SITES][STORES];
    int step; /* the last synchronous one that was spoilt */
};

static enum status poison_plan(struct strategy *me, struct plan *plan)
{
    return plan_claim(plan, &plan->attend[ATTN_COLLECT], "poison", me);
}

static void remember(struct poison *p, const struct attn_call *call)
{
    int s = 0;
    BUG_ON(call->site >= SITES, "site %d", call->site);
    while (s < STORES && p->k[call->site][s].data && p->k[call->site][s].data != call->k.data)
        s++;
    BUG_ON(s == STORES, "site %d has more than %d stores", call->site, STORES);
    p->k[call->site][s] = call->k;
    p->v[call->site][s] = call->v;
}

/* NaNs into the stores of every site but one. */
static enum status spoil(struct poison *p, int but, struct queue *q)
{
    for (int site = 0; site < SITES; site++)
        for (int s = 0; s < STORES && site != but; s++) {
            if (!p->k[site][s].data)
                continue;
            TRY(op_fill(q, &p->k[site][s], NAN));
            TRY(op_fill(q, &p->v[site][s], NAN));
        }
    return ST_OK;
}

/* Behind every other strategy's. */
static enum status poison_begin(struct strategy *me, struct run *run)
{
    struct poison *p = me->state;
    p->step = -1;
    return spoil(p, -1, run_queue(run));
}

/* When a synchronous step is at its first site, the stores of all others hold what it may not read.
 */
static enum status poison_attend(struct strategy *me, const struct attn_call *call)
{
    struct poison *p = me->state;
    remember(p, call);
    if (call->fresh && call->step != p->step)
        TRY(spoil(p, call->site, call->queue));
    p->step = call->step;
    return attn_inner(me, call);
}

static const struct strategy_ops poison = {
    .name = "poison",
    .state_size = sizeof(struct poison),
    .plan = poison_plan,
    .begin = poison_begin,
    .attend = poison_attend,
};

/* In the first loop the strategy learns where the stores are. */
static struct cell_result run(const char *preset, const char *spec, bool spoiled)
{
    /* an option given, or degree 1 would be dropped */
    const struct spec_item own = {.ops = &poison, .degree = 1, .option = {{.n = 1}}};
    struct cell_setup setup = cell_setup_of(preset);
    struct cell_result out;
    cell_set_layers(&setup, 4);
    setup.steps = 4;
    setup.requests = 1;
    setup.own = spoiled ? &own : NULL;
    cr_assert_eq(cell_run(&setup, spec, spoiled ? 2 : 1, &out), ST_OK, "%s %s: %s", preset, spec,
                 status_text());
    return out;
}

static void check(const char *preset)
{
    static const char *const specs[] = {"pipefusion=2:patches=3:warmup=1",
                                        "pipefusion=3:patches=2:warmup=3",
                                        "pipefusion=1:patches=4:warmup=2",
                                        "distrifusion=2:warmup=2",
                                        "distrifusion=3:warmup=1",
                                        "distrifusion=1:patches=3:warmup=2",
                                        "pipefusion=2:patches=2:warmup=2,ulysses=2",
                                        "distrifusion=2:warmup=4,tensor=2"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct cell_result want = run(preset, specs[i], false);
        struct cell_result got = run(preset, specs[i], true);
        cr_expect(near_equal(specs[i], got.latent, want.latent, (int64_t)want.count), "%s %s",
                  preset, specs[i]);
        cell_release(&want);
        cell_release(&got);
    }
}

Test(poison, does_not_reach_a_warmup_step)
{
    check("pixart-tiny");
    check("dit-tiny");
}

Test(poison, does_not_reach_a_warmup_step_of_any_family)
{
    for (int f = 0; hybrid_family(f); f++)
        check(hybrid_family(f));
}

/* It would be seen: a stale step reads it. */
Test(poison, reaches_a_stale_step)
{
    static const char *const specs[] = {
        "pipefusion=2:patches=3:warmup=0", "pipefusion=1:patches=3:warmup=0",
        "distrifusion=2:warmup=0", "distrifusion=1:patches=2:warmup=0"};
    for (int i = 0; i < 4; i++) {
        struct cell_result got = run("sd3-tiny", specs[i], true);
        cr_expect(isnan(got.latent[0]), "%s: %g", specs[i], (double)got.latent[0]);
        cell_release(&got);
    }
}
