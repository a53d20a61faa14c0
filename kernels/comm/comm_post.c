/* SPDX-License-Identifier: Apache-2.0 */
/* Messages under way: posts of a communicator and their bytes, the groups they are made in, the
 * requests that they belong to. What an operation is made of is not known here. */
#include "kernels/base/trace.h"
#include "kernels/comm/comm_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { GROUP_PAIRS = 1000 }; /* NCCL takes 2048 operations in one group */

/* ---- counting ---- */

static struct comm_count *count_of(struct comm *comm, enum comm_op op)
{
    return comm->counters ? &comm->counters->count[op][comm->when] : NULL;
}

/* A communicator of one rank moves nothing and counts nothing. */
void comm_count_call(struct comm *comm, enum comm_op op, uint64_t api_bytes)
{
    struct comm_count *count = count_of(comm, op);
    if (!count || comm->size == 1)
        return;
    count->calls++;
    count->api_bytes += api_bytes;
}

void comm_count_wire(struct comm *comm, enum comm_op op, uint64_t bytes)
{
    struct comm_count *count = count_of(comm, op);
    if (count && comm->size > 1)
        count->wire_bytes += bytes;
}

/* ---- posts ---- */

struct tensor comm_flat(const struct tensor *t)
{
    int64_t count = tensor_count(t);
    return tensor_reshape(t, 1, &count);
}

static void check_req(const struct comm *comm, const struct comm_req *req, const char *label)
{
    BUG_ON(req->first && req->comm != comm, "%s: the request already belongs to %s", label,
           req->comm->name);
}

static void check_message(const struct comm *comm, int peer, const struct tensor *t,
                          const char *label)
{
    BUG_ON(peer < 0 || peer >= comm->size, "%s: peer %d of %d ranks", label, peer, comm->size);
    BUG_ON(!tensor_contiguous(t), "%s: a tensor with gaps", label);
}

/* A spare one, or a new one: a loop allocates in its first rounds only. NULL: no memory, and said.
 */
static struct comm_post *post_take(struct comm *comm, int peer)
{
    struct comm_post *post = comm->spare;
    if (post) {
        comm->spare = post->next;
    } else {
        post = malloc(sizeof *post);
        if (!post) {
            fail(ST_OOM, "communicator %s: no memory for a message", comm->name);
            return NULL;
        }
        post->older = comm->posts;
        comm->posts = post;
    }
    post->next = NULL;
    post->peer = peer;
    return post;
}

static void post_spare(struct comm *comm, struct comm_post *post)
{
    post->next = comm->spare;
    comm->spare = post;
}

/* What came of a post: one more message of the request, or nothing. */
static void keep(struct comm *comm, struct comm_req *req, struct comm_post *post, enum status st)
{
    if (st != ST_OK) {
        post_spare(comm, post);
        return;
    }
    req->comm = comm;
    if (req->first)
        req->last->next = post;
    else
        req->first = post;
    req->last = post;
}

enum status comm_post_send(struct comm *comm, enum comm_op op, int peer, const struct tensor *t,
                           struct queue *q, struct comm_req *req)
{
    check_message(comm, peer, t, comm->label[op]);
    if (tensor_count(t) == 0)
        return ST_OK;
    check_req(comm, req, comm->label[op]);
    struct tensor flat = comm_flat(t);
    struct comm_post *post = post_take(comm, peer);
    if (!post)
        return ST_OOM;
    enum status st = comm->ops->send(comm->link, peer, &flat, q, &post->handle);
    keep(comm, req, post, st);
    if (st != ST_OK)
        return fail_prefix(st, "%s, rank %d of %d, to rank %d", comm->label[op], comm->rank,
                           comm->size, peer);
    if (peer != comm->rank)
        comm_count_wire(comm, op, tensor_bytes(t));
    return ST_OK;
}

