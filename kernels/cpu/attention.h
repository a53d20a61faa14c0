/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's attention and the merge of two partial ones; contracts at op_attention and op_merge. */
#ifndef KERNELS_CPU_ATTENTION_H
#define KERNELS_CPU_ATTENTION_H

#include "kernels/op.h"

enum {
    ATTENTION_QUERIES = 256, /* most rows and columns of a tile of scores */
    ATTENTION_KEYS = 256,
    /* Floats of a worker's scratch: the tile, and each row's largest score and sum. */
    ATTENTION_SCRATCH = ATTENTION_QUERIES * ATTENTION_KEYS + 2 * ATTENTION_QUERIES,
};

enum status attention_run(struct queue *q, struct tensor *o, struct tensor *lse,
                          const struct tensor *query, const struct tensor *key,
                          const struct tensor *value, const int *key_count, float scale);

enum status attention_merge(struct queue *q, struct tensor *o, struct tensor *lse,
                            const struct tensor *o2, const struct tensor *lse2);

#endif
