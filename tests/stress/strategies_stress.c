/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies for the thread sanitizer, without an assertion but success: each of the registry on as
 * many thread ranks as it takes, up to 8, and all hybrids of the table on 8; the other families of
 * models on 2 and 3, a decoder on 2 to 8. */
#include "tests/support/cells.h"

#include <stdio.h>

enum { RANKS = 8 };

static bool planned(const struct cell_setup *setup, const char *text)
{
    struct problem problem = cell_problem(setup);
    struct spec spec;
    struct plan *plan;
    if (spec_parse(text, &spec) != ST_OK ||
        plan_build(&problem, &spec, cell_ranks(setup, text), 0, &plan) != ST_OK)
        return false;
    plan_close(plan);
    return true;
}

static int run(const struct cell_setup *setup, const char *text, int loops)
{
    struct cell_result result;
    bool good = cell_run(setup, text, loops, &result) == ST_OK && result.bytes_match;
    fprintf(stderr, "%s %s %s %s%s\n", good ? "ok" : "FAILED", cell_model(setup), text,
            good ? "" : status_text(), good ? "" : result.mismatch);
    cell_release(&result);
    return !good;
}

/* The largest degree that the plan accepts. */
static int run_alone(const struct cell_setup *setup, const struct strategy_ops *ops)
{
    char text[SPEC_TEXT];
    for (int degree = RANKS; degree > 1; degree--) {
        snprintf(text, sizeof text, "%s=%d", ops->name, degree);
        if (planned(setup, text))
            return run(setup, text, 2);
    }
    fprintf(stderr, "FAILED %s: no degree from 2 to %d is planned\n", ops->name, RANKS);
    return 1;
}

/* Every line of the table on several ranks that is tested on this model. */
static int run_all(struct cell_setup setup)
{
    int bad = 0;
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&setup, i) && cell_ranks(&setup, hybrid_at(i)) > 1)
            bad |= run(&setup, hybrid_at(i), 1);
    return bad;
}

/* Fewer tokens, and one loop of three steps: fresh, stale, last. */
static int run_family(const char *preset)
{
    struct cell_setup setup = cell_setup_of(preset);
    setup.width = 48;
    setup.steps = 3;
    return run_all(setup);
}

int main(void)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    int bad = 0;
    setup.requests = RANKS;
    setup.steps = 3;
    for (int i = 0; hybrid_strategy(i); i++)
        bad |= run_alone(&setup, hybrid_strategy(i));
    setup.requests = 2;
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&setup, i) && cell_ranks(&setup, hybrid_at(i)) == RANKS)
            bad |= run(&setup, hybrid_at(i), 2);
    for (int f = 0; hybrid_family(f); f++)
        bad |= run_family(hybrid_family(f));
    bad |= run_all(cell_setup_of("vae-tiny"));
    return bad;
}
