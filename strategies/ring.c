/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ring: tokens are split; each rank's keys and values travel round the ring, by messages while
 * attention runs on the block at hand, and blocks are merged by their log-sum-exp. Exact up to the
 * order of sums. (Ring Attention, Liu et al. 2023.) Behind a key store the blocks that travel are
 * the stored shares, once for each patch.
 */
#include "kernels/comm/exchange.h"
#include "kernels/comm/push.h"
#include "strategies/strategy.h"

struct share {
    struct tensor k, v; /* [grids, rows, h, D] */
};

struct ring {
    struct comm *comm;
    int ranks, rank;
    int *rows[TOKEN_SETS];        /* [ranks] keys in each rank's share, whatever the patch */
    struct share buffer[2];       /* flat, [grids, largest share, h, D] */
    struct tensor block_o;        /* flat, [grids, queries, h, D] */
    struct tensor block_lse, lse; /* flat, fp32 [grids, queries, h] */
};

static enum status ring_plan(struct strategy *me, struct plan *plan)
{
    TRY(plan_split_tokens(plan, me->axis, false));
    return plan_claim(plan, &plan->attend[ATTN_COLLECT], "keys of the other ranks", me);
}

/* P-1 shifts of a K and a V share; over them I pass on every share but that of my successor. */
static void site_volume(const struct strategy *me, const struct plan *plan, enum token_set keys,
                        struct volume *out)
{
    int P = plan->mesh.size[me->axis];
    int next = (plan->coord[me->axis] + 1) % P;
    uint64_t rows = 0;
    for (int r = 0; r < P; r++)
        if (r != next)
            rows += (uint64_t)plan_peer_rows(plan, keys, PLAN_KEYS, me->axis, r, PATCH_ALL);
    struct volume_line whole = {.axis = me->axis, .op = COMM_SEND};
    whole.calls = 2 * (uint64_t)(P - 1);
    whole.api_bytes = 2 * volume_heads_bytes(plan, (int64_t)rows, plan->heads);
    whole.wire_bytes = whole.api_bytes;
    /* a store's shares go again for each patch; without a store there is one */
    volume_add_steps(out, plan, &whole, VOLUME_BY_PASS);
}

static enum status ring_volume(const struct strategy *me, const struct plan *plan,
                               struct volume *out)
{
    int first;
    int sites = plan_sites(plan, &first);
    for (int s = first; s < first + sites; s++)
        site_volume(me, plan, dit_site_at(plan->problem.config, s).keys, out);
    return ST_OK;
}

static enum status rows_init(struct ring *ring, const struct strategy *me, struct run *run)
{
    for (int set = 0; set < TOKEN_SETS; set++) {
        size_t bytes = (size_t)ring->ranks * sizeof *ring->rows[set];
        TRY(arena_host(run_arena(run, ARENA_BUFFERS), bytes, (void **)&ring->rows[set]));
        for (int r = 0; r < ring->ranks; r++)
            ring->rows[set][r] =
                plan_peer_rows(run_plan(run), set, PLAN_KEYS, me->axis, r, PATCH_ALL);
    }
    return ST_OK;
}

static enum status landing(struct ring *ring, struct run *run, int64_t count, struct tensor *out)
{
    return comm_exchange_tensor(ring->comm, run_arena(run, ARENA_BUFFERS),
                                run_plan(run)->problem.dtype, count, out);
}

static enum status ring_init(struct strategy *me, struct run *run)
{
    struct ring *ring = me->state;
    const struct plan *plan = run_plan(run);
    ring->comm = run_comm(run, me->axis, 0);
    ring->ranks = plan->mesh.size[me->axis];
    ring->rank = plan->coord[me->axis];
    TRY(rows_init(ring, me, run));
    int most = 0;
    for (int r = 0; r < ring->ranks; r++)
        most = ring->rows[TOKENS_ALL][r] > most ? ring->rows[TOKENS_ALL][r] : most;
    int64_t queries = plan_rows(plan, TOKENS_ALL, PLAN_WIDE, NULL, PATCH_ALL);
    int64_t lse = (int64_t)plan->n_grids * queries * plan->heads;
    int64_t o = lse * plan->problem.config->head_dim;
    int64_t share = (int64_t)plan->n_grids * most * plan->heads * plan->problem.config->head_dim;
    for (int i = 0; i < 2; i++) {
        TRY(landing(ring, run, share, &ring->buffer[i].k));
        TRY(landing(ring, run, share, &ring->buffer[i].v));
    }
    TRY(run_tensor(run, ARENA_BUFFERS, 1, &o, &ring->block_o));
    TRY(arena_tensor(run_arena(run, ARENA_BUFFERS), DTYPE_F32, 1, &lse, &ring->block_lse));
    return arena_tensor(run_arena(run, ARENA_BUFFERS), DTYPE_F32, 1, &lse, &ring->lse);
}

