/* SPDX-License-Identifier: Apache-2.0 */
/* The mpi transport: starts the worker under mpirun and compares what it received with the local
 * transport's. */
#include "tests/comm/conformance.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char worker[] = DITBENCH_BUILD_DIR "/tests/comm_worker";

static void need_mpirun(void)
{
    if (!comm_ops_find("mpi"))
        cr_skip_test("built without MPI");
    if (system("command -v mpirun >/dev/null 2>&1") != 0)
        cr_skip_test("mpirun was not found");
}

/* Runs a shell command; its exit status, and its output (both streams) in `output`. */
static int run(const char *command, size_t size, char *output)
{
    FILE *pipe = popen(command, "r");
    cr_assert(pipe, "no process for %s", command);
    size_t used = fread(output, 1, size - 1, pipe);
    output[used] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Root in a container and more ranks than cores are both fine here. */
static int run_under_mpirun(int n, const char *args, size_t size, char *output)
{
    char command[1024];
    char sanitizer[512];
    const char *given = getenv("ASAN_OPTIONS");
    snprintf(sanitizer, sizeof(sanitizer), "%s:detect_leaks=0", given ? given : "");
    setenv("ASAN_OPTIONS", sanitizer, 1); // MPI keeps memory in modules that it has unloaded
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    snprintf(command, sizeof(command), "timeout -k 5 240 mpirun -n %d '%s' %s 2>&1", n, worker,
             args);
    return run(command, size, output);
}

struct local_case {
    const struct conformance_case *test;
    uint64_t digest;
};

static enum status run_local(struct thread_rank *self)
{
    struct local_case *local = self->arg;
    uint64_t digest;
    TRY(conformance_run(local->test, self->world, self->queue, &digest));
    if (self->rank == 0)
        local->digest = digest;
    return ST_OK;
}

ParameterizedTestParameters(comm_mpi, conformance)
{
    static int ranks[] = {1, 2, 3, 4, 5, 6, 7, 8};
    return cr_make_param_array(int, ranks, sizeof(ranks) / sizeof(ranks[0]));
}

/* Every case passes under mpirun, and every rank received the same bits there as on threads. */
ParameterizedTest(int *ranks, comm_mpi, conformance)
{
    static char output[65536];
    need_mpirun();
    int code = run_under_mpirun(*ranks, "conformance", sizeof(output), output);
    cr_assert_eq(code, 0, "exit status %d: %s", code, output);
    for (int i = 0; conformance_at(i); i++) {
        struct local_case local = {.test = conformance_at(i)};
        char want[128];
        cr_assert_eq(threads_run(*ranks, run_local, &local), ST_OK, "%s", status_message());
        snprintf(want, sizeof(want), "case %s %016" PRIx64 "\n", local.test->name, local.digest);
        cr_assert(strstr(output, want), "no line '%s' in:\n%s", want, output);
    }
}

Test(comm_mpi, silence_times_out)
{
    static char output[65536];
    need_mpirun();
    int code = run_under_mpirun(2, "silence", sizeof(output), output);
    cr_assert_eq(code, 5, "exit status %d: %s", code, output);
    cr_assert(strstr(output, "rank 0: timeout: communicator world, rank 0 of 2: the message from "
                             "rank 1 did not come about within 0.3 s"),
              "%s", output);
}

Test(comm_mpi, abort_ends_every_rank)
{
    static char output[65536];
    need_mpirun();
    int code = run_under_mpirun(3, "abort", sizeof(output), output);
    cr_assert_eq(code, 5, "exit status %d: %s", code, output);
    cr_assert(strstr(output, "rank 2: comm: gives up on purpose"), "%s", output);
}

/* Over 2^31 bytes in one message. Takes five gigabytes, so only where asked for. */
Test(comm_mpi, messages_longer_than_an_int)
{
    static char output[65536];
    need_mpirun();
    if (!getenv("DITBENCH_TEST_LARGE"))
        cr_skip_test("takes 5 GB of memory: set DITBENCH_TEST_LARGE=1");
    int code = run_under_mpirun(2, "large 2400000004", sizeof(output), output);
    cr_assert_eq(code, 0, "exit status %d: %s", code, output);
    cr_assert(strstr(output, "large ok"), "%s", output);
}

/* Without mpirun MPI is never initialised, and the transport says what to do. */
Test(comm_mpi, alone_it_is_refused)
{
    static char output[65536];
    char command[512];
    need_mpirun();
    snprintf(command, sizeof(command), "'%s' 2>&1", worker);
    int code = run(command, sizeof(output), output);
    cr_assert_eq(code, 0, "exit status %d: %s", code, output);
    cr_assert(strstr(output, "alone: invalid: transport mpi: mpirun did not start this process"),
              "%s", output);
}