enum status comm_post_recv(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                           struct comm_req *req)
{
    check_message(comm, peer, t, comm->label[COMM_LABEL_RECV]);
    if (tensor_count(t) == 0)
        return ST_OK;
    check_req(comm, req, comm->label[COMM_LABEL_RECV]);
    struct tensor flat = comm_flat(t);
    struct comm_post *post = post_take(comm, peer);
    if (!post)
        return ST_OOM;
    enum status st = comm->ops->recv(comm->link, peer, &flat, q, &post->handle);
    keep(comm, req, post, st);
    if (st != ST_OK)
        return fail_prefix(st, "%s, rank %d of %d, from rank %d", comm->label[COMM_LABEL_RECV],
                           comm->rank, comm->size, peer);
    return ST_OK;
}

enum status comm_post_pair(struct comm *comm, enum comm_op op, int from, const struct tensor *in,
                           int to, const struct tensor *out, struct queue *q, struct comm_req *req)
{
    if (comm->depth > 0 && comm->pairs++ == GROUP_PAIRS && comm->ops->group) {
        TRY(comm->ops->group(comm->link, false));
        TRY(comm->ops->group(comm->link, true));
        comm->pairs = 1;
    }
    TRY(comm_post_recv(comm, from, in, q, req));
    return comm_post_send(comm, op, to, out, q, req);
}

enum status comm_post_sum(struct comm *comm, struct tensor *inout, struct queue *q,
                          struct comm_req *req)
{
    const char *label = comm->label[COMM_ALL_REDUCE];
    check_req(comm, req, label);
    struct comm_post *post = post_take(comm, -1);
    if (!post)
        return ST_OOM;
    enum status st = comm->ops->all_reduce(comm->link, inout, q, &post->handle);
    keep(comm, req, post, st);
    if (st != ST_OK)
        return fail_prefix(st, "%s, rank %d of %d", label, comm->rank, comm->size);
    comm_count_wire(comm, COMM_ALL_REDUCE, collective_all_reduce_wire(comm, inout));
    return ST_OK;
}

/* ---- groups and waits ---- */

enum status comm_group_begin(struct comm *comm)
{
    if (comm->depth++ > 0)
        return ST_OK;
    comm->pairs = 0;
    return comm->ops->group ? comm->ops->group(comm->link, true) : ST_OK;
}

enum status comm_group_end(struct comm *comm)
{
    if (--comm->depth > 0 || !comm->ops->group)
        return ST_OK;
    if (trace_on())
        trace_push(&(const struct trace_range){.kind = TRACE_GROUP,
                                               .name = "group",
                                               .axis = comm->name,
                                               .index = -1,
                                               .channel = comm->channel,
                                               .peer = -1});
    return trace_leave(comm->ops->group(comm->link, false));
}

/* The one rank that all messages of a request are from or to, or -1. */
static int peer_of(const struct comm_req *req)
{
    int peer = req->first->peer;
    for (const struct comm_post *post = req->first; post; post = post->next)
        peer = post->peer == peer ? peer : -1;
    return peer;
}

/* Every handle is given back, also after a failure; the first failure is the one that is told. */
enum status comm_wait(struct comm_req *req, struct queue *q)
{
    struct comm *comm = req->comm;
    char message[1024] = "";
    enum status first = ST_OK;
    if (!req->first)
        return ST_OK;
    if (trace_on())
        comm_trace(comm, COMM_LABEL_WAIT, peer_of(req), 0, 0);
    while (req->first) {
        struct comm_post *post = req->first;
        req->first = post->next;
        enum status st = comm->ops->wait(post->handle, q);
        post_spare(comm, post);
        if (first == ST_OK && st != ST_OK) {
            first = st;
            snprintf(message, sizeof(message), "%s", status_message());
        }
    }
    trace_leave(first);
    *req = (struct comm_req){0};
    if (first != ST_OK)
        return fail(first, "communicator %s, rank %d of %d: %s", comm->name, comm->rank, comm->size,
                    message);
    return ST_OK;
}

void comm_post_free(struct comm *comm)
{
    while (comm->posts) {
        struct comm_post *post = comm->posts;
        comm->posts = post->older;
        free(post);
    }
}
