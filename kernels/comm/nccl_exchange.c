/* SPDX-License-Identifier: Apache-2.0 */
/* The NCCL transport's exchange of heads by one kernel (kernels/cuda/exchange_lsa.h), where it is
 * asked for; messages are comm/exchange.c's. */
#include "kernels/comm/nccl_link.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/cuda/exchange_lsa.h"

/* The watch of waits sees every eighth exchange by one kernel: a mark is a launch of its own. */
enum { EXCHANGES_A_MARK = 8 };

enum status nccl_exchange(void *comm, bool to_heads, int n, const struct tensor *narrow,
                          const struct tensor *wide, int first_row, struct queue *q, bool *taken)
{
    struct nccl_link *link = comm;
    *taken = false;
    if (!link->lsa)
        return ST_OK;
    TRY(exchange_lsa_run(link->lsa, to_heads, n, narrow, wide, first_row, q, taken));
    if (!*taken)
        return ST_OK;
    link->world->by_kernel = link->track->used = true;
    if (++link->exchanges % EXCHANGES_A_MARK > 0)
        return ST_OK;
    return watch_track_post(link->track, cuda_queue_of(q)->stream);
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
