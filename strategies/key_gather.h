/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of all ranks of an axis before attention, for the strategies that gather them. */
#ifndef STRATEGIES_KEY_GATHER_H
#define STRATEGIES_KEY_GATHER_H

#include "strategies/strategy.h"

/* Part of a strategy's state. */
struct key_gather {
    struct comm *comm;
    int ranks, rank;
    int *begin[TOKEN_SETS]; /* [ranks + 1] rows of each rank among all, whatever the patch */
    struct tensor k, v;     /* flat, room for [grids, all keys, h, D] */
    struct tensor *part;    /* [ranks] of a gather that is being posted */
};

/* Bytes of one attention site: my keys and my values to every peer, in each grid. */
void key_gather_volume(const struct strategy *me, const struct plan *plan, enum token_set keys,
                       struct volume *out);

/* Buffers, of a measuring run too; grids: that are gathered at a time. */
enum status key_gather_open(struct key_gather *g, const struct strategy *me, struct run *run,
                            int grids);

/* The call with all ranks' keys, to the level inside `me`. */
enum status key_gather_attend(struct key_gather *g, struct strategy *me,
                              const struct attn_call *call);

#endif
