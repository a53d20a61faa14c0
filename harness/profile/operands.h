/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operands for the rungs of a ladder. Two pools, one that is only read and one that is
 * written; each call takes the next places of them, around and around, so that what a call reads
 * was last touched a whole pool ago and is in no cache. Times nothing.
 */
#ifndef HARNESS_PROFILE_OPERANDS_H
#define HARNESS_PROFILE_OPERANDS_H

#include "harness/profile/ladder.h"
#include "kernels/base/arena.h"
#include "kernels/base/trace.h"
#include "kernels/device.h"

struct operands_pool {
    char *base;
    size_t size, at; /* bytes */
};

struct operands {
    struct queue *q;
    enum dtype dtype;
    struct arena *arena;
    struct operands_pool read, written;
    struct tensor bias;   /* [C] of the largest C */
    struct tensor vector; /* fp32 [3, B, C] of the largest B and C: gate, shift, scale */
};

/* Memory for every rung of the ladder, filled. ST_OOM. */
enum status operands_open(struct queue *q, enum dtype dtype, bool on_host, bool brief,
                          struct operands **out);
void operands_close(struct operands *operands);

/* Bytes of calls in turn after which nothing of the first is in a cache any more. */
size_t operands_cold(bool on_host);

/* One call on the next operands; asynchronous. *work (NULL: not wanted): what it computes and
 * moves. */
enum status operands_call(struct operands *operands, const struct ladder_rung *rung,
                          struct trace_work *work);

#endif
