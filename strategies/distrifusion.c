/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DistriFusion: a patch of token rows on each rank; its own keys are of this step, the peers' of
 * the step before, and the gather that renews them travels behind the rest of the step. Stale;
 * exact when every step is a warm-up step. (DistriFusion, Li et al., CVPR 2024, 2402.19481.) With
 * degree 1 it is its own one-rank reference: `patches` patches one after the other, each with the
 * other patches' keys of the step before.
 */
#include "strategies/kv_store.h"

struct distrifusion {
    int ranks, rank;
    struct comm *comm;
    struct kv_store store;
    int *row_begin[TOKEN_SETS]; /* [ranks + 1] rows of each rank's part in the store */
    struct tensor *part;        /* [ranks] of a gather that is being posted */
    struct comm_req *req;       /* [sites] gathers of keys and values under way in a step */

    /* degree 1 only */
    struct kv_store next; /* keys of the step at hand; `store` holds the step before */
    struct tensor aside_k,
        aside_v; /* flat, a patch's old rows while its fresh ones stand in for them */
};

static const struct spec_option distrifusion_options[] = {
    {.name = "patches", .summary = "patches of the one-rank reference (the degree)", .min = 1},
    {.name = "warmup", .summary = "synchronous steps before stale ones (1)", .min = 0},
    {0},
};

static enum status distrifusion_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    int patches = spec_option_value(me->item, "patches", n);
    if (n > 1 && patches != n)
        return plan_refuse(
            "distrifusion=%d:patches=%d: a rank is a patch; legal: patches=%d, or leave it out", n,
            patches, n);
    TRY(plan_claim(plan, &plan->attend[ATTN_STORE], "key store", me));
    if (n > 1) {
        TRY(plan_split_tokens(plan, me->axis, true));
        plan->stored |= 1u << me->axis;
    } else {
        TRY(plan_cut_patches(plan, patches, true));
    }
    plan->warmup = spec_option_value(me->item, "warmup", 1);
    plan->stale = plan->warmup < plan->problem.steps;
    plan->exact = plan->exact && (!plan->stale || patches == 1);
    plan->last_differs[me->axis] = n > 1 && plan->stale;
    return ST_OK;
}

/* Keys and values of my rows to every peer at each site; none in the last step, unless that is
 * synchronous. */
static enum status distrifusion_volume(const struct strategy *me, const struct plan *plan,
                                       struct volume *out)
{
    int first;
    int sites = plan_sites(plan, &first);
    for (int s = first; s < first + sites; s++) {
        struct dit_site site = dit_site_at(plan->problem.config, s);
        int rows = plan_rows(plan, site.keys, PLAN_WIDE, NULL, PATCH_ALL);
        struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_GATHER};
        whole.calls = 2 * (uint64_t)plan->n_grids;
        whole.api_bytes = 2 * volume_heads_bytes(plan, rows, plan->heads);
        whole.wire_bytes = whole.api_bytes * (uint64_t)(plan->mesh.size[me->axis] - 1);
        volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
    }
    struct volume_line last = {.axis = me->axis, .op = COMM_ALL_GATHER, .when = COMM_LAST_STEP};
    if (plan->stale)
        volume_add(out, &last);
    return ST_OK;
}

static enum status reference_init(struct distrifusion *d, struct run *run)
{
    const struct plan *plan = run_plan(run);
    int most = 0;
    for (int m = 0; m < plan->n_patches; m++) {
        int rows = plan_rows(plan, TOKENS_ALL, PLAN_WIDE, NULL, m);
        most = rows > most ? rows : most;
    }
    int64_t count = (int64_t)plan->n_grids * most * plan->heads * plan->problem.config->head_dim;
    TRY(kv_store_init(&d->next, run));
    TRY(run_tensor(run, ARENA_KV_STORE, 1, &count, &d->aside_k));
    return run_tensor(run, ARENA_KV_STORE, 1, &count, &d->aside_v);
}

static enum status distrifusion_init(struct strategy *me, struct run *run)
{
    struct distrifusion *d = me->state;
    const struct plan *plan = run_plan(run);
    struct arena *arena = run_arena(run, ARENA_KV_STORE);
    d->ranks = plan->mesh.size[me->axis];
    d->rank = plan->coord[me->axis];
    d->comm = run_comm(run, me->axis, 0);
    TRY(kv_store_init(&d->store, run));
    if (d->ranks == 1)
        return reference_init(d, run);
    TRY(arena_host(arena, (size_t)d->ranks * sizeof *d->part, (void **)&d->part));
    TRY(arena_host(arena, (size_t)d->store.n * sizeof *d->req, (void **)&d->req));
    for (int set = 0; set < TOKEN_SETS; set++) {
        size_t bytes = ((size_t)d->ranks + 1) * sizeof *d->row_begin[set];
        TRY(arena_host(arena, bytes, (void **)&d->row_begin[set]));
        plan_peer_begins(plan, set, PLAN_WIDE, me->axis, d->row_begin[set]);
    }
    return ST_OK;
}

