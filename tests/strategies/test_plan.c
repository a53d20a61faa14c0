/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are pure: partitions, refusals and closed forms are checked without running anything. */
#include "tests/support/cells.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dit_config load(const char *preset)
{
    struct dit_config config;
    char folder[8];
    cr_assert_eq(dit_config_load(preset, &config, folder, sizeof folder), ST_OK, "%s",
                 status_text());
    config.layers = config.name[0] == 'p' && strstr(config.name, "tiny") ? 8 : config.layers;
    return config;
}

static struct problem pixart_1024(const struct dit_config *config)
{
    return (struct problem){.kind = &kind_transformer,
                            .config = config,
                            .width = 1024,
                            .height = 1024,
                            .steps = 20,
                            .requests = 1,
                            .guided = true,
                            .text_tokens = 120,
                            .dtype = DTYPE_BF16};
}

/* What one rank sends in a step of that kind, over all axes. */
static struct volume_line sent(const struct problem *problem, const char *text, int rank,
                               enum comm_when when)
{
    struct spec spec;
    struct plan *plan;
    struct volume volume;
    struct volume_line sum = {0};
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    cr_assert_eq(plan_build(problem, &spec, spec_ranks(&spec), rank, &plan), ST_OK, "%s",
                 status_text());
    cr_assert_eq(volume_predict(plan, &volume), ST_OK);
    for (int i = 0; i < volume.n; i++)
        if (volume.line[i].when == when) {
            sum.calls += volume.line[i].calls;
            sum.wire_bytes += volume.line[i].wire_bytes;
        }
    plan_close(plan);
    return sum;
}

static uint64_t wire(const struct problem *problem, const char *text, int rank, enum comm_when when)
{
    return sent(problem, text, rank, when).wire_bytes;
}

/* Bytes per rank and step of PixArt-alpha 1024 on 8 ranks, batch 2, 2-byte elements. */
Test(plan, published_volumes_of_pixart_1024)
{
    struct dit_config config = load("pixart-alpha-1024");
    struct problem p = pixart_1024(&config);
    uint64_t A = 4096ull * 1152 * 2 * 2; /* one activation of the whole sequence, both lanes */
    cr_expect_eq(wire(&p, "ulysses=8", 3, COMM_STEP), 4 * 7 * A / 8 / 8 * 28);
    cr_expect_eq(wire(&p, "ring=8", 3, COMM_STEP), 2 * 7 * A / 8 * 28);
    cr_expect_eq(wire(&p, "allgather=8", 3, COMM_STEP), 2 * 7 * A / 8 * 28);
    cr_expect_eq(wire(&p, "tensor=8", 3, COMM_STEP), 2 * 2 * 7 * A / 8 * 28);
    cr_expect_eq(wire(&p, "distrifusion=8", 3, COMM_STEP), 2 * 7 * A / 8 * 28);
    cr_expect_eq(wire(&p, "distrifusion=8", 3, COMM_WARMUP_STEP), 2 * 7 * A / 8 * 28);
    cr_expect_eq(wire(&p, "distrifusion=8", 3, COMM_LAST_STEP), 0);
    cr_expect_eq(wire(&p, "pipefusion=8", 3, COMM_STEP), A);
    cr_expect_eq(wire(&p, "pipefusion=8", 7, COMM_STEP), 4ull * 128 * 128 * 2);
    cr_expect_eq(wire(&p, "pipefusion=8", 7, COMM_LAST_STEP), 0);
    cr_expect_eq(wire(&p, "cfg=2", 1, COMM_STEP), 4ull * 128 * 128 * 2);
    cr_expect_eq(wire(&p, "usp=8:ulysses=4", 0, COMM_STEP),
                 (4 * 3 * A / 8 / 4 + 2 * 1 * A / 2 / 4) * 28);
    /* hybrids: a ring behind a key store turns the whole store once for each patch, and so it is
     * gathered; keys divide under tensor; guidance is exchanged by the stage with the head */
    cr_expect_eq(wire(&p, "pipefusion=2:patches=4,ring=2", 0, COMM_STEP),
                 A / 2 + 4 * 2 * A / 2 * 14);
    cr_expect_eq(wire(&p, "pipefusion=2:patches=4,allgather=2", 0, COMM_STEP),
                 A / 2 + 4 * 2 * A / 2 * 14);
    cr_expect_eq(wire(&p, "allgather=4,ulysses=2", 0, COMM_STEP),
                 (4 * 1 * A / 8 / 2 + 2 * 3 * A / 4 / 2) * 28);
    cr_expect_eq(wire(&p, "distrifusion=4,tensor=2", 0, COMM_STEP),
                 (2 * 3 * A / 4 / 2 + 2 * A / 4) * 28);
    cr_expect_eq(wire(&p, "distrifusion=4,allgather=2", 0, COMM_STEP),
                 (2 * 3 * A / 4 / 2 + 2 * 1 * A / 2) * 28);
    cr_expect_eq(wire(&p, "ulysses=2,tensor=2", 0, COMM_STEP),
                 (4 * 1 * A / 4 / 2 + 2 * A / 2) * 28);
    cr_expect_eq(wire(&p, "cfg=2,pipefusion=4", 0, COMM_STEP), A / 2);
    cr_expect_eq(wire(&p, "cfg=2,pipefusion=4", 3, COMM_STEP), 2 * 4ull * 128 * 128 * 2);
    cr_expect_float_eq(wire(&p, "ulysses=8", 0, COMM_STEP) / 1e6, 231.2, 0.05);
    cr_expect_float_eq(wire(&p, "ring=8", 0, COMM_STEP) / 1e6, 924.8, 0.05);
    cr_expect_float_eq(wire(&p, "tensor=8", 0, COMM_STEP) / 1e6, 1849.7, 0.05);
    cr_expect_float_eq(wire(&p, "distrifusion=8", 0, COMM_STEP) / 1e6, 924.8, 0.05);
    cr_expect_float_eq(wire(&p, "pipefusion=8", 0, COMM_STEP) / 1e6, 18.87, 0.005);
}

