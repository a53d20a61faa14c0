/* SPDX-License-Identifier: Apache-2.0 */
/* Colors and keys of all ranks, before a communicator is split. */
#include "kernels/comm/nccl_link.h"

#include <stdlib.h>

struct vote {
    int color, key;
};

/* My place among the ranks of my color; *alone: every color has one rank. */
static void count_votes(const struct vote *vote, int n, int me, int *rank, int *size, bool *alone)
{
    *rank = 0;
    *size = 0;
    *alone = true;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++)
            *alone &= vote[i].color != vote[j].color;
        if (vote[i].color != vote[me].color)
            continue;
        (*size)++;
        *rank += vote[i].key < vote[me].key || (vote[i].key == vote[me].key && i < me);
    }
}

enum status nccl_vote(struct nccl_link *parent, int color, int key, int *rank, int *size,
                      bool *alone)
{
    struct vote mine = {color, key};
    struct vote *vote = calloc((size_t)parent->size, sizeof *vote);
    if (!vote)
        return fail(ST_OOM, "no memory to split %d ranks", parent->size);
    enum status st = nccl_link_gather(parent, &mine, sizeof mine, vote);
    if (st == ST_OK)
        count_votes(vote, parent->size, parent->rank, rank, size, alone);
    free(vote);
    return st;
}
