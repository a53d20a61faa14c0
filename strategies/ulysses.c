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
    int heads;             /* of one rank inside the exchange, h */
    int *rows;             /* [plan_slots][ranks] rows of each rank, before the exchange */
    struct span *wide;     /* [plan_slots] tokens after it */
    struct tensor flat[4]; /* q, k, v, o after the exchange: room for [B, W, h, D] */
    struct tensor staging; /* flat, parts of other ranks */
};

static enum status ulysses_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    char legal[200];
    if (plan->heads % n != 0)
        return plan_refuse("ulysses=%d does not divide %d heads; legal degrees: %s", n, plan->heads,
                           plan_divisors(plan->heads, legal, sizeof legal));
    TRY(plan_split_tokens(plan, me->axis, false));
    plan->heads /= n;
    plan->rejoined |= 1u << me->axis;
    return plan_claim(plan, &plan->attend[ATTN_RESHARD], "exchange of tokens for heads", me);
}

/* Three exchanges of my n rows with all P*h heads, one back of all W rows with h heads, in every
 * layer. */
static enum status ulysses_volume(const struct strategy *me, const struct plan *plan,
                                  struct volume *out)
{
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    uint64_t L = (uint64_t)plan_layers(plan);
    int n = plan_rows(plan, PLAN_OWN, NULL, PATCH_ALL);
    int W = plan_rows(plan, PLAN_WIDE, NULL, PATCH_ALL);
    uint64_t slice = volume_heads_bytes(plan, n, plan->heads); /* my rows, one rank's heads */
    struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_TO_ALL, .calls = 4 * L};
    whole.api_bytes = L * (3 * slice * P + volume_heads_bytes(plan, W, plan->heads));
    whole.wire_bytes = L * (3 * slice * (P - 1) + volume_heads_bytes(plan, W - n, plan->heads));
    volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
    return ST_OK;
}

static enum status rows_init(struct ulysses *u, const struct strategy *me, struct run *run)
{
    const struct plan *plan = run_plan(run);
    size_t slots = (size_t)plan_slots(plan);
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    TRY(arena_host(arena, slots * (size_t)u->ranks * sizeof *u->rows, (void **)&u->rows));
    TRY(arena_host(arena, slots * sizeof *u->wide, (void **)&u->wide));
    for (int m = PATCH_ALL; m < plan->n_patches; m++) {
        int slot = plan_slot(m);
        TRY(plan_span(plan, PLAN_WIDE, NULL, m, arena, &u->wide[slot]));
        for (int r = 0; r < u->ranks; r++)
            u->rows[slot * u->ranks + r] = plan_peer_rows(plan, PLAN_OWN, me->axis, r, m);
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
    TRY(rows_init(u, me, run));
    int64_t row = (int64_t)plan->n_lanes * u->heads * plan->problem.config->head_dim;
    int64_t wide = span_count(&u->wide[0]) * row;
    int64_t block = run_rows(run, PATCH_ALL) * row;
    int64_t staging = comm_exchange_staging(3, u->ranks, u->rank, block);
    for (int i = 0; i < 4; i++)
        TRY(comm_exchange_tensor(u->comm, arena, plan->problem.dtype, wide, &u->flat[i]));
    return run_tensor(run, ARENA_BUFFERS, 1, &staging, &u->staging);
}

/* A dense [B, W, h, D] tensor in a flat buffer, for a call's tokens after the exchange. */
static struct tensor wide_in(const struct tensor *flat, const struct attn_call *outer,
                             const struct ulysses *u)
{
    const struct tensor *q = &outer->q;
    int64_t dim[4] = {q->dim[0], span_count(&u->wide[plan_slot(outer->patch)]), u->heads,
                      q->dim[3]};
    return tensor_of(flat->data, flat->dev, flat->dtype, 4, dim);
}

static enum status ulysses_attend(struct strategy *me, const struct attn_call *call)
{
    struct ulysses *u = me->state;
    const int *rows = u->rows + plan_slot(call->patch) * u->ranks;
    const struct tensor narrow[3] = {call->q, call->k, call->v};
    struct tensor wide[3];
    struct comm_req req = {0};
    struct attn_call in = *call;
    BUG_ON(call->lse, "nothing outside the head exchange asks for a log-sum-exp");
    for (int i = 0; i < 3; i++)
        wide[i] = wide_in(&u->flat[i], call, u);
    TRY(comm_to_heads(u->comm, 3, narrow, wide, rows, &u->staging, call->queue, &req));
    TRY(comm_wait(&req, call->queue));
    in.span = &u->wide[plan_slot(call->patch)];
    in.q = wide[0];
    in.k = wide[1];
    in.v = wide[2];
    in.o = wide_in(&u->flat[3], call, u);
    TRY(attn_inner(me, &in));
    TRY(comm_to_tokens(u->comm, &in.o, &call->o, rows, &u->staging, call->queue, &req));
    return comm_wait(&req, call->queue);
}

const struct strategy_ops strategy_ulysses = {
    .name = "ulysses",
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
