/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of strategy_ops that are not filled do what strategy.h says. The strategies here are in no
 * registry: a specification holds the table itself. */
#include "tests/support/cells.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <string.h>

/* Splits nothing, owns nothing: its ranks all do the same. */
static enum status plan_nothing(struct strategy *me, struct plan *plan)
{
    (void)me;
    (void)plan;
    return ST_OK;
}

/* Owns what is left to own, and does nothing about it. */
static enum status plan_everything(struct strategy *me, struct plan *plan)
{
    struct strategy **const slot[] = {
        &plan->attend[ATTN_RESHARD],
        &plan->attend[ATTN_STORE],
        &plan->attend[ATTN_COLLECT],
        &plan->row_linear,
        &plan->guide,
        &plan->schedule,
    };
    for (size_t i = 0; i < sizeof slot / sizeof slot[0]; i++)
        if (!*slot[i])
            TRY(plan_claim(plan, slot[i], "slot", me));
    return ST_OK;
}

static const struct strategy_ops nothing = {.name = "nothing", .plan = plan_nothing};
static const struct strategy_ops everything = {.name = "everything", .plan = plan_everything};

static void check(const char *preset, const struct strategy_ops *ops, int degree, const char *spec,
                  bool forward)
{
    /* an option given, or degree 1 would be dropped */
    const struct spec_item own = {.ops = ops, .degree = degree, .option = {{.n = 1}}};
    struct cell_setup setup = cell_setup_of(preset);
    struct cell_result want;
    struct cell_result got;
    char text[SPEC_TEXT];
    setup.forward = forward;
    cell_set_layers(&setup, 3);
    setup.steps = 3;
    cr_assert_eq(cell_run(&setup, cell_reference(&setup, spec, text), 1, &want), ST_OK, "%s",
                 status_text());
    setup.own = &own;
    cr_assert_eq(cell_run(&setup, spec, 1, &got), ST_OK, "%s: %s", spec, status_text());
    cr_expect(near_floats(spec, got.latent, want.latent, (int64_t)want.count, cell_tolerance(spec)),
              "%s: %s=%d with %s, forward %d", preset, ops->name, degree, spec, forward);
    cr_expect(got.bytes_match && got.memory_match, "%s: %s=%d with %s: %s", preset, ops->name,
              degree, spec, got.mismatch);
    cell_release(&want);
    cell_release(&got);
}

static void check_loops_and_forwards(const struct strategy_ops *ops)
{
    static const char *const specs[] = {"serial",
                                        "ulysses=2",
                                        "ring=2",
                                        "cfg=2",
                                        "tensor=2",
                                        "distrifusion=2:warmup=1",
                                        "data=2,ring=2",
                                        "distrifusion=1:patches=3:warmup=1",
                                        "pipefusion=2:patches=3:warmup=1,ulysses=2"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        for (int degree = 1; degree <= 2; degree++)
            for (int forward = 0; forward < 2; forward++)
                check("pixart-tiny", ops, degree, specs[i], forward);
}

static void check_families(const struct strategy_ops *ops)
{
    static const char *const specs[] = {"ring=2", "tensor=2", "distrifusion=2:warmup=1",
                                        "pipefusion=2:patches=3:warmup=1,ulysses=2"};
    for (int f = 0; hybrid_family(f); f++)
        for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
            check(hybrid_family(f), ops, 1 + (int)(i % 2), specs[i], i == 0);
}

Test(slots, a_strategy_that_only_plans_is_the_serial_run)
{
    check_loops_and_forwards(&nothing);
    check_families(&nothing);
}

Test(slots, an_owner_without_functions_leaves_the_defaults)
{
    check_loops_and_forwards(&everything);
    check_families(&everything);
}
