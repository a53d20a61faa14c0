/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ulysses: tokens are split; around attention they are exchanged for heads, so that each rank
 * attends over the whole sequence with its share of the heads. Exact. (DeepSpeed-Ulysses, Jacobs et
 * al. 2023.)
 */
#include "strategies/registry.h"
#include "strategies/strategy.h"

enum { ULYSSES_MAX = 128 };

struct ulysses {
    struct comm *comm;
    int ranks, rank;
    int heads;                /* of one rank inside the exchange, h */
    int *rows;                /* [1 + n_patches][ranks] rows of each rank, before the exchange */
    struct span *wide;        /* [1 + n_patches] tokens after it */
    struct tensor q, k, v, o; /* flat, [B, wide rows, h, D] */
    struct tensor send, recv; /* flat, one block for each peer */
};

static enum status ulysses_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    char legal[200];
    if (plan->heads % n != 0 || n > ULYSSES_MAX)
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
    struct span mine;
    struct span wide;
    plan_span(plan, NULL, PATCH_ALL, &mine);
    plan_span_wide(plan, NULL, PATCH_ALL, &wide);
    int n = span_count(&mine);
    int W = span_count(&wide);
    uint64_t slice = plan_heads_bytes(plan, n, plan->heads); /* my rows, one rank's heads */
    uint64_t api = 3 * slice * P + plan_heads_bytes(plan, W, plan->heads);
    uint64_t wire = 3 * slice * (P - 1) + plan_heads_bytes(plan, W - n, plan->heads);
    volume_add_steps(out, plan, me->axis, COMM_ALL_TO_ALL, 4 * L, L * api, L * wire, false);
    return ST_OK;
}

static enum status rows_init(struct ulysses *u, const struct strategy *me, struct run *run)
{
    const struct plan *plan = run_plan(run);
    size_t slots = (size_t)plan->n_patches + 1;
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    TRY(arena_host(arena, slots * (size_t)u->ranks * sizeof *u->rows, (void **)&u->rows));
    TRY(arena_host(arena, slots * sizeof *u->wide, (void **)&u->wide));
    for (int m = PATCH_ALL; m < plan->n_patches; m++) {
        int coord[MESH_MAX_AXES];
        plan_span_wide(plan, NULL, m, &u->wide[m + 1]);
        for (int a = 0; a < plan->mesh.n_axes; a++)
            coord[a] = plan->coord[a];
        for (int r = 0; r < u->ranks; r++) {
            struct span span;
            coord[me->axis] = r;
            plan_span(plan, coord, m, &span);
            u->rows[(m + 1) * u->ranks + r] = span_count(&span);
        }
    }
    return ST_OK;
}

static enum status ulysses_init(struct strategy *me, struct run *run)
{
    struct ulysses *u = me->state;
    const struct plan *plan = run_plan(run);
    u->comm = run_comm(run, me->axis, 0);
    u->ranks = plan->mesh.size[me->axis];
    u->rank = plan->coord[me->axis];
    u->heads = plan->heads;
    TRY(rows_init(u, me, run));
    int64_t row = (int64_t)plan->n_lanes * u->heads * plan->problem.config->head_dim;
    int64_t wide = span_count(&u->wide[0]) * row;
    int64_t narrow = run_rows(run, PATCH_ALL) * row * u->ranks;
    int64_t wire = wide > narrow ? wide : narrow;
    struct tensor *staging[4] = {&u->q, &u->k, &u->v, &u->o};
    for (int i = 0; i < 4; i++)
        TRY(run_tensor(run, ARENA_BUFFERS, 1, &wide, staging[i]));
    TRY(run_tensor(run, ARENA_BUFFERS, 1, &wire, &u->send));
    return run_tensor(run, ARENA_BUFFERS, 1, &wire, &u->recv);
}

