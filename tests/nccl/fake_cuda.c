/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the CUDA runtime that the transport calls, with a thread as the GPU of a process:
 * streams in order, each waiting only for its own work. Host and device memory are one.
 *
 * As the real one does, freeing memory waits until the whole GPU is idle: what waits for a peer
 * that never comes makes it wait for ever, which is complained of.
 */
#include "tests/nccl/fake_cuda.h"

#include "kernels/backend.h"
#include "kernels/base/clock.h"
#include "kernels/cuda/launch.h"
#include "tests/nccl/fake_wire.h"

#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_S = 8 };  /* longer than any time limit in a test */
enum { ALIGNMENT = 256 }; /* of device memory */

struct work {
    struct work *next;
    bool (*run)(void *arg);
    void *arg;
};

struct stream {
    struct stream *next;
    struct work *head, **tail;
};

/* The nth record is reached when the stream that it was put on gets there. */
struct fake_event {
    unsigned recorded, reached;
    int users; /* whoever made it, and work that names it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct stream *streams;
static bool gpu_runs;

static atomic_int left;
static _Thread_local cudaError_t last_error;

int fake_left(void)
{
    return atomic_load(&left);
}

void fake_cuda_count(int change)
{
    atomic_fetch_add(&left, change);
}

static cudaError_t failed(cudaError_t error)
{
    last_error = error;
    return error;
}

/* ---- the GPU ---- */

/* True when something came to its end. */
static bool advance(struct stream *s)
{
    bool moved = false;
    while (s->head && s->head->run(s->head->arg)) {
        struct work *work = s->head;
        s->head = work->next;
        if (!s->head)
            s->tail = &s->head;
        free(work->arg);
        free(work);
        moved = true;
    }
    return moved;
}

static void *gpu_main(void *arg)
{
    long nap = 0;
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        bool moved = false, idle = true;
        for (struct stream *s = streams; s; s = s->next) {
            moved |= advance(s);
            idle &= !s->head;
        }
        if (moved)
            pthread_cond_broadcast(&changed);
        if (idle) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        nap = moved ? 50000 : nap < 500000 ? nap + 20000 : nap;
        pthread_mutex_unlock(&lock);
        nanosleep(&(struct timespec){.tv_nsec = nap}, NULL);
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

/* With the lock. */
static void put(struct stream *s, bool (*run)(void *arg), void *arg)
{
    struct work *work = fake_alloc(sizeof *work);
    *work = (struct work){.run = run, .arg = arg};
    *s->tail = work;
    s->tail = &work->next;
    pthread_cond_broadcast(&changed);
}

void fake_cuda_put(void *stream, bool (*run)(void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    put(stream, run, arg);
    pthread_mutex_unlock(&lock);
}

/* Until the stream, NULL: all of them, is empty. */
static void await_idle(const struct stream *only, const char *call)
{
    double end = clock_seconds() + PATIENCE_S;
    pthread_mutex_lock(&lock);
    for (;;) {
        bool idle = true;
        for (const struct stream *s = streams; s; s = s->next)
            idle &= (only && s != only) || !s->head;
        if (idle || clock_seconds() > end) {
            if (!idle)
                fake_complain("%s waits for work that never ends", call);
            break;
        }
        struct timespec wake;
        clock_gettime(CLOCK_REALTIME, &wake);
        wake.tv_sec++;
        pthread_cond_timedwait(&changed, &lock, &wake);
    }
    pthread_mutex_unlock(&lock);
}

void fake_cuda_await_idle(const char *call)
{
    await_idle(NULL, call);
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned flags, int priority)
{
    struct stream *s = fake_alloc(sizeof *s);
    pthread_t gpu;
    (void)flags;
    (void)priority;
    s->tail = &s->head;
    pthread_mutex_lock(&lock);
    s->next = streams;
    streams = s;
    if (!gpu_runs)
        BUG_ON(pthread_create(&gpu, NULL, gpu_main, NULL) != 0, "no thread for a GPU");
    gpu_runs = true;
    pthread_mutex_unlock(&lock);
    fake_cuda_count(1);
    *out = (cudaStream_t)s;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    struct stream *s = (struct stream *)stream;
    pthread_mutex_lock(&lock);
    struct stream **at = &streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->head)
        fake_complain("a stream is destroyed before its work ended");
    pthread_mutex_unlock(&lock);
    free(s);
    fake_cuda_count(-1);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    pthread_mutex_lock(&lock);
    bool busy = ((struct stream *)stream)->head != NULL;
    pthread_mutex_unlock(&lock);
    return busy ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    await_idle((struct stream *)stream, "cudaStreamSynchronize");
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *out)
{
    (void)stream;
    *out = cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

/* ---- events ---- */

struct mark {
    struct fake_event *event;
    unsigned number;
};

static void drop(struct fake_event *event)
{
    if (--event->users == 0)
        free(event);
}

static bool reach(void *arg)
{
    struct mark *mark = arg;
    mark->event->reached = mark->number;
    drop(mark->event);
    return true;
}

static bool reached(void *arg)
{
    struct mark *mark = arg;
    if (mark->event->reached < mark->number)
        return false;
    drop(mark->event);
    return true;
}

/* With the lock. */
static void put_mark(cudaStream_t stream, bool (*run)(void *arg), struct fake_event *event)
{
    struct mark *mark = fake_alloc(sizeof *mark);
    *mark = (struct mark){event, event->recorded};
    event->users++;
    put((struct stream *)stream, run, mark);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    struct fake_event *event = fake_alloc(sizeof *event);
    (void)flags;
    event->users = 1;
    fake_cuda_count(1);
    *out = (cudaEvent_t)event;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    pthread_mutex_lock(&lock);
    drop((struct fake_event *)event);
    pthread_mutex_unlock(&lock);
    fake_cuda_count(-1);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    pthread_mutex_lock(&lock);
    ((struct fake_event *)event)->recorded++;
    put_mark(stream, reach, (struct fake_event *)event);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    pthread_mutex_lock(&lock);
    put_mark(stream, reached, (struct fake_event *)event);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

/* ---- memory ---- */

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    static int calls;
    if (wire_strikes(&wire_faults()->gpu_memory, &calls))
        return failed(cudaErrorMemoryAllocation);
    *out = aligned_alloc(ALIGNMENT, (bytes / ALIGNMENT + 1) * ALIGNMENT);
    BUG_ON(!*out, "no %zu bytes", bytes);
    memset(*out, 0xa5, bytes);
    fake_cuda_count(1);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags)
{
    static int calls;
    (void)flags;
    if (wire_strikes(&wire_faults()->host_memory, &calls))
        return failed(cudaErrorMemoryAllocation);
    *out = fake_alloc(bytes);
    fake_cuda_count(1);
    return cudaSuccess;
}

static cudaError_t release(void *p, const char *call)
{
    if (!p)
        return cudaSuccess;
    await_idle(NULL, call);
    free(p);
    fake_cuda_count(-1);
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    return release(p, "cudaFree");
}

cudaError_t cudaFreeHost(void *p)
{
    return release(p, "cudaFreeHost");
}

cudaError_t cudaMemset(void *p, int value, size_t bytes)
{
    memset(p, value, bytes);
    return cudaSuccess;
}

struct copy {
    void *to;
    const void *from;
    size_t bytes;
};

static bool copy(void *arg)
{
    const struct copy *c = arg;
    memmove(c->to, c->from, c->bytes);
    return true;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    struct copy *c = fake_alloc(sizeof *c);
    (void)kind;
    *c = (struct copy){to, from, bytes};
    fake_cuda_put(stream, copy, c);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *all)
{
    *available = *all = 0;
    return cudaSuccess;
}

/* ---- the rest of the runtime ---- */

cudaError_t cudaSetDevice(int ordinal)
{
    return ordinal == 0 ? cudaSuccess : failed(cudaErrorInvalidDevice);
}

cudaError_t cudaPeekAtLastError(void)
{
    return last_error;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "out of memory" : "an error";
}

/* ---- kernels, and what is asked of the list of backends ---- */

struct watch {
    unsigned *word, *count, value;
};

static bool watch(void *arg)
{
    const struct watch *w = arg;
    ((volatile unsigned *)w->word)[0] = w->value;
    ((volatile unsigned *)w->word)[1] = ++*w->count;
    return true;
}

enum status cuda_watch_write(void *stream, unsigned *word, unsigned *count, unsigned value)
{
    struct watch *w = fake_alloc(sizeof *w);
    *w = (struct watch){word, count, value};
    fake_cuda_put(stream, watch, w);
    return ST_OK;
}

bool backend_on_host(const struct backend_ops *ops)
{
    return ops->on_host;
}
