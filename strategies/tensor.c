/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor parallel: heads and the MLP's hidden width are split, partial sums completed twice in a
 * block. A product comes in chunks of rows, whose sums travel while the next ones are computed.
 * Exact up to the order of sums. Norms, embeddings and cross-attention on text are replicated.
 * (Megatron-LM: Shoeybi et al. 2019.)
 */
#include "strategies/strategy.h"

struct tensor_parallel {
    struct comm *comm;
    struct comm_req req;   /* the sums of one product's chunks */
    struct tensor scratch; /* flat, B*n*C */
};

/* What the time of a chunk is reckoned by: about that of GPUs with matrix units and NVLink (H200,
 * bf16), the only ones where a sum hides at all. Host transports complete it in its call; there,
 * and wherever the rates are wrong, chunks cost a little time and never the result. */
enum {
    FLOPS_PER_NS = 360000, /* of a product */
    BYTES_PER_NS = 320,    /* of a sum, as they leave a rank */
    PRODUCT_NS = 8000,     /* what any product costs: its start, its last tiles */
    SUM_NS = 20000,        /* what any sum costs */
    MOST_BY_RULE = 8,
};

static const struct spec_option tensor_options[] = {
    {.name = "chunks", .summary = "chunks of rows of a product (by its size)", .min = 1},
    {0},
};

/* ---- chunks ---- */

/* From the start of the first product to the end of the last sum, two stages of a pipe. */
static int64_t pipe_ns(int64_t flops, int64_t wire_bytes, int chunks)
{
    int64_t product = PRODUCT_NS + flops / chunks / FLOPS_PER_NS;
    int64_t sum = SUM_NS + wire_bytes / chunks / BYTES_PER_NS;
    return product + (chunks - 1) * (product > sum ? product : sum) + sum;
}

/* Chunks of a product of `rows` rows, those of all lanes, and `inner` columns of x: as given, or
 * the count that takes the least time. From the plan alone, so that ranks and predictions agree. */
static int64_t chunk_count(const struct strategy *me, const struct plan *plan, int64_t rows,
                           int64_t inner)
{
    int64_t C = dit_channels(plan->problem.config);
    int64_t P = plan->mesh.size[me->axis];
    int64_t flops = 2 * rows * inner * C;
    int64_t wire = 2 * (P - 1) * (rows * C / P) * (int64_t)dtype_size(plan->problem.dtype);
    int chunks = spec_option_value(me->item, "chunks", 0);
    if (chunks == 0) {
        chunks = 1;
        for (int k = 2; k <= MOST_BY_RULE; k *= 2)
            if (pipe_ns(flops, wire, k) < pipe_ns(flops, wire, chunks))
                chunks = k;
    }
    return chunks < rows ? chunks : rows;
}

/* Rows of a flat [rows, width] tensor: the i-th of n chunks, which differ by at most one row. */
static struct tensor chunk_of(const struct tensor *flat, int64_t i, int64_t n)
{
    int64_t begin = flat->dim[0] * i / n;
    return tensor_slice(flat, 0, begin, flat->dim[0] * (i + 1) / n - begin);
}

/* ---- plan ---- */

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

/* All-reduces of one pass over a patch: a product after attention and one after the MLP in each
 * layer, each in its chunks. */
static uint64_t pass_calls(const struct strategy *me, const struct plan *plan, int patch)
{
    const struct dit_config *c = plan->problem.config;
    int64_t parts = plan->shard.parts;
    int64_t rows = (int64_t)plan->n_lanes * plan_rows(plan, PLAN_OWN, NULL, patch);
    int64_t chunks = chunk_count(me, plan, rows, dit_channels(c) / parts) +
                     chunk_count(me, plan, rows, c->mlp / parts);
    return (uint64_t)(chunks * plan_layers(plan));
}

/* All-reduces of two buffers [B, n, C] in a layer, whatever the chunks; a ring moves 2(P-1)/P of a
 * buffer. C divides by the heads, so by P, and with it every chunk. */
static enum status tensor_volume(const struct strategy *me, const struct plan *plan,
                                 struct volume *out)
{
    uint64_t P = (uint64_t)plan->mesh.size[me->axis];
    int rows = plan_rows(plan, PLAN_OWN, NULL, PATCH_ALL);
    struct volume_line line = {.axis = me->axis, .op = COMM_ALL_REDUCE};
    line.api_bytes = 2 * (uint64_t)plan_layers(plan) *
                     volume_heads_bytes(plan, rows, plan->problem.config->heads);
    line.wire_bytes = line.api_bytes / P * (P - 1) * 2;
    line.when = COMM_WARMUP_STEP;
    line.calls = pass_calls(me, plan, PATCH_ALL);
    if (plan_steps_of(plan, me->axis, line.when) > 0)
        volume_add(out, &line);
    line.when = COMM_STEP;
    line.calls = 0;
    for (int m = 0; m < plan->n_patches; m++)
        line.calls += pass_calls(me, plan, m);
    if (plan_steps_of(plan, me->axis, line.when) > 0)
        volume_add(out, &line);
    return ST_OK;
}

/* ---- run ---- */

static enum status tensor_init(struct strategy *me, struct run *run)
{
    struct tensor_parallel *tp = me->state;
    struct tensor h = run_hidden(run, PATCH_ALL);
    int64_t count = tensor_count(&h);
    tp->comm = run_comm(run, me->axis, 0);
    return run_tensor(run, ARENA_BUFFERS, 1, &count, &tp->scratch);
}

static enum status tensor_row_linear(struct strategy *me, struct tensor *y, const struct tensor *x,
                                     const struct tensor *w, struct queue *q)
{
    struct tensor_parallel *tp = me->state;
    struct tensor y_rows = tensor_merge(y, 0); /* [B*N, C] */
    struct tensor x_rows = tensor_merge(x, 0); /* [B*N, I/P] */
    struct tensor scratch = tensor_of(tp->scratch.data, y->dev, y->dtype, 2, y_rows.dim);
    int64_t n = chunk_count(me, run_plan(me->run), x_rows.dim[0], x_rows.dim[1]);
    for (int64_t i = 0; i < n; i++) {
        struct tensor to = chunk_of(&y_rows, i, n);
        struct tensor from = chunk_of(&x_rows, i, n);
        struct tensor landing = chunk_of(&scratch, i, n);
        TRY(op_linear(q, &to, &from, w, NULL, ACT_NONE)); /* while the chunk before travels */
        TRY(comm_all_reduce(tp->comm, &to, &landing, q, &tp->req));
    }
    return comm_wait(&tp->req, q);
}

const struct strategy_ops strategy_tensor = {
    .name = "tensor",
    .summary = "heads and MLP columns are split; partial sums are completed twice in a block",
    .paper = "Megatron-LM (1909.08053)",
    .seam = "row_linear",
    .bytes = "4(N-1)/N * A * L",
    .memory = "weights / N; activations of rows whole",
    .reorders_sums = true,
    .options = tensor_options,
    .state_size = sizeof(struct tensor_parallel),
    .plan = tensor_plan,
    .volume = tensor_volume,
    .init = tensor_init,
    .row_linear = tensor_row_linear,
};
