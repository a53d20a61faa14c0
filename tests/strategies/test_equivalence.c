/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of the design: exact hybrids equal the serial run, stale ones their one-rank
 * reference; bytes counted equal the closed forms; memory held equals the prediction. Over threads
 * here, over processes by the worker.
 */
#include "tests/support/cells.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs every hybrid of `ranks` ranks and compares it with its one-rank reference. */
static void check_world(const char *preset, int ranks)
{
    struct cell_setup setup = cell_setup_of(preset);
    for (int i = 0; hybrid_at(i); i++) {
        const char *spec = hybrid_at(i);
        if (cell_ranks(&setup, spec) != ranks)
            continue;
        char text[SPEC_TEXT];
        struct cell_result want;
        struct cell_result got;
        enum status st = cell_run(&setup, cell_reference(&setup, spec, text), 1, &want);
        cr_assert_eq(st, ST_OK, "%s: %s", text, status_text());
        st = cell_run(&setup, spec, 2, &got);
        cr_assert_eq(st, ST_OK, "%s: %s", spec, status_text());
        cr_expect(
            near_floats(spec, got.latent, want.latent, (int64_t)want.count, cell_tolerance(spec)),
            "%s %s", preset, spec);
        cr_expect(got.bytes_match, "%s %s: %s", preset, spec, got.mismatch);
        cr_expect(got.memory_match, "%s %s: %s", preset, spec, got.mismatch);
        cell_release(&want);
        cell_release(&got);
    }
}

Test(equivalence, pixart_on_1_rank)
{
    check_world("pixart-tiny", 1);
}
Test(equivalence, pixart_on_2_ranks)
{
    check_world("pixart-tiny", 2);
}
Test(equivalence, pixart_on_3_ranks)
{
    check_world("pixart-tiny", 3);
}
Test(equivalence, pixart_on_4_ranks)
{
    check_world("pixart-tiny", 4);
}
Test(equivalence, pixart_on_5_ranks)
{
    check_world("pixart-tiny", 5);
}
Test(equivalence, pixart_on_6_ranks)
{
    check_world("pixart-tiny", 6);
}
Test(equivalence, pixart_on_7_ranks)
{
    check_world("pixart-tiny", 7);
}
Test(equivalence, pixart_on_8_ranks)
{
    check_world("pixart-tiny", 8);
}
Test(equivalence, dit_on_2_ranks)
{
    check_world("dit-tiny", 2);
}
Test(equivalence, dit_on_4_ranks)
{
    check_world("dit-tiny", 4);
}
Test(equivalence, dit_on_8_ranks)
{
    check_world("dit-tiny", 8);
}

/* A bare forward is a warm-up step: every hybrid's is the serial one. */
Test(equivalence, forwards)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    struct cell_result want;
    setup.forward = true;
    cr_assert_eq(cell_run(&setup, "serial", 1, &want), ST_OK, "%s", status_text());
    for (int i = 0; hybrid_at(i); i++) {
        const char *spec = hybrid_at(i);
        struct cell_result got;
        cr_assert_eq(cell_run(&setup, spec, 1, &got), ST_OK, "%s: %s", spec, status_text());
        cr_expect(
            near_floats(spec, got.latent, want.latent, (int64_t)want.count, cell_tolerance(spec)),
            "%s", spec);
        cell_release(&got);
    }
    cell_release(&want);
}

static void check_pair(const char *spec, const char *reference, double tolerance)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    struct cell_result want;
    struct cell_result got;
    cr_assert_eq(cell_run(&setup, reference, 1, &want), ST_OK, "%s: %s", reference, status_text());
    cr_assert_eq(cell_run(&setup, spec, 1, &got), ST_OK, "%s: %s", spec, status_text());
    cr_expect(near_floats(spec, got.latent, want.latent, (int64_t)want.count, tolerance),
              "%s against %s", spec, reference);
    cell_release(&want);
    cell_release(&got);
}

Test(equivalence, stale_with_warmup_for_every_step_is_serial)
{
    check_pair("pipefusion=2:patches=3:warmup=5", "serial", 1e-5);
    check_pair("pipefusion=1:patches=3:warmup=5", "serial", 1e-5);
    check_pair("distrifusion=3:warmup=6", "serial", 1e-5);
    check_pair("cfg=2,pipefusion=2:patches=2:warmup=5,ulysses=2", "serial", 1e-5);
}

