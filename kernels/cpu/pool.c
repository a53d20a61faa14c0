/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads over two futex words: the number of the loop, and the workers still in it. */
#include "kernels/cpu/pool.h"

#include "kernels/base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STACK_BYTES = 2 << 20,
    WORKER_FLOATS = 1 << 14, /* streaming through fewer takes less time than waking a worker */
};

static const double spin_least_s = 1e-6;
static const double spin_most_s = 30e-6; /* about what a futex' sleep and wake-up cost together */

/* A word that threads wait on. `sleepers` lets the writer of the word skip the system call when
 * nobody sleeps. */
struct signal_word {
    _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
};

struct pool {
    int threads;
    _Atomic bool busy; /* a loop is running: catches nested and concurrent calls */
    bool stop;

    /* The loop; written before `round` moves on. */
    void (*body)(void *arg, int worker, int64_t begin, int64_t end);
    void *arg;
    int64_t count;
    int workers;

    struct signal_word round; /* number of the loop, modulo 2^32 */
    struct signal_word left;  /* workers, the caller apart, that are not done with it */
    double caller_spin_s;
    struct pool_worker {
        struct pool *pool;
        int index;
        pthread_t thread;
    } worker[]; /* [threads]; the caller's, 0, is not used */
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void signal_wake(struct signal_word *word)
{
    if (atomic_load(&word->sleepers) > 0)
        syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/*
 * Waits until the word differs from `old` and returns what it is then. Spins for *spin_s first: a
 * spin that was worth it doubles the next one, one in vain halves it. The count of sleepers goes up
 * before the word is looked at again, and the writer changes the word before it looks at the count;
 * both in sequential consistency, so one of them sees the other.
 */
static uint32_t signal_wait(struct signal_word *word, uint32_t old, double *spin_s)
{
    uint32_t value = atomic_load_explicit(&word->value, memory_order_acquire);
    if (value != old)
        return value;
    double end = clock_seconds() + *spin_s;
    do {
        for (int i = 0; i < 16 && value == old; i++) {
            relax();
            value = atomic_load_explicit(&word->value, memory_order_acquire);
        }
    } while (value == old && clock_seconds() < end);
    if (value != old) {
        *spin_s = fmin(*spin_s * 2, spin_most_s);
        return value;
    }
    *spin_s = fmax(*spin_s / 2, spin_least_s);
    atomic_fetch_add(&word->sleepers, 1);
    while ((value = atomic_load(&word->value)) == old)
        syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&word->sleepers, 1);
    return value;
}

static void run_part(struct pool *pool, int worker)
{
    if (worker >= pool->workers)
        return;
    int64_t each = pool->count / pool->workers;
    int64_t more = pool->count % pool->workers;
    int64_t begin = worker * each + (worker < more ? worker : more);
    pool->body(pool->arg, worker, begin, begin + each + (worker < more ? 1 : 0));
}

static void *work(void *arg)
{
    struct pool_worker *me = arg;
    struct pool *pool = me->pool;
    uint32_t round = 0;
    double spin_s = spin_most_s;
    for (;;) {
        round = signal_wait(&pool->round, round, &spin_s);
        if (pool->stop)
            return NULL;
        run_part(pool, me->index);
        if (atomic_fetch_sub(&pool->left.value, 1) == 1)
            signal_wake(&pool->left);
    }
}

/* Starts the round on all workers. They must be waiting. */
static void start_round(struct pool *pool)
{
    atomic_store(&pool->left.value, (uint32_t)pool->threads - 1);
    atomic_fetch_add(&pool->round.value, 1);
    signal_wake(&pool->round);
}

void pool_run(struct pool *pool, int64_t count, int64_t grain,
              void (*body)(void *arg, int worker, int64_t begin, int64_t end), void *arg)
{
    if (count <= 0)
        return;
    BUG_ON(atomic_exchange(&pool->busy, true), "two loops at once on the pool of one CPU device");
    int64_t useful = grain > 0 ? count / grain : count;
    pool->workers = useful < pool->threads ? (useful > 1 ? (int)useful : 1) : pool->threads;
    pool->body = body;
    pool->arg = arg;
    pool->count = count;
    if (pool->workers == 1) {
        run_part(pool, 0);
    } else {
        start_round(pool);
        run_part(pool, 0);
        uint32_t left = atomic_load_explicit(&pool->left.value, memory_order_acquire);
        while (left > 0)
            left = signal_wait(&pool->left, left, &pool->caller_spin_s);
    }
    atomic_store(&pool->busy, false);
}

int pool_threads(const struct pool *pool)
{
    return pool->threads;
}

int64_t pool_grain(int64_t elements)
{
    return WORKER_FLOATS / (elements > 0 ? elements : 1) + 1;
}

/* Ends and joins workers 1..started-1. */
static void stop_workers(struct pool *pool, int started)
{
    pool->stop = true;
    start_round(pool);
    for (int i = 1; i < started; i++)
        pthread_join(pool->worker[i].thread, NULL);
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    stop_workers(pool, pool->threads);
    free(pool);
}

/* Workers block all signals but those of their own faults: the rest is the main thread's business.
 * Returns the number of the first worker that could not be started. */
static int start_workers(struct pool *pool, int *error)
{
    sigset_t all, old;
    sigfillset(&all);
    const int fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (int i = 0; i < 4; i++)
        sigdelset(&all, fault[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int i = 1;
    for (*error = 0; i < pool->threads; i++) {
        pool->worker[i].pool = pool;
        pool->worker[i].index = i;
        *error = pthread_create(&pool->worker[i].thread, &attr, work, &pool->worker[i]);
        if (*error)
            break;
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return i;
}

enum status pool_open(int threads, struct pool **out)
{
    BUG_ON(threads < 1, "a pool of %d threads", threads);
    struct pool *pool = calloc(1, sizeof(*pool) + (size_t)threads * sizeof(pool->worker[0]));
    if (!pool)
        return fail(ST_OOM, "the pool of %d CPU threads: no memory for its table", threads);
    pool->threads = threads;
    pool->caller_spin_s = spin_most_s;
    int error;
    int started = start_workers(pool, &error);
    if (error) {
        stop_workers(pool, started);
        free(pool);
        return fail(ST_DEVICE, "CPU thread %d of %d: pthread_create: %s; use fewer --threads",
                    started + 1, threads, strerror(error));
    }
    *out = pool;
    return ST_OK;
}
