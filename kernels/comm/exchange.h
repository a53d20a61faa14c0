/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens for heads, and back: the two exchanges around an attention whose sequence is split. Not an
 * attention, and no owner of memory.
 *
 * Letters: B lanes, P ranks, r this rank, n = rows[r] of its rows, W = all rows, h heads of one
 * rank. "Narrow" tensors are [B, n, P*h, D]: my rows with everybody's heads; any strides but for
 * the two last axes, which are dense. "Wide" ones are [B, W, h, D]: everybody's rows, those of rank
 * 0 first, with my heads; dense. rows [P] may differ and be 0; they are the same on all ranks.
 *
 * Bytes are counted as calls of COMM_ALL_TO_ALL, one for each tensor: the narrow ones' bytes on the
 * way to heads, the wide one's on the way back; on the wire the parts for other ranks.
 *
 * A transport may have a form of its own (comm_ops.exchange). The general one: what goes to other
 * ranks is packed by one copy for each tensor, all messages of all tensors make one group, and
 * my own part is copied while they travel. Up to EXCHANGE_LANES lanes each lane is a message and
 * those to heads land where they belong; more lanes are one message, whose wide end is packed too:
 * a copy costs less than many small messages.
 */
#ifndef KERNELS_COMM_EXCHANGE_H
#define KERNELS_COMM_EXCHANGE_H

#include "kernels/base/arena.h"
#include "kernels/comm/comm.h"

enum { EXCHANGE_TENSORS = 3, EXCHANGE_LANES = 2 };

/* Elements of staging that so many tensors at once need on that rank: lanes B, own n*h*D, all
 * W*h*D elements. */
int64_t comm_exchange_staging(int tensors, int ranks, int rank, int64_t lanes, int64_t own,
                              int64_t all);

/* Flat memory of `count` elements for wide tensors; the arena accounts for it and frees it. The
 * same count on all ranks. comm NULL where the arena measures. */
enum status comm_exchange_tensor(struct comm *comm, struct arena *arena, enum dtype dtype,
                                 int64_t count, struct tensor *out);

/* wide[i] := all rows of x[i] with my heads; n <= EXCHANGE_TENSORS tensors of one shape. staging:
 * flat, as comm_exchange_staging says; lost, and in use until the request was waited for. */
enum status comm_to_heads(struct comm *comm, int n, const struct tensor *x /* narrow [n] */,
                          const struct tensor *wide /* [n] */, const int *rows,
                          const struct tensor *staging, struct queue *q, struct comm_req *req);

/* o := my rows of wide with everybody's heads. staging: as above, for one tensor. */
enum status comm_to_tokens(struct comm *comm, const struct tensor *wide,
                           const struct tensor *o /* narrow */, const int *rows,
                           const struct tensor *staging, struct queue *q, struct comm_req *req);

#endif
