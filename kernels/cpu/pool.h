/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker threads of one CPU device: parallel loops over fixed parts. Not a task queue, and not
 * shared by devices.
 *
 * Parts depend on the loop's length and the number of threads alone, never on timing, so that
 * results are repeatable. The calling thread is worker 0. Between loops the others spin for some
 * microseconds (fewer when that was in vain of late) and then sleep, so that many devices in one
 * process do not take each other's cores.
 */
#ifndef KERNELS_CPU_POOL_H
#define KERNELS_CPU_POOL_H

#include "kernels/base/status.h"

#include <stdint.h>

struct pool;

/* `threads` >= 1 workers, the later callers of pool_run among them. ST_DEVICE where a thread cannot
 * be started. */
enum status pool_open(int threads, struct pool **out);
void pool_close(struct pool *pool);
int pool_threads(const struct pool *pool);

/*
 * Splits 0..count-1 into contiguous parts, one for each of as many workers as get `grain` items or
 * more (at least one worker), larger parts first by at most one item, and calls body(arg, worker,
 * begin, end) on each. Returns when all are done. A pool runs one loop at a time: a call from
 * inside a body, or from two threads at once, is a bug.
 */
void pool_run(struct pool *pool, int64_t count, int64_t grain,
              void (*body)(void *arg, int worker, int64_t begin, int64_t end), void *arg);

/* The grain of a loop whose items touch `elements` floats each and do little with them. */
int64_t pool_grain(int64_t elements);

#endif
