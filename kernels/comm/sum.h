/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over ranks of what lies in memory that all of them see, where a transport has it as one
 * operation; where it has not, its caller takes comm_all_reduce. Not an owner of memory.
 */
#ifndef KERNELS_COMM_SUM_H
#define KERNELS_COMM_SUM_H

#include "kernels/comm/comm.h"

/* Whether comm_sum takes `part`, of memory of comm_exchange_tensor: on all ranks alike. Asked by
 * all ranks at once, before they fill it. */
enum status comm_sum_takes(struct comm *comm, const struct tensor *part, struct queue *q,
                           bool *taken);

/* out := sum over ranks of part, whose contents are lost; both dense, of one dtype, fp32 or the
 * model's, and one count on all ranks, where out and part begin at multiples of sixteen bytes or as
 * far from one as on the others; added in fp32 and rounded once. In the order of q. The ring's
 * bytes are counted, as comm_all_reduce does. */
enum status comm_sum(struct comm *comm, const struct tensor *out, const struct tensor *part,
                     struct queue *q);

#endif
