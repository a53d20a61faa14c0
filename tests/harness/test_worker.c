/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement of a measured cell: latents that are not finite. */
#include "tests/harness/checkpoint.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(worker, .init = program_limit);
TestSuite(worker_mpi, .init = program_limit);

static void is_wrong(struct program r)
{
    cr_assert_eq(r.status, 1, "%d: %s", r.status, r.err);
    cr_assert_str_eq(program_json(r.out, "status"), "wrong");
    const char *reason = program_json(r.out, "reason");
    cr_assert(strstr(reason, "of the final latent's 576 elements are NaN or infinite"), "%s",
              reason);
    program_release(&r);
}

static struct program run(const char *model, const char *strategy, const char *check)
{
    return program_run("run", "--model", model, "--steps=2", "--repeats=1", "--warmup-loops=0",
                       "--threads=2", "--strategy", strategy, "--check", check, "--json", NULL);
}

Test(worker, a_latent_that_is_not_finite_is_wrong)
{
    static const char *const strategies[] = {"serial", "ring=2", "pipefusion=2", "distrifusion=2",
                                             "cfg=2"};
    const char *copy = checkpoint_copy("dit");
    struct program r = run(copy, "serial", "off");
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    checkpoint_poke(checkpoint_file(copy, CHECKPOINT_WEIGHTS), CHECKPOINT_NAN);
    for (int i = 0; i < 5; i++)
        is_wrong(run(copy, strategies[i], "off"));
    is_wrong(run(copy, "ring=2", "on"));
}

Test(worker_mpi, a_latent_that_is_not_finite_is_wrong)
{
    program_needs_mpi();
    const char *copy = checkpoint_copy("dit");
    checkpoint_poke(checkpoint_file(copy, CHECKPOINT_WEIGHTS), CHECKPOINT_NAN);
    const char *argv[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "run",
                          "--model",
                          copy,
                          "--steps=2",
                          "--repeats=1",
                          "--threads=2",
                          "--strategy=pipefusion=2",
                          "--check=off",
                          "--json",
                          NULL};
    is_wrong(program_command(argv));
}