static enum status distrifusion_begin(struct strategy *me, struct run *run)
{
    struct distrifusion *d = me->state;
    if (run_plan(run)->warmup > 0)
        return ST_OK;
    if (d->ranks == 1)
        TRY(kv_store_zero(&d->next, run_queue(run)));
    return kv_store_zero(&d->store, run_queue(run));
}

static struct comm_req *site_request(struct distrifusion *d, int site)
{
    return &d->req[site - d->store.first];
}

/* Gathers a site's keys and values in place in the store, grid by grid: a rank's rows of a grid are
 * contiguous there. */
static enum status post_gather(struct distrifusion *d, struct run *run, int site)
{
    struct tensor side[2] = {kv_store_keys(&d->store, site), kv_store_values(&d->store, site)};
    const int *begin = d->row_begin[d->store.keys[site - d->store.first]];
    TRY(comm_group_begin(d->comm));
    for (int b = 0; b < run_plan(run)->n_grids; b++)
        for (int s = 0; s < 2; s++) {
            struct tensor grid = tensor_at(&side[s], b);
            for (int r = 0; r < d->ranks; r++)
                d->part[r] = tensor_slice(&grid, 0, begin[r], begin[r + 1] - begin[r]);
            TRY(comm_all_gather(d->comm, &d->part[d->rank], d->part, run_queue(run),
                                site_request(d, site)));
        }
    return comm_group_end(d->comm);
}

static enum status wait_gather(struct distrifusion *d, struct run *run, int site)
{
    return comm_wait(site_request(d, site), run_queue(run));
}

static enum status attend_store(struct strategy *me, struct kv_store *store,
                                const struct attn_call *call)
{
    struct attn_call in = *call;
    in.k = kv_store_keys(store, call->site);
    in.v = kv_store_values(store, call->site);
    return attn_inner(me, &in);
}

/* The gather is posted after this site's attention has read the store, travels behind what is left
 * of the step, and is waited for at its end. */
static enum status attend_parallel(struct strategy *me, const struct attn_call *call)
{
    struct distrifusion *d = me->state;
    bool last = call->step + 1 == run_plan(me->run)->problem.steps;
    TRY(kv_store_put(&d->store, call->site, call->span, &call->k, &call->v, call->queue));
    if (call->fresh) {
        TRY(post_gather(d, me->run, call->site));
        TRY(wait_gather(d, me->run, call->site));
    }
    TRY(attend_store(me, &d->store, call));
    return call->fresh || last ? ST_OK : post_gather(d, me->run, call->site);
}

/* One patch of the one-rank reference: its fresh rows stand in the old store only while it attends.
 */
static enum status attend_reference(struct strategy *me, const struct attn_call *call)
{
    struct distrifusion *d = me->state;
    struct tensor k = tensor_of(d->aside_k.data, call->k.dev, call->k.dtype, 4, call->k.dim);
    struct tensor v = tensor_of(d->aside_v.data, call->v.dev, call->v.dtype, 4, call->v.dim);
    TRY(kv_store_put(&d->next, call->site, call->span, &call->k, &call->v, call->queue));
    if (call->fresh)
        return attend_store(me, &d->next, call);
    TRY(kv_store_take(&d->store, call->site, call->span, &k, &v, call->queue));
    TRY(kv_store_put(&d->store, call->site, call->span, &call->k, &call->v, call->queue));
    TRY(attend_store(me, &d->store, call));
    return kv_store_put(&d->store, call->site, call->span, &k, &v, call->queue);
}

static enum status distrifusion_attend(struct strategy *me, const struct attn_call *call)
{
    struct distrifusion *d = me->state;
    return d->ranks > 1 ? attend_parallel(me, call) : attend_reference(me, call);
}

/* The step's gathers have come; of the reference, its keys become those of the step before. */
static enum status distrifusion_settle(struct strategy *me, struct run *run)
{
    struct distrifusion *d = me->state;
    if (d->ranks == 1)
        return kv_store_copy(&d->store, &d->next, run_queue(run));
    for (int s = 0; s < d->store.n; s++)
        TRY(wait_gather(d, run, d->store.first + s));
    return ST_OK;
}

const struct strategy_ops strategy_distrifusion = {
    .name = "distrifusion",
    .kind = &kind_transformer,
    .summary =
        "token rows are split; peers' keys are one step old, their gather hides behind the step",
    .paper = "DistriFusion (2402.19481)",
    .seam = "attend: store",
    .bytes = "2(N-1) * A/N * L, none in the last step",
    .memory = "activations / N; weights whole, keys of all tokens for L attentions",
    .stale = true,
    .options = distrifusion_options,
    .state_size = sizeof(struct distrifusion),
    .plan = distrifusion_plan,
    .volume = distrifusion_volume,
    .init = distrifusion_init,
    .begin = distrifusion_begin,
    .attend = distrifusion_attend,
    .settle = distrifusion_settle,
};
