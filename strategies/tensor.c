/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor parallel: heads and the MLP's hidden width are split, partial sums completed behind
 * attention and behind the MLP of each stream, or once where both are one product. A product comes
 * in chunks of rows, whose sums travel while the next ones are computed. Exact up to the order of
 * sums. Norms, embeddings, modulation and cross-attention on text are replicated. (Megatron-LM:
 * Shoeybi et al. 2019.)
 */
#include "kernels/comm/exchange.h"
#include "kernels/comm/sum.h"
#include "strategies/strategy.h"

struct tensor_parallel {
    struct comm *comm;
    struct comm_req req;   /* the sums of one product's chunks */
    struct tensor scratch; /* flat, B*n*C; of comm_exchange_tensor */
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
 * rows, C] for each, in its chunks. A ring moves 2(P-1)/P of a buffer. C divides by the heads, so
 * by P, and with it every chunk. */
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
            int64_t flat = (int64_t)plan->n_grids * rows;
            uint64_t bytes = volume_heads_bytes(plan, rows, c->heads);
            if (rows == 0)
                continue;
            line->calls += (uint64_t)chunk_count(me, plan, flat, all[i].width / (int)P);
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

/* y [count, C] := rows [begin, begin+count) of all lanes' rows of x, lanes at any distance, times
 * w: lane by lane. */
static enum status rows_linear(const struct tensor *y, const struct tensor *x, int64_t begin,
                               const struct tensor *w, struct queue *q)
{
    int64_t rows = x->dim[1];
    for (int64_t done = 0; done < y->dim[0];) {
        int64_t lane = (begin + done) / rows, row = (begin + done) % rows;
        int64_t here = y->dim[0] - done < rows - row ? y->dim[0] - done : rows - row;
        struct tensor all = tensor_at(x, lane);
        struct tensor from = tensor_slice(&all, 0, row, here);
        struct tensor to = tensor_slice(y, 0, done, here);
        TRY(op_linear(q, &to, &from, w, NULL, ACT_NONE));
        done += here;
    }
    return ST_OK;
}

/* The same, at once where lanes allow it. */
static enum status product(const struct tensor *y, const struct tensor *x, int64_t begin,
                           const struct tensor *w, struct queue *q)
{
    bool together = x->stride[0] == x->dim[1] * x->stride[1]; /* all lanes' rows at one distance */
    struct tensor to = *y;
    if (!together)
        return rows_linear(y, x, begin, w, q);
    struct tensor x_rows = tensor_merge(x, 0);
    struct tensor from = tensor_slice(&x_rows, 0, begin, y->dim[0]);
    return op_linear(q, &to, &from, w, NULL, ACT_NONE);
}

static enum status tensor_row_linear(struct strategy *me, struct tensor *y, const struct tensor *x,
                                     const struct tensor *w, struct queue *q)
{
    struct tensor_parallel *tp = me->state;
    struct tensor y_rows = tensor_merge(y, 0); /* [B*N, C] */
    int64_t rows = y_rows.dim[0];
    struct tensor scratch = tensor_of(tp->scratch.data, y->dev, y->dtype, 2, y_rows.dim);
    int64_t n = chunk_count(me, run_plan(me->run), rows, x->dim[2]);
    bool at_once;
    TRY(comm_sum_takes(tp->comm, &scratch, q, &at_once));
    if (at_once) {
        TRY(product(&scratch, x, 0, w, q));
        return comm_sum(tp->comm, &y_rows, &scratch, n, q);
    }
    for (int64_t i = 0; i < n; i++) {
        struct tensor to = chunk_of(&y_rows, i, n);
        struct tensor landing = chunk_of(&scratch, i, n);
        TRY(product(&to, x, rows * i / n, w, q)); /* while the chunk before travels */
        TRY(comm_all_reduce(tp->comm, &to, &landing, q, &tp->req));
    }
    return comm_wait(&tp->req, q);
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
    .options = tensor_options,
    .state_size = sizeof(struct tensor_parallel),
    .plan = tensor_plan,
    .volume = tensor_volume,
    .init = tensor_init,
    .row_linear = tensor_row_linear,
};
