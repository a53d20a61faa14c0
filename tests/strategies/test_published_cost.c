/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published table: its numbers by hand, and that the reasons given for each difference explain
 * it, for every family of models: formula times reasons is what the plan says.
 */
#include "strategies/published_cost.h"

#include "models/dit_config_quarter.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct dit_config config;

static struct problem problem_of(const char *model)
{
    cr_assert(dit_config_find(model, &config), "%s", model);
    struct problem p = {.kind = &kind_transformer,
                        .config = &config,
                        .frames = dit_frames(&config),
                        .steps = 4,
                        .requests = 1,
                        .guided = problem_guides(&config, 4),
                        .text_tokens = config.text_tokens,
                        .dtype = DTYPE_BF16};
    cr_assert_eq(problem_check(&p), ST_OK, "%s", status_text());
    return p;
}

static const struct published_cost *row_of(const char *strategy)
{
    const struct published_cost *row = published_cost_find(strategy_find(strategy));
    cr_assert(row, "%s", strategy);
    return row;
}

/* PixArt at 1024 px: 4096 tokens x 1152 channels x 2 lanes x 2 bytes = 18874368 bytes; 28 layers.
 */
Test(published_cost, numbers_by_hand)
{
    static const struct {
        const char *strategy;
        double term[PUBLISHED_TERMS]; /* communication, activations and keys in A; weights in P */
    } want[] = {
        {"tensor", {4 * 28, 0.25, 0.5, 0.5}}, {"distrifusion", {2 * 28, 1, 0.5, 2 * 28}},
        {"ring", {2 * 28, 1, 0.5, 0.5}},      {"ulysses", {28, 1, 0.5, 0.5}},
        {"pipefusion", {2, 0.25, 0.25, 14}},
    };
    const double A = 18874368, P = 2.0 * 611349152;
    struct problem problem = problem_of("pixart-alpha-1024");
    const struct published_case c = {&problem, 4, 8};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        for (int t = 0; t < PUBLISHED_TERMS; t++)
            cr_assert_float_eq(published_cost_bytes(row_of(want[i].strategy), t, &c),
                               want[i].term[t] * (t == PUBLISHED_WEIGHTS ? P : A), 1, "%s %s",
                               want[i].strategy, published_term_name(t));
}

Test(published_cost, reasons_by_hand)
{
    struct problem problem = problem_of("flux.1-dev"); /* 4096 + 512 tokens, 76 sums, 57 layers */
    const struct published_case two = {&problem, 2, 2}, eight = {&problem, 8, 8};
    cr_assert_float_eq(published_cost_corrected(row_of("tensor"), PUBLISHED_COMM, &two),
                       0.5 * (76 / 114.0) * 1.125, 1e-9);
    cr_assert_float_eq(published_cost_corrected(row_of("ring"), PUBLISHED_COMM, &eight),
                       0.875 * 1.125, 1e-9);
    cr_assert_float_eq(published_cost_corrected(row_of("pipefusion"), PUBLISHED_COMM, &two),
                       0.5 * 1.125, 1e-9);
    cr_assert_float_eq(published_cost_corrected(row_of("pipefusion"), PUBLISHED_KEYS, &eight),
                       1.125 * 8 * 8 / 57, 1e-9);
    struct problem hunyuan = problem_of("hunyuandit-v1.2");
    const struct published_case halves = {&hunyuan, 2, 2}, eighths = {&hunyuan, 8, 8};
    cr_assert_float_eq(published_cost_corrected(row_of("pipefusion"), PUBLISHED_COMM, &halves),
                       0.5 * 20, 1e-9, "19 skips");
    cr_assert_float_eq(published_cost_corrected(row_of("pipefusion"), PUBLISHED_COMM, &eighths),
                       0.5 * 6, 1e-9, "5 skips leave a stage of 5");
}

Test(published_cost, what_is_not_in_the_table)
{
    cr_assert_null(published_cost_find(strategy_find("data")));
    cr_assert_null(published_cost_find(strategy_find("allgather")));
    cr_assert_null(published_cost_find(NULL));
}

/* ---- against the plan ---- */

/* Of the rank that sends most in a steady step, and of the one with the largest key store. */
static void most_of(const struct problem *problem, const char *strategy, int ranks, double *sent,
                    double *keys)
{
    struct spec spec;
    char text[SPEC_TEXT];
    snprintf(text, sizeof text, "%s=%d", strategy, ranks);
    cr_assert_eq(spec_parse(text, &spec), ST_OK);
    *sent = *keys = 0;
    for (int rank = 0; rank < ranks; rank++) {
        struct plan *plan;
        struct volume volume;
        size_t bytes[ARENA_KINDS];
        double mine = 0;
        cr_assert_eq(plan_build(problem, &spec, ranks, rank, &plan), ST_OK, "%s %s: %s",
                     problem->config->name, text, status_text());
        cr_assert_eq(volume_predict(plan, &volume), ST_OK);
        cr_assert_eq(plan_memory(plan, bytes), ST_OK);
        for (int i = 0; i < volume.n; i++)
            mine += volume.line[i].when == COMM_STEP ? (double)volume.line[i].wire_bytes : 0;
        *sent = fmax(*sent, mine);
        *keys = fmax(*keys, (double)bytes[ARENA_KV_STORE]);
        plan_close(plan);
    }
}

static void check_reasons(const char *model, const char *strategy, int ranks)
{
    struct problem problem = problem_of(model);
    const struct published_cost *row = row_of(strategy);
    const struct published_case c = {&problem, ranks, ranks};
    double sent, keys;
    most_of(&problem, strategy, ranks, &sent, &keys);
    double want = published_cost_bytes(row, PUBLISHED_COMM, &c) *
                  published_cost_corrected(row, PUBLISHED_COMM, &c);
    cr_expect_float_eq(sent / want, 1, 0.005, "%s %s=%d sends %g, reasons say %g", model, strategy,
                       ranks, sent, want);
    want = published_cost_bytes(row, PUBLISHED_KEYS, &c) *
           published_cost_corrected(row, PUBLISHED_KEYS, &c);
    if (row->keeps_keys)
        cr_expect_float_eq(keys / want, 1, 0.005, "%s %s=%d keeps %g, reasons say %g", model,
                           strategy, ranks, keys, want);
}

Test(published_cost, reasons_explain_the_whole_difference)
{
    static const char *const models[] = {"pixart-alpha-1024",  "sd3-medium",         "sd3.5-medium",
                                         "flux.1-dev",         "hunyuandit-v1.2",    "latte-1",
                                         "flux.1-dev-quarter", "sd3.5-large-quarter"};
    static const char *const strategies[] = {"tensor", "distrifusion", "ring", "ulysses",
                                             "pipefusion"};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
        for (size_t s = 0; s < sizeof strategies / sizeof strategies[0]; s++)
            for (int ranks = 2; ranks <= 8; ranks *= 2) {
                problem_of(models[m]);
                bool heads =
                    strcmp(strategies[s], "tensor") == 0 || strcmp(strategies[s], "ulysses") == 0;
                if (!heads || config.heads % ranks == 0)
                    check_reasons(models[m], strategies[s], ranks);
            }
}
