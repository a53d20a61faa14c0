/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor parallel: heads and the MLP's hidden width are split, partial sums completed twice in a
 * block. Exact up to the order of sums. Norms, embeddings and cross-attention on text are
 * replicated. (Megatron-LM: Shoeybi et al. 2019.)
 */
#include "strategies/registry.h"
#include "strategies/strategy.h"

struct tensor_parallel {
    struct comm *comm;
    struct tensor scratch; /* flat, B*n*C */
};

static enum status tensor_plan(struct strategy *me, struct plan *plan)
{
    const struct dit_config *c = plan->problem.config;
    int n = plan->mesh.size[me->axis];
    char heads[200];
    if (plan->heads % n != 0)
        return plan_refuse("tensor=%d does not divide %d heads; legal degrees: %s", n, plan->heads,
                           plan_divisors(plan->heads, heads, sizeof heads));
    if (c->mlp % n != 0)
        return plan_refuse(
            "tensor=%d does not divide the MLP's width of %d; legal degrees divide it and %d heads",
            n, c->mlp, plan->heads);
    plan->shard.part = plan->coord[me->axis];
    plan->shard.parts = n;
    plan->heads /= n;
    return plan_claim(plan, &plan->row_linear, "partial sums", me);
}

/* Two all-reduces of [B, n, C] in a layer; a ring moves 2(P-1)/P of the buffer. C divides by the
 * heads, so by P. */
static enum status tensor_volume(const struct strategy *me, const struct plan *plan,
                                 struct volume *out)
{
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    uint64_t sums = 2 * (uint64_t)plan_layers(plan);
    struct span span;
    plan_span(plan, NULL, PATCH_ALL, &span);
    uint64_t buffer = plan_heads_bytes(plan, span_count(&span), plan->problem.config->heads);
    volume_add_steps(out, plan, me->axis, COMM_ALL_REDUCE, sums, sums * buffer,
                     sums * (buffer / P * (P - 1) * 2), false);
    return ST_OK;
}

static enum status tensor_init(struct strategy *me, struct run *run)
{
    struct tensor_parallel *tp = me->state;
    struct tensor h = run_hidden(run, PATCH_ALL);
    int64_t count = tensor_count(&h);
    tp->comm = run_comm(run, me->axis, 0);
    return run_tensor(run, ARENA_BUFFERS, 1, &count, &tp->scratch);
}

static enum status tensor_row_linear(struct strategy *me, int layer, enum dit_site site,
                                     struct tensor *y, const struct tensor *x,
                                     const struct tensor *w, struct queue *q)
{
    struct tensor_parallel *tp = me->state;
    struct comm_req req = {0};
    struct tensor scratch = tensor_of(tp->scratch.data, y->dev, y->dtype, y->ndim, y->dim);
    (void)layer;
    (void)site;
    TRY(op_linear(q, y, x, w, NULL, ACT_NONE));
    TRY(comm_all_reduce(tp->comm, y, &scratch, q, &req));
    return comm_wait(&req, q);
}

const struct strategy_ops strategy_tensor = {
    .name = "tensor",
    .summary = "heads and MLP columns are split; partial sums are completed twice in a block",
    .paper = "Megatron-LM (1909.08053)",
    .seam = "row_linear",
    .bytes = "4(N-1)/N * A * L",
    .memory = "weights / N; activations of rows whole",
    .reorders_sums = true,
    .state_size = sizeof(struct tensor_parallel),
    .plan = tensor_plan,
    .volume = tensor_volume,
    .init = tensor_init,
    .row_linear = tensor_row_linear,
};
