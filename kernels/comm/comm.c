/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of communication: checks, counts, traces, dispatches. Moves no byte itself. */
#include "kernels/comm/comm.h"

#include "kernels/base/trace.h"
#include "kernels/comm/comm_private.h"
#include "kernels/comm/rendezvous.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct comm_ops *const transports[] = {
    &comm_local_ops,
#ifdef WITH_MPI
    &comm_mpi_ops,
#endif
#ifdef WITH_NCCL
    &comm_nccl_ops,
#endif
};

const struct comm_ops *comm_ops_at(int index)
{
    int n = (int)(sizeof(transports) / sizeof(transports[0]));
    return index >= 0 && index < n ? transports[index] : NULL;
}

const struct comm_ops *comm_ops_find(const char *name)
{
    for (int i = 0; comm_ops_at(i); i++) {
        if (strcmp(comm_ops_at(i)->name, name) == 0)
            return comm_ops_at(i);
    }
    return NULL;
}

const char *comm_op_name(enum comm_op op)
{
    static const char *const name[COMM_OPS] = {
        [COMM_ALL_TO_ALL] = "all_to_all",
        [COMM_ALL_REDUCE] = "all_reduce",
        [COMM_ALL_GATHER] = "all_gather",
        [COMM_SEND] = "send",
    };
    BUG_ON((unsigned)op >= COMM_OPS, "communication %d does not exist", (int)op);
    return name[op];
}

const char *comm_when_name(enum comm_when when)
{
    static const char *const name[COMM_WHENS] = {
        [COMM_WARMUP_STEP] = "warmup_step",
        [COMM_STEP] = "step",
        [COMM_LAST_STEP] = "last_step",
        [COMM_ONCE] = "once",
    };
    BUG_ON((unsigned)when >= COMM_WHENS, "phase %d does not exist", (int)when);
    return name[when];
}

/* ---- life ---- */

static void set_labels(struct comm *comm)
{
    for (int op = 0; op < COMM_OPS; op++)
        snprintf(comm->label[op], COMM_LABEL_SIZE, "%s.%s", comm->name, comm_op_name(op));
    snprintf(comm->label[COMM_LABEL_RECV], COMM_LABEL_SIZE, "%s.recv", comm->name);
    snprintf(comm->label[COMM_LABEL_SHIFT], COMM_LABEL_SIZE, "%s.shift", comm->name);
    snprintf(comm->label[COMM_LABEL_WAIT], COMM_LABEL_SIZE, "%s.wait", comm->name);
}

static enum status comm_alloc(const struct comm_ops *ops, const char *name, struct comm **out)
{
    struct comm *comm = calloc(1, sizeof(*comm));
    if (!comm)
        return fail(ST_OOM, "communicator %s: no memory for %zu bytes", name, sizeof(*comm));
    comm->ops = ops;
    comm->name = name;
    comm->when = COMM_ONCE;
    set_labels(comm);
    *out = comm;
    return ST_OK;
}

enum status comm_open(const struct comm_ops *ops, const struct rendezvous *where,
                      struct device *dev, struct comm **out)
{
    struct comm *comm;
    TRY(comm_alloc(ops, "world", &comm));
    enum status st = ops->open(where, dev, &comm->link);
    if (st != ST_OK) {
        free(comm);
        return fail_prefix(st, "transport %s", ops->name);
    }
    comm->rank = where->rank;
    comm->size = where->size;
    *out = comm;
    return ST_OK;
}

enum status comm_split(struct comm *parent, int color, int key, const char *name, enum comm_use use,
                       struct comm_counters *counters, struct comm **out)
{
    struct comm *comm;
    enum status st = comm_alloc(parent->ops, name, &comm);
    if (st != ST_OK) {
        comm_abort(parent); /* the others wait for this rank in the split */
        return st;
    }
    st = parent->ops->split(parent->link, color, key, use, &comm->link, &comm->rank, &comm->size);
    if (st != ST_OK) {
        free(comm);
        return fail_prefix(st, "communicator %s, split from %s by rank %d of %d", name,
                           parent->name, parent->rank, parent->size);
    }
    comm->counters = counters;
    comm->when = parent->when;
    *out = comm;
    return ST_OK;
}

void comm_close(struct comm *comm)
{
    if (!comm)
        return;
    comm->ops->close(comm->link);
    comm_post_free(comm);
    free(comm);
}

void comm_set_channel(struct comm *comm, int channel)
{
    comm->channel = channel;
}

