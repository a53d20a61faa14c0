/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan accepts, a run can open: random specifications over every strategy and option of the
 * registry, random models, sizes, requests and ranks. A rank's initialisation runs over measuring
 * arenas, its closed forms are taken, and the parts of all ranks tile the work. Some are run, too.
 * DITBENCH_PLANS=N tries N of them instead of a few thousand, and wider worlds.
 */
#include "tests/support/cells.h"
#include "tests/support/near.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RANKS = 4096, PLANS = 4000, MOST_RUN = 8 };

/* ---- chance ---- */

struct chance {
    uint64_t seed, drawn;
};

/* A whole number from 0 to n-1. */
static int pick(struct chance *c, int n)
{
    float u;
    rng_uniform(c->seed, 0, c->drawn++, 1, &u);
    int value = (int)((double)(u + 1) / 2 * n);
    return value < n ? value : n - 1;
}

/* Small most often, sometimes huge; a power of two in half of the cases. */
static int pick_degree(struct chance *c)
{
    static const int most[] = {2, 3, 4, 8, 16, 64, 300, MOST_RANKS};
    return pick(c, 2) ? 1 << pick(c, 10) : 1 + pick(c, most[pick(c, 8)]);
}

static int put_option(struct chance *c, const struct spec_option *option, int degree, char *text)
{
    int used = sprintf(text, ":%s=%d", option->name, option->min + pick_degree(c) - 1);
    for (int i = 1; option->list && i < degree && i < SPEC_MAX_LIST; i++)
        used += sprintf(text + used, "/%d", option->min + pick(c, 4));
    return used;
}

/* Any of the strategies, in any order, most with no option. */
static void draw_spec(struct chance *c, char *text)
{
    int n = 0;
    int used = 0;
    while (strategy_at(n))
        n++;
    text[0] = '\0';
    for (int items = pick(c, 5); items > 0; items--) {
        const struct strategy_ops *ops = strategy_at(pick(c, n));
        int degree = pick_degree(c);
        used += sprintf(text + used, "%s%s=%d", used ? "," : "", ops->name, degree);
        for (const struct spec_option *o = ops->options; o && o->name; o++)
            if (pick(c, 3) == 0)
                used += put_option(c, o, degree, text + used);
    }
    if (used == 0)
        strcpy(text, "serial");
}

static int pick_side(struct chance *c, const struct dit_config *config)
{
    static const int most[] = {4, 8, 16, 64, 256};
    int tokens = 1 + pick(c, most[pick(c, 5)]);
    if (config->position == DIT_POSITION_TABLE && tokens > config->table_side)
        tokens = config->table_side;
    return config->vae_scale * config->patch * tokens;
}

/* Heads that large degrees divide, where the model's positions do not fix their width. */
static void widen(struct chance *c, struct dit_config *config)
{
    if (config->position == DIT_POSITION_ROPE && config->head_dim != 8)
        return;
    config->heads = 1 << pick(c, 9);
    config->head_dim = 8;
    config->mlp = 4 * config->heads * config->head_dim;
}

static void draw_problem(struct chance *c, struct dit_config *config, struct problem *p)
{
    int models = 0;
    while (dit_config_at(models))
        models++;
    *config = *dit_config_at(pick(c, models));
    if (pick(c, 4) == 0)
        widen(c, config);
    *p = (struct problem){
        .kind = &kind_transformer,
        .config = config,
        .width = pick_side(c, config),
        .height = pick_side(c, config),
        .steps = 1 + pick(c, 30),
        .requests = pick_degree(c) % 200 + 1,
        .frames = pick(c, 4) ? 0 : 1,
        .guided = problem_guides(config, pick(c, 3)),
        .text_tokens = config->text_dim ? config->text_tokens : 0,
        .dtype = pick(c, 2) ? DTYPE_BF16 : DTYPE_F32,
        .all_channels = pick(c, 4) == 0,
    };
}

/* ---- what is at hand, for a plan that ends the program ---- */

static char at_hand[SPEC_TEXT + 300];

