/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that are processes, and the number of GPUs: forks from a process without CUDA. Tests
 * nothing. */
#include "kernels/backend.h"
#include "kernels/base/clock.h"
#include "tests/cuda/gpu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_RANKS = 8, GRACE_S = 5, MOST_GPUS = 100 /* exit statuses below those of signals */ };

int gpu_count(void)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int devices = 0;
        const struct backend_ops *ops = backend_find(GPU_BACKEND);
        if (!ops || ops->count(&devices) != ST_OK)
            devices = 0;
        _exit(devices > MOST_GPUS ? MOST_GPUS : devices);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 0;
    return WEXITSTATUS(status);
}

static pid_t start_rank(int rank, int ranks, const char *folder, gpu_rank_fn *run, void *arg)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    int outcome = run(rank, ranks, folder, arg);
    fflush(NULL);
    _exit(outcome); // not exit: what libraries do there may wait for a peer that is gone
}

static bool ended_well(int rank, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status))
        fprintf(stderr, "rank %d: killed by signal %d (%s)\n", rank, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "rank %d: exit status %d\n", rank, WEXITSTATUS(status));
    return false;
}

/* Polls, so that one wait has a limit. */
static bool await_ranks(int ranks, pid_t *pid)
{
    double deadline = 0; // 0: all is well so far
    bool well = true;
    for (int left = ranks; left > 0;) {
        for (int r = 0; r < ranks; r++) {
            int status;
            if (pid[r] <= 0 || waitpid(pid[r], &status, WNOHANG) != pid[r])
                continue;
            pid[r] = 0;
            left--;
            well = ended_well(r, status) && well;
        }
        if (!well && deadline == 0)
            deadline = clock_seconds() + GRACE_S;
        if (left > 0 && deadline > 0 && clock_seconds() > deadline) {
            for (int r = 0; r < ranks; r++)
                if (pid[r] > 0)
                    kill(pid[r], SIGKILL);
            deadline += GRACE_S;
        }
        usleep(2000);
    }
    return well;
}

static void remove_folder(const char *folder)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "%s: not removed\n", folder);
}

bool gpu_ranks(int ranks, gpu_rank_fn *run, void *arg)
{
    char folder[] = "/tmp/ditbench-ranks-XXXXXX";
    pid_t pid[MOST_RANKS] = {0};
    CHECK(ranks <= MOST_RANKS, "%d ranks", ranks);
    CHECK(mkdtemp(folder), "%s: cannot be made", folder);
    for (int r = 0; r < ranks; r++) {
        pid[r] = start_rank(r, ranks, folder, run, arg);
        CHECK(pid[r] > 0, "no process for rank %d", r);
    }
    bool well = await_ranks(ranks, pid);
    remove_folder(folder);
    return well;
}