static uint64_t calls(const struct problem *problem, const char *text, enum comm_when when)
{
    return sent(problem, text, 0, when).calls;
}

/* A product is cut where its sum can hide: a large one whose sum takes about as long. The bytes
 * stay the same. */
/* Receives of a pipe are posted long before their rows are sent, those of the others are not. */
Test(plan, the_axis_of_a_pipe_is_used_ahead)
{
    struct dit_config config = load("pixart-alpha-1024");
    struct problem p = pixart_1024(&config);
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse("cfg=2,pipefusion=2,ulysses=2", &spec), ST_OK);
    cr_assert_eq(plan_build(&p, &spec, 8, 0, &plan), ST_OK);
    for (int a = 0; a < plan->mesh.n_axes; a++)
        cr_expect_eq(plan->mesh.use[a] == COMM_AHEAD, strcmp(plan->mesh.name[a], "pipefusion") == 0,
                     "%s", plan->mesh.name[a]);
    plan_close(plan);
}

/* Two products of a layer complete a sum: 2(P-1)/P of [2 lanes, rows, C] in bf16 leave a rank. */
Test(plan, sums_of_tensor_parallel_products)
{
    struct dit_config config = load("pixart-alpha-1024");
    struct problem p = pixart_1024(&config);
    uint64_t sum = 2 * 4096 * 1152 * 2;
    cr_expect_eq(calls(&p, "tensor=2", COMM_STEP), 28 * 2);
    cr_expect_eq(wire(&p, "tensor=2", 0, COMM_STEP), 28 * 2 * sum);
    cr_expect_eq(calls(&p, "tensor=8", COMM_STEP), 28 * 2);
    cr_expect_eq(wire(&p, "tensor=8", 0, COMM_STEP), 28 * 2 * sum / 8 * 7 * 2);
    p.width = p.height = 128;
    cr_expect_eq(calls(&p, "pipefusion=1:patches=4:warmup=1,tensor=2", COMM_STEP), 28 * 2 * 4);
    cr_expect_eq(calls(&p, "pipefusion=1:patches=4:warmup=1,tensor=2", COMM_WARMUP_STEP), 28 * 2);
    cr_expect_eq(wire(&p, "pipefusion=1:patches=4:warmup=1,tensor=2", 1, COMM_STEP),
                 28 * 2 * sum / 64);
}

