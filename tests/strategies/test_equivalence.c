/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of the design: exact hybrids equal the serial run, stale ones their one-rank
 * reference; bytes counted equal the closed forms; memory held equals the prediction. Over threads
 * here, over processes by the worker.
 */
#include "tests/support/book.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_cell(const struct cell_setup *setup, const char *spec, int loops,
                       const struct cell_result *want)
{
    struct cell_result got;
    const char *model = cell_model(setup);
    cr_assert_eq(cell_run(setup, spec, loops, &got), ST_OK, "%s %s: %s", model, spec,
                 status_text());
    cr_expect(
        near_floats(spec, got.latent, want->latent, (int64_t)want->count, cell_tolerance(spec)),
        "%s %s", model, spec);
    cr_expect(got.bytes_match && got.memory_match, "%s %s: %s", model, spec, got.mismatch);
    cell_release(&got);
}

/* Runs every hybrid of `ranks` ranks that is tested on this model, and compares it with its
 * one-rank reference; the second loop finds what the first has left. */
static void check_world(const char *preset, int ranks)
{
    struct cell_setup setup = cell_setup_of(preset);
    struct book *book = book_open(&setup, NULL);
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&setup, i) && cell_ranks(&setup, hybrid_at(i)) == ranks)
            check_cell(&setup, hybrid_at(i), 2, book_get(book, hybrid_at(i)));
    book_close(book);
}

/* A bare forward is a warm-up step: every hybrid's is the serial one. */
static void check_forwards(const char *preset)
{
    struct cell_setup setup = cell_setup_of(preset);
    setup.forward = true;
    struct book *book = book_open(&setup, NULL);
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&setup, i))
            check_cell(&setup, hybrid_at(i), 1, book_get(book, "serial"));
    book_close(book);
}

static void needs_all(void)
{
    if (!hybrid_all())
        cr_skip_test("only make test-all does this");
}

#define WORLD(family, ranks)                                                                       \
    Test(equivalence, family##_on_##ranks##_ranks)                                                 \
    {                                                                                              \
        check_world(#family "-tiny", ranks);                                                       \
    }
#define WORLD_OF_ALL(family, ranks)                                                                \
    Test(equivalence, family##_on_##ranks##_ranks)                                                 \
    {                                                                                              \
        needs_all();                                                                               \
        check_world(#family "-tiny", ranks);                                                       \
    }
#define FORWARDS(family)                                                                           \
    Test(equivalence, family##_forwards)                                                           \
    {                                                                                              \
        check_forwards(#family "-tiny");                                                           \
    }
#define FAMILY(family)                                                                             \
    WORLD(family, 1)                                                                               \
    WORLD(family, 2)                                                                               \
    WORLD(family, 3)                                                                               \
    WORLD(family, 4)                                                                               \
    WORLD_OF_ALL(family, 5)                                                                        \
    WORLD_OF_ALL(family, 6)                                                                        \
    WORLD_OF_ALL(family, 7)                                                                        \
    WORLD_OF_ALL(family, 8)                                                                        \
    FORWARDS(family)

WORLD(pixart, 1)
WORLD(pixart, 2)
WORLD(pixart, 3)
WORLD(pixart, 4)
WORLD(pixart, 5)
WORLD(pixart, 6)
WORLD(pixart, 7)
WORLD(pixart, 8)
FORWARDS(pixart)
WORLD(dit, 2)
WORLD(dit, 4)
WORLD(dit, 8)
WORLD(vae, 1)
WORLD(vae, 2)
WORLD(vae, 3)
WORLD(vae, 4)
WORLD(vae, 5)
WORLD(vae, 6)
WORLD(vae, 7)
WORLD(vae, 8)
FAMILY(sd3)
FAMILY(flux)
FAMILY(hunyuandit)
FAMILY(latte)

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
static void check_mpi(const char *presets, int ranks)
{
    char command[1024];
    if (system("command -v mpirun >/dev/null 2>&1") != 0) {
        fprintf(stderr, "SKIP: mpirun was not found\n");
        cr_skip_test("mpirun was not found");
    }
    snprintf(command, sizeof command,
             "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
             "OMPI_MCA_rmaps_base_oversubscribe=1 "
             "mpirun -n %d %s/tests/strategies_worker %s 1>&2",
             ranks, DITBENCH_BUILD_DIR, presets);
    cr_expect_eq(system(command), 0, "%s", command);
}

Test(equivalence_mpi, on_1_to_3_ranks)
{
    check_mpi("pixart-tiny vae-tiny", 1);
    check_mpi("pixart-tiny vae-tiny", 2);
    check_mpi("pixart-tiny vae-tiny", 3);
}
Test(equivalence_mpi, on_4_ranks)
{
    check_mpi("pixart-tiny vae-tiny", 4);
}
static void needs_time(void)
{
    if (hybrid_sanitized())
        cr_skip_test("under a sanitizer processes are four at most, and families run over threads");
}

Test(equivalence_mpi, on_5_to_7_ranks)
{
    needs_time();
    check_mpi("pixart-tiny vae-tiny", 5);
    check_mpi("pixart-tiny vae-tiny", 6);
    check_mpi("pixart-tiny vae-tiny", 7);
}
Test(equivalence_mpi, on_8_ranks)
{
    needs_time();
    check_mpi("pixart-tiny vae-tiny", 8);
}

#define FAMILIES "sd3-tiny flux-tiny hunyuandit-tiny latte-tiny"
Test(equivalence_mpi, families_on_2_ranks)
{
    needs_time();
    check_mpi(FAMILIES, 2);
}
Test(equivalence_mpi, families_on_3_ranks)
{
    needs_time();
    check_mpi(FAMILIES, 3);
}
Test(equivalence_mpi, families_on_1_and_4_ranks)
{
    needs_all();
    check_mpi("dit-tiny " FAMILIES, 1);
    check_mpi("dit-tiny " FAMILIES, 4);
}
Test(equivalence_mpi, families_on_5_to_7_ranks)
{
    needs_all();
    check_mpi("dit-tiny " FAMILIES, 5);
    check_mpi("dit-tiny " FAMILIES, 6);
    check_mpi("dit-tiny " FAMILIES, 7);
}
Test(equivalence_mpi, families_on_8_ranks)
{
    needs_all();
    check_mpi("dit-tiny " FAMILIES, 8);
}
