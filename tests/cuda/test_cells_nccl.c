/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole denoising loops on two GPUs over NCCL, a process for each: every hybrid of two ranks, with
 * graphs and without, equals the run on one GPU. The transport alone is not tested here.
 */
#include "tests/cuda/gpu.h"
#include "tests/cuda/reference.h"
#include "tests/support/book.h"

#include "kernels/comm/rendezvous.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What gpu.h says about GPU_BACKEND holds here too. */
#ifndef GPU_TRANSPORT
#define GPU_TRANSPORT "nccl"
#endif

enum { RANKS = 2 };
#define TIMEOUT_S 25.0

/* Both ranks judge bytes and memory; the one that has the latents judges them. False: the cell did
 * not run, and the world with it. */
static bool judge(struct book *book, const struct cell_setup *setup, struct reference_tally *tally,
                  const char *spec, struct comm *world)
{
    bool mine = cell_output_rank(setup, spec) == comm_rank(world);
    const struct cell_result *one = book_get(book, mine ? spec : "serial");
    struct cell_result got = {.count = one->count};
    got.latent = malloc(one->count * sizeof *got.latent);
    CHECK(got.latent, "no host memory for %zu latents", one->count);
    for (size_t i = 0; i < got.count; i++)
        got.latent[i] = NAN;
    enum status st = cell_run_rank(setup, spec, world, book->dev, 2, &got);
    if (st == ST_OK)
        reference_judge(tally, spec, &got, mine ? one : NULL,
                        reference_tolerance(setup->dtype, spec));
    else
        fprintf(stderr, "rank %d: %s: %s: %s\n", comm_rank(world), tally->group, spec,
                status_text());
    cell_release(&got);
    return st == ST_OK;
}

/* All hybrids of two ranks, as calls and as graphs. False: one did not run. */
static bool judge_all(struct book *book, struct comm *world, int *bad)
{
    struct cell_setup setup = book->setup;
    for (int graph = 0; graph < 2; graph++) {
        struct reference_tally tally = {0};
        setup.graph = graph;
        snprintf(tally.group, sizeof tally.group, "two GPUs, %s, %s, graphs %s, rank %d",
                 setup.config.name, dtype_name(setup.dtype), graph ? "on" : "off",
                 comm_rank(world));
        for (int i = 0; hybrid_at(i); i++)
            if (hybrid_tested(&setup, i) && cell_ranks(&setup, hybrid_at(i)) == RANKS &&
                !judge(book, &setup, &tally, hybrid_at(i), world))
                return false;
        if (comm_rank(world) == 0 || tally.bad > 0)
            reference_print(&tally);
        *bad += tally.bad + (tally.cells == 0);
    }
    return true;
}

struct task {
    const char *preset;
    enum dtype dtype;
    const char *exchange; /* "lsa", "auto", or NULL for messages */
};

/* Told after the communicators of the axes are closed, as rows are written. */
static void check_form(const struct task *task, struct comm *world)
{
    const char *form = comm_exchange_form(world);
    CHECK(!form == !task->exchange, "heads were exchanged by %s, and %s was asked for",
          form ? form : "messages", task->exchange ? task->exchange : "nothing");
}

static int on_rank(int rank, int ranks, const char *folder, void *arg)
{
    const struct task *task = arg;
    const struct rendezvous where = {.rank = rank,
                                     .size = ranks,
                                     .folder = folder,
                                     .timeout_s = TIMEOUT_S,
                                     .exchange = task->exchange};
    const struct device_options options = {.ordinal = rank, .threads = 1};
    struct cell_setup setup = cell_setup_of(task->preset);
    struct device *dev;
    struct comm *world;
    int bad = 0;
    setup.dtype = task->dtype;
    setenv("NCCL_NVLS_ENABLE", "0", 1);
    OK(device_open(backend_find(GPU_BACKEND), &options, &dev));
    CHECK(dev->ops->supports(setup.dtype), "GPU %d has no %s", rank, dtype_name(setup.dtype));
    enum status st = comm_open(comm_ops_find(GPU_TRANSPORT), &where, dev, &world);
    if (st == ST_UNSUPPORTED && task->exchange) {
        fprintf(stderr, "SKIP: %s\n", status_text());
        return 0;
    }
    OK(st);
    struct book *book = book_open(&setup, dev);
    if (!judge_all(book, world, &bad)) {
        comm_abort(world);
        return 1; // the process ends with it
    }
    check_form(task, world);
    OK(comm_barrier(world)); // nobody leaves while a peer still talks
    book_close(book);
    comm_close(world);
    device_close(dev);
    return bad > 0;
}

static void two_gpus(const char *preset, enum dtype dtype, const char *exchange)
{
    struct task task = {preset, dtype, exchange};
    int gpus = gpu_count();
    if (!comm_ops_find(GPU_TRANSPORT)) {
        gpu_skip("this build has no transport " GPU_TRANSPORT);
        return;
    }
    if (gpus < RANKS) {
        gpu_skip("%d GPUs are seen, and %d are wanted", gpus, RANKS);
        return;
    }
    CHECK(gpu_ranks(RANKS, on_rank, &task), "a rank did not end well; its own lines say why");
}

static void test_fp32(void)
{
    two_gpus("pixart-tiny", DTYPE_F32, NULL);
}

static void test_bf16(void)
{
    two_gpus("pixart-tiny", DTYPE_BF16, NULL);
}

/* Where the NCCL that is loaded is the one that was compiled with. */
static void test_kernel(void)
{
    two_gpus("pixart-tiny", DTYPE_F32, "lsa");
}

/* Frames of a video, and tokens of a text among the rows. */
static void test_kernel_latte(void)
{
    two_gpus("latte-tiny", DTYPE_F32, "lsa");
}
static void test_kernel_flux(void)
{
    two_gpus("flux-tiny", DTYPE_BF16, "lsa");
}

static void test_sd3(void)
{
    two_gpus("sd3-tiny", DTYPE_F32, NULL);
}
static void test_flux(void)
{
    two_gpus("flux-tiny", DTYPE_F32, NULL);
}
static void test_hunyuandit(void)
{
    two_gpus("hunyuandit-tiny", DTYPE_F32, NULL);
}
static void test_latte(void)
{
    two_gpus("latte-tiny", DTYPE_F32, NULL);
}

const struct gpu_test tests_cells_nccl[] = {
    {"cells_nccl/fp32", test_fp32},
    {"cells_nccl/bf16", test_bf16},
    {"cells_nccl/kernel", test_kernel},
    {"cells_nccl/kernel_latte", test_kernel_latte},
    {"cells_nccl/kernel_flux", test_kernel_flux},
    {"cells_nccl/sd3", test_sd3},
    {"cells_nccl/flux", test_flux},
    {"cells_nccl/hunyuandit", test_hunyuandit},
    {"cells_nccl/latte", test_latte},
    {NULL, NULL},
};