/* A dense [grids, rows, h, D] tensor over a flat one. */
static struct tensor share_view(const struct tensor *flat, const struct tensor *like, int64_t rows)
{
    int64_t dim[4] = {like->dim[0], rows, like->dim[2], like->dim[3]};
    return tensor_of(flat->data, flat->dev, flat->dtype, 4, dim);
}

/* What a share is sent from must be dense: a store is, a slice of the qkv product is not. */
static enum status make_dense(struct ring *ring, struct share *share, struct queue *q)
{
    struct tensor *from[2] = {&share->k, &share->v};
    struct tensor *flat[2] = {&ring->buffer[1].k, &ring->buffer[1].v};
    for (int i = 0; i < 2; i++) {
        if (tensor_contiguous(from[i]))
            continue;
        struct tensor dense = share_view(flat[i], from[i], from[i]->dim[1]);
        TRY(op_copy(q, &dense, from[i]));
        *from[i] = dense;
    }
    return ST_OK;
}

/* By the transport's own operation, which is over before the attention begins. On two H200 that is
 * faster than messages, which found no SM to run on before the attention was over
 * (results/README.md, "What is chosen for the user"). */
static enum status push_share(struct ring *ring, const struct attn_call *call, int i,
                              const struct share *at_hand, bool *taken)
{
    const struct share *flat = &ring->buffer[i & 1];
    const struct tensor from[2] = {at_hand->k, at_hand->v};
    const struct tensor place[2] = {share_view(&flat->k, &at_hand->k, at_hand->k.dim[1]),
                                    share_view(&flat->v, &at_hand->v, at_hand->v.dim[1])};
    const struct comm_push push = {.op = COMM_SEND,
                                   .peer = (ring->rank + 1) % ring->ranks,
                                   .n = 2,
                                   .from = from,
                                   .place = place};
    return comm_push(ring->comm, &push, call->queue, taken);
}

/* The i-th shift: my share at hand to the successor, the predecessor's into buffer i & 1. */
static enum status ring_shift(struct ring *ring, const struct attn_call *call, int i,
                              struct share *at_hand, struct share *next, struct comm_req *req)
{
    int P = ring->ranks;
    int to = (ring->rank + 1) % P;
    int from = (ring->rank + P - 1) % P;
    int owner = (ring->rank - i - 1 + 2 * P) % P;
    int rows = ring->rows[call->keys][owner];
    bool taken;
    next->k = share_view(&ring->buffer[i & 1].k, &at_hand->k, rows);
    next->v = share_view(&ring->buffer[i & 1].v, &at_hand->v, rows);
    TRY(push_share(ring, call, i, at_hand, &taken));
    if (taken)
        return ST_OK;
    TRY(make_dense(ring, at_hand, call->queue));
    TRY(comm_group_begin(ring->comm));
    TRY(comm_send(ring->comm, to, &at_hand->k, call->queue, req));
    TRY(comm_send(ring->comm, to, &at_hand->v, call->queue, req));
    TRY(comm_recv(ring->comm, from, &next->k, call->queue, req));
    TRY(comm_recv(ring->comm, from, &next->v, call->queue, req));
    return comm_group_end(ring->comm);
}

static enum status ring_attend(struct strategy *me, const struct attn_call *call)
{
    struct ring *ring = me->state;
    int64_t lse_dim[3] = {call->q.dim[0], call->q.dim[1], call->q.dim[2]};
    struct tensor lse = tensor_of(ring->lse.data, ring->lse.dev, DTYPE_F32, 3, lse_dim);
    struct tensor block_lse = tensor_of(ring->block_lse.data, ring->lse.dev, DTYPE_F32, 3, lse_dim);
    struct tensor total = call->o;
    struct share at_hand = {call->k, call->v};
    struct share next;
    for (int i = 0; i < ring->ranks; i++) {
        struct comm_req req = {0};
        bool more = i + 1 < ring->ranks;
        if (more)
            TRY(ring_shift(ring, call, i, &at_hand, &next, &req));
        struct attn_call in = *call;
        in.k = at_hand.k;
        in.v = at_hand.v;
        in.o = i ? share_view(&ring->block_o, &call->q, call->q.dim[1]) : call->o;
        in.lse = i ? &block_lse : &lse;
        TRY(attn_inner(me, &in)); /* runs while messages travel */
        if (i)
            TRY(op_merge(call->queue, &total, &lse, &in.o, &block_lse));
        if (!more)
            break;
        TRY(comm_wait(&req, call->queue));
        at_hand = next;
    }
    return ST_OK;
}

const struct strategy_ops strategy_ring = {
    .name = "ring",
    .kind = &kind_transformer,
    .summary = "tokens are split; keys and values rotate, and attention takes them block by block",
    .paper = "Ring Attention (2310.01889)",
    .seam = "attend: collect",
    .bytes = "2(N-1) * A/N * L",
    .memory = "activations / N; weights whole",
    .reorders_sums = true,
    .state_size = sizeof(struct ring),
    .plan = ring_plan,
    .volume = ring_volume,
    .init = ring_init,
    .attend = ring_attend,
};
