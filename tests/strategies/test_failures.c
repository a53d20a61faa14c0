/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks fail together: every allocation of every strategy is made to fail once, on one rank, and a
 * rank that leaves in the middle of a loop takes its peers along. */
#include "kernels/backend.h"
#include "tests/support/cells.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct failing {
    struct cell_setup setup;
    const char *spec;
    int victim;
    int nth;
    enum status status[THREADS_MAX];
};

static enum status open_with_failure(struct thread_rank *self)
{
    struct failing *f = self->arg;
    struct cell_result result = {0};
    result.latent = calloc(cell_count(&f->setup), sizeof(float));
    arena_fail_after(self->rank == f->victim ? f->nth : -1);
    f->status[self->rank] = cell_run_rank(&f->setup, f->spec, self->world, self->dev, 1, &result);
    arena_fail_after(-1);
    free(result.latent);
    return ST_OK;
}

/* Fails the 1st, 2nd, ... allocation of one rank until none is left to fail: every rank must report
 * ST_OOM each time. */
static void fail_every_allocation(const char *preset, int layers, const char *spec)
{
    struct failing f = {.setup = cell_setup_of(preset), .spec = spec};
    int ranks = cell_ranks(&f.setup, spec);
    if (f.setup.kind == &kind_transformer) {
        cell_set_layers(&f.setup, layers);
        f.setup.steps = 2;
    }
    f.victim = ranks - 1;
    for (f.nth = 0; f.nth < 2000; f.nth++) {
        cr_assert_eq(threads_run(ranks, open_with_failure, &f), ST_OK, "%s", status_text());
        if (f.status[0] == ST_OK)
            break;
        for (int r = 0; r < ranks; r++)
            cr_assert_eq(f.status[r], ST_OOM, "%s: allocation %d: rank %d says %s", spec, f.nth, r,
                         status_name(f.status[r]));
    }
    cr_expect_gt(f.nth, 20, "%s: only %d allocations were made to fail", spec, f.nth);
    cr_expect_lt(f.nth, 2000);
}

Test(failures, every_allocation_of_each_strategy)
{
    for (int i = 0; hybrid_strategy(i); i++) {
        const char *spec = hybrid_alone(hybrid_strategy(i), true);
        cr_assert(spec, "no line of the table is %s alone", hybrid_strategy(i)->name);
        fail_every_allocation("pixart-tiny", 2, spec);
    }
}

/* One rank, which is a reference or has options. */
Test(failures, every_allocation_on_one_rank)
{
    for (int i = 0; hybrid_strategy(i); i++)
        if (hybrid_alone(hybrid_strategy(i), false))
            fail_every_allocation("pixart-tiny", 2, hybrid_alone(hybrid_strategy(i), false));
    fail_every_allocation("pixart-tiny", 2, "serial");
}

/* Blocks of both kinds, and a skip from the first to the last of four. */
Test(failures, every_allocation_of_each_family)
{
    static const char *const specs[] = {"pipefusion=2:patches=3:warmup=1", "distrifusion=2",
                                        "ulysses=2"};
    for (int f = 0; hybrid_family(f); f++) {
        int layers = strstr(hybrid_family(f), "hunyuan") ? 4 : 2;
        for (int i = 0; i < (hybrid_sanitized() ? 1 : 3); i++)
            fail_every_allocation(hybrid_family(f), layers, specs[i]);
        for (int i = 0; hybrid_all() && hybrid_strategy(i); i++)
            if (hybrid_strategy(i) != strategy_find("cfg") || strcmp(hybrid_family(f), "flux-tiny"))
                fail_every_allocation(hybrid_family(f), layers,
                                      hybrid_alone(hybrid_strategy(i), true));
    }
}

/* All layers of a decoder. */
Test(failures, every_allocation_of_a_decoder)
{
    fail_every_allocation("vae-tiny", 0, "serial");
    fail_every_allocation("vae-tiny", 0, "rows=1:chunk=3");
    fail_every_allocation("vae-tiny", 0, "rows=2");
    fail_every_allocation("vae-tiny", 0, "rows=3:chunk=2");
    fail_every_allocation("vae-tiny", 0, "data=2,rows=2:chunk=5");
}

static enum status no_queue(struct device *dev, struct queue **out)
{
    (void)dev, (void)out;
    return fail(ST_OOM, "no memory for a queue");
}

