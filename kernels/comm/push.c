/* SPDX-License-Identifier: Apache-2.0 */
/* A push of a transport, counted and traced. */
#include "kernels/comm/push.h"

#include "kernels/base/trace.h"
#include "kernels/comm/comm_private.h"

static void count(struct comm *comm, const struct comm_push *push, uint64_t wire)
{
    int64_t calls = push->op == COMM_ALL_GATHER ? push->from->dim[0] : 1;
    for (int i = 0; i < push->n; i++)
        for (int64_t c = 0; c < calls; c++)
            comm_count_call(comm, push->op, tensor_bytes(&push->from[i]) / (uint64_t)calls);
    comm_count_wire(comm, push->op, wire);
}

enum status comm_push(struct comm *comm, const struct comm_push *push, struct queue *q, bool *taken)
{
    bool all = push->op == COMM_ALL_GATHER;
    int label = all ? (int)COMM_ALL_GATHER : (int)COMM_LABEL_SHIFT;
    uint64_t bytes = (uint64_t)push->n * tensor_bytes(push->from);
    uint64_t wire = all ? bytes * (uint64_t)(comm->size - 1) : bytes;
    BUG_ON(all != (push->peer < 0), "a push to %d", push->peer);
    comm_begin_op(comm, label);
    TRY(comm_push_takes(comm, label, push, q, taken));
    if (!*taken)
        return ST_OK;
    if (trace_on())
        comm_trace(comm, label, -1, bytes, wire);
    count(comm, push, wire);
    return trace_leave(comm_push_run(comm, label, push, q));
}