static void expect_refused(const struct problem *p, const char *text, int ranks, const char *reason)
{
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    for (int rank = 0; rank < ranks; rank++) {
        cr_expect_eq(plan_build(p, &spec, ranks, rank, &plan), ST_UNSUPPORTED, "%s on rank %d",
                     text, rank);
        cr_expect_null(plan);
        cr_expect(strstr(status_message(), reason), "%s: '%s' lacks '%s'", text, status_message(),
                  reason);
    }
}

Test(plan, refusals_name_the_legal_values)
{
    struct dit_config config = load("pixart-tiny");
    struct problem p = {.kind = &kind_transformer,
                        .config = &config,
                        .width = 96,
                        .height = 80,
                        .steps = 4,
                        .requests = 2,
                        .guided = true,
                        .text_tokens = config.text_tokens};
    expect_refused(&p, "ulysses=5", 5, "1, 2, 3, 4, 6, 12");
    expect_refused(&p, "tensor=8", 8, "1, 2, 3, 4, 6, 12");
    expect_refused(&p, "ulysses=4,tensor=4", 16, "legal degrees");
    expect_refused(&p, "cfg=4", 4, "1, 2");
    expect_refused(&p, "data=3", 3, "1 to 2");
    expect_refused(&p, "pipefusion=9:patches=2", 9, "1 to 8");
    expect_refused(&p, "pipefusion=2:patches=6", 2, "1 to 5");
    expect_refused(&p, "pipefusion=2:layers=1/2/5", 2, "2 stages and 8 layers");
    expect_refused(&p, "pipefusion=2:layers=1/2", 2, "2 stages and 8 layers");
    expect_refused(&p, "distrifusion=6", 6, "1 to 5");
    expect_refused(&p, "distrifusion=2:patches=3", 2, "patches=2");
    expect_refused(&p, "pipefusion=2,distrifusion=2", 4, "both own the key store");
    expect_refused(&p, "pipefusion=1:patches=2,distrifusion=2", 2, "both own the key store");
    expect_refused(&p, "allgather=2,ring=2", 4,
                   "allgather and ring both own the keys of the other ranks; use one of them");
    expect_refused(&p, "allgather=2,usp=4:ulysses=2", 8, "allgather and ring both own");
    expect_refused(&p, "allgather=31", 31, "use fewer patches or ranks");
    expect_refused(&p, "pipefusion=2:patches=5,ring=8", 16, "fewer patches or ranks");
    expect_refused(&p, "ulysses=2", 4, "--ranks 2");
    expect_refused(&p, "serial", 2, "--ranks 1");
    p.guided = false;
    expect_refused(&p, "cfg=2", 2, "guidance");
}

/* Whatever the model and the size allow: no table of the program's is the limit. */
Test(plan, wide_specifications_are_planned)
{
    struct dit_config config = load("pixart-alpha-1024");
    struct problem p = pixart_1024(&config);
    static const char *const specs[] = {
        "ring=1024",
        "distrifusion=129",
        "pipefusion=2:patches=256,ring=64",
        "distrifusion=256",
        "tensor=2",
        "pipefusion=1:patches=200,ulysses=16",
        "data=1000,ring=4",
        "distrifusion=64,ring=64",
    };
    p.width = p.height = 4096;
    p.requests = 1000;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct spec spec;
        struct plan *plan;
        size_t bytes[ARENA_KINDS];
        cr_assert_eq(spec_parse(specs[i], &spec), ST_OK, "%s", status_text());
        int ranks = spec_ranks(&spec);
        cr_assert_eq(plan_build(&p, &spec, ranks, ranks - 1, &plan), ST_OK, "%s: %s", specs[i],
                     status_text());
        cr_expect_eq(plan_memory(plan, bytes), ST_OK, "%s: %s", specs[i], status_text());
        plan_close(plan);
    }
    config.heads = 258;
    config.head_dim = 4;
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse("ulysses=129", &spec), ST_OK);
    cr_expect_eq(plan_build(&p, &spec, 129, 128, &plan), ST_OK, "%s", status_text());
    plan_close(plan);
}