/* A dense [B, rows, h, D] block at element `at` of a flat tensor; moves `at` behind it. */
static struct tensor block_at(const struct ulysses *u, const struct tensor *flat,
                              const struct tensor *like, int rows, int64_t *at)
{
    int64_t dim[4] = {like->dim[0], rows, u->heads, like->dim[3]};
    char *data = (char *)flat->data + *at * (int64_t)dtype_size(flat->dtype);
    *at += dim[0] * dim[1] * dim[2] * dim[3];
    return tensor_of(data, flat->dev, flat->dtype, 4, dim);
}

/* x [B, n, P*h, D] of my rows -> flat `wide` as [B, W, h, D] of everybody's rows. */
static enum status to_heads(struct ulysses *u, const struct attn_call *c, const struct tensor *x,
                            const struct tensor *wide_flat, struct tensor *wide)
{
    const int *rows = u->rows + (c->patch + 1) * u->ranks;
    struct tensor send[ULYSSES_MAX];
    struct tensor recv[ULYSSES_MAX];
    struct comm_req req = {0};
    int64_t out = 0;
    int64_t in = 0;
    int64_t zero = 0;
    for (int r = 0; r < u->ranks; r++) {
        struct tensor heads = tensor_slice(x, 2, (int64_t)r * u->heads, u->heads);
        send[r] = block_at(u, &u->send, x, rows[u->rank], &out);
        recv[r] = block_at(u, &u->recv, x, rows[r], &in);
        TRY(op_copy(c->queue, &send[r], &heads));
    }
    TRY(comm_all_to_all(u->comm, send, recv, c->queue, &req));
    TRY(comm_wait(&req, c->queue));
    *wide = block_at(u, wide_flat, x, span_count(&u->wide[c->patch + 1]), &zero);
    for (int r = 0, row = 0; r < u->ranks; row += rows[r++]) {
        struct tensor part = tensor_slice(wide, 1, row, rows[r]);
        TRY(op_copy(c->queue, &part, &recv[r]));
    }
    return ST_OK;
}

/* The way back: o [B, W, h, D] -> out [B, n, P*h, D]. */
static enum status to_tokens(struct ulysses *u, const struct attn_call *c, const struct tensor *o)
{
    const int *rows = u->rows + (c->patch + 1) * u->ranks;
    struct tensor send[ULYSSES_MAX];
    struct tensor recv[ULYSSES_MAX];
    struct comm_req req = {0};
    int64_t out = 0;
    int64_t in = 0;
    for (int r = 0, row = 0; r < u->ranks; row += rows[r++]) {
        struct tensor part = tensor_slice(o, 1, row, rows[r]);
        send[r] = block_at(u, &u->send, o, rows[r], &out);
        recv[r] = block_at(u, &u->recv, o, rows[u->rank], &in);
        TRY(op_copy(c->queue, &send[r], &part));
    }
    TRY(comm_all_to_all(u->comm, send, recv, c->queue, &req));
    TRY(comm_wait(&req, c->queue));
    for (int r = 0; r < u->ranks; r++) {
        struct tensor heads = tensor_slice(&c->o, 2, (int64_t)r * u->heads, u->heads);
        TRY(op_copy(c->queue, &heads, &recv[r]));
    }
    return ST_OK;
}

static enum status ulysses_attend(struct strategy *me, const struct attn_call *call)
{
    struct ulysses *u = me->state;
    struct attn_call in = *call;
    int64_t zero = 0;
    BUG_ON(call->lse, "nothing outside the head exchange asks for a log-sum-exp");
    in.span = &u->wide[call->patch + 1];
    TRY(to_heads(u, call, &call->q, &u->q, &in.q));
    TRY(to_heads(u, call, &call->k, &u->k, &in.k));
    TRY(to_heads(u, call, &call->v, &u->v, &in.v));
    in.o = block_at(u, &u->o, &call->q, span_count(in.span), &zero);
    TRY(attn_inner(me, &in));
    return to_tokens(u, call, &in.o);
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
