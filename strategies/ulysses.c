/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ulysses: tokens are split; around attention they are exchanged for heads, so that each rank
 * attends over the whole sequence with its share of the heads. Exact. (DeepSpeed-Ulysses, Jacobs et
 * al. 2023.)
 */
#include "kernels/comm/exchange.h"
#include "strategies/strategy.h"

struct ulysses {
    struct comm *comm;
    int ranks, rank;
    int heads;                     /* of one rank inside the exchange, h */
    int *rows[TOKEN_SETS];         /* [plan_slots][ranks] rows of each rank, before the exchange */
    struct span *wide[TOKEN_SETS]; /* [plan_slots] tokens after it */
    struct tensor flat[4];         /* q, k, v, o after the exchange: room for [grids, W, h, D] */
    struct tensor staging;         /* flat, parts of other ranks */
};

static enum status ulysses_plan(struct strategy *me, struct plan *plan)
{
    TRY(plan_split_heads(plan, me->axis));
    TRY(plan_split_tokens(plan, me->axis, false));
    plan->rejoined |= 1u << me->axis;
    return plan_claim(plan, &plan->attend[ATTN_RESHARD], "exchange of tokens for heads", me);
}

/* What a tensor of a site sends on its way to heads (my n rows for everybody's heads) or back (my
 * heads of all W rows). */
static void exchange_volume(const struct strategy *me, const struct plan *plan, enum token_set set,
                            bool back, struct volume *out)
{
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    int n = plan_rows(plan, set, PLAN_OWN, NULL, PATCH_ALL);
    int W = plan_rows(plan, set, PLAN_WIDE, NULL, PATCH_ALL);
    uint64_t own = volume_heads_bytes(plan, n, plan->heads); /* my rows, one rank's heads */
    struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_TO_ALL, .calls = 1};
    whole.api_bytes = back ? volume_heads_bytes(plan, W, plan->heads) : own * P;
    whole.wire_bytes = whole.api_bytes - own;
    volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
}

static enum status ulysses_volume(const struct strategy *me, const struct plan *plan,
                                  struct volume *out)
{
    int first;
    int sites = plan_sites(plan, &first);
    for (int s = first; s < first + sites; s++) {
        struct dit_site site = dit_site_at(plan->problem.config, s);
        exchange_volume(me, plan, site.queries, false, out);
        exchange_volume(me, plan, site.keys, false, out);
        exchange_volume(me, plan, site.keys, false, out);
        exchange_volume(me, plan, site.queries, true, out);
    }
    return ST_OK;
}

static enum status set_init(struct ulysses *u, const struct strategy *me, struct run *run,
                            enum token_set set)
{
    const struct plan *plan = run_plan(run);
    size_t slots = (size_t)plan_slots(plan);
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    TRY(arena_host(arena, slots * (size_t)u->ranks * sizeof *u->rows[set], (void **)&u->rows[set]));
    TRY(arena_host(arena, slots * sizeof *u->wide[set], (void **)&u->wide[set]));
    for (int m = PATCH_ALL; m < plan->n_patches; m++) {
        int slot = plan_slot(m);
        TRY(plan_span(plan, set, PLAN_WIDE, NULL, m, arena, &u->wide[set][slot]));
        for (int r = 0; r < u->ranks; r++)
            u->rows[set][slot * u->ranks + r] = plan_peer_rows(plan, set, PLAN_OWN, me->axis, r, m);
    }
    return ST_OK;
}

static enum status ulysses_init(struct strategy *me, struct run *run)
{
    struct ulysses *u = me->state;
    const struct plan *plan = run_plan(run);
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    u->comm = run_comm(run, me->axis, 0);
    u->ranks = plan->mesh.size[me->axis];
    u->rank = plan->coord[me->axis];
    u->heads = plan->heads;
    for (int set = 0; set < TOKEN_SETS; set++)
        TRY(set_init(u, me, run, set));
    int64_t row = (int64_t)u->heads * plan->problem.config->head_dim;
    int64_t all = span_count(&u->wide[TOKENS_ALL][0]) * row;
    int64_t own = plan_rows(plan, TOKENS_ALL, PLAN_OWN, NULL, PATCH_ALL) * row;
    int64_t staging = comm_exchange_staging(3, u->ranks, u->rank, plan->n_grids, own, all);
    for (int i = 0; i < 4; i++)
        TRY(comm_exchange_tensor(u->comm, arena, plan->problem.dtype, plan->n_grids * all,
                                 &u->flat[i]));
    return run_tensor(run, ARENA_BUFFERS, 1, &staging, &u->staging);
}

/* A dense [grids, W, h, D] tensor in a flat buffer, for a set of tokens after the exchange. */
static struct tensor wide_in(const struct ulysses *u, int i, const struct attn_call *outer,
                             enum token_set set)
{
    const struct tensor *flat = &u->flat[i];
    const struct tensor *q = &outer->q;
    int64_t dim[4] = {q->dim[0], span_count(&u->wide[set][plan_slot(outer->patch)]), u->heads,
                      q->dim[3]};
    return tensor_of(flat->data, flat->dev, flat->dtype, 4, dim);
}

static const int *rows_in(const struct ulysses *u, const struct attn_call *call, enum token_set set)
{
    return u->rows[set] + plan_slot(call->patch) * u->ranks;
}

/* Queries go together with keys and values where they stand for the same tokens. */
static enum status to_heads(struct ulysses *u, const struct attn_call *call, struct attn_call *in)
{
    const struct tensor narrow[3] = {call->q, call->k, call->v};
    const struct tensor wide[3] = {in->q, in->k, in->v};
    const int *query_rows = rows_in(u, call, call->queries);
    const int *key_rows = rows_in(u, call, call->keys);
    struct comm_req req = {0};
    int together = call->queries == call->keys ? 3 : 1;
    TRY(comm_to_heads(u->comm, together, narrow, wide, query_rows, &u->staging, call->queue, &req));
    TRY(comm_wait(&req, call->queue));
    if (together == 3)
        return ST_OK;
    TRY(comm_to_heads(u->comm, 2, narrow + 1, wide + 1, key_rows, &u->staging, call->queue, &req));
    return comm_wait(&req, call->queue);
}

static enum status ulysses_attend(struct strategy *me, const struct attn_call *call)
{
    struct ulysses *u = me->state;
    struct comm_req req = {0};
    struct attn_call in = *call;
    BUG_ON(call->lse, "nothing outside the head exchange asks for a log-sum-exp");
    in.q = wide_in(u, 0, call, call->queries);
    in.k = wide_in(u, 1, call, call->keys);
    in.v = wide_in(u, 2, call, call->keys);
    in.o = wide_in(u, 3, call, call->queries);
    in.span = &u->wide[call->keys][plan_slot(call->patch)];
    TRY(to_heads(u, call, &in));
    TRY(attn_inner(me, &in));
    TRY(comm_to_tokens(u->comm, &in.o, &call->o, rows_in(u, call, call->queries), &u->staging,
                       call->queue, &req));
    return comm_wait(&req, call->queue);
}

const struct strategy_ops strategy_ulysses = {
    .name = "ulysses",
    .kind = &kind_transformer,
    .summary = "tokens are split; exchanged for heads around attention",
    .paper = "DeepSpeed-Ulysses (2309.14509)",
    .seam = "attend: reshard",
    .bytes = "4(N-1)/N * A/N * L",
    .memory = "activations / N; weights whole",
    .state_size = sizeof(struct ulysses),
    .plan = ulysses_plan,
    .volume = ulysses_volume,
    .init = ulysses_init,
    .attend = ulysses_attend,
};
