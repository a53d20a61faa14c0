/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the tests of the CUDA backend: cuda [--one-process] [PART OF A NAME...]. Each test has a
 * process of its own, since a kernel's fault ends all work of its process; --one-process is for
 * tools that follow one.
 */
#include "tests/cuda/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct gpu_test *const lists[] = {
    tests_copy, tests_pointwise, tests_norm, tests_linear, tests_attention, tests_graph,
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool wanted(const char *name, int n, char **part)
{
    bool any = n == 0;
    for (int i = 0; i < n; i++)
        any = any || strstr(name, part[i]);
    return any;
}

static bool run_forked(const struct gpu_test *test)
{
    int status = 1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        test->run();
        exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Whether there is a GPU, asked in a process of its own: a driver that was woken does not survive a
 * fork. */
static bool gpu_seen(void)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        int devices = 0;
        const struct backend_ops *cuda = backend_find("cuda");
        exit(cuda && cuda->count(&devices) == ST_OK && devices > 0 ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    bool one = argc > 1 && strcmp(argv[1], "--one-process") == 0;
    int passed = 0, failed = 0;
    if (!gpu_seen()) {
        printf("SKIP: no GPU is seen here, or this program was built without CUDA\n");
        return 0;
    }
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        for (const struct gpu_test *test = lists[l]; test->name; test++) {
            if (!wanted(test->name, argc - 1 - one, argv + 1 + one))
                continue;
            double start = now_s();
            bool ok = true;
            if (one)
                test->run();
            else
                ok = run_forked(test);
            printf("%s %-36s %6.2f s\n", ok ? "pass" : "FAIL", test->name, now_s() - start);
            fflush(stdout);
            passed += ok;
            failed += !ok;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
