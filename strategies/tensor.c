/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor parallel: heads and the MLP's hidden width are split, partial sums completed behind
 * attention and behind the MLP of each stream, or once where both are one product. Exact up to the
 * order of sums. Norms, embeddings, modulation and cross-attention on text are replicated.
 * (Megatron-LM: Shoeybi et al. 2019.)
 */
#include "kernels/comm/exchange.h"
#include "kernels/comm/sum.h"
#include "strategies/strategy.h"

struct tensor_parallel {
    struct comm *comm;
    struct tensor scratch; /* flat, B*n*C; of comm_exchange_tensor */
};

/* ---- plan ---- */

static enum status tensor_plan(struct strategy *me, struct plan *plan)
{
    const struct dit_config *c = plan->problem.config;
    int n = plan->mesh.size[me->axis];
    TRY(plan_split_heads(plan, me->axis));
    if (c->mlp % n != 0)
        return plan_refuse(
            "tensor=%d does not divide the MLP's width of %d; legal degrees divide it and %d heads",
            n, c->mlp, plan->heads * n);
    plan->shard.part = plan->coord[me->axis];
    plan->shard.parts = n;
    return plan_claim(plan, &plan->row_linear, "partial sums", me);
}

/* What the products of this rank's blocks send in a pass over a patch: an all-reduce of [lanes,
 * rows, C] for each. A ring moves 2(P-1)/P of a buffer. C divides by the heads, so by P. */
static void add_pass(const struct strategy *me, const struct plan *plan, int patch,
                     struct volume_line *line)
{
    const struct dit_config *c = plan->problem.config;
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    for (int l = plan->shard.layer_begin; l < plan->shard.layer_end; l++) {
        struct dit_reduction all[DIT_MOST_REDUCTIONS];
        int n = dit_config_reductions(c, l, all);
        for (int i = 0; i < n; i++) {
            int64_t rows = plan_rows(plan, all[i].rows, PLAN_OWN, NULL, patch);
            uint64_t bytes = volume_heads_bytes(plan, rows, c->heads);
            if (rows == 0)
                continue;
            line->calls++;
            line->api_bytes += bytes;
            line->wire_bytes += bytes / P * (P - 1) * 2;
        }
    }
}

static enum status tensor_volume(const struct strategy *me, const struct plan *plan,
                                 struct volume *out)
{
    struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_REDUCE, .when = COMM_WARMUP_STEP};
    struct volume_line patches = {.axis = me->axis, .op = COMM_ALL_REDUCE, .when = COMM_STEP};
    add_pass(me, plan, PATCH_ALL, &whole);
    if (plan_steps_of(plan, me->axis, whole.when) > 0)
        volume_add(out, &whole);
    for (int m = 0; m < plan->n_patches; m++)
        add_pass(me, plan, m, &patches);
    if (plan_steps_of(plan, me->axis, patches.when) > 0)
        volume_add(out, &patches);
    return ST_OK;
}

/* ---- run ---- */

static enum status tensor_init(struct strategy *me, struct run *run)
{
    struct tensor_parallel *tp = me->state;
    struct tensor h = run_hidden(run, PATCH_ALL);
    int64_t count = tensor_count(&h);
    tp->comm = run_comm(run, me->axis, 0);
    return comm_exchange_tensor(tp->comm, run_arena(run, ARENA_BUFFERS), h.dtype, count,
                                &tp->scratch);
}

static enum status tensor_row_linear(struct strategy *me, struct tensor *y, const struct tensor *x,
                                     const struct tensor *w, struct queue *q)
{
    struct tensor_parallel *tp = me->state;
    struct tensor scratch = tensor_of(tp->scratch.data, y->dev, y->dtype, y->ndim, y->dim);
    struct comm_req req = {0};
    bool at_once;
    TRY(comm_sum_takes(tp->comm, &scratch, q, &at_once));
    TRY(op_linear(q, at_once ? &scratch : y, x, w, NULL, ACT_NONE));
    if (at_once)
        return comm_sum(tp->comm, y, &scratch, q);
    TRY(comm_all_reduce(tp->comm, y, &scratch, q, &req));
    return comm_wait(&req, q);
}

const struct strategy_ops strategy_tensor = {
    .name = "tensor",
    .kind = &kind_transformer,
    .summary =
        "heads and MLP columns are split; partial sums are completed behind attention and MLP",
    .paper = "Megatron-LM (1909.08053)",
    .seam = "row_linear",
    .bytes = "2(N-1)/N * A * products",
    .memory = "weights / N; activations of rows whole",
    .reorders_sums = true,
    .state_size = sizeof(struct tensor_parallel),
    .plan = tensor_plan,
    .volume = tensor_volume,
    .init = tensor_init,
    .row_linear = tensor_row_linear,
};
