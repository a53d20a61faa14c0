/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a function on n ranks, which are threads of this process with a CPU device each. For tests
 * of comm and above, over the local transport or one of a test's own. */
#ifndef TESTS_SUPPORT_THREADS_H
#define TESTS_SUPPORT_THREADS_H

#include "kernels/comm/comm.h"

enum { THREADS_MAX = 512 };

struct thread_rank {
    int rank, size;
    struct device *dev;  /* "cpu", one thread */
    struct queue *queue; /* of dev */
    struct comm *world;
    void *arg; /* threads_run's */
};

/* One rank's part. A status that is not ST_OK aborts the world, so that peers who wait for this
 * rank leave too. */
typedef enum status threads_fn(struct thread_rank *self);

struct threads_result {
    enum status status[THREADS_MAX]; /* [n] of each rank */
    char message[THREADS_MAX][512];  /* [n] its error text, "" when fine */
};

/* Runs fn on n ranks and waits for all. The result is that of the lowest rank that failed
 * first-hand (not only because a peer aborted), with its message as this thread's; ST_OK
 * when all did well. `result` may be NULL. `timeout_s` bounds every wait. */
enum status threads_run_within(int n, double timeout_s, threads_fn *fn, void *arg,
                               struct threads_result *result);

/* The same over another transport whose ranks are threads. */
enum status threads_run_over(const struct comm_ops *ops, int n, double timeout_s, threads_fn *fn,
                             void *arg, struct threads_result *result);

/* Over local with 60 s and no details: TRY-able and cr_assert-able. */
enum status threads_run(int n, threads_fn *fn, void *arg);

#endif
