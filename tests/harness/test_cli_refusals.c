/* SPDX-License-Identifier: Apache-2.0 */
/* What the program does not take: it says what was found, what is wanted, and what may have been
 * meant. */
#include "kernels/base/trace_nvtx.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(cli_refusals, .init = program_limit);

#define SMALL "--model=pixart-tiny", "--size=64", "--steps=3", "--repeats=2", "--threads=2"

static void ends(struct program p, int status, const char *in_err)
{
    cr_assert_eq(p.status, status, "status %d, wanted %d: %s", p.status, status, p.err);
    cr_assert(strstr(p.err, in_err), "%s: not in: %s", in_err, p.err);
    program_release(&p);
}

Test(cli_refusals, refuses_what_it_does_not_know)
{
    ends(program_run(NULL), 2, "no command");
    ends(program_run("swep", NULL), 2, "did you mean 'sweep'");
    ends(program_run("frobnicate", NULL), 2, "--help");
    ends(program_run("run", "--sizee", "3", NULL), 2, "did you mean '--size'");
    ends(program_run("plan", "--repeats", "3", NULL), 2, "unknown option '--repeats'");
    ends(program_run("plan", "--model", NULL), 2, "requires an argument");
    ends(program_run("plan", "-x", NULL), 2, "two dashes");
    ends(program_run("plan", "-m", "pixart-tiny", NULL), 2, "did you mean '--model'");
    ends(program_run("plan", "-h", NULL), 2, "did you mean '--help'");
    ends(program_run("plan", "--model=pixart-tiny", "--strategy", "cfg=2, ring=2", NULL), 2,
         "position 7: unknown strategy '' (no blanks)");
    ends(program_run("plan", "--backend", "gpu", NULL), 2, "found 'gpu'; legal: cpu, cuda");
    ends(program_run("plan", "pixart-tiny", NULL), 2, "no option");
    ends(program_run("plan", NULL), 2, "--model");
    ends(program_run("list", "everything", NULL), 2, "strategies");
    ends(program_run("plot", NULL), 2, "no file");
    ends(program_run("sweep", NULL), 2, "no experiment");
    ends(program_run("sweep", "/no/such.yaml", NULL), 2, "/no/such.yaml");
    ends(program_run("verify", "--model", "x", NULL), 2, "--reference");
    ends(program_run("verify", "--model", "x", "--size", "3", "--reference", "y", NULL), 2,
         "--size");
}

#define PLAN "plan", "--model", "pixart-tiny"

Test(cli_refusals, suggests_the_nearest_name)
{
    ends(program_run("plan", "--model", "pixart-tny", NULL), 2, "did you mean 'pixart-tiny'");
    ends(program_run("run", "--model", "alpha-1024", NULL), 2, "did you mean 'pixart-alpha-1024'");
    ends(program_run(PLAN, "--strategy", "cfg=2,ulyses=2", NULL), 2, "did you mean 'ulysses'");
    ends(program_run(PLAN, "--strategy", "pipefusion=2:patchs=2", NULL), 2,
         "did you mean 'patches'");
    ends(program_run(PLAN, "--dtype", "bfp16", NULL), 2, "did you mean 'bf16'");
    ends(program_run(PLAN, "--backend", "cdua", NULL), 2, "did you mean 'cuda'");
    ends(program_run(PLAN, "--exchange", "ncl", NULL), 2, "did you mean 'nccl'");
    ends(program_run("comm", "--op", "allreduce", NULL), 2, "did you mean 'all_reduce'");
    ends(program_run("comm", "--op", "gather", NULL), 2, "did you mean 'all_gather'");
    ends(program_run("list", "modles", NULL), 2, "did you mean 'models'");
    ends(program_run("sweep", "quickstart", "--retry", "tiemout", NULL), 2,
         "did you mean 'timeout'");
}

/* An option without a value, in builds that have what it asks for. */
Test(cli_refusals, nvtx_is_in_builds_with_cuda)
{
    ends(program_run(PLAN, "--nvtx=off", NULL), 0, "");
    ends(program_run(PLAN, "--nvtx=offf", NULL), 2, "did you mean 'off'");
    if (trace_nvtx_built()) {
        ends(program_run(PLAN, "--nvtx", NULL), 0, "");
        return;
    }
    ends(program_run(PLAN, "--nvtx", NULL), 2, "WITH_CUDA");
    ends(program_run("run", "--nvtx", "--model", "pixart-tiny", NULL), 2, "WITH_CUDA");
    ends(program_run("comm", "--nvtx", NULL), 2, "WITH_CUDA");
    ends(program_run("sweep", "quickstart", "--nvtx", NULL), 2, "WITH_CUDA");
}

Test(cli_refusals, refuses_hostile_values)
{
    ends(program_run("plan", "--model", "pixart-tiny", "--size", "250", NULL), 2, "240 and 256");
    ends(program_run("plan", "--model", "pixart-tiny", "--size", "-256", NULL), 2, "--size");
    ends(program_run("plan", "--model", "pixart-tiny", "--steps", "99999999999999999999", NULL), 2,
         "--steps");
    ends(program_run("plan", "--model", "pixart-tiny", "--guidance", "nan", NULL), 2, "--guidance");
    ends(program_run("plan", "--model", "", NULL), 2, "--model");
    ends(program_run("plan", "--model", "pixart-tiny", "--frames", "4", NULL), 2, "--frames");
    ends(program_run("plan", "--model", "pixart-tiny", "--strategy", "ulysses=2,", NULL), 2,
         "position 11");
    ends(program_run("plan", "--model", "pixart-tiny", "--text", "/no/such/file", NULL), 2,
         "/no/such/file");
    ends(program_run("plan", "--model", "/no/such/folder", NULL), 2, "/no/such/folder");
}

/* A file of conditions that no rank could take is refused by a plan, too, and by a run before there
 * is a rank: no log of one is left. */
Test(cli_refusals, reads_conditions_before_there_are_ranks)
{
    static const char text[] = DITBENCH_SOURCE_DIR "/tests/golden/sd3.forward.safetensors";
    static const char *const commands[] = {"plan", "run"};
    for (int i = 0; i < 2; i++) {
        struct program p = program_run(commands[i], "--model=sd3-tiny", "--text", text, NULL);
        cr_expect_eq(p.status, 2, "%s: status %d: %s", commands[i], p.status, p.err);
        cr_expect(strstr(p.err, "sd3.forward.safetensors"), "%s", p.err);
        cr_expect_null(strstr(p.err, ".log"), "%s", p.err);
        program_release(&p);
    }
}

/* What a plan refuses, and no option is wrong: a row in a sweep, an object in JSON. */
Test(cli_refusals, refuses_a_grid_beyond_the_table_of_positions)
{
    ends(program_run("plan", "--model=sd3-tiny", "--size=784", NULL), 3,
         "sd3-tiny at 784x784 pixels has 49 x 49 tokens, and its table of positions 48 x 48");
    struct program p = program_run("plan", "--json", "--model=sd3-tiny", "--size=784", NULL);
    cr_expect_eq(p.status, 3);
    cr_expect(strstr(p.out, "\"supported\":false"), "%s", p.out);
    program_release(&p);
    ends(program_run("plan", "--model=flux-tiny", "--strategy=tensor=4,ulysses=6", NULL), 3,
         "does not divide 2 heads that the axes before it leave of the model's 12");
}
