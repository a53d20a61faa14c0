/* SPDX-License-Identifier: Apache-2.0 */
/* Long skips between stages of layers: their bytes in closed form, their channels, and runs that
 * equal the one-rank reference however the layers lie. */
#include "tests/support/book.h"
#include "tests/support/near.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MOST_STAGES = 12 };

/* ---- bytes ---- */

static struct plan *plan_of(const struct problem *p, const char *text, int rank)
{
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    cr_assert_eq(plan_build(p, &spec, spec_ranks(&spec), rank, &plan), ST_OK, "%s: %s", text,
                 status_text());
    return plan;
}

/* What rank `rank` sends in a step of that kind. */
static struct volume_line sent(const struct problem *p, const char *text, int rank,
                               enum comm_when when)
{
    struct volume volume;
    struct volume_line sum = {0};
    struct plan *plan = plan_of(p, text, rank);
    cr_assert_eq(volume_predict(plan, &volume), ST_OK);
    for (int i = 0; i < volume.n; i++)
        if (volume.line[i].when == when && volume.line[i].op == COMM_SEND) {
            sum.calls += volume.line[i].calls;
            sum.wire_bytes += volume.line[i].wire_bytes;
        }
    plan_close(plan);
    return sum;
}

static struct problem hunyuan_1024(struct dit_config *config)
{
    char folder[8];
    cr_assert_eq(dit_config_load("hunyuandit-v1.2", config, folder, sizeof folder), ST_OK);
    return (struct problem){.kind = &kind_transformer,
                            .config = config,
                            .width = 1024,
                            .height = 1024,
                            .steps = 20,
                            .requests = 1,
                            .guided = true,
                            .text_tokens = config->text_tokens,
                            .dtype = DTYPE_BF16};
}

/* One activation of the whole sequence, both lanes; one latent. */
static const uint64_t A = 4096ull * 1408 * 2 * 2;
static const uint64_t latent = 4ull * 128 * 128 * 2;

/* Of 40 blocks, 0 to 18 feed 39 to 21. Every one of these skips crosses a border where the number
 * of stages is even; where it is odd, the stage in the middle keeps some to itself. */
Test(skips, bytes_of_all_stages_at_full_size)
{
    static const struct {
        int stages, crossing, pairs;
    } want[] = {{1, 0, 0},  {2, 19, 1}, {3, 14, 2},   {4, 19, 2},  {5, 16, 2},
                {7, 18, 6}, {8, 19, 4}, {20, 19, 10}, {40, 19, 19}};
    struct dit_config config;
    struct problem p = hunyuan_1024(&config);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        char text[60];
        uint64_t n = (uint64_t)want[i].stages;
        uint64_t stale = 0;
        uint64_t fresh = 0;
        snprintf(text, sizeof text, "pipefusion=%d:patches=4", want[i].stages);
        for (int rank = 0; rank < want[i].stages; rank++) {
            stale += sent(&p, text, rank, COMM_STEP).wire_bytes;
            fresh += sent(&p, text, rank, COMM_WARMUP_STEP).wire_bytes;
        }
        uint64_t all = n == 1 ? 0 : (n - 1 + (uint64_t)want[i].crossing) * A + latent;
        cr_expect_eq(stale, all, "%s: %lu bytes, not %lu", text, (unsigned long)stale,
                     (unsigned long)all);
        cr_expect_eq(fresh, all, "%s, warm-up: %lu bytes, not %lu", text, (unsigned long)fresh,
                     (unsigned long)all);
        struct plan *plan = plan_of(&p, text, 0);
        cr_expect_eq(plan->mesh.channels[0], (n > 2 ? 3 : 2) + want[i].pairs, "%s: %d channels",
                     text, plan->mesh.channels[0]);
        plan_close(plan);
    }
}

/* A stage sends for each pair one message a pass, with all that the pair shares. */
Test(skips, bytes_and_messages_of_each_stage)
{
    struct dit_config config;
    struct problem p = hunyuan_1024(&config);
    static const uint64_t four[4] = {11, 10, 1, 0}; /* 10 + 1, 9 + 1, the border, the latent */
    for (int rank = 0; rank < 4; rank++) {
        struct volume_line line = sent(&p, "pipefusion=4:patches=8", rank, COMM_STEP);
        cr_expect_eq(line.wire_bytes, rank == 3 ? latent : four[rank] * A, "stage %d", rank);
        cr_expect_eq(line.calls, rank < 2 ? 2 * 8 : 8, "stage %d: %lu", rank,
                     (unsigned long)line.calls);
        line = sent(&p, "pipefusion=4:patches=8", rank, COMM_WARMUP_STEP);
        cr_expect_eq(line.calls, rank < 2 ? 2 : 1);
    }
    /* 0..2 to the last, 3 and 4 to the third; 5..18 stay in the second stage with 34..21 */
    static const uint64_t uneven[4] = {5 + 1, 1, 1, 0};
    for (int rank = 0; rank < 4; rank++) {
        struct volume_line line = sent(&p, "pipefusion=4:layers=5/30/2/3", rank, COMM_STEP);
        cr_expect_eq(line.wire_bytes, rank == 3 ? latent : uneven[rank] * A, "stage %d", rank);
        cr_expect_eq(line.calls, rank == 0 ? 3 * 4 : 4);
    }
    /* a rank's share of the rows and of the branches; tensor parallel ranks send all of it */
    cr_expect_eq(sent(&p, "cfg=2,pipefusion=2,ulysses=4", 0, COMM_STEP).wire_bytes, 20 * A / 8);
    cr_expect_eq(sent(&p, "pipefusion=2,tensor=4", 0, COMM_STEP).wire_bytes, 20 * A);
}

