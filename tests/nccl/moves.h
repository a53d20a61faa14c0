/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges, pushes and sums of floats whose values tell where they belong; what arrives is
 * compared. Not a judge of how they travel. */
#ifndef TESTS_NCCL_MOVES_H
#define TESTS_NCCL_MOVES_H

#include "tests/nccl/ranks.h"

enum { MOVES_HEADS = 2, MOVES_WIDTH = 3, MOVES_TENSORS = 3 };

/* What moves on one communicator: rows of each of its ranks. */
struct moves {
    int n, lanes; /* tensors of an exchange */
    int rows[FAKE_RANKS];
};

/* Of one rank; its memory is the arena's. B lanes, n my rows, W = all, h = MOVES_HEADS, P ranks. */
struct heads {
    const struct moves *moves;
    struct comm *comm;
    struct queue *q;
    int ranks, rank, all, first;
    struct tensor x[MOVES_TENSORS];    /* [B, n, P*h, D], beside each other in one memory */
    struct tensor wide[MOVES_TENSORS]; /* [B, W, h, D] */
    struct tensor o;                   /* [B, n, P*h, D] */
    struct tensor staging;
};

/* Opens self->arena, unless it is open. */
enum status heads_open(struct heads *heads, struct rank *self, struct comm *comm,
                       const struct moves *moves);

/* To heads and back, asynchronous, with the round's values. */
enum status heads_fill(struct heads *heads, int round);
enum status heads_there(struct heads *heads);
enum status heads_back(struct heads *heads);

/* After a drain: what came there; what comes back, if each value of wide[0] grew by `more`. */
enum status heads_check_there(const struct heads *heads, int round);
void heads_grow(struct heads *heads, float more);
enum status heads_check_back(const struct heads *heads, int round, float more);

/* P-1 shifts of two shares, as strategies/ring.c; then a gather, as strategies/key_gather.c; each
 * waited for and compared. By messages where no push is taken; *pushes: those that were. */
enum status moves_ring(struct rank *self, struct comm *comm, const struct moves *moves,
                       int *pushes);
enum status moves_gather(struct rank *self, struct comm *comm, const struct moves *moves,
                         int *pushes);

/* Sums, as strategies/tensor.c: *pushes those by one operation. */
enum status moves_sums(struct rank *self, struct comm *comm, const struct moves *moves,
                       int *pushes);

#endif
