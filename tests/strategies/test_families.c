/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table of hybrids does not vary, on every family: what equals the serial run and what may
 * not, stages whose borders lie where kinds of blocks change, odd sizes, short texts, one request
 * and several, single frames.
 */
#include "tests/support/book.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void check_against(const struct cell_setup *setup, const char *spec,
                          const struct cell_result *want)
{
    struct cell_result got;
    const char *model = setup->config.name;
    cr_assert_eq(cell_run(setup, spec, 1, &got), ST_OK, "%s %s: %s", model, spec, status_text());
    cr_expect(
        near_floats(spec, got.latent, want->latent, (int64_t)want->count, cell_tolerance(spec)),
        "%s %dx%d, %d text tokens, %d requests: %s", model, setup->width, setup->height,
        setup->config.text_tokens, setup->requests, spec);
    cr_expect(got.bytes_match && got.memory_match, "%s %s: %s", model, spec, got.mismatch);
    cell_release(&got);
}

/* Each against its one-rank reference, or all against that of `other`. */
static void check_each(const struct cell_setup *setup, const char *const *spec, const char *other)
{
    struct book *book = book_open(setup, NULL);
    for (; *spec; spec++)
        if (!setup->config.distilled || !strstr(*spec, "cfg="))
            check_against(setup, *spec, book_get(book, other ? other : *spec));
    book_close(book);
}

/* Four layers, four steps, one request. */
static struct cell_setup small(const char *preset)
{
    struct cell_setup setup = cell_setup_of(preset);
    cell_set_layers(&setup, 4);
    setup.steps = 4;
    setup.requests = 1;
    return setup;
}

/* ---- what equals the serial run ---- */

Test(families, stale_with_warmup_for_every_step_is_serial)
{
    static const char *const specs[] = {"pipefusion=2:patches=3:warmup=5",
                                        "pipefusion=1:patches=3:warmup=5",
                                        "distrifusion=3:warmup=6",
                                        "distrifusion=1:patches=2:warmup=5",
                                        "cfg=2,pipefusion=2:patches=2:warmup=5",
                                        "pipefusion=2:patches=2:warmup=5,ulysses=2",
                                        NULL};
    for (int f = 0; hybrid_family(f); f++) {
        struct cell_setup setup = small(hybrid_family(f));
        check_each(&setup, specs, "serial");
    }
}

Test(families, one_patch_is_serial_whatever_the_warmup)
{
    static const char *const specs[] = {"pipefusion=3:patches=1:warmup=0",
                                        "pipefusion=2:patches=1:warmup=1,ring=2",
                                        "distrifusion=1:patches=1:warmup=0", NULL};
    for (int f = 0; hybrid_family(f); f++) {
        struct cell_setup setup = small(hybrid_family(f));
        check_each(&setup, specs, "serial");
    }
}

/* Else what equals a stale reference would say nothing. */
Test(families, stale_runs_differ_from_serial_and_from_each_other)
{
    static const char *const specs[] = {
        "pipefusion=1:patches=3:warmup=1",   "pipefusion=1:patches=4:warmup=1",
        "pipefusion=1:patches=3:warmup=0",   "distrifusion=1:patches=3:warmup=1",
        "distrifusion=1:patches=3:warmup=0", "serial"};
    enum { N = sizeof specs / sizeof specs[0] };
    for (int f = 0; hybrid_family(f); f++) {
        struct cell_setup setup = small(hybrid_family(f));
        struct book *book = book_open(&setup, NULL);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < i; k++)
                cr_expect_gt(cell_distance(book_get(book, specs[i]), book_get(book, specs[k])),
                             1e-4, "%s: %s and %s", hybrid_family(f), specs[i], specs[k]);
        book_close(book);
    }
}

/* The same result for 1, 2 and 4 stages, alone and with each axis. */
Test(families, pipefusion_is_its_patches_and_warmup)
{
    static const char *const specs[] = {
        "pipefusion=2:patches=3:warmup=1",           "pipefusion=4:patches=3:warmup=1",
        "pipefusion=2:patches=3:warmup=1,ulysses=2", "pipefusion=2:patches=3:warmup=1,ring=2",
        "pipefusion=2:patches=3:warmup=1,tensor=2",  "cfg=2,pipefusion=2:patches=3:warmup=1",
        "data=2,pipefusion=2:patches=3:warmup=1",    NULL};
    for (int f = 0; hybrid_family(f); f++) {
        struct cell_setup setup = small(hybrid_family(f));
        setup.requests = 2;
        check_each(&setup, specs, "pipefusion=1:patches=3:warmup=1");
    }
}

/* ---- stages ---- */

static void check_stages(const char *preset, int layers, const char *const *spec)
{
    struct cell_setup setup = cell_setup_of(preset);
    cell_set_layers(&setup, layers);
    setup.steps = 3;
    setup.requests = 1;
    check_each(&setup, spec, NULL);
}

