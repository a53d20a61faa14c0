/* SPDX-License-Identifier: Apache-2.0 */
/* A transport's sum of what its ranks see of each other, counted and traced. */
#include "kernels/comm/sum.h"

#include "kernels/base/trace.h"
#include "kernels/comm/comm_private.h"

enum status comm_sum_takes(struct comm *comm, const struct tensor *part, struct queue *q,
                           bool *taken)
{
    return comm_offer_sum(comm, part, q, taken);
}

enum status comm_sum(struct comm *comm, const struct tensor *out, const struct tensor *part,
                     struct queue *q)
{
    const char *label = comm->label[COMM_ALL_REDUCE];
    uint64_t bytes = tensor_bytes(out);
    uint64_t wire = collective_all_reduce_wire(comm, out);
    BUG_ON(!tensor_contiguous(out) || !tensor_contiguous(part), "%s: a tensor with gaps", label);
    BUG_ON(out->dtype != part->dtype || tensor_count(out) != tensor_count(part),
           "%s: the part differs from the sum", label);
    comm_begin_op(comm, COMM_ALL_REDUCE);
    if (trace_on())
        comm_trace(comm, COMM_ALL_REDUCE, -1, bytes, wire);
    comm_count_call(comm, COMM_ALL_REDUCE, bytes);
    comm_count_wire(comm, COMM_ALL_REDUCE, wire);
    return trace_leave(comm_run_sum(comm, out, part, q));
}
