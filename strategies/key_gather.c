/* SPDX-License-Identifier: Apache-2.0 */
/* All-gathers of keys and values, grid by grid. */
#include "strategies/key_gather.h"

#include "kernels/comm/exchange.h"
#include "kernels/comm/push.h"

void key_gather_volume(const struct strategy *me, const struct plan *plan, enum token_set keys,
                       struct volume *out)
{
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    int rows = plan_rows(plan, keys, PLAN_KEYS, NULL, PATCH_ALL);
    struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_GATHER};
    whole.calls = 2 * (uint64_t)plan->n_grids;
    whole.api_bytes = 2 * volume_heads_bytes(plan, rows, plan->heads);
    whole.wire_bytes = whole.api_bytes * (P - 1);
    /* a store's shares go again for each patch; without a store there is one */
    volume_add_steps(out, plan, &whole, VOLUME_BY_PASS);
}

static enum status begin_init(struct key_gather *g, const struct strategy *me, struct run *run)
{
    for (int set = 0; set < TOKEN_SETS; set++) {
        size_t bytes = ((size_t)g->ranks + 1) * sizeof *g->begin[set];
        TRY(arena_host(run_arena(run, ARENA_BUFFERS), bytes, (void **)&g->begin[set]));
        plan_peer_begins(run_plan(run), set, PLAN_KEYS, me->axis, g->begin[set]);
    }
    return ST_OK;
}

enum status key_gather_open(struct key_gather *g, const struct strategy *me, struct run *run,
                            int grids)
{
    const struct plan *plan = run_plan(run);
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    g->comm = run_comm(run, me->axis, 0);
    g->ranks = plan->mesh.size[me->axis];
    g->rank = plan->coord[me->axis];
    TRY(begin_init(g, me, run));
    TRY(arena_host(arena, (size_t)g->ranks * sizeof *g->part, (void **)&g->part));
    int64_t count = (int64_t)grids * g->begin[TOKENS_ALL][g->ranks] * plan->heads *
                    problem_facts(&plan->problem).head_dim;
    TRY(comm_exchange_tensor(g->comm, arena, plan->problem.dtype, count, &g->k));
    return comm_exchange_tensor(g->comm, arena, plan->problem.dtype, count, &g->v);
}

/* My rows go to their place among all, and from there to everybody, grid by grid: a rank's rows of
 * a grid lie together. */
static enum status post_gather(struct key_gather *g, const int *begin, const struct tensor *mine,
                               const struct tensor *all, struct queue *q, struct comm_req *req)
{
    struct tensor own = tensor_slice(all, 1, begin[g->rank], mine->dim[1]);
    TRY(op_copy(q, &own, mine));
    for (int64_t b = 0; b < all->dim[0]; b++) {
        struct tensor grid = tensor_at(all, b);
        for (int r = 0; r < g->ranks; r++)
            g->part[r] = tensor_slice(&grid, 0, begin[r], begin[r + 1] - begin[r]);
        TRY(comm_all_gather(g->comm, &g->part[g->rank], g->part, q, req));
    }
    return ST_OK;
}

/* [grids, keys of all ranks, h, D] in a flat buffer. */
static struct tensor all_keys(const struct tensor *flat, const struct tensor *mine, int rows)
{
    int64_t dim[4] = {mine->dim[0], rows, mine->dim[2], mine->dim[3]};
    return tensor_of(flat->data, flat->dev, flat->dtype, 4, dim);
}

/* By the transport's own operation, where it has one, or by messages. */
static enum status gather(struct key_gather *g, const struct attn_call *mine,
                          const struct attn_call *all)
{
    const int *begin = g->begin[mine->keys];
    const struct tensor from[2] = {mine->k, mine->v}, place[2] = {all->k, all->v};
    const struct comm_push push = {.op = COMM_ALL_GATHER,
                                   .peer = -1,
                                   .n = 2,
                                   .from = from,
                                   .place = place,
                                   .first_row = begin[g->rank]};
    struct comm_req req = {0};
    bool taken;
    TRY(comm_push(g->comm, &push, mine->queue, &taken));
    if (taken)
        return ST_OK;
    TRY(comm_group_begin(g->comm));
    TRY(post_gather(g, begin, &mine->k, &all->k, mine->queue, &req));
    TRY(post_gather(g, begin, &mine->v, &all->v, mine->queue, &req));
    TRY(comm_group_end(g->comm));
    return comm_wait(&req, mine->queue);
}

enum status key_gather_attend(struct key_gather *g, struct strategy *me,
                              const struct attn_call *call)
{
    const int *begin = g->begin[call->keys];
    struct attn_call in = *call;
    in.k = all_keys(&g->k, &call->k, begin[g->ranks]);
    in.v = all_keys(&g->v, &call->v, begin[g->ranks]);
    TRY(gather(g, call, &in));
    return attn_inner(me, &in);
}
