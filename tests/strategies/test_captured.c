/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are captured once and launched again give the bits, and count the bytes, of steps that
 * are computed one by one. */
#include "kernels/comm/rendezvous.h"
#include "tests/strategies/capturing.h"
#include "tests/support/cells.h"
#include "tests/support/ranges.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RANKS = 8, LOOPS = 3 };

struct rank_job {
    const struct cell_setup *setup;
    const char *spec;
    struct rendezvous where;
    struct cell_result result;
    int launches, captures;
    int told, open; /* launches that ranges told; what was open after the run */
    enum status status;
    char message[512];
};

static enum status run_rank(struct rank_job *job)
{
    const struct device_options options = {.threads = 1};
    struct device *dev = NULL;
    struct comm *world = NULL;
    TRY(device_open(capturing_backend(), &options, &dev));
    TRY(comm_open(&capturing_transport, &job->where, dev, &world));
    struct ranges ranges;
    ranges_begin(&ranges);
    enum status st = cell_run_rank(job->setup, job->spec, world, dev, LOOPS, &job->result);
    job->captures = ranges_count(&ranges, TRACE_GRAPH, "capture");
    job->told = ranges_count(&ranges, TRACE_GRAPH, "launch");
    job->open = ranges.open;
    ranges_end(&ranges);
    ranges_release(&ranges);
    if (st != ST_OK)
        comm_abort(world);
    job->launches = capturing_launches(dev);
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

/* Steps are launched: at least those of the second and third loop. */
static void check_rank(const struct rank_job *job, int steps)
{
    cr_assert_eq(job->status, ST_OK, "%s, rank %d: %s", job->spec, job->where.rank, job->message);
    cr_expect(job->result.bytes_match, "%s, rank %d: %s", job->spec, job->where.rank,
              job->result.mismatch);
    cr_expect(job->result.memory_match, "%s, rank %d: %s", job->spec, job->where.rank,
              job->result.mismatch);
    cr_expect_geq(job->launches, (LOOPS - 1) * steps, "%s, rank %d: %d launches", job->spec,
                  job->where.rank, job->launches);
    cr_expect(job->told == job->launches && job->captures > 0 && job->open == -1,
              "%s, rank %d: %d launches and %d captures were told", job->spec, job->where.rank,
              job->told, job->captures);
}

static void check_setup(struct cell_setup setup, const char *spec)
{
    struct cell_result want;
    struct rank_job job[MOST_RANKS];
    pthread_t thread[MOST_RANKS];
    struct local_world *world;
    int n = cell_ranks(&setup, spec);
    cr_assert_eq(cell_run(&setup, spec, 1, &want), ST_OK, "%s: %s", spec, status_text());
    setup.graph = true;
    cr_assert_eq(local_world_open(n, &world), ST_OK);
    for (int r = 0; r < n; r++) {
        job[r] = (struct rank_job){.setup = &setup, .spec = spec};
        job[r].where = (struct rendezvous){.rank = r, .size = n, .local = world, .timeout_s = 60};
        job[r].result.latent = calloc(want.count, sizeof(float));
        cr_assert_eq(pthread_create(&thread[r], NULL, rank_main, &job[r]), 0);
    }
    for (int r = 0; r < n; r++)
        pthread_join(thread[r], NULL);
    for (int r = 0; r < n; r++)
        check_rank(&job[r], setup.steps);
    int output = cell_output_rank(&setup, spec);
    cr_expect_eq(memcmp(job[output].result.latent, want.latent, want.count * sizeof(float)), 0,
                 "%s: captured steps differ by %g", spec,
                 cell_distance(&job[output].result, &want));
    for (int r = 0; r < n; r++)
        free(job[r].result.latent);
    cell_release(&want);
    local_world_close(world);
}

static void check_specs(const char *preset, const char *const *spec)
{
    for (; *spec; spec++)
        check_setup(cell_setup_of(preset), *spec);
}

/* Every line of the table on so many ranks that is tested on this model. */
static void check_world(struct cell_setup setup, int ranks)
{
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_repeated(&setup, i) && cell_ranks(&setup, hybrid_at(i)) == ranks)
            check_setup(setup, hybrid_at(i));
}

Test(captured, one_rank)
{
    check_world(cell_setup_of("pixart-tiny"), 1);
}
Test(captured, two_ranks)
{
    check_world(cell_setup_of("pixart-tiny"), 2);
}
Test(captured, three_ranks)
{
    check_world(cell_setup_of("pixart-tiny"), 3);
}

/* Fewer steps than else, but as many kinds of them. */
static void check_family(const char *preset)
{
    struct cell_setup setup = cell_setup_of(preset);
    if (hybrid_sanitized())
        cr_skip_test("under a sanitizer PixArt's steps are captured only");
    setup.steps = hybrid_all() ? 5 : 3;
    for (int ranks = 1; ranks <= (hybrid_all() ? MOST_RANKS : 3); ranks++)
        check_world(setup, ranks);
}

Test(captured, sd3)
{
    check_family("sd3-tiny");
}
Test(captured, flux)
{
    check_family("flux-tiny");
}
Test(captured, hunyuandit)
{
    check_family("hunyuandit-tiny");
}
Test(captured, latte)
{
    check_family("latte-tiny");
}

/* A decode is one step, and its loops are the same. */
Test(captured, decoder)
{
    struct cell_setup setup = cell_setup_of("vae-tiny");
    for (int ranks = 1; ranks <= 4; ranks++)
        check_world(setup, ranks);
    setup.decoder.attention = false;
    check_setup(setup, "rows=3:chunk=2");
}

Test(captured, hybrids)
{
    const char *const spec[] = {"cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2",
                                "pipefusion=2:patches=3:warmup=2,ring=2",
                                "cfg=2,distrifusion=2,tensor=2",
                                "ring=2,ulysses=2",
                                "data=2,ulysses=2,tensor=2",
                                "pipefusion=2:patches=3,tensor=2",
                                "ring=2,tensor=3",
                                "pipefusion=2:patches=3:warmup=0,allgather=2,ulysses=2",
                                "cfg=2,distrifusion=2:warmup=0,allgather=2",
                                NULL};
    check_specs("pixart-tiny", spec);
    check_specs("dit-tiny", spec);
}

/* DDPM draws noise in every step but the last. */
Test(captured, noise)
{
    const char *const spec[] = {"serial", "ulysses=2", "pipefusion=2:patches=3", NULL};
    struct cell_setup setup = cell_setup_of("dit-tiny");
    setup.config.sampler = sampler_config_default(SAMPLER_DDPM);
    for (int i = 0; spec[i]; i++)
        check_setup(setup, spec[i]);
}

/* Its kernels share out their work through memory of the queue that they were captured on. */
Test(captured, a_graph_of_another_queue_aborts, .signal = SIGABRT)
{
    const struct device_options options = {.threads = 1};
    struct device *dev;
    struct queue *q, *other;
    struct graph graph = {0};
    cr_assert_eq(device_open(capturing_backend(), &options, &dev), ST_OK);
    cr_assert_eq(queue_open(dev, &q), ST_OK);
    cr_assert_eq(queue_open(dev, &other), ST_OK);
    cr_assert_eq(graph_begin(q), ST_OK);
    cr_assert_eq(graph_end(q, &graph), ST_OK);
    cr_assert_eq(graph_launch(q, &graph), ST_OK);
    graph_launch(other, &graph);
}
