/* SPDX-License-Identifier: Apache-2.0 */
/* Every strategy ends, with the bits of the thread transport, where the posts of a rank on a
 * communicator come about one after the other, as NCCL's do on its stream. */
#include "kernels/backend.h"
#include "kernels/comm/rendezvous.h"
#include "tests/strategies/in_order.h"
#include "tests/support/cells.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RANKS = 8, LOOPS = 2 };
#define TIMEOUT_S 20.0

struct rank_job {
    const struct cell_setup *setup;
    const char *spec;
    struct rendezvous where;
    struct cell_result result;
    enum status status;
    char message[512];
};

static enum status run_rank(struct rank_job *job)
{
    const struct device_options options = {.threads = 1};
    struct device *dev = NULL;
    struct comm *world = NULL;
    TRY(device_open(backend_find("cpu"), &options, &dev));
    TRY(comm_open(&in_order_transport, &job->where, dev, &world));
    enum status st = cell_run_rank(job->setup, job->spec, world, dev, LOOPS, &job->result);
    if (st != ST_OK)
        comm_abort(world);
    comm_close(world);
    device_close(dev);
    return st;
}

static void *rank_main(void *arg)
{
    struct rank_job *job = arg;
    status_clear();
    job->status = run_rank(job);
    snprintf(job->message, sizeof job->message, "%s", status_text());
    return NULL;
}

static void check(const struct cell_setup *setup, const char *spec)
{
    struct cell_result want;
    struct rank_job job[MOST_RANKS];
    pthread_t thread[MOST_RANKS];
    struct local_world *world;
    int n = cell_ranks(setup, spec);
    cr_assert_eq(cell_run(setup, spec, 1, &want), ST_OK, "%s: %s", spec, status_text());
    cr_assert_eq(local_world_open(n, &world), ST_OK);
    for (int r = 0; r < n; r++) {
        job[r] = (struct rank_job){.setup = setup, .spec = spec};
        job[r].where =
            (struct rendezvous){.rank = r, .size = n, .local = world, .timeout_s = TIMEOUT_S};
        job[r].result.latent = calloc(want.count, sizeof(float));
        cr_assert_eq(pthread_create(&thread[r], NULL, rank_main, &job[r]), 0);
    }
    for (int r = 0; r < n; r++)
        pthread_join(thread[r], NULL);
    for (int r = 0; r < n; r++) {
        cr_assert_eq(job[r].status, ST_OK, "%s, rank %d: %s", spec, r, job[r].message);
        cr_expect(job[r].result.bytes_match, "%s, rank %d: %s", spec, r, job[r].result.mismatch);
    }
    int output = cell_output_rank(setup, spec);
    cr_expect_eq(memcmp(job[output].result.latent, want.latent, want.count * sizeof(float)), 0,
                 "%s: differs by %g", spec, cell_distance(&job[output].result, &want));
    for (int r = 0; r < n; r++)
        free(job[r].result.latent);
    cell_release(&want);
    local_world_close(world);
}

static void check_world(const char *preset, int least, int most)
{
    struct cell_setup setup = cell_setup_of(preset);
    for (int i = 0; hybrid_at(i); i++) {
        int ranks = hybrid_tested(&setup, i) ? cell_ranks(&setup, hybrid_at(i)) : 0;
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
Test(in_order, sd3)
{
    check_world("sd3-tiny", 2, 4);
}
Test(in_order, hunyuandit)
{
    check_world("hunyuandit-tiny", 2, 4);
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