static void tell_and_die(int number)
{
    ssize_t ignored = write(STDERR_FILENO, at_hand, strlen(at_hand));
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

static void remember(const struct problem *p, const char *text)
{
    snprintf(at_hand, sizeof at_hand,
             "while at %s %dx%d, %d layers, %d heads, %d text tokens, %d frames, %d steps, %d "
             "requests%s: %s\n",
             p->config->name, p->width, p->height, p->config->layers, p->config->heads,
             p->text_tokens, p->frames, p->steps, p->requests, p->guided ? ", guided" : "", text);
    signal(SIGABRT, tell_and_die);
    signal(SIGSEGV, tell_and_die);
    signal(SIGFPE, tell_and_die);
}

/* ---- one plan ---- */

/* Parts of a patch, in the order of their ranks, tile it. */
static void tile_tokens(const struct plan *plan, enum token_set part, int *coord, int s, int m,
                        int *next)
{
    if (s < plan->n_splits) {
        int axis = plan->split[s];
        for (coord[axis] = 0; coord[axis] < plan->mesh.size[axis]; coord[axis]++)
            tile_tokens(plan, part, coord, s + 1, m, next);
        return;
    }
    struct token_run run = plan_share(plan, part, coord, m);
    cr_assert_eq(run.begin, *next, "%s", at_hand);
    cr_assert(run.count > 0 || part == TOKENS_TEXT, "%s", at_hand);
    *next += run.count;
}

static void check_tokens(const struct plan *plan, struct chance *c)
{
    int coord[MESH_MAX_AXES];
    int m = pick(c, plan->n_patches);
    int S = problem_tokens(&plan->problem);
    const int ends[2] = {S, S + problem_text(&plan->problem)};
    static const enum token_set parts[2] = {TOKENS_IMAGE, TOKENS_TEXT};
    for (int i = 0; i < 2; i++) {
        int next = plan_patch(plan, parts[i], m).begin;
        memcpy(coord, plan->coord, sizeof coord);
        tile_tokens(plan, parts[i], coord, 0, m, &next);
        struct token_run after = {ends[i], 0};
        for (int k = plan->n_patches - 1; k > m; k--)
            after = plan_patch(plan, parts[i], k).count ? plan_patch(plan, parts[i], k) : after;
        cr_assert_eq(next, plan_patch(plan, parts[i], m).count ? after.begin : next, "%s", at_hand);
    }
}

/* Rows are counted as they are listed, and the keys of all shares are those of every token. */
static void check_keys(const struct plan *plan, struct chance *c, struct arena *arena)
{
    int patch = pick(c, plan->n_patches + 1) - 1;
    for (int i = 0; i < TOKEN_SETS * (PLAN_KEYS + 1); i++) {
        struct span span;
        enum token_set set = (enum token_set)(i % TOKEN_SETS);
        enum plan_rows of = (enum plan_rows)(i / TOKEN_SETS);
        cr_assert_eq(plan_span(plan, set, of, NULL, patch, arena, &span), ST_OK);
        cr_assert_eq(span_count(&span), plan_rows(plan, set, of, NULL, patch), "%s", at_hand);
    }
    int coord[MESH_MAX_AXES];
    int64_t keys = 0;
    const struct strategy *collect = plan->attend[ATTN_COLLECT];
    memcpy(coord, plan->coord, sizeof coord);
    for (int k = 0; k < (collect ? plan->mesh.size[collect->axis] : 1); k++) {
        if (collect)
            coord[collect->axis] = k;
        keys += plan_rows(plan, TOKENS_ALL, PLAN_KEYS, coord, PATCH_ALL);
    }
    cr_assert_eq(keys, problem_tokens(&plan->problem) + problem_text(&plan->problem), "%s",
                 at_hand);
}

/* Requests over their axis, whose ranks differ in nothing else. */
static void check_requests(const struct plan *plan)
{
    int coord[MESH_MAX_AXES];
    int next = 0;
    int axis = plan->request_axis;
    memcpy(coord, plan->coord, sizeof coord);
    for (int k = 0; k < (axis < 0 ? 1 : plan->mesh.size[axis]); k++) {
        int begin;
        if (axis >= 0)
            coord[axis] = k;
        int count = plan_requests(plan, coord, &begin);
        cr_assert_eq(begin, next, "%s", at_hand);
        next += count;
    }
    cr_assert_eq(next, plan->problem.requests, "%s", at_hand);
}

/* The stages that differ from this plan in the schedule's coordinate alone. */
static void check_layers(const struct plan *plan, const struct problem *problem,
                         const struct spec *spec, int ranks)
{
    int coord[MESH_MAX_AXES];
    int next = 0;
    int axis = plan->schedule ? plan->schedule->axis : 0;
    int stages = plan->schedule ? plan->mesh.size[axis] : 1;
    memcpy(coord, plan->coord, sizeof coord);
    for (int k = 0; k < stages; k++) {
        struct plan *stage;
        if (plan->schedule)
            coord[axis] = k;
        cr_assert_eq(plan_build(problem, spec, ranks, mesh_rank(&plan->mesh, coord), &stage), ST_OK,
                     "%s", at_hand);
        cr_assert_eq(stage->shard.layer_begin, next, "%s", at_hand);
        next = stage->shard.layer_end;
        plan_close(stage);
    }
    cr_assert_eq(next, problem->config->layers, "%s", at_hand);
}

static void check_accepted(const struct plan *plan, struct chance *c)
{
    struct volume volume;
    struct arena *arena;
    size_t bytes[ARENA_KINDS];
    cr_assert_eq(volume_predict_loop(plan, &volume), ST_OK, "%s%s", at_hand, status_text());
    enum status st = plan_memory(plan, bytes);
    cr_assert(st == ST_OK || st == ST_OOM, "%s%s", at_hand, status_text());
    cr_assert_eq(arena_open(NULL, ARENA_BUFFERS, &arena), ST_OK);
    check_tokens(plan, c);
    check_keys(plan, c, arena);
    check_requests(plan);
    arena_close(arena);
}

/* The first, the last and some other ranks agree, and what they accept holds. */
static bool try_plan(struct chance *c)
{
    char text[SPEC_TEXT];
    struct dit_config config;
    struct problem problem;
    struct spec spec;
    struct spec expanded;
    struct plan *plan;
    draw_problem(c, &config, &problem);
    draw_spec(c, text);
    remember(&problem, text);
    if (spec_parse(text, &spec) != ST_OK || spec_expand(&spec, config.heads, &expanded) != ST_OK)
        return false;
    int ranks = spec_ranks(&expanded);
    if (ranks > MOST_RANKS)
        return false;
    const int rank[4] = {0, ranks - 1, pick(c, ranks), pick(c, ranks)};
    enum status first = ST_OK;
    for (int i = 0; i < 4; i++) {
        enum status st = plan_build(&problem, &spec, ranks, rank[i], &plan);
        first = i == 0 ? st : first;
        cr_assert_eq(st, first, "%srank %d: %s", at_hand, rank[i], status_text());
        cr_assert(st == ST_OK || st == ST_UNSUPPORTED, "%s%s", at_hand, status_text());
        if (st == ST_OK)
            check_accepted(plan, c);
        if (st == ST_OK && i == 3)
            check_layers(plan, &problem, &spec, ranks);
        plan_close(plan);
    }
    return first == ST_OK;
}

static int plans_wanted(int otherwise)
{
    const char *asked = getenv("DITBENCH_PLANS");
    return asked ? atoi(asked) : otherwise;
}

Test(accepted, what_a_plan_accepts_a_run_can_open)
{
    int plans = plans_wanted(PLANS);
    int accepted = 0;
    for (int i = 0; i < plans; i++)
        accepted += try_plan(&(struct chance){.seed = 1000 + (uint64_t)i});
    cr_expect_gt(accepted, plans / 8, "only %d of %d were accepted", accepted, plans);
}

/* ---- runs ---- */

/* A cell of few ranks, tokens and steps; false where the plan refuses it. */
static bool draw_cell(struct chance *c, struct cell_setup *setup, char *text)
{
    struct spec spec;
    struct spec expanded;
    struct plan *plan;
    draw_spec(c, text);
    static const char *const presets[] = {"pixart-tiny", "dit-tiny",        "sd3-tiny",
                                          "flux-tiny",   "hunyuandit-tiny", "latte-tiny"};
    *setup = cell_setup_of(presets[pick(c, 6)]);
    setup->width = 16 * (1 + pick(c, 6));
    setup->height = 16 * (1 + pick(c, 9));
    setup->steps = 1 + pick(c, 4);
    setup->requests = 1 + pick(c, 3);
    setup->frames = pick(c, 4) ? 0 : 1;
    if (setup->config.text_dim)
        setup->config.text_tokens = 1 + pick(c, 12);
    cell_set_layers(setup, 1 + pick(c, 6));
    struct problem problem = cell_problem(setup);
    remember(&problem, text);
    if (spec_parse(text, &spec) != ST_OK ||
        spec_expand(&spec, setup->config.heads, &expanded) != ST_OK || expanded.n == 0)
        return false;
    int ranks = spec_ranks(&expanded);
    if (ranks > MOST_RUN || plan_build(&problem, &spec, ranks, 0, &plan) != ST_OK)
        return false;
    plan_close(plan);
    return true;
}

static void check_cell(const struct cell_setup *setup, const char *text)
{
    char reference[SPEC_TEXT];
    struct cell_result want;
    struct cell_result got;
    cr_assert_eq(cell_run(setup, cell_reference(setup, text, reference), 1, &want), ST_OK, "%s%s",
                 at_hand, status_text());
    cr_assert_eq(cell_run(setup, text, 2, &got), ST_OK, "%s%s", at_hand, status_text());
    cr_expect(near_floats(text, got.latent, want.latent, (int64_t)want.count, cell_tolerance(text)),
              "%s", at_hand);
    cr_expect(got.bytes_match && got.memory_match, "%s%s", at_hand, got.mismatch);
    cell_release(&want);
    cell_release(&got);
}

Test(accepted, random_cells_equal_their_reference)
{
    int cells = plans_wanted(PLANS) / 100;
    for (uint64_t seed = 1; cells > 0; seed++) {
        struct cell_setup setup;
        char text[SPEC_TEXT];
        if (!draw_cell(&(struct chance){.seed = seed}, &setup, text))
            continue;
        check_cell(&setup, text);
        cells--;
    }
}

/* More ranks, posts and parts than any table was once made for. */
Test(accepted, wide_worlds)
{
    struct cell_setup setup = cell_setup_of("dit-tiny");
    setup.width = 16;
    setup.height = 16 * 130;
    setup.steps = 1;
    setup.requests = 1;
    setup.config.layers = 1;
    setup.config.heads = 130;
    setup.config.head_dim = 2;
    setup.config.mlp = 260;
    remember(&(struct problem){.kind = &kind_transformer, .config = &setup.config}, "a wide world");
    check_cell(&setup, "distrifusion=130:warmup=1");
    check_cell(&setup, "ulysses=130");
    check_cell(&setup, "pipefusion=1:patches=130:warmup=0,tensor=2");
    setup.height = 16;
    setup.requests = 260;
    if (plans_wanted(0) > 0) /* ten seconds */
        check_cell(&setup, "data=260");
}