static const char *random_spec(uint64_t seed, char *text)
{
    static const char *const names[] = {"data", "cfg",     "pipefusion", "distrifusion",
                                        "ring", "ulysses", "tensor"};
    int used = 0;
    text[0] = '\0';
    for (int i = 0; i < 7; i++) {
        float u[3];
        rng_uniform(seed, (uint64_t)i, 0, 3, u);
        int degree = 1 + (int)((u[0] + 1) * 2);
        if (u[1] > 0)
            continue;
        used += sprintf(text + used, "%s%s=%d", used ? "," : "", names[i], degree);
        if (i == 2)
            used += sprintf(text + used, ":patches=%d:warmup=%d", 1 + (int)((u[2] + 1) * 3),
                            (int)((u[2] + 1) * 2));
    }
    return used ? text : "serial";
}

/* Adds one rank's work to a count of every (lane, layer, token). */
static void count_work(const struct plan *plan, int *work, int layers, int tokens)
{
    for (int l = 0; l < plan->n_lanes; l++) {
        struct lane at = plan_lane(plan, l);
        int lane = at.branch * plan->problem.requests + at.request;
        for (int layer = plan->shard.layer_begin; layer < plan->shard.layer_end; layer++)
            for (int m = 0; m < plan->n_patches; m++) {
                for (int part = TOKENS_IMAGE; part <= TOKENS_TEXT; part++) {
                    struct token_run run = plan_share(plan, (enum token_set)part, NULL, m);
                    for (int t = 0; t < run.count; t++)
                        work[(lane * layers + layer) * tokens + run.begin + t]++;
                }
            }
    }
}

/* Over all ranks, spans partition the tokens, shards the layers, lanes the requests x branches;
 * tensor parallel ranks all do the same rows, each with its part. */
Test(plan, ranks_partition_the_work)
{
    static const char *const presets[] = {"pixart-tiny", "sd3-tiny", "flux-tiny", "hunyuandit-tiny",
                                          "latte-tiny"};
    int planned = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct dit_config config = load(presets[seed % 5]);
        char text[SPEC_TEXT];
        struct spec spec;
        struct problem p = {.kind = &kind_transformer,
                            .config = &config,
                            .width = 16 * (5 + (int)(seed % 7)),
                            .height = 16 * (4 + (int)(seed % 5)),
                            .steps = 3,
                            .requests = 1 + (int)(seed % 4),
                            .guided = problem_guides(&config, 4),
                            .text_tokens = config.text_tokens};
        cr_assert_eq(spec_parse(random_spec(seed, text), &spec), ST_OK, "%s: %s", text,
                     status_text());
        int ranks = spec_ranks(&spec);
        int tokens = problem_tokens(&p) + problem_text(&p);
        size_t lanes = (size_t)(p.requests * problem_branches(&p));
        size_t cells = lanes * (size_t)config.layers * (size_t)tokens;
        struct plan *plan;
        if (ranks > 64 || plan_build(&p, &spec, ranks, 0, &plan) != ST_OK)
            continue;
        int parts = plan->shard.parts;
        planned++;
        plan_close(plan);
        int *work = calloc(cells, sizeof *work);
        for (int rank = 0; rank < ranks; rank++) {
            cr_assert_eq(plan_build(&p, &spec, ranks, rank, &plan), ST_OK, "%s: %s", text,
                         status_text());
            count_work(plan, work, config.layers, tokens);
            plan_close(plan);
        }
        for (size_t i = 0; i < cells; i++)
            cr_assert_eq(work[i], parts, "%s: element %zu is computed %d times", text, i, work[i]);
        free(work);
    }
    cr_expect_gt(planned, 150, "only %d of the random hybrids could be planned", planned);
}

