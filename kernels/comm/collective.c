/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives out of send and recv, for transports that have none. They only move and add; who
 * counts is comm.c. */
#include "kernels/comm/comm_private.h"
#include "kernels/op.h"

static enum status copy_own(const struct tensor *dst, const struct tensor *src, struct queue *q)
{
    struct tensor to = comm_flat(dst);
    struct tensor from = comm_flat(src);
    BUG_ON(to.dim[0] != from.dim[0], "own part: %lld elements into %lld", (long long)from.dim[0],
           (long long)to.dim[0]);
    if (to.data == from.data || to.dim[0] == 0)
        return ST_OK;
    return op_copy(q, &to, &from);
}

/* Peers are visited at growing distance, so that no rank is everyone's first target. */
static enum status post_all_to_all(struct comm *comm, const struct tensor *send,
                                   const struct tensor *recv, struct queue *q, struct comm_req *req)
{
    for (int d = 1; d < comm->size; d++) {
        int to = (comm->rank + d) % comm->size;
        int from = (comm->rank + comm->size - d) % comm->size;
        TRY(comm_post_pair(comm, COMM_ALL_TO_ALL, from, &recv[from], to, &send[to], q, req));
    }
    return ST_OK;
}

enum status collective_all_to_all(struct comm *comm, const struct tensor *send,
                                  const struct tensor *recv, struct queue *q, struct comm_req *req)
{
    TRY(comm_group_begin(comm));
    TRY(post_all_to_all(comm, send, recv, q, req));
    TRY(comm_group_end(comm));
    return copy_own(&recv[comm->rank], &send[comm->rank], q);
}

static enum status post_all_gather(struct comm *comm, const struct tensor *mine,
                                   const struct tensor *part, struct queue *q, struct comm_req *req)
{
    for (int d = 1; d < comm->size; d++) {
        int to = (comm->rank + d) % comm->size;
        int from = (comm->rank + comm->size - d) % comm->size;
        TRY(comm_post_pair(comm, COMM_ALL_GATHER, from, &part[from], to, mine, q, req));
    }
    return ST_OK;
}

enum status collective_all_gather(struct comm *comm, const struct tensor *mine,
                                  const struct tensor *part, struct queue *q, struct comm_req *req)
{
    TRY(comm_group_begin(comm));
    TRY(post_all_gather(comm, mine, part, q, req));
    TRY(comm_group_end(comm));
    return copy_own(&part[comm->rank], mine, q);
}

/* The i-th of n parts (i modulo n) of a flat tensor: sizes differ by at most one element, larger
 * ones first. */
static struct tensor part_of(const struct tensor *flat, int n, int i)
{
    int64_t count = flat->dim[0] / n;
    int64_t longer = flat->dim[0] % n;
    i = (i % n + n) % n;
    int64_t begin = i * count + (i < longer ? i : longer);
    return tensor_slice(flat, 0, begin, count + (i < longer));
}

/* One turn of the ring: `out` goes to the next rank while `in` comes from the one before. */
static enum status shift(struct comm *comm, const struct tensor *out, const struct tensor *in,
                         struct queue *q)
{
    struct comm_req req = {0};
    int next = (comm->rank + 1) % comm->size;
    int before = (comm->rank + comm->size - 1) % comm->size;
    TRY(comm_group_begin(comm));
    TRY(comm_post_pair(comm, COMM_ALL_REDUCE, before, in, next, out, q, &req));
    TRY(comm_group_end(comm));
    return comm_wait(&req, q);
}

/*
 * Ring reduce-scatter, then ring all-gather (Patarasuk and Yuan, "Bandwidth optimal all-reduce
 * algorithms for clusters of workstations", JPDC 2009). Part p is summed along the ring from rank
 * p+1 round to its owner p, so that every rank receives the same bits and the order depends on n
 * alone. Rank r sends every part but r, then every part but r+1: wire bytes = 2 x buffer - part r -
 * part r+1, which is 2(n-1)/n x buffer where n divides it.
 */
uint64_t collective_all_reduce_wire(const struct comm *comm, const struct tensor *inout)
{
    struct tensor all = comm_flat(inout);
    struct tensor kept[2] = {part_of(&all, comm->size, comm->rank),
                             part_of(&all, comm->size, comm->rank + 1)};
    return 2 * tensor_bytes(&all) - tensor_bytes(&kept[0]) - tensor_bytes(&kept[1]);
}

enum status collective_all_reduce(struct comm *comm, const struct tensor *inout,
                                  const struct tensor *scratch, struct queue *q)
{
    int n = comm->size;
    int r = comm->rank;
    struct tensor sum = comm_flat(inout);
    struct tensor landing = comm_flat(scratch);
    for (int s = 0; s < n - 1; s++) {
        struct tensor out = part_of(&sum, n, r - 1 - s);
        struct tensor in = part_of(&landing, n, r - 2 - s);
        struct tensor own = part_of(&sum, n, r - 2 - s);
        TRY(shift(comm, &out, &in, q));
        if (tensor_count(&own) > 0)
            TRY(op_add(q, &own, &in));
    }
    for (int s = 0; s < n - 1; s++) {
        struct tensor out = part_of(&sum, n, r - s);
        struct tensor in = part_of(&sum, n, r - s - 1);
        TRY(shift(comm, &out, &in, q));
    }
    return ST_OK;
}
