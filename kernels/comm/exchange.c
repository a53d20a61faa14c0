/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange of tokens for heads out of copies and messages, for every transport. */
#include "kernels/comm/exchange.h"

#include "kernels/base/trace.h"
#include "kernels/comm/comm_private.h"
#include "kernels/op.h"

#include <stdio.h>

/* One exchange as this rank sees it. */
struct exchange {
    struct comm *comm;
    const int *rows;
    int64_t lanes, heads, width; /* B, h, D */
    int first, packed;           /* ranks whose parts have a place in the staging */
    bool dense;                  /* all lanes of a part are one message */
    struct queue *q;
    struct comm_req *req;
};

/* ---- which parts are staged ---- */

/* Those of the other ranks. A copy moves a run of ranks, so that of a rank in the middle has its
 * own part too. */
static int packed_ranks(int ranks, int rank, int *first)
{
    bool edge = rank == 0 || rank == ranks - 1;
    *first = rank == 0 ? 1 : 0;
    return edge ? ranks - 1 : ranks;
}

int64_t comm_exchange_staging(int tensors, int ranks, int rank, int64_t lanes, int64_t own,
                              int64_t all)
{
    int first;
    int64_t narrow = packed_ranks(ranks, rank, &first) * own;
    int64_t wide = lanes > EXCHANGE_LANES ? all - own : 0;
    return tensors * lanes * (narrow + wide);
}

/* ---- views ---- */

/* x [B, n, P*h, D] as [P, B, n, h, D], of the staged ranks only. */
static struct tensor by_rank(const struct exchange *e, const struct tensor *x)
{
    struct tensor part = tensor_slice(x, 2, e->first * e->heads, e->packed * e->heads);
    struct tensor from = tensor_split(&part, 2, e->packed, e->heads);
    struct tensor to = from;
    for (int a = 0; a < 3; a++) {
        to.dim[a] = from.dim[(a + 2) % 3];
        to.stride[a] = from.stride[(a + 2) % 3];
    }
    return to;
}

/* The i-th tensor's place in the staging: [P, B, n, h, D] of the staged ranks. */
static struct tensor staged(const struct exchange *e, const struct tensor *staging, int i)
{
    int64_t dim[5] = {e->packed, e->lanes, e->rows[e->comm->rank], e->heads, e->width};
    int64_t count = dim[0] * dim[1] * dim[2] * dim[3] * dim[4];
    struct tensor flat = tensor_slice(staging, 0, i * count, count);
    return tensor_reshape(&flat, 5, dim);
}

/* One rank's part of it, [B, n, h, D]. */
static struct tensor staged_of(const struct exchange *e, const struct tensor *place, int rank)
{
    return tensor_at(place, rank - e->first);
}

/* Where a rank's rows begin among all; the number of all for the rank past the last. */
static int first_row(const struct exchange *e, int rank)
{
    int row = 0;
    for (int r = 0; r < rank; r++)
        row += e->rows[r];
    return row;
}

/* The place of another rank's rows of the i-th of n tensors, [B, rows, h, D], behind what is
 * packed. */
static struct tensor landing(const struct exchange *e, const struct tensor *staging, int n, int i,
                             int rank)
{
    int me = e->comm->rank, ranks = e->comm->size;
    int64_t row = e->lanes * e->heads * e->width;
    int64_t others = first_row(e, ranks) - e->rows[me];
    int64_t before = first_row(e, rank) - (rank > me ? e->rows[me] : 0);
    int64_t dim[4] = {e->lanes, e->rows[rank], e->heads, e->width};
    struct tensor flat = tensor_slice(
        staging, 0, row * (n * e->packed * e->rows[me] + i * others + before), row * dim[1]);
    return tensor_reshape(&flat, 4, dim);
}

/* A rank's rows of wide [B, W, h, D]. */
static struct tensor wide_of(const struct exchange *e, const struct tensor *wide, int rank)
{
    return tensor_slice(wide, 1, first_row(e, rank), e->rows[rank]);
}

/* My own heads of x [B, n, P*h, D]. */
static struct tensor own_heads(const struct exchange *e, const struct tensor *x)
{
    return tensor_slice(x, 2, e->comm->rank * e->heads, e->heads);
}

static enum status copy(const struct exchange *e, struct tensor to, const struct tensor *from)
{
    return tensor_count(&to) > 0 ? op_copy(e->q, &to, from) : ST_OK;
}

/* ---- messages ---- */

/* The tensors of one exchange at both ends of messages. */
struct ends {
    int n;
    const struct tensor *place;   /* [n] staged, the narrow end */
    const struct tensor *wide;    /* [n] the wide end, */
    const struct tensor *staging; /* or its landings in here */
    bool to_heads;
};

