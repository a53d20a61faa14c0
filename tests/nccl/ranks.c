/* SPDX-License-Identifier: Apache-2.0 */
/* Forks ranks, gives each a device and a world, and keeps what they say in shared memory. Judges
 * nothing. */
#include "tests/nccl/ranks.h"

#include "kernels/backend.h"
#include "kernels/base/clock.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/cuda/cuda_private.h"
#include "tests/nccl/fake_cuda.h"

#include <cuda_runtime_api.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_S = 15 };

/* ---- a device that is called "cuda" ---- */

static bool supports(enum dtype dtype)
{
    return dtype == DTYPE_F32;
}

static enum status memory_get(struct device *dev, size_t bytes, void **out)
{
    (void)dev;
    return CU(cudaMalloc(out, bytes));
}

static void memory_free(struct device *dev, void *p)
{
    (void)dev;
    cudaFree(p);
}

struct copy {
    struct tensor to, from;
};

static void copy_axis(const struct copy *c, int axis, float *to, const float *from)
{
    if (axis == c->to.ndim) {
        *to = *from;
        return;
    }
    for (int64_t i = 0; i < c->to.dim[axis]; i++)
        copy_axis(c, axis + 1, to + i * c->to.stride[axis], from + i * c->from.stride[axis]);
}

static bool copy_now(void *arg)
{
    const struct copy *c = arg;
    copy_axis(c, 0, c->to.data, c->from.data);
    return true;
}

/* Floats only. */
static enum status copy(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    struct copy *c = fake_alloc(sizeof *c);
    *c = (struct copy){*dst, *src};
    fake_cuda_put(cuda_queue_of(q)->stream, copy_now, c);
    return ST_OK;
}

static enum status queue_drain(struct queue *q)
{
    return CU(cudaStreamSynchronize(cuda_queue_of(q)->stream));
}

static const struct backend_ops fake_ops = {
    .name = "cuda",
    .summary = "the fake CUDA runtime",
    .supports = supports,
    .alloc = memory_get,
    .release = memory_free,
    .queue_sync = queue_drain,
    .copy = copy,
};

/* ---- a rank ---- */

static struct rank_end *ends; /* shared */

static enum status live(const struct ranks_job *job, struct rank *self, struct rank_end *end)
{
    enum status st = job->body(self);
    if (st != ST_OK)
        snprintf(end->text, sizeof end->text, "%s", status_message());
    double begin = clock_seconds();
    mesh_close(self->mesh);
    arena_close(self->arena);
    comm_close(self->world);
    if (st == ST_OK && cuda_rest(self->q) != 0) {
        snprintf(end->text, sizeof end->text, "SMs are held when all is closed");
        st = ST_INVALID;
    }
    queue_drain(self->q);
    cudaStreamDestroy(cuda_queue_of(self->q)->stream);
    end->closing_s = clock_seconds() - begin;
    return st;
}

static void rank_main(const struct ranks_job *job, int rank, const char *folder, double start)
{
    struct rank_end *end = &ends[rank];
    struct cuda_device cuda = {.base.ops = &fake_ops, .multiprocessors = RANKS_SMS};
    struct device *dev = &cuda.base;
    struct cuda_queue q = {.base.dev = dev};
    const struct rendezvous where = {.rank = rank,
                                     .size = job->ranks,
                                     .folder = folder,
                                     .timeout_s = job->timeout_s,
                                     .exchange = job->exchange};
    struct rank self = {
        .rank = rank, .size = job->ranks, .arg = job->arg, .dev = dev, .q = &q.base};
    cuda_hold(dev, 0);
    fake_enter(rank, &job->faults);
    cudaStreamCreateWithPriority((cudaStream_t *)&q.stream, cudaStreamNonBlocking, 0);
    end->status = comm_open(comm_ops_find("nccl"), &where, dev, &self.world);
    if (end->status == ST_OK)
        end->status = live(job, &self, end);
    else
        snprintf(end->text, sizeof end->text, "%s", status_message());
    end->left = fake_left();
    end->ended_s = clock_seconds() - start;
    end->ended = true;
    fake_end(rank);
}

void ranks_await_end(int rank)
{
    while (!fake_ended(rank))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* ---- all ranks ---- */

/* Notes who ended; the rest is killed at the limit, or soon where somebody complained. */
static void reap(const pid_t *pid, int n)
{
    double limit = clock_seconds() + LIMIT_S;
    bool complained = false;
    int there = n;
    while (there > 0) {
        int how;
        pid_t who = waitpid(-1, &how, WNOHANG);
        if (who <= 0) {
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            if (!complained && fake_complaint()) {
                complained = true;
                limit = clock_seconds() + 1;
            }
            for (int r = 0; r < n && clock_seconds() > limit; r++)
                if (!ends[r].ended && !fake_ended(r))
                    kill(pid[r], SIGKILL);
            continue;
        }
        there--;
        for (int r = 0; r < n; r++) {
            if (pid[r] != who)
                continue;
            ends[r].signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
            fake_end(r);
        }
    }
}

void ranks_run(const struct ranks_job *job, struct rank_end *end)
{
    char folder[] = "/tmp/ditbench-nccl-XXXXXX";
    char id[64];
    pid_t pid[FAKE_RANKS];
    size_t bytes = FAKE_RANKS * sizeof *ends;
    BUG_ON(!mkdtemp(folder), "no folder %s", folder);
    ends = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    BUG_ON(ends == MAP_FAILED, "no memory to share");
    fake_open();
    double start = clock_seconds();
    for (int r = 0; r < job->ranks; r++) {
        pid[r] = fork();
        BUG_ON(pid[r] < 0, "no process for rank %d", r);
        if (pid[r] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            rank_main(job, r, folder, start);
            _exit(0);
        }
    }
    reap(pid, job->ranks);
    memcpy(end, ends, (size_t)job->ranks * sizeof *end);
    munmap(ends, bytes);
    snprintf(id, sizeof id, "%s/nccl-id", folder);
    unlink(id);
    rmdir(folder);
}

void ranks_close(void)
{
    fake_close();
}
