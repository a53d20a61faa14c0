/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation at one size, for the communication benchmark: its buffers, its random data, the
 * operation itself, and how many elements came out wrong. Measures no time.
 *
 * Sizes are those of nccl-tests: the buffer that a rank reduces, sends or exchanges in parts, and
 * the gathered whole of an all_gather; for an exchange of heads the bytes that a rank puts in.
 */
#ifndef HARNESS_MEASURE_COMM_CASE_H
#define HARNESS_MEASURE_COMM_CASE_H

#include "kernels/base/arena.h"
#include "kernels/comm/comm.h"
#include "kernels/comm/exchange.h"

enum { COMM_CASE_LANES = 2, COMM_CASE_WIDTH = 72 };

struct comm_case;

struct comm_case_op {
    const char *name;
    double (*bus)(int n); /* busbw / algbw on n ranks, as nccl-tests counts it */
    /* Buffers for about c->bytes; sets bytes and count to what it became. */
    enum status (*init)(struct comm_case *c);
    enum status (*post)(struct comm_case *c); /* complete on the queue */
    /* Element i of the result, in the order of `out`, computed from who wrote what. */
    double (*want)(const struct comm_case *c, int64_t i);
    double (*sum)(int n); /* terms of each element: 1, or n where they are added */
};

struct comm_case {
    const struct comm_case_op *op;
    struct comm *comm;
    struct queue *q;
    struct arena *arena; /* of this case */
    enum dtype dtype;
    int rank, n;
    int64_t bytes, count;  /* what was asked, then what it is */
    struct tensor in, out; /* flat; `in` has the data */
    struct tensor scratch;
    struct tensor *part; /* [2 n] all_gather and all_to_all: parts of what is sent or received */
    int64_t rows, heads; /* exchange: of one rank */
    int *rows_of;        /* [n] exchange: the same of every rank */
    struct tensor view[3], wide[3];
};

const struct comm_case_op *comm_case_at(int index); /* NULL past the end */

/* Buffers and data. ST_OOM. Close it whatever the status. */
enum status comm_case_open(const struct comm_case_op *op, struct comm *comm, struct queue *q,
                           enum dtype dtype, int64_t bytes, struct comm_case *c);
void comm_case_close(struct comm_case *c);

/* Before a run whose result is looked at: other values in `out`, where that is no input. */
enum status comm_case_reset(struct comm_case *c);

/* Elements of the result that differ from what they should be; the queue is drained. */
enum status comm_case_wrong(struct comm_case *c, int64_t *wrong);

#endif