static struct tensor wide_end(const struct exchange *e, const struct ends *ends, int i, int rank)
{
    return e->dense ? landing(e, ends->staging, ends->n, i, rank)
                    : wide_of(e, &ends->wide[i], rank);
}

/* One rank's parts of the i-th tensor, lane by lane or at once. */
static enum status post_part(struct exchange *e, const struct ends *ends, int i, int to, int from)
{
    int narrow = ends->to_heads ? to : from, wide = ends->to_heads ? from : to;
    struct tensor staged = staged_of(e, &ends->place[i], narrow);
    struct tensor rows = wide_end(e, ends, i, wide);
    const struct tensor *out = ends->to_heads ? &staged : &rows;
    const struct tensor *in = ends->to_heads ? &rows : &staged;
    if (e->dense)
        return comm_post_pair(e->comm, COMM_ALL_TO_ALL, from, in, to, out, e->q, e->req);
    for (int64_t b = 0; b < e->lanes; b++) {
        struct tensor lane_out = tensor_at(out, b);
        struct tensor lane_in = tensor_at(in, b);
        TRY(comm_post_pair(e->comm, COMM_ALL_TO_ALL, from, &lane_in, to, &lane_out, e->q, e->req));
    }
    return ST_OK;
}

/* Every rank posts in the same order of (distance, tensor, lane). */
static enum status post_all(struct exchange *e, const struct ends *ends)
{
    int ranks = e->comm->size;
    for (int d = 1; d < ranks; d++)
        for (int i = 0; i < ends->n; i++)
            TRY(post_part(e, ends, i, (e->comm->rank + d) % ranks,
                          (e->comm->rank + ranks - d) % ranks));
    return ST_OK;
}

/* Sends and receives in one group; an open group is closed after a failure too. */
static enum status post_group(struct exchange *e, const struct ends *ends)
{
    TRY(comm_group_begin(e->comm));
    enum status st = post_all(e, ends);
    if (st != ST_OK) {
        char message[512];
        snprintf(message, sizeof message, "%s", status_message());
        comm_group_end(e->comm);
        return fail(st, "%s", message);
    }
    return comm_group_end(e->comm);
}

/* ---- checks ---- */

static void begin(struct exchange *e, const struct tensor *narrow, const struct tensor *wide,
                  const struct tensor *staging)
{
    const char *label = e->comm->label[COMM_ALL_TO_ALL];
    int ranks = e->comm->size;
    int all_rows = first_row(e, ranks);
    e->lanes = wide->dim[0];
    e->heads = wide->dim[2];
    e->width = wide->dim[3];
    e->packed = packed_ranks(ranks, e->comm->rank, &e->first);
    e->dense = e->lanes > EXCHANGE_LANES;
    const int64_t want[4] = {e->lanes, e->rows[e->comm->rank], ranks * e->heads, e->width};
    for (int a = 0; a < 4; a++)
        BUG_ON(narrow->dim[a] != want[a], "%s: axis %d of the narrow tensor is %lld, not %lld",
               label, a, (long long)narrow->dim[a], (long long)want[a]);
    BUG_ON(!tensor_contiguous(wide) || wide->dim[1] != all_rows,
           "%s: the wide tensor has gaps, or %lld rows and not %d", label, (long long)wide->dim[1],
           all_rows);
    BUG_ON(narrow->dtype != wide->dtype || staging->dtype != wide->dtype,
           "%s: tensors of several dtypes", label);
}

/* What of n tensors goes to other ranks: all of `from` but this rank's part. */
static uint64_t wire_of(const struct exchange *e, int n, const struct tensor *from,
                        const struct tensor *wide)
{
    struct tensor own = wide_of(e, wide, e->comm->rank);
    return (uint64_t)n * (tensor_bytes(from) - tensor_bytes(&own));
}

/* Of n tensors of one shape that are handed over in one operation. */
static void open_range(const struct exchange *e, int n, const struct tensor *from,
                       const struct tensor *wide)
{
    comm_trace(e->comm, COMM_ALL_TO_ALL, -1, (uint64_t)n * tensor_bytes(from),
               wire_of(e, n, from, wide));
}

/* ---- the transport's own form ---- */

/* The tensors are left to the transport; what other ranks get by it is counted by formula. */
static enum status offer(struct exchange *e, bool to_heads, int n, const struct tensor *narrow,
                         const struct tensor *wide, bool *taken)
{
    struct comm *comm = e->comm;
    TRY(comm_offer_exchange(comm, to_heads, n, narrow, wide, first_row(e, comm->rank), e->q,
                            taken));
    if (*taken)
        comm_count_wire(comm, COMM_ALL_TO_ALL, wire_of(e, n, to_heads ? narrow : wide, wide));
    return ST_OK;
}

/* ---- the two ways ---- */

