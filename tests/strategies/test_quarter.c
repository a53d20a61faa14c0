/* SPDX-License-Identifier: Apache-2.0 */
/* Quarter models under every strategy of the cost table: equal to their one-rank run, with the
 * bytes and memory that the plan said. */
#include "models/dit_config_quarter.h"
#include "tests/support/cells.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const quarters[] = {
    "pixart-tiny-quarter", "sd3-tiny-quarter",        "flux-tiny-quarter",
    "latte-tiny-quarter",  "hunyuandit-tiny-quarter",
};

static const char *const specs[] = {"tensor=2", "distrifusion=2", "ring=2", "ulysses=2",
                                    "pipefusion=2"};

static void check_family(const char *name)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    cr_assert(dit_config_find(name, &setup.config));
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char reference[SPEC_TEXT];
        struct cell_result got, want;
        cr_assert_eq(cell_run(&setup, specs[i], 1, &got), ST_OK, "%s %s: %s", name, specs[i],
                     status_text());
        cr_assert_eq(cell_run(&setup, cell_reference(&setup, specs[i], reference), 1, &want), ST_OK,
                     "%s", status_text());
        cr_assert_leq(cell_distance(&got, &want), cell_tolerance(specs[i]), "%s %s", name,
                      specs[i]);
        cr_assert(got.bytes_match && got.memory_match, "%s %s: %s", name, specs[i], got.mismatch);
        cell_release(&got);
        cell_release(&want);
    }
}

Test(quarter, ranks_equal_one)
{
    for (size_t i = 0; i < sizeof quarters / sizeof quarters[0]; i++)
        check_family(quarters[i]);
}

/* FLUX.1: 57 layers are 15, a pipeline of 8 gets 2 of them, the last stage 1. */
Test(quarter, plan_of_a_large_model)
{
    struct dit_config config;
    struct spec spec;
    struct plan *plan;
    cr_assert(dit_config_find("flux.1-dev-quarter", &config));
    struct problem problem = {.kind = &kind_transformer,
                              .config = &config,
                              .steps = 3,
                              .text_tokens = 512,
                              .dtype = DTYPE_BF16};
    cr_assert_eq(problem_check(&problem), ST_OK, "%s", status_text());
    cr_assert_eq(spec_parse("pipefusion=8", &spec), ST_OK);
    cr_assert_eq(plan_build(&problem, &spec, 8, 7, &plan), ST_OK, "%s", status_text());
    cr_assert_eq(plan->shard.layer_begin, 14);
    cr_assert_eq(plan->shard.layer_end, 15);
    plan_close(plan);
}
