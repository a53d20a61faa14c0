/* SPDX-License-Identifier: Apache-2.0 */
/* What the NCCL transport does by one kernel (kernels/cuda/exchange_lsa.h) where all ranks can:
 * exchanges of heads, rows for peers, and sums. Messages are its callers' business. */
#include "kernels/comm/nccl_link.h"
#include "kernels/comm/push.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/cuda/exchange_lsa.h"

#include <stdlib.h>

/* The watch of waits sees every eighth exchange by one kernel: a mark is a launch of its own. */
enum { EXCHANGES_A_MARK = 8 };

/* True where it is on all ranks. */
static enum status all_of(struct nccl_link *link, bool *yes)
{
    bool *all = calloc((size_t)link->size, sizeof *all);
    if (!all)
        return fail(ST_OOM, "no memory to ask %d ranks", link->size);
    enum status st = nccl_link_gather(link, yes, sizeof *yes, all);
    for (int r = 0; r < link->size && st == ST_OK; r++)
        *yes &= all[r];
    free(all);
    return st;
}

/* In a link's first exchange, on all ranks of it: by one kernel, or by messages from now on, or
 * refused where messages will not do. */
static enum status settle(struct nccl_link *link, struct queue *q)
{
    bool can = exchange_lsa_can(link->lsa);
    TRY(all_of(link, &can));
    if (can) {
        enum status st = exchange_lsa_prepare(link->lsa, q, &can);
        can &= st == ST_OK;
        TRY(all_of(link, &can)); /* also those that failed: the others wait for them here */
        TRY(st);
    }
    link->settled = true;
    return can ? ST_OK : exchange_lsa_give_up(&link->lsa);
}

static enum status may_post(struct nccl_link *link, struct queue *q)
{
    if (link->world->aborted)
        return fail(ST_COMM, "not posted, since a rank gave up");
    return link->settled ? ST_OK : settle(link, q);
}

static enum status takes(struct nccl_link *link, const struct exchange_lsa_move *move,
                         struct queue *q, bool *taken)
{
    TRY(may_post(link, q));
    *taken = link->lsa && exchange_lsa_takes(link->lsa, move);
    return ST_OK;
}

/* After a kernel was launched. */
static enum status note(struct nccl_link *link, struct queue *q)
{
    link->world->by_kernel = link->track->used = true;
    if (++link->exchanges % EXCHANGES_A_MARK > 0)
        return ST_OK;
    return watch_track_post(link->track, cuda_queue_of(q)->stream);
}

static enum status run(struct nccl_link *link, const struct exchange_lsa_move *move,
                       struct queue *q)
{
    TRY(exchange_lsa_run(link->lsa, move, q));
    return note(link, q);
}

enum status nccl_exchange(void *comm, bool to_heads, int n, const struct tensor *narrow,
                          const struct tensor *wide, int first_row, struct queue *q, bool *taken)
{
    struct nccl_link *link = comm;
    const struct exchange_lsa_move move = {
        .out = to_heads,
        .n = n,
        .narrow = narrow,
        .wide = wide,
        .first_row = first_row,
        .first_peer = link->rank,
        .peers = link->size,
    };
    TRY(takes(link, &move, q, taken));
    return *taken ? run(link, &move, q) : ST_OK;
}

static struct exchange_lsa_move move_of(const struct nccl_link *link, const struct comm_push *push)
{
    bool all = push->peer < 0;
    return (struct exchange_lsa_move){
        .out = true,
        .same = true,
        .n = push->n,
        .narrow = push->from,
        .wide = push->place,
        .first_row = push->first_row,
        .first_peer = all ? link->rank : push->peer,
        .peers = all ? link->size : 1,
    };
}

enum status nccl_push_takes(void *comm, const struct comm_push *push, struct queue *q, bool *taken)
{
    struct nccl_link *link = comm;
    const struct exchange_lsa_move move = move_of(link, push);
    return takes(link, &move, q, taken);
}

enum status nccl_push(void *comm, const struct comm_push *push, struct queue *q)
{
    struct nccl_link *link = comm;
    const struct exchange_lsa_move move = move_of(link, push);
    return run(link, &move, q);
}

enum status nccl_sum_takes(void *comm, const struct tensor *part, struct queue *q, bool *taken)
{
    struct nccl_link *link = comm;
    TRY(may_post(link, q));
    *taken = link->lsa && exchange_lsa_adds(link->lsa, part);
    return ST_OK;
}

enum status nccl_sum(void *comm, const struct tensor *out, const struct tensor *part,
                     struct queue *q)
{
    struct nccl_link *link = comm;
    TRY(exchange_lsa_sum(link->lsa, out, part, q));
    return note(link, q);
}

const char *nccl_exchange_form(void *comm)
{
    const struct nccl_link *link = comm;
    return link->world->by_kernel ? "lsa" : NULL;
}

enum status nccl_exchange_alloc(void *comm, size_t bytes, void **out, void **owner)
{
    struct nccl_link *link = comm;
    *out = NULL;
    return link->lsa ? exchange_lsa_alloc(link->lsa, bytes, out, owner) : ST_OK;
}
