/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the tests that want a GPU: cuda [--one-process] [PART OF A NAME...]. Each test has a process
 * of its own, since a kernel's fault ends all work of its process, and a time limit, since a hang
 * would cost the tests after it; --one-process is for tools that follow one.
 */
#include "kernels/base/clock.h"
#include "tests/cuda/gpu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct gpu_test *const lists[] = {
    tests_copy,
    tests_pointwise,
    tests_norm,
    tests_qk_norm,
    tests_linear,
    tests_linear_hopper,
    tests_linear_rows,
    tests_attention,
    tests_attention_short,
    tests_attention_resident,
    tests_attention_split,
    tests_attention_wide,
    tests_conv,
    tests_group_norm,
    tests_graph,
    tests_activity,
    tests_activity_host,
    tests_counters,
    tests_golden,
    tests_cells,
    tests_cells_nccl,
};

static bool wanted(const char *name, int n, char **part)
{
    bool any = n == 0;
    for (int i = 0; i < n; i++)
        any = any || strstr(name, part[i]);
    return any;
}

enum { LIMIT_S = 90, SKIPPED = 77 };

enum outcome { PASS, SKIP, FAIL, OUTCOMES };

static enum outcome run_here(const struct gpu_test *test)
{
    test->run();
    return gpu_skipped() ? SKIP : PASS;
}

static enum outcome run_forked(const struct gpu_test *test)
{
    int status = 1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        exit(run_here(test) == SKIP ? SKIPPED : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return FAIL;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: signal %d (%s%s)\n", test->name, WTERMSIG(status),
                strsignal(WTERMSIG(status)),
                WTERMSIG(status) == SIGALRM ? ": not through within its time limit" : "");
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != SKIPPED))
        return FAIL;
    return WEXITSTATUS(status) == SKIPPED ? SKIP : PASS;
}

int main(int argc, char **argv)
{
    bool one = argc > 1 && strcmp(argv[1], "--one-process") == 0;
    static const char *const words[] = {"pass", "SKIP", "FAIL"};
    int count[OUTCOMES] = {0};
    if (gpu_count() == 0) {
        printf("SKIP: no GPU is seen here, or this program was built without CUDA\n");
        return 0;
    }
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        for (const struct gpu_test *test = lists[l]; test->name; test++) {
            if (!wanted(test->name, argc - 1 - one, argv + 1 + one))
                continue;
            double start = clock_seconds();
            enum outcome outcome = one ? run_here(test) : run_forked(test);
            printf("%s %-36s %6.2f s\n", words[outcome], test->name, clock_seconds() - start);
            fflush(stdout);
            count[outcome]++;
        }
    }
    printf("%d passed, %d failed, %d skipped\n", count[PASS], count[FAIL], count[SKIP]);
    return count[FAIL] > 0;
}