int comm_rank(const struct comm *comm)
{
    return comm->rank;
}

int comm_size(const struct comm *comm)
{
    return comm->size;
}

void comm_set_when(struct comm *comm, enum comm_when when)
{
    BUG_ON((unsigned)when >= COMM_WHENS, "phase %d does not exist", (int)when);
    comm->when = when;
}

static uint64_t total_bytes(const struct tensor *t, int n)
{
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += tensor_bytes(&t[i]);
    return bytes;
}

/* ---- operations ---- */

void comm_begin_op(struct comm *comm, int label)
{
    if (comm->ops->announce)
        comm->ops->announce(comm->link, comm->label[label]);
}

/* A communicator of one rank moves nothing. */
void comm_trace(const struct comm *comm, int label, int peer, uint64_t payload, uint64_t wire)
{
    bool wait = label == COMM_LABEL_WAIT;
    bool alone = comm->size == 1;
    const struct trace_range range = {
        .kind = wait ? TRACE_WAIT : TRACE_COMM,
        .name = wait                        ? "wait"
                : label == COMM_LABEL_RECV  ? "recv"
                : label == COMM_LABEL_SHIFT ? "shift"
                                            : comm_op_name(label),
        .axis = comm->name,
        .index = -1,
        .channel = comm->channel,
        .peer = peer,
        .payload = alone ? 0 : payload,
        .wire = alone ? 0 : wire,
    };
    trace_push(&range);
}

enum status comm_send(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                      struct comm_req *req)
{
    uint64_t bytes = tensor_bytes(t);
    comm_begin_op(comm, COMM_SEND);
    if (trace_on())
        comm_trace(comm, COMM_SEND, peer, bytes, peer == comm->rank ? 0 : bytes);
    comm_count_call(comm, COMM_SEND, bytes);
    return trace_leave(comm_post_send(comm, COMM_SEND, peer, t, q, req));
}

enum status comm_recv(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                      struct comm_req *req)
{
    comm_begin_op(comm, COMM_LABEL_RECV);
    if (trace_on())
        comm_trace(comm, COMM_LABEL_RECV, peer, tensor_bytes(t), 0);
    return trace_leave(comm_post_recv(comm, peer, t, q, req));
}

enum status comm_all_reduce(struct comm *comm, struct tensor *inout, struct tensor *scratch,
                            struct queue *q, struct comm_req *req)
{
    const char *label = comm->label[COMM_ALL_REDUCE];
    BUG_ON(!tensor_contiguous(inout) || !tensor_contiguous(scratch), "%s: a tensor with gaps",
           label);
    BUG_ON(inout->dtype != scratch->dtype || tensor_count(inout) != tensor_count(scratch),
           "%s: the scratch differs from the buffer", label);
    if (comm->size == 1)
        return ST_OK;
    bool native = comm->ops->all_reduce;
    comm_begin_op(comm, COMM_ALL_REDUCE);
    if (trace_on())
        comm_trace(comm, COMM_ALL_REDUCE, -1, tensor_bytes(inout),
                   collective_all_reduce_wire(comm, inout));
    comm_count_call(comm, COMM_ALL_REDUCE, tensor_bytes(inout));
    return trace_leave(native ? comm_post_sum(comm, inout, q, req)
                              : collective_all_reduce(comm, inout, scratch, q));
}

enum status comm_all_gather(struct comm *comm, const struct tensor *mine, const struct tensor *part,
                            struct queue *q, struct comm_req *req)
{
    const char *label = comm->label[COMM_ALL_GATHER];
    BUG_ON(tensor_count(mine) != tensor_count(&part[comm->rank]),
           "%s: part %d has %lld elements and the rank gives %lld", label, comm->rank,
           (long long)tensor_count(&part[comm->rank]), (long long)tensor_count(mine));
    uint64_t bytes = tensor_bytes(mine);
    comm_begin_op(comm, COMM_ALL_GATHER);
    if (trace_on())
        comm_trace(comm, COMM_ALL_GATHER, -1, bytes, bytes * (uint64_t)(comm->size - 1));
    comm_count_call(comm, COMM_ALL_GATHER, bytes);
    return trace_leave(collective_all_gather(comm, mine, part, q, req));
}

