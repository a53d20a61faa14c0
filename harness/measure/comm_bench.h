/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long one communication takes, by size: each operation's result is checked, then it is timed
 * on the device, launched one by one or as a captured graph. Not a cell: no model, no record.
 *
 * A sample is COMM_BENCH_CHAIN operations one after the other, divided by their number; of each
 * sample the slowest rank counts. Bandwidths are nccl-tests': algbw = size / time, busbw = algbw
 * times the operation's factor.
 */
#ifndef HARNESS_MEASURE_COMM_BENCH_H
#define HARNESS_MEASURE_COMM_BENCH_H

#include "harness/launch/ranks.h"

enum { COMM_BENCH_CHAIN = 8 };

struct comm_bench_row {
    const char *op;
    int64_t bytes, count;
    bool graph;
    double median_us, p10_us, p90_us;
    double algbw, busbw; /* GB/s, of the median */
    int64_t wrong;       /* elements, of all ranks */
};

struct comm_bench {
    const char *op;   /* NULL: all of them */
    int64_t min, max; /* bytes */
    int factor;       /* > 1: from size to size */
    int iters, warmup;
    enum dtype dtype;
    bool direct, graph; /* which forms; graph: only where comm_bench_captures */
    void (*on_row)(void *self, const struct comm_bench_row *row); /* on rank 0 */
    void *self;
};

/* This rank's device and transport can capture communication. */
bool comm_bench_captures(const struct rank *rank);

/* Collective. ST_WRONG, on every rank: an element of some result was wrong. */
enum status comm_bench_run(const struct comm_bench *bench, const struct rank *rank);

#endif