/* Patches are runs of whole token rows, the first R mod M with one more; parts differ by at most
 * one token. */
Test(plan, patches_are_whole_rows_and_parts_are_even)
{
    struct dit_config config = load("pixart-tiny");
    struct problem p = {.kind = &kind_transformer,
                        .config = &config,
                        .width = 112,
                        .height = 176,
                        .steps = 3,
                        .requests = 1,
                        .guided = true,
                        .text_tokens = config.text_tokens}; /* 11 rows of 7 tokens */
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse("pipefusion=2:patches=4,ulysses=3", &spec), ST_OK);
    int rows[4] = {3, 3, 3, 2};
    int begin[4] = {0, 21, 42, 63};
    for (int rank = 0; rank < 6; rank++) {
        cr_assert_eq(plan_build(&p, &spec, 6, rank, &plan), ST_OK, "%s", status_text());
        cr_expect_eq(plan->shard.layer_end - plan->shard.layer_begin, 4);
        for (int m = 0; m < 4; m++) {
            int u = rank % 3;
            int tokens = rows[m] * 7;
            cr_expect_eq(plan_patch(plan, TOKENS_IMAGE, m).begin, begin[m]);
            cr_expect_eq(plan_patch(plan, TOKENS_IMAGE, m).count, tokens);
            cr_expect_eq(plan_rows(plan, TOKENS_IMAGE, PLAN_OWN, NULL, m),
                         tokens / 3 + (u < tokens % 3));
        }
        plan_close(plan);
    }
}

Test(plan, layers_go_first_to_the_first_stages)
{
    struct dit_config config = load("pixart-tiny");
    struct problem p = {.kind = &kind_transformer,
                        .config = &config,
                        .width = 96,
                        .height = 80,
                        .steps = 3,
                        .requests = 1,
                        .guided = true,
                        .text_tokens = config.text_tokens};
    struct spec spec;
    struct plan *plan;
    int want[4] = {0, 3, 6, 8};
    cr_assert_eq(config.layers, 8);
    cr_assert_eq(spec_parse("pipefusion=3", &spec), ST_OK);
    for (int rank = 0; rank < 3; rank++) {
        cr_assert_eq(plan_build(&p, &spec, 3, rank, &plan), ST_OK, "%s", status_text());
        cr_expect_eq(plan->shard.layer_begin, want[rank]);
        cr_expect_eq(plan->shard.layer_end, want[rank + 1]);
        cr_expect_eq(plan->shard.embed, rank == 0);
        cr_expect_eq(plan->shard.head, rank == 2);
        plan_close(plan);
    }
}

/* 64 ranks at full size, with memory: planning touches no device and allocates no weights. */
Test(plan, memory_is_predicted_without_a_device)
{
    struct dit_config config = load("pixart-alpha-1024");
    struct problem p = pixart_1024(&config);
    struct spec spec;
    struct plan *plan;
    size_t bytes[ARENA_KINDS];
    cr_assert_eq(spec_parse("cfg=2,pipefusion=4:patches=8,ulysses=8", &spec), ST_OK);
    cr_assert_eq(plan_build(&p, &spec, 64, 17, &plan), ST_OK, "%s", status_text());
    cr_assert_eq(plan_memory(plan, bytes), ST_OK, "%s", status_text());
    size_t store = 2ull * 7 * 4096 * 2 * 72 * 2; /* K and V, layers, rows, heads, head dim, bytes */
    cr_expect_eq(bytes[ARENA_KV_STORE], store);
    cr_expect_gt(bytes[ARENA_WEIGHTS], 600ull * 1000 * 1000 / 4);
    plan_close(plan);
}