Test(equivalence, one_patch_is_serial_whatever_the_warmup)
{
    check_pair("pipefusion=4:patches=1:warmup=0", "serial", 1e-5);
    check_pair("pipefusion=2:patches=1:warmup=1,ulysses=2", "serial", 1e-5);
}

static double distance(const char *spec, const char *reference)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    struct cell_result want;
    struct cell_result got;
    cr_assert_eq(cell_run(&setup, reference, 1, &want), ST_OK, "%s", status_text());
    cr_assert_eq(cell_run(&setup, spec, 1, &got), ST_OK, "%s", status_text());
    double sum = 0;
    double norm = 0;
    for (size_t i = 0; i < want.count; i++) {
        double d = (double)got.latent[i] - (double)want.latent[i];
        sum += d * d;
        norm += (double)want.latent[i] * (double)want.latent[i];
    }
    cell_release(&want);
    cell_release(&got);
    return sum / norm;
}

/* A stale run that equalled the serial one would mean that nothing stale was used, and the tests
 * above would be blind. */
Test(equivalence, stale_runs_differ_from_serial_and_from_each_other)
{
    cr_expect_gt(distance("pipefusion=2:patches=4:warmup=1", "serial"), 1e-10);
    cr_expect_gt(distance("distrifusion=2:warmup=1", "serial"), 1e-10);
    cr_expect_gt(distance("pipefusion=2:patches=2:warmup=1", "distrifusion=2:warmup=1"), 1e-10);
    cr_expect_gt(distance("pipefusion=2:patches=2:warmup=0", "pipefusion=2:patches=2:warmup=1"),
                 1e-10);
}

/* The first stale step of PipeFusion x Ulysses sees every sub-band exactly once, also when bands
 * are uneven: 5 token rows in 2 and 3 patches over 2 and 4 sequence ranks. */
Test(equivalence, first_stale_step_of_pipefusion_and_ulysses)
{
    check_pair("pipefusion=2:patches=2:warmup=1,ulysses=2", "pipefusion=1:patches=2:warmup=1",
               1e-5);
    check_pair("pipefusion=2:patches=3:warmup=1,ulysses=4", "pipefusion=1:patches=3:warmup=1",
               1e-5);
    check_pair("pipefusion=2:patches=3:warmup=4,ulysses=2", "pipefusion=1:patches=3:warmup=4",
               1e-5);
    check_pair("pipefusion=2:patches=2:warmup=4,ring=2,ulysses=2",
               "pipefusion=1:patches=2:warmup=4", 1e-4);
}

/* Without warm-up the first step reads zeros, in every loop: not what the loop before has left. */
Test(equivalence, no_warmup_starts_from_zeros_in_every_loop)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    static const char *const specs[] = {
        "pipefusion=2:patches=3:warmup=0", "distrifusion=2:warmup=0",
        "pipefusion=1:patches=3:warmup=0", "distrifusion=1:patches=2:warmup=0"};
    for (int i = 0; i < 4; i++) {
        struct cell_result once;
        struct cell_result thrice;
        cr_assert_eq(cell_run(&setup, specs[i], 1, &once), ST_OK, "%s", status_text());
        cr_assert_eq(cell_run(&setup, specs[i], 3, &thrice), ST_OK, "%s", status_text());
        cr_expect(near_equal(specs[i], thrice.latent, once.latent, (int64_t)once.count));
        cell_release(&once);
        cell_release(&thrice);
    }
}

/* The same strategies over processes: one mpirun for each world size runs all hybrids of that size.
 */
static void check_mpi(int ranks)
{
    char command[1024];
    if (system("command -v mpirun >/dev/null 2>&1") != 0) {
        fprintf(stderr, "SKIP: mpirun was not found\n");
        cr_skip_test("mpirun was not found");
    }
    snprintf(command, sizeof command,
             "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
             "OMPI_MCA_rmaps_base_oversubscribe=1 "
             "mpirun -n %d %s/tests/strategies_worker 1>&2",
             ranks, DITBENCH_BUILD_DIR);
    cr_expect_eq(system(command), 0, "%s", command);
}

Test(equivalence_mpi, on_1_to_3_ranks)
{
    check_mpi(1);
    check_mpi(2);
    check_mpi(3);
}
Test(equivalence_mpi, on_4_ranks)
{
    check_mpi(4);
}
Test(equivalence_mpi, on_5_to_7_ranks)
{
    check_mpi(5);
    check_mpi(6);
    check_mpi(7);
}
Test(equivalence_mpi, on_8_ranks)
{
    check_mpi(8);
}
