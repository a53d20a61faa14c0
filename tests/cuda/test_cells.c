/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole denoising loops on one GPU whose ranks are threads: every hybrid equals its one-rank run,
 * its bytes and its memory are the predicted ones, and the GPU agrees with the CPU.
 */
#include "tests/cuda/gpu.h"
#include "tests/cuda/reference.h"
#include "tests/support/book.h"

#include <stdio.h>
#include <string.h>

enum { MOST_RANKS = 8 };

/* A device for each rank, all on the first GPU. */
struct stage {
    int ranks;
    struct device *dev[MOST_RANKS];
    struct book *book;
    struct cell_setup setup; /* on those devices, with graphs where the engine can have them */
};

static struct stage stage_open(const char *preset, int ranks, enum dtype dtype)
{
    struct stage stage = {.ranks = ranks, .setup = cell_setup_of(preset)};
    const struct device_options options = {.threads = 1};
    for (int r = 0; r < ranks; r++)
        OK(device_open(backend_find(GPU_BACKEND), &options, &stage.dev[r]));
    stage.setup.dtype = dtype;
    stage.setup.graph = true;
    stage.book = book_open(&stage.setup, stage.dev[0]);
    return stage;
}

static void stage_close(struct stage *stage)
{
    book_close(stage->book);
    for (int r = 0; r < stage->ranks; r++)
        device_close(stage->dev[r]);
}

/* A second loop finds what the first has left, and launches what it has captured. */
static void judge(struct stage *stage, struct reference_tally *tally, const char *spec)
{
    struct cell_result got;
    const struct cell_result *want = book_get(stage->book, spec);
    struct cell_setup setup = stage->setup;
    setup.devices = stage->dev;
    int loops = stage->ranks > 4 ? 1 : 2;
    if (cell_run(&setup, spec, loops, &got) == ST_OK) {
        reference_judge(tally, spec, &got, want, reference_tolerance(setup.dtype, spec));
    } else {
        tally->cells++;
        tally->bad++;
        fprintf(stderr, "%s: %s: %s\n", tally->group, spec, status_text());
        status_clear();
    }
    cell_release(&got);
}

static void finish(struct stage *stage, const struct reference_tally *tally)
{
    reference_print(tally);
    stage_close(stage);
    CHECK(tally->cells > 0 && tally->bad == 0, "%s: %d of %d cells are bad", tally->group,
          tally->bad, tally->cells);
}

static void world(const char *preset, int ranks)
{
    struct stage stage = stage_open(preset, ranks, DTYPE_F32);
    struct reference_tally tally = {0};
    snprintf(tally.group, sizeof tally.group, "%s on %d ranks, fp32", preset, ranks);
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&stage.setup, i) && cell_ranks(&stage.setup, hybrid_at(i)) == ranks)
            judge(&stage, &tally, hybrid_at(i));
    finish(&stage, &tally);
}

static void test_1_rank(void)
{
    world("pixart-tiny", 1);
}
static void test_2_ranks(void)
{
    world("pixart-tiny", 2);
}
static void test_3_ranks(void)
{
    world("pixart-tiny", 3);
}
static void test_4_ranks(void)
{
    world("pixart-tiny", 4);
}
static void test_6_ranks(void)
{
    world("pixart-tiny", 6);
}
static void test_8_ranks(void)
{
    world("pixart-tiny", 8);
}
static void test_dit(void)
{
    world("dit-tiny", 2);
}

/* The other kinds of blocks: a choice of the table, or with DITBENCH_TESTS=all the whole. */
static void family(const char *preset)
{
    for (int ranks = 1; ranks <= 4; ranks++)
        world(preset, ranks);
}

static void test_sd3(void)
{
    family("sd3-tiny");
}
static void test_flux(void)
{
    family("flux-tiny");
}
static void test_hunyuandit(void)
{
    family("hunyuandit-tiny");
}
static void test_latte(void)
{
    family("latte-tiny");
}

/* Each strategy alone, and one hybrid of each pair that meets in the code. */
static void narrow(int ranks, const char *const *spec)
{
    struct stage stage = stage_open("pixart-tiny", ranks, DTYPE_BF16);
    struct reference_tally tally = {0};
    snprintf(tally.group, sizeof tally.group, "pixart-tiny on %d ranks, bf16", ranks);
    for (int i = 0; spec[i]; i++)
        judge(&stage, &tally, spec[i]);
    finish(&stage, &tally);
}

static bool has_bf16(void)
{
    if (backend_find(GPU_BACKEND)->supports(DTYPE_BF16))
        return true;
    gpu_skip("this device has no bf16");
    return false;
}

static void test_bf16_2_ranks(void)
{
    static const char *const specs[] = {
        "cfg=2",          "ulysses=2", "ring=2", "tensor=2", "pipefusion=2:patches=4:warmup=2",
        "distrifusion=2", NULL,
    };
    if (has_bf16())
        narrow(2, specs);
}

static void test_bf16_4_ranks(void)
{
    static const char *const specs[] = {
        "usp=4:ulysses=2",
        "cfg=2,tensor=2",
        "pipefusion=2:patches=2:warmup=1,ring=2",
        "pipefusion=2:patches=3:warmup=1,tensor=2",
        "distrifusion=2:warmup=1,ulysses=2",
        "ulysses=2,tensor=2",
        NULL,
    };
    if (has_bf16())
        narrow(4, specs);
}

/*
 * The serial loop of both backends from the same noise, weights and text. Each op of the GPU is
 * within 2e-6 of double precision in fp32; eight layers and five guided steps multiply that by a
 * few tens, as the references of golden/ found too: 1e-4 is ten times what rounding needs.
 */
static void cpu(const char *preset)
{
    struct stage stage = stage_open(preset, 1, DTYPE_F32);
    struct cell_setup setup = cell_setup_of(preset);
    struct cell_result want;
    struct reference_tally tally = {0};
    snprintf(tally.group, sizeof tally.group, "%s, GPU against CPU, fp32", preset);
    OK(cell_run(&setup, "serial", 1, &want));
    reference_judge(&tally, "serial", book_get(stage.book, "serial"), &want, 1e-4);
    cell_release(&want);
    finish(&stage, &tally);
}

static void test_cpu(void)
{
    cpu("pixart-tiny");
    cpu("dit-tiny");
    for (int f = 0; hybrid_family(f); f++)
        cpu(hybrid_family(f));
}

const struct gpu_test tests_cells[] = {
    {"cells/cpu", test_cpu},
    {"cells/1_rank", test_1_rank},
    {"cells/2_ranks", test_2_ranks},
    {"cells/3_ranks", test_3_ranks},
    {"cells/4_ranks", test_4_ranks},
    {"cells/6_ranks", test_6_ranks},
    {"cells/8_ranks", test_8_ranks},
    {"cells/dit_2_ranks", test_dit},
    {"cells/sd3", test_sd3},
    {"cells/flux", test_flux},
    {"cells/hunyuandit", test_hunyuandit},
    {"cells/latte", test_latte},
    {"cells/bf16_2_ranks", test_bf16_2_ranks},
    {"cells/bf16_4_ranks", test_bf16_4_ranks},
    {NULL, NULL},
};