/* ---- runs ---- */

static struct cell_setup deep(void)
{
    struct cell_setup setup = cell_setup_of("hunyuandit-tiny");
    cell_set_layers(&setup, 12); /* 0 to 4 feed 11 to 7 */
    setup.width = 48;
    setup.height = 96; /* six token rows */
    setup.steps = 4;
    setup.requests = 1;
    return setup;
}

static void check(struct book *book, const char *spec)
{
    struct cell_result got;
    const struct cell_result *want = book_get(book, spec);
    cr_assert_eq(cell_run(&book->setup, spec, 2, &got), ST_OK, "%s: %s", spec, status_text());
    cr_expect(
        near_floats(spec, got.latent, want->latent, (int64_t)want->count, cell_tolerance(spec)),
        "%s", spec);
    cr_expect(got.bytes_match && got.memory_match, "%s: %s", spec, got.mismatch);
    cell_release(&got);
}

static void check_each(const char *const *spec)
{
    struct cell_setup setup = deep();
    struct book *book = book_open(&setup, NULL);
    for (; *spec; spec++)
        check(book, *spec);
    book_close(book);
}

Test(skips, stages_with_uneven_layers)
{
    static const char *const specs[] = {"pipefusion=3:layers=1/9/2",
                                        "pipefusion=3:layers=1/10/1:warmup=0",
                                        "pipefusion=3:layers=5/2/5:patches=4",
                                        "pipefusion=2:layers=1/11",
                                        "pipefusion=2:layers=11/1:warmup=2",
                                        "pipefusion=2:layers=5/7:patches=1",
                                        "pipefusion=4:layers=3/1/1/7:patches=5",
                                        "pipefusion=4:layers=1/3/7/1:patches=2:warmup=0",
                                        NULL};
    check_each(specs);
}

Test(skips, odd_numbers_of_stages)
{
    static const char *const specs[] = {
        "pipefusion=3:patches=2",          "pipefusion=5:patches=3:warmup=2",
        "pipefusion=7:patches=6:warmup=0", "pipefusion=11:patches=2:layers=1/1/1/1/1/2/1/1/1/1/1",
        "pipefusion=12:patches=3",         NULL};
    check_each(specs);
}

/* One message more for each patch than there are slots is what would overwrite another. */
Test(skips, any_number_of_patches_and_warmup_steps)
{
    struct cell_setup setup = deep();
    struct book *book = book_open(&setup, NULL);
    for (int patches = 1; patches <= 6; patches++)
        for (int warmup = 0; warmup <= 5; warmup += hybrid_all() ? 1 : 2 + patches % 2) {
            char spec[60];
            snprintf(spec, sizeof spec, "pipefusion=3:patches=%d:warmup=%d", patches, warmup);
            check(book, spec);
        }
    book_close(book);
}

Test(skips, hybrids_split_their_rows)
{
    static const char *const specs[] = {
        "pipefusion=3:patches=2:layers=4/5/3,ulysses=2", "pipefusion=2:patches=3:warmup=0,ring=2",
        "pipefusion=3:patches=2,tensor=2", "cfg=2,pipefusion=3:patches=5:warmup=2", NULL};
    check_each(specs);
}

/* Any layers on any number of stages. */
static void draw(uint64_t seed, char *text)
{
    int layers[MOST_STAGES];
    int n = 0;
    float u[3 + MOST_STAGES];
    rng_uniform(seed, 0, 0, 3 + MOST_STAGES, u);
    int most = 2 + (int)(2 * (u[0] + 1)); /* of a stage, more or less */
    for (int left = 12; left > 0; n++) {
        int take = 1 + (int)((u[3 + n] + 1) / 2 * (float)(most + n % 2 * 3));
        layers[n] = take < left ? take : left;
        left -= layers[n];
    }
    int used = sprintf(text, "pipefusion=%d:patches=%d:warmup=%d:layers=%d", n,
                       1 + (int)(2.9f * (u[1] + 1)), (int)(1.9f * (u[2] + 1)), layers[0]);
    for (int i = 1; i < n; i++)
        used += sprintf(text + used, "/%d", layers[i]);
}

Test(skips, layers_anywhere)
{
    struct cell_setup setup = deep();
    setup.steps = 3;
    setup.width = 32;
    struct book *book = book_open(&setup, NULL);
    for (uint64_t seed = 1; seed <= (hybrid_all() ? 200 : 10); seed++) {
        char spec[SPEC_TEXT];
        draw(seed, spec);
        check(book, spec);
    }
    book_close(book);
}