/* What has landed, to where it belongs. */
static enum status unpack(struct exchange *e, const struct ends *ends)
{
    TRY(comm_wait(e->req, e->q));
    for (int i = 0; i < ends->n; i++)
        for (int r = 0; r < e->comm->size; r++) {
            if (r == e->comm->rank)
                continue;
            struct tensor part = landing(e, ends->staging, ends->n, i, r);
            TRY(copy(e, wide_of(e, &ends->wide[i], r), &part));
        }
    return ST_OK;
}

/* The other ranks' rows of the wide tensor, to where they are sent from. */
static enum status pack_wide(struct exchange *e, const struct ends *ends)
{
    for (int r = 0; r < e->comm->size; r++) {
        if (r == e->comm->rank)
            continue;
        struct tensor part = wide_of(e, ends->wide, r);
        TRY(copy(e, landing(e, ends->staging, 1, 0, r), &part));
    }
    return ST_OK;
}

static enum status to_heads(struct exchange *e, int n, const struct tensor *x,
                            const struct tensor *wide, const struct tensor *staging)
{
    struct tensor place[EXCHANGE_TENSORS];
    bool taken;
    TRY(offer(e, true, n, x, wide, &taken));
    if (taken)
        return ST_OK;
    for (int i = 0; i < n && e->packed > 0; i++) {
        struct tensor parts = by_rank(e, &x[i]);
        place[i] = staged(e, staging, i);
        TRY(copy(e, place[i], &parts));
    }
    const struct ends ends = {n, place, wide, staging, true};
    TRY(post_group(e, &ends));
    for (int i = 0; i < n; i++) {
        struct tensor own = own_heads(e, &x[i]);
        TRY(copy(e, wide_of(e, &wide[i], e->comm->rank), &own));
    }
    return e->dense ? unpack(e, &ends) : ST_OK;
}

enum status comm_to_heads(struct comm *comm, int n, const struct tensor *x,
                          const struct tensor *wide, const int *rows, const struct tensor *staging,
                          struct queue *q, struct comm_req *req)
{
    struct exchange e = {.comm = comm, .rows = rows, .q = q, .req = req};
    BUG_ON(n < 1 || n > EXCHANGE_TENSORS, "%d tensors in one exchange", n);
    comm_begin_op(comm, COMM_ALL_TO_ALL);
    for (int i = 0; i < n; i++) {
        begin(&e, &x[i], &wide[i], staging);
        comm_count_call(comm, COMM_ALL_TO_ALL, tensor_bytes(&x[i]));
    }
    if (trace_on())
        open_range(&e, n, x, wide);
    return trace_leave(to_heads(&e, n, x, wide, staging));
}

/* My own part goes straight to its place, or with those that are unpacked together. */
static enum status to_tokens(struct exchange *e, const struct tensor *wide, const struct tensor *o,
                             const struct tensor *staging)
{
    int me = e->comm->rank;
    struct tensor place = {0};
    struct tensor own = wide_of(e, wide, me);
    bool taken;
    TRY(offer(e, false, 1, o, wide, &taken));
    if (taken)
        return ST_OK;
    if (e->packed > 0)
        place = staged(e, staging, 0);
    const struct ends ends = {1, &place, wide, staging, false};
    if (e->dense)
        TRY(pack_wide(e, &ends));
    TRY(post_group(e, &ends));
    bool apart = e->packed < e->comm->size;
    TRY(copy(e, apart ? own_heads(e, o) : staged_of(e, &place, me), &own));
    TRY(comm_wait(e->req, e->q));
    return e->packed > 0 ? copy(e, by_rank(e, o), &place) : ST_OK;
}

enum status comm_to_tokens(struct comm *comm, const struct tensor *wide, const struct tensor *o,
                           const int *rows, const struct tensor *staging, struct queue *q,
                           struct comm_req *req)
{
    struct exchange e = {.comm = comm, .rows = rows, .q = q, .req = req};
    begin(&e, o, wide, staging);
    comm_begin_op(comm, COMM_ALL_TO_ALL);
    if (trace_on())
        open_range(&e, 1, wide, wide);
    comm_count_call(comm, COMM_ALL_TO_ALL, tensor_bytes(wide));
    return trace_leave(to_tokens(&e, wide, o, staging));
}

enum status comm_exchange_tensor(struct comm *comm, struct arena *arena, enum dtype dtype,
                                 int64_t count, struct tensor *out)
{
    void *data = NULL;
    void *owner = NULL;
    void (*release)(void *) = NULL;
    size_t bytes = (size_t)count * dtype_size(dtype);
    if (comm)
        TRY(comm_exchange_memory(comm, bytes, &data, &owner, &release));
    if (!data)
        return arena_tensor(arena, dtype, 1, &count, out);
    enum status st = arena_adopt(arena, dtype, 1, &count, data, release, owner, out);
    if (st != ST_OK)
        release(owner);
    return st;
}
