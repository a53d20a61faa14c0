/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parallel decoder: rows of the latent are split. Before each 3x3 convolution a rank gets its
 * neighbours' nearest row; the sums of every GroupNorm are completed over all ranks, that of the
 * elements first and then that of squared distances from their mean; the attention in the middle
 * gathers all keys. Exact: only the order of those sums depends on the degree.
 * (DistVAE, of xDiT, Fang et al. 2024, 2411.01738, splits likewise, and approximates the norms.)
 * With degree 1 it is there for `chunk`: convolutions made so many rows at a time.
 */
#include "strategies/key_gather.h"

struct rows {
    struct comm *comm;
    int ranks, rank;
    struct comm_req halo;  /* rows under way */
    struct tensor scratch; /* fp32 [1, 1, G], of a sum */
    struct key_gather keys;
};

static const struct spec_option rows_options[] = {
    {.name = "chunk",
     .summary = "rows of its output that a convolution makes at a time (all)",
     .min = 1},
    {0},
};

static enum status rows_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    int have = problem_token_rows(&plan->problem);
    if (n > have)
        return plan_refuse("rows=%d needs a latent row for each rank, and %dx%d pixels have %d; "
                           "legal degrees: 1 to %d",
                           n, plan->problem.width, plan->problem.height, have, have);
    plan->chunk = spec_option_value(me->item, "chunk", 0);
    TRY(plan_claim(plan, &plan->rows, "decoder's rows", me));
    if (n == 1)
        return ST_OK;
    TRY(plan_split_tokens(plan, me->axis, true));
    return plan_claim(plan, &plan->attend[ATTN_COLLECT], "keys of the other ranks", me);
}

/* ---- bytes ---- */

/* Of one image: a row of `channels` to each neighbour. */
static void add_halo(const struct strategy *me, const struct plan *plan, int level, int channels,
                     struct volume_line *line)
{
    int rank = plan->coord[me->axis];
    uint64_t peers = (uint64_t)(rank > 0) + (uint64_t)(rank < plan->mesh.size[me->axis] - 1);
    uint64_t row = (uint64_t)problem_token_columns(&plan->problem) << level;
    line->calls += peers;
    line->api_bytes += peers * row * (uint64_t)channels * dtype_size(plan->problem.dtype);
    line->wire_bytes = line->api_bytes;
}

/* Of one image: twice an fp32 number a group. A ring sends every part twice, but two of them once.
 */
static void add_sums(const struct strategy *me, const struct plan *plan, int norms,
                     struct volume_line *line)
{
    int count = plan->problem.decoder->groups;
    uint64_t calls = 2 * (uint64_t)norms;
    int P = plan->mesh.size[me->axis];
    int begin;
    int rank = plan->coord[me->axis];
    int kept = part_of(count, rank, P, &begin) + part_of(count, (rank + 1) % P, P, &begin);
    line->calls += calls;
    line->api_bytes += calls * (uint64_t)count * sizeof(float);
    line->wire_bytes += calls * (uint64_t)(2 * count - kept) * sizeof(float);
}

static void add_lines(const struct plan *plan, struct volume_line *line, struct volume *out)
{
    line->calls *= (uint64_t)plan->requests;
    line->api_bytes *= (uint64_t)plan->requests;
    line->wire_bytes *= (uint64_t)plan->requests;
    if (line->calls > 0)
        volume_add_steps(out, plan, line, VOLUME_BY_ROWS);
}

static enum status rows_volume(const struct strategy *me, const struct plan *plan,
                               struct volume *out)
{
    const struct vae_config *c = plan->problem.decoder;
    struct volume_line halo = {.axis = me->axis, .op = COMM_SEND};
    struct volume_line sums = {.axis = me->axis, .op = COMM_ALL_REDUCE};
    for (int i = 0; i < vae_config_layers(c); i++) {
        struct vae_layer l = vae_config_layer(c, i);
        if (l.kind != VAE_ATTENTION)
            add_halo(me, plan, l.level, l.in, &halo);
        if (l.kind == VAE_RESNET)
            add_halo(me, plan, l.level, l.out, &halo);
        if (l.kind == VAE_RESNET || l.kind == VAE_ATTENTION || l.kind == VAE_HEAD)
            add_sums(me, plan, l.kind == VAE_RESNET ? 2 : 1, &sums);
        if (l.kind == VAE_ATTENTION)
            key_gather_volume(me, plan, TOKENS_ALL, out);
    }
    add_lines(plan, &halo, out);
    add_lines(plan, &sums, out);
    return ST_OK;
}

/* ---- run ---- */

static enum status rows_init(struct strategy *me, struct run *run)
{
    struct rows *rows = me->state;
    const struct plan *plan = run_plan(run);
    const struct vae_config *c = plan->problem.decoder;
    int64_t sums[3] = {1, 1, c->groups};
    rows->comm = run_comm(run, me->axis, 0);
    rows->ranks = plan->mesh.size[me->axis];
    rows->rank = plan->coord[me->axis];
    if (rows->ranks == 1)
        return ST_OK;
    TRY(arena_tensor(run_arena(run, ARENA_BUFFERS), DTYPE_F32, 3, sums, &rows->scratch));
    return c->attention ? key_gather_open(&rows->keys, me, run, 1) : ST_OK;
}

static enum status post_row(struct rows *rows, int peer, const struct tensor *mine,
                            const struct tensor *theirs, struct queue *q)
{
    if (theirs->ndim == 0)
        return ST_OK;
    TRY(comm_send(rows->comm, peer, mine, q, &rows->halo));
    return comm_recv(rows->comm, peer, theirs, q, &rows->halo);
}

static enum status rows_halo(struct strategy *me, const struct vae_halo *halo)
{
    struct rows *rows = me->state;
    TRY(comm_group_begin(rows->comm));
    TRY(post_row(rows, rows->rank - 1, &halo->first, &halo->above, halo->queue));
    TRY(post_row(rows, rows->rank + 1, &halo->last, &halo->below, halo->queue));
    return comm_group_end(rows->comm);
}

static enum status rows_halo_wait(struct strategy *me, const struct vae_halo *halo)
{
    struct rows *rows = me->state;
    return comm_wait(&rows->halo, halo->queue);
}

static enum status rows_sums(struct strategy *me, struct tensor *sums, struct queue *q)
{
    struct rows *rows = me->state;
    struct comm_req req = {0};
    TRY(comm_all_reduce(rows->comm, sums, &rows->scratch, q, &req));
    return comm_wait(&req, q);
}

static enum status rows_attend(struct strategy *me, const struct attn_call *call)
{
    struct rows *rows = me->state;
    return key_gather_attend(&rows->keys, me, call);
}

const struct strategy_ops strategy_rows = {
    .name = "rows",
    .kind = &kind_decoder,
    .summary =
        "rows of the picture are split; a row of each neighbour before a convolution, the sums "
        "of norms over all",
    .paper = "xDiT (2411.01738)",
    .seam = "decoder: halo, sums; attend: collect",
    .bytes = "two rows a convolution, 2(N-1)/N * 8 bytes a group and norm, 2(N-1)/N * the middle's "
             "pixels x channels",
    .memory = "activations / N; weights whole, the picture whole",
    .reorders_sums = true,
    .options = rows_options,
    .state_size = sizeof(struct rows),
    .plan = rows_plan,
    .volume = rows_volume,
    .init = rows_init,
    .attend = rows_attend,
    .halo = rows_halo,
    .halo_wait = rows_halo_wait,
    .sums = rows_sums,
};
