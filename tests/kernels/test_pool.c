/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: fixed parts that cover each item once, whatever the timing. */
#include "kernels/cpu/pool.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { ITEMS = 1000 };

struct visits {
    _Atomic int count[ITEMS];
    int worker[ITEMS];
    _Atomic int calls;
};

static void visit(void *arg, int worker, int64_t begin, int64_t end)
{
    struct visits *v = arg;
    v->calls++;
    for (int64_t i = begin; i < end; i++) {
        v->count[i]++;
        v->worker[i] = worker;
    }
}

Test(pool, each_item_once_in_fixed_parts)
{
    for (int threads = 1; threads <= 5; threads++) {
        struct pool *pool;
        cr_assert_eq(pool_open(threads, &pool), ST_OK);
        cr_assert_eq(pool_threads(pool), threads);
        for (int count = 0; count <= 23; count++) {
            struct visits v = {0};
            pool_run(pool, count, 1, visit, &v);
            int workers = count < threads ? count : threads;
            cr_assert_eq(v.calls, workers);
            for (int i = 0, at = 0; i < workers; i++) { /* larger parts first */
                int size = count / workers + (i < count % workers);
                for (int k = 0; k < size; k++, at++)
                    cr_assert(v.count[at] == 1 && v.worker[at] == i, "item %d of %d on %d threads",
                              at, count, threads);
            }
        }
        pool_close(pool);
    }
}

Test(pool, grain_limits_the_workers)
{
    static const struct {
        int count, grain, workers;
    } cases[] = {{9, 10, 1}, {19, 10, 1}, {20, 10, 2}, {1000, 10, 4}, {3, 1, 3}};
    struct pool *pool;
    cr_assert_eq(pool_open(4, &pool), ST_OK);
    for (int i = 0; i < 5; i++) {
        struct visits v = {0};
        pool_run(pool, cases[i].count, cases[i].grain, visit, &v);
        cr_assert_eq(v.calls, cases[i].workers, "case %d: %d", i, v.calls);
    }
    pool_close(pool);
}

/* Loops in quick succession (workers spin) and after a pause (they sleep). */
Test(pool, many_loops)
{
    struct pool *pool;
    cr_assert_eq(pool_open(3, &pool), ST_OK);
    static struct visits v;
    for (int i = 0; i < 3000; i++) {
        if (i % 300 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        pool_run(pool, 17, 1, visit, &v);
    }
    for (int i = 0; i < 17; i++)
        cr_assert_eq(v.count[i], 3000);
    pool_close(pool);
}

static void *use_own_pool(void *arg)
{
    struct pool *pool;
    if (pool_open(3, &pool) != ST_OK)
        return NULL;
    struct visits *v = arg;
    for (int i = 0; i < 200; i++)
        pool_run(pool, 31, 1, visit, v);
    pool_close(pool);
    return NULL;
}

/* Far more threads than cores, as with many ranks in one process. */
Test(pool, several_pools)
{
    enum { POOLS = 8 };
    static struct visits v[POOLS];
    pthread_t id[POOLS];
    for (int i = 0; i < POOLS; i++)
        cr_assert_eq(pthread_create(&id[i], NULL, use_own_pool, &v[i]), 0);
    for (int i = 0; i < POOLS; i++) {
        pthread_join(id[i], NULL);
        for (int k = 0; k < 31; k++)
            cr_assert_eq(v[i].count[k], 200);
    }
}

static void nest(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker, (void)begin, (void)end;
    pool_run(arg, 1, 1, nest, arg);
}

Test(pool, nested_loop_aborts, .signal = SIGABRT)
{
    struct pool *pool;
    cr_assert_eq(pool_open(1, &pool), ST_OK);
    pool_run(pool, 1, 1, nest, pool);
}

Test(pool, close_null)
{
    pool_close(NULL);
}
