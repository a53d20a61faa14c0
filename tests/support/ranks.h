/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a function on n ranks, which are threads of this process with a CPU device each. For tests
 * of comm and above. */
#ifndef TESTS_SUPPORT_RANKS_H
#define TESTS_SUPPORT_RANKS_H

#include "kernels/comm/comm.h"

enum { RANKS_MAX = 64 };

struct rank {
    int rank, size;
    struct device *dev;  /* "cpu", one thread */
    struct queue *queue; /* of dev */
    struct comm *world;  /* transport "local" */
    void *arg;           /* ranks_run's */
};

/* One rank's part. A status that is not ST_OK aborts the world, so that peers who wait for this
 * rank leave too. */
typedef enum status ranks_fn(struct rank *self);

struct ranks_result {
    enum status status[RANKS_MAX]; /* [n] of each rank */
    char message[RANKS_MAX][512];  /* [n] its error text, "" when fine */
};

/* Runs fn on n ranks and waits for all. The result is that of the lowest rank that failed
 * first-hand (not only because a peer aborted), with its message as this thread's; ST_OK
 * when all did well. `result` may be NULL. `timeout_s` bounds every wait. */
enum status ranks_run_within(int n, double timeout_s, ranks_fn *fn, void *arg,
                             struct ranks_result *result);

/* The same with 60 s and no details: TRY-able and cr_assert-able. */
enum status ranks_run(int n, ranks_fn *fn, void *arg);

#endif