/* Two double blocks and six single ones; borders between, before and behind their change. */
Test(families, stages_of_double_and_single_blocks)
{
    static const char *const specs[] = {"pipefusion=2:patches=3:layers=1/7",
                                        "pipefusion=2:patches=2:layers=2/6:warmup=0",
                                        "pipefusion=2:patches=3:layers=3/5",
                                        "pipefusion=3:patches=4:layers=1/1/6:warmup=2",
                                        "pipefusion=8:patches=2",
                                        "pipefusion=2:patches=2:layers=3/5,ulysses=2",
                                        "pipefusion=2:patches=2:layers=1/7,tensor=2",
                                        NULL};
    check_stages("flux-tiny", 8, specs);
}

/* Three blocks with a second attention, and a last one without text. */
Test(families, stages_of_joint_blocks)
{
    static const char *const specs[] = {
        "pipefusion=2:patches=3:layers=7/1", "pipefusion=3:patches=2:layers=1/2/5:warmup=0",
        "pipefusion=3:patches=3:layers=2/5/1,ring=2", "pipefusion=8:patches=3:warmup=2", NULL};
    check_stages("sd3-tiny", 8, specs);
}

/* A stage of one temporal block has no attention site, and so nothing to remember. */
Test(families, stages_without_an_attention_site)
{
    static const char *const specs[] = {"pipefusion=12:patches=3",
                                        "pipefusion=12:patches=5:warmup=0",
                                        "pipefusion=3:patches=2:layers=1/1/10",
                                        "pipefusion=3:patches=2:layers=1/1/10,ring=2",
                                        "pipefusion=3:patches=2:layers=1/1/10,ulysses=2",
                                        "pipefusion=3:patches=2:layers=5/1/6,tensor=2",
                                        "cfg=2,pipefusion=3:patches=4:layers=3/8/1",
                                        NULL};
    check_stages("latte-tiny", 12, specs);
}

/* ---- sizes ---- */

static const char *const narrow[] = {"ulysses=2",
                                     "ulysses=3",
                                     "ring=3",
                                     "allgather=3",
                                     "tensor=3",
                                     "pipefusion=2:patches=3:warmup=1",
                                     "pipefusion=3:patches=5:warmup=0",
                                     "distrifusion=3:warmup=1",
                                     "pipefusion=2:patches=2:warmup=1,ulysses=2",
                                     NULL};
static const char *const wide[] = {"cfg=2",
                                   "ring=2",
                                   "usp=4:ulysses=2",
                                   "ring=4",
                                   "distrifusion=2:warmup=0",
                                   "pipefusion=2:patches=3:warmup=0,ring=2",
                                   "distrifusion=2:warmup=1,ring=2",
                                   NULL};

/* `text` tokens of width x height pixels. */
static void check_size(int width, int height, int text, int requests, const char *const *spec)
{
    for (int f = 0; hybrid_family(f); f++) {
        struct cell_setup setup = small(hybrid_family(f));
        setup.width = width;
        setup.height = height;
        setup.config.text_tokens = text;
        setup.requests = requests;
        setup.steps = 3;
        check_each(&setup, spec, NULL);
    }
}

Test(families, seven_rows_of_three_tokens_and_one_token_of_text)
{
    check_size(48, 112, 1, 1, narrow);
}

Test(families, five_rows_of_seven_tokens_and_fewer_text_tokens_than_ranks)
{
    check_size(112, 80, 2, 3, narrow);
    check_size(112, 80, 3, 1, wide);
}

Test(families, five_rows_of_one_token)
{
    check_size(16, 80, 5, 1,
               (const char *const[]){"ring=5", "distrifusion=5:warmup=1",
                                     "pipefusion=2:patches=5:warmup=1", NULL});
}

/* Requests of one batch that ranks share unevenly. */
Test(families, several_requests)
{
    static const char *const specs[] = {"data=2", "data=3", "data=2,ulysses=2",
                                        "data=2,pipefusion=2:patches=2:warmup=1", NULL};
    check_size(64, 64, 4, 3, specs);
}

Test(families, videos_of_one_frame)
{
    static const char *const specs[] = {"ulysses=2",
                                        "ring=3",
                                        "tensor=2",
                                        "cfg=2,allgather=2",
                                        "pipefusion=2:patches=3:warmup=1",
                                        "pipefusion=4:patches=2:warmup=0",
                                        "distrifusion=2:warmup=1",
                                        NULL};
    struct cell_setup setup = small("latte-tiny");
    setup.frames = 1;
    check_each(&setup, specs, NULL);
    setup.forward = true;
    struct book *book = book_open(&setup, NULL);
    cr_expect_eq(book_get(book, "serial")->count, (size_t)2 * 8 * 10 * 12);
    book_close(book);
}
