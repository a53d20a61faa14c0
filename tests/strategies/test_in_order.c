/* SPDX-License-Identifier: Apache-2.0 */
/* Every strategy ends, with the bits of the thread transport, where the posts of a rank on a
 * communicator come about one after the other, as NCCL's do on its stream. */
#include "tests/strategies/in_order.h"
#include "tests/support/cells.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RANKS = 8, LOOPS = 2, TALL = 256 /* pixels: 16 rows of tokens */ };
#define TIMEOUT_S 20.0

struct job {
    const struct cell_setup *setup;
    const char *spec;
    struct cell_result result[MOST_RANKS];
};

static enum status run_rank(struct thread_rank *self)
{
    struct job *job = self->arg;
    return cell_run_rank(job->setup, job->spec, self->world, self->dev, LOOPS,
                         &job->result[self->rank]);
}

static void check(const struct cell_setup *setup, const char *spec)
{
    struct cell_result want;
    struct job job = {.setup = setup, .spec = spec};
    int n = cell_ranks(setup, spec);
    cr_assert_eq(cell_run(setup, spec, 1, &want), ST_OK, "%s: %s", spec, status_text());
    for (int r = 0; r < n; r++)
        job.result[r].latent = calloc(want.count, sizeof(float));
    cr_assert_eq(threads_run_over(&in_order_transport, n, TIMEOUT_S, run_rank, &job, NULL), ST_OK,
                 "%s: %s", spec, status_text());
    for (int r = 0; r < n; r++)
        cr_expect(job.result[r].bytes_match, "%s, rank %d: %s", spec, r, job.result[r].mismatch);
    const struct cell_result *got = &job.result[cell_output_rank(setup, spec)];
    cr_expect_eq(memcmp(got->latent, want.latent, want.count * sizeof(float)), 0,
                 "%s: differs by %g", spec, cell_distance(got, &want));
    for (int r = 0; r < n; r++)
        free(job.result[r].latent);
    cell_release(&want);
}

static void check_world(const char *preset, int least, int most)
{
    struct cell_setup setup = cell_setup_of(preset);
    for (int i = 0; hybrid_at(i); i++) {
        int ranks = hybrid_repeated(&setup, i) ? cell_ranks(&setup, hybrid_at(i)) : 0;
        if (ranks >= least && ranks <= most)
            check(&setup, hybrid_at(i));
    }
}

Test(in_order, pixart_on_two_and_three)
{
    check_world("pixart-tiny", 2, 3);
}
Test(in_order, pixart_on_four)
{
    check_world("pixart-tiny", 4, 4);
}

static void check_family(const char *preset)
{
    if (hybrid_all())
        check_world(preset, 2, 4);
}

Test(in_order, sd3)
{
    check_family("sd3-tiny");
}
Test(in_order, hunyuandit)
{
    check_family("hunyuandit-tiny");
}

/* Stages in the middle receive and send: with fewer patches than stages, as many, more; skips that
 * pass stages over. */
Test(in_order, long_pipes)
{
    static const char *const spec[] = {
        "pipefusion=3:patches=1:warmup=1",          "pipefusion=3:patches=3:warmup=1",
        "pipefusion=4:patches=4:warmup=1",          "pipefusion=4:patches=2:warmup=2",
        "pipefusion=4:patches=4:warmup=0",          "pipefusion=4:patches=5:warmup=2",
        "pipefusion=8:patches=5:warmup=1",          "cfg=2,pipefusion=4:patches=4:warmup=1",
        "pipefusion=4:patches=3:warmup=1,ulysses=2"};
    struct cell_setup pixart = cell_setup_of("pixart-tiny");
    struct cell_setup skips = cell_setup_of("hunyuandit-tiny");
    for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++) {
        check(&pixart, spec[i]);
        check(&skips, spec[i]);
    }
}

/* Eight ranks: hybrids of experiments/eight-gpus.yaml, and a pipe on either side of another axis.
 */
Test(in_order, eight_ranks)
{
    if (!hybrid_all())
        return;
    static const char *const spec[] = {"ring=2,ulysses=4",
                                       "ring=4,ulysses=2",
                                       "cfg=2,ulysses=4",
                                       "cfg=2,ring=2,ulysses=2",
                                       "cfg=2,tensor=4",
                                       "distrifusion=4,tensor=2",
                                       "pipefusion=2:patches=4:warmup=1,ulysses=4",
                                       "pipefusion=4:patches=4:warmup=1,tensor=2",
                                       "pipefusion=4:patches=4:warmup=2,ring=2",
                                       "pipefusion=4:patches=3:warmup=1,allgather=2",
                                       "cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2",
                                       "cfg=2,pipefusion=2:patches=3:warmup=0,tensor=2",
                                       "data=2,pipefusion=4:patches=4:warmup=1",
                                       "cfg=2,pipefusion=4:patches=1:warmup=1",
                                       "cfg=2,pipefusion=4:patches=8:warmup=1"};
    struct cell_setup pixart = cell_setup_of("pixart-tiny");
    struct cell_setup skips = cell_setup_of("hunyuandit-tiny");
    pixart.height = skips.height = TALL;
    for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++) {
        check(&pixart, spec[i]);
        check(&skips, spec[i]);
    }
}

/* Stages of a layer each and uneven ones, odd numbers of them; fewer patches than stages and more.
 */
Test(in_order, eight_stages)
{
    if (!hybrid_all())
        return;
    static const char *const spec[] = {"pipefusion=8:patches=1:warmup=1",
                                       "pipefusion=8:patches=2:warmup=1",
                                       "pipefusion=8:patches=4:warmup=2",
                                       "pipefusion=8:patches=8:warmup=1",
                                       "pipefusion=8:patches=8:warmup=0",
                                       "pipefusion=8:patches=16:warmup=1",
                                       "pipefusion=5:patches=4:warmup=1",
                                       "pipefusion=6:patches=7:warmup=0",
                                       "pipefusion=7:patches=2:warmup=1",
                                       "pipefusion=4:patches=2:warmup=1:layers=5/1/1/1",
                                       "pipefusion=3:patches=3:warmup=1:layers=1/6/1"};
    static const char *const preset[] = {"pixart-tiny", "hunyuandit-tiny", "sd3-tiny", "flux-tiny"};
    for (size_t p = 0; p < sizeof preset / sizeof preset[0]; p++) {
        struct cell_setup setup = cell_setup_of(preset[p]);
        setup.height = TALL;
        for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++)
            check(&setup, spec[i]);
    }
}