enum status comm_all_to_all(struct comm *comm, const struct tensor *send, const struct tensor *recv,
                            struct queue *q, struct comm_req *req)
{
    uint64_t bytes = total_bytes(send, comm->size);
    comm_begin_op(comm, COMM_ALL_TO_ALL);
    if (trace_on())
        comm_trace(comm, COMM_ALL_TO_ALL, -1, bytes, bytes - tensor_bytes(&send[comm->rank]));
    comm_count_call(comm, COMM_ALL_TO_ALL, bytes);
    return trace_leave(collective_all_to_all(comm, send, recv, q, req));
}

/* A failure of a transport's own operation, with whose it is. */
static enum status told_by(const struct comm *comm, int label, enum status st)
{
    if (st == ST_OK)
        return ST_OK;
    return fail_prefix(st, "%s, rank %d of %d", comm->label[label], comm->rank, comm->size);
}

enum status comm_offer_exchange(struct comm *comm, bool to_heads, int n,
                                const struct tensor *narrow, const struct tensor *wide,
                                int first_row, struct queue *q, bool *taken)
{
    *taken = false;
    if (!comm->ops->exchange || comm->size == 1)
        return ST_OK;
    return told_by(comm, COMM_ALL_TO_ALL,
                   comm->ops->exchange(comm->link, to_heads, n, narrow, wide, first_row, q, taken));
}

enum status comm_push_takes(struct comm *comm, int label, const struct comm_push *push,
                            struct queue *q, bool *taken)
{
    *taken = false;
    if (!comm->ops->push || comm->size == 1)
        return ST_OK;
    return told_by(comm, label, comm->ops->push_takes(comm->link, push, q, taken));
}

enum status comm_push_run(struct comm *comm, int label, const struct comm_push *push,
                          struct queue *q)
{
    return told_by(comm, label, comm->ops->push(comm->link, push, q));
}

enum status comm_offer_sum(struct comm *comm, const struct tensor *part, struct queue *q,
                           bool *taken)
{
    *taken = false;
    if (!comm->ops->sum || comm->size == 1)
        return ST_OK;
    return told_by(comm, COMM_ALL_REDUCE, comm->ops->sum_takes(comm->link, part, q, taken));
}

enum status comm_run_sum(struct comm *comm, const struct tensor *out, const struct tensor *part,
                         struct queue *q)
{
    return told_by(comm, COMM_ALL_REDUCE, comm->ops->sum(comm->link, out, part, q));
}

enum status comm_exchange_memory(struct comm *comm, size_t bytes, void **out, void **owner,
                                 void (**release)(void *owner))
{
    *out = NULL;
    if (comm->size == 1 || !comm->ops->exchange_alloc)
        return ST_OK;
    *release = comm->ops->exchange_free;
    return comm->ops->exchange_alloc(comm->link, bytes, out, owner);
}

const char *comm_exchange_form(const struct comm *comm)
{
    return comm->ops->exchange_form ? comm->ops->exchange_form(comm->link) : NULL;
}

/* ---- graphs ---- */

bool comm_captures(const struct comm *comm)
{
    return comm->size == 1 || comm->ops->captures;
}

enum status comm_join(struct comm *comm, struct queue *q)
{
    return comm->ops->join ? comm->ops->join(comm->link, q) : ST_OK;
}

/* ---- host side ---- */

/* A wait of the host for all ranks; trace_leave ends it. */
static void open_wait(const struct comm *comm, const char *name)
{
    if (trace_on())
        trace_push(&(struct trace_range){
            .kind = TRACE_WAIT, .name = name, .axis = comm->name, .index = -1, .peer = -1});
}

static enum status drain(struct comm *comm, struct queue *q)
{
    return comm->ops->drain ? comm->ops->drain(comm->link, q) : queue_sync(q);
}

enum status comm_drain(struct comm *comm, struct queue *q)
{
    open_wait(comm, "drain");
    enum status st = trace_leave(drain(comm, q));
    if (st != ST_OK)
        return fail_prefix(st, "rank %d of %d", comm->rank, comm->size);
    return ST_OK;
}

enum status comm_host_gather(struct comm *comm, const void *mine, size_t size, void *all)
{
    open_wait(comm, size > 0 ? "host gather" : "barrier");
    enum status st = trace_leave(comm->ops->host_gather(comm->link, mine, size, all));
    if (st != ST_OK)
        return fail_prefix(st, "communicator %s, rank %d of %d", comm->name, comm->rank,
                           comm->size);
    return ST_OK;
}

enum status comm_barrier(struct comm *comm)
{
    return comm_host_gather(comm, NULL, 0, NULL);
}

void comm_abort(struct comm *comm)
{
    comm->ops->abort(comm->link);
}
