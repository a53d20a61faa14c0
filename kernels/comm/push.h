/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that each rank writes into its peers' memory, for one of them or for all, where a transport
 * has it as one operation; where it has not, its caller posts messages. Not an owner of memory.
 *
 * Letters: B lanes, h heads, D their width.
 */
#ifndef KERNELS_COMM_PUSH_H
#define KERNELS_COMM_PUSH_H

#include "kernels/comm/comm.h"

/* All ranks of the communicator push at once, with the same op and n, and peers that differ. */
struct comm_push {
    enum comm_op op;            /* COMM_SEND: to `peer`; COMM_ALL_GATHER: to all, me too */
    int peer;                   /* -1: all */
    int n;                      /* tensors of one shape */
    const struct tensor *from;  /* [n] mine, [B, rows, h, D]; any strides but for the last two axes,
                                   which are dense */
    const struct tensor *place; /* [n] where they go: [B, W, h, D], dense, in memory of
                                   comm_exchange_tensor; the peer's lies there as mine does */
    int first_row;              /* of W */
};

/* In the order of q: the peers' earlier work on their places is through, and so is what they push
 * to me behind it. Counted as the messages that it stands for: of a gather one for each lane and
 * tensor, else one for each tensor. *taken false, on all ranks alike: nothing was done. */
enum status comm_push(struct comm *comm, const struct comm_push *push, struct queue *q,
                      bool *taken);

#endif