/* The victim fails before there is a mesh, which the others split the world for. */
static enum status open_without_queue(struct thread_rank *self)
{
    struct failing *f = self->arg;
    struct cell_result result = {0};
    const struct backend_ops *own = self->dev->ops;
    struct backend_ops ops = *own;
    ops.queue_open = no_queue;
    result.latent = calloc(cell_count(&f->setup), sizeof(float));
    if (self->rank == f->victim)
        self->dev->ops = &ops;
    f->status[self->rank] = cell_run_rank(&f->setup, f->spec, self->world, self->dev, 1, &result);
    self->dev->ops = own;
    free(result.latent);
    return ST_OK;
}

Test(failures, a_rank_without_a_queue)
{
    struct failing f = {
        .setup = cell_setup_of("pixart-tiny"), .spec = "cfg=2,pipefusion=2", .victim = 3};
    cr_assert_eq(threads_run(4, open_without_queue, &f), ST_OK, "%s", status_text());
    for (int r = 0; r < 4; r++)
        cr_expect_eq(f.status[r], ST_OOM, "rank %d says %s", r, status_name(f.status[r]));
}

static void leave_in_step_two(void *self, int step)
{
    struct thread_rank *rank = self;
    if (step == 1 && rank->rank == 1)
        comm_abort(rank->world);
}

/* Rank 1 aborts after its second step; nobody hangs, and the others say that a peer left. */
static enum status loop_with_abort(struct thread_rank *self)
{
    struct failing *f = self->arg;
    struct problem problem = cell_problem(&f->setup);
    struct run_inputs in = {
        .seed = 1, .guidance = 4.0f, .on_step = leave_in_step_two, .on_step_self = self};
    struct spec spec;
    struct plan *plan;
    struct prompt *prompt;
    struct sampler *sampler;
    struct run *run;
    double ms;
    double ends[16];
    TRY(spec_parse(f->spec, &spec));
    TRY(plan_build(&problem, &spec, self->size, self->rank, &plan));
    TRY(weights_open_synthetic(1, &in.weights));
    TRY(prompt_open_synthetic(&f->setup.config, problem.requests, problem.guided, problem.width,
                              problem.height, 1, &prompt));
    TRY(sampler_open(&f->setup.config.sampler, problem.steps, problem_tokens(&problem), &sampler));
    in.prompt = prompt;
    in.sampler = sampler;
    TRY(run_open(plan, &in, self->dev, self->world, &run));
    f->status[self->rank] = run_loop(run, &ms, ends);
    run_close(run);
    sampler_close(sampler);
    prompt_close(prompt);
    weights_close(in.weights);
    plan_close(plan);
    return ST_OK;
}

static void abort_in_loop(const char *preset, const char *spec)
{
    struct failing f = {.setup = cell_setup_of(preset), .spec = spec};
    int ranks = cell_ranks(&f.setup, spec);
    struct threads_result result;
    f.setup.steps = 5; /* enough for what is late to be missed */
    threads_run_within(ranks, 20, loop_with_abort, &f, &result);
    for (int r = 0; r < ranks; r++)
        cr_expect_eq(f.status[r], ST_COMM, "%s: rank %d says %s", spec, r,
                     status_name(f.status[r]));
}

Test(failures, abort_in_the_middle_of_a_loop)
{
    for (int i = 0; hybrid_strategy(i); i++)
        if (hybrid_strategy(i)->volume) /* the others hear of nobody within a loop */
            abort_in_loop("pixart-tiny", hybrid_alone(hybrid_strategy(i), true));
    abort_in_loop("pixart-tiny", "ring=3");
    abort_in_loop("pixart-tiny", "tensor=2");
    abort_in_loop("pixart-tiny", "cfg=2,ulysses=2");
    abort_in_loop("pixart-tiny", "pipefusion=2:patches=3:warmup=1,allgather=2");
    /* stages that wait for skips from afar, and for text */
    abort_in_loop("hunyuandit-tiny", "pipefusion=4:patches=3");
    abort_in_loop("flux-tiny", "pipefusion=3:patches=2:warmup=0");
    abort_in_loop("sd3-tiny", "distrifusion=3");
    abort_in_loop("latte-tiny", "ulysses=2");
}
