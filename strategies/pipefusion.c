/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PipeFusion: layers in stages, patches of token rows in a pipe. A patch attends over its own keys
 * of this step, the earlier patches' of this step and the later patches' of the step before. After
 * `warmup` synchronous steps the stages never wait for a whole step: stage 0 may be in step i+1
 * while the last stage is in step i. Stale; exact with one patch or when every step is a warm-up
 * step. (PipeFusion, Fang et al., NeurIPS 2025, 2405.14430.)
 */
#include "strategies/kv_store.h"
#include "strategies/skips.h"

/* One patch in the blocks, others arriving and leaving: a slot for each patch, so that a patch's
 * rows have one address in every step; two where the sequence is one patch. */
enum { LEAST_SLOTS = 2 };

/* Channels of the axis: forward from even stages; back from the last to the first; forward from odd
 * stages, where there are more than two; then one for each pair of stages with a skip between. What
 * a stage has posted on a channel may come about in order alone (NCCL's stream), and a stage in the
 * middle posts receives ahead of sends that they depend on: it sends on another than it receives.
 */
enum { CHANNEL_EVEN, CHANNEL_BACK, CHANNEL_ODD };

static int channel_of_sender(int stage)
{
    return stage % 2 ? CHANNEL_ODD : CHANNEL_EVEN;
}

static int channel_of_skips(int stages)
{
    return stages > 2 ? CHANNEL_ODD + 1 : CHANNEL_ODD;
}

struct pipefusion {
    int stage, stages;
    struct comm *before, *behind; /* from the stage before and to the one behind; NULL: none */
    struct comm *back;            /* from the last stage to the first */
    struct kv_store store;

    /* activations between stages: whole sequences in the run's own h, patches in slots */
    int slots;
    struct tensor *slot;   /* [slots] flat, [grids, largest patch, C] */
    struct comm_req *sent; /* [slots] */
    struct comm_req sent_whole;
    struct comm_req coming; /* the next pass's rows */
    bool posted;            /* `coming` was posted */
    int pass;               /* passes over patches since the loop began */
    struct skips skips;

    /* latents from the last stage back to the first: patch after patch, [R*F, n, K] each, model
     * dtype */
    struct tensor latents;
    struct comm_req *latent_req; /* [n_patches] sends of the last stage, receives of the first */
};

static const struct spec_option pipefusion_options[] = {
    {.name = "patches", .summary = "patches of the sequence (the degree)", .min = 1},
    {.name = "warmup", .summary = "synchronous steps before stale ones (1)", .min = 0},
    {.name = "layers", .summary = "layers of each stage, a/b/... (even)", .min = 1, .list = true},
    {0},
};

/* Layers of stage k, and the first of them. */
static int stage_layers(const struct strategy *me, const struct plan *plan, int k, int *begin)
{
    const struct spec_value *given = &me->item->option[2];
    if (given->n == 0)
        return part_of(plan->problem.config->layers, k, plan->mesh.size[me->axis], begin);
    *begin = 0;
    for (int s = 0; s < k; s++)
        *begin += given->v[s];
    return given->v[k];
}

static int stage_of(const struct strategy *me, const struct plan *plan, int layer)
{
    int k = 0;
    int begin;
    while (layer >= stage_layers(me, plan, k, &begin) + begin)
        k++;
    return k;
}

static enum status split_layers(const struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    int k = plan->coord[me->axis];
    int layers = plan->problem.config->layers;
    const struct spec_value *given = &me->item->option[2];
    if (n > layers)
        return plan_refuse("pipefusion=%d needs a layer for each stage, and the model has %d; "
                           "legal degrees: 1 to %d",
                           n, layers, layers);
    int sum = 0;
    for (int s = 0; s < given->n; s++)
        sum += given->v[s];
    if (given->n > 0 && (given->n != n || sum != layers))
        return plan_refuse("pipefusion=%d: layers= names %d stages with %d layers in all; %d "
                           "stages and %d layers "
                           "are wanted",
                           n, given->n, sum, n, layers);
    int count = stage_layers(me, plan, k, &plan->shard.layer_begin);
    plan->shard.layer_end = plan->shard.layer_begin + count;
    plan->shard.embed = k == 0;
    plan->shard.head = k == n - 1;
    return ST_OK;
}

static enum status pipefusion_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    TRY(plan_claim(plan, &plan->attend[ATTN_STORE], "key store", me));
    TRY(plan_claim(plan, &plan->schedule, "schedule of the step", me));
    TRY(split_layers(me, plan));
    TRY(plan_cut_patches(plan, spec_option_value(me->item, "patches", n), false));
    plan->mesh.use[me->axis] = COMM_AHEAD;
    plan->mesh.channels[me->axis] = channel_of_skips(n) + skips_pairs(me, plan, stage_of);
    plan->warmup = spec_option_value(me->item, "warmup", 1);
    plan->stale = plan->warmup < plan->problem.steps;
    plan->exact = plan->exact && (!plan->stale || plan->n_patches == 1);
    plan->last_differs[me->axis] = n > 1 && plan->shard.head;
    return ST_OK;
}

/* A stage sends activations of all its rows once a step, whatever the number of patches, and as
 * much for each skip to another stage; the last one the latent. */
static enum status pipefusion_volume(const struct strategy *me, const struct plan *plan,
                                     struct volume *out)
{
    int all = plan_rows(plan, TOKENS_ALL, PLAN_OWN, NULL, PATCH_ALL);
    uint64_t image = (uint64_t)plan_rows(plan, TOKENS_IMAGE, PLAN_OWN, NULL, PATCH_ALL);
    uint64_t latent = (uint64_t)plan->requests * (uint64_t)plan->problem.frames * image *
                      (uint64_t)problem_features(&plan->problem) * dtype_size(plan->problem.dtype);
    struct volume_line whole = {.axis = me->axis, .op = COMM_SEND, .calls = 1};
    whole.api_bytes = whole.wire_bytes =
        plan->shard.head ? latent : volume_heads_bytes(plan, all, plan->problem.config->heads);
    volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
    skips_volume(me, plan, stage_of, out);
    struct volume_line last = {.axis = me->axis, .op = COMM_SEND, .when = COMM_LAST_STEP};
    if (plan->shard.head)
        volume_add(out, &last);
    return ST_OK;
}

static enum status pipefusion_init(struct strategy *me, struct run *run)
{
    struct pipefusion *pp = me->state;
    const struct plan *plan = run_plan(run);
    pp->stage = plan->coord[me->axis];
    pp->stages = plan->mesh.size[me->axis];
    if (pp->stage > 0)
        pp->before = run_comm(run, me->axis, channel_of_sender(pp->stage - 1));
    if (pp->stage + 1 < pp->stages)
        pp->behind = run_comm(run, me->axis, channel_of_sender(pp->stage));
    pp->back = run_comm(run, me->axis, CHANNEL_BACK);
    TRY(kv_store_init(&pp->store, run));
    int64_t patch = run_hidden_most(run);
    pp->slots = plan->n_patches > LEAST_SLOTS ? plan->n_patches : LEAST_SLOTS;
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    TRY(arena_host(arena, (size_t)pp->slots * sizeof *pp->slot, (void **)&pp->slot));
    TRY(arena_host(arena, (size_t)pp->slots * sizeof *pp->sent, (void **)&pp->sent));
    TRY(arena_host(arena, (size_t)plan->n_patches * sizeof *pp->latent_req,
                   (void **)&pp->latent_req));
    for (int s = 0; s < pp->slots && pp->stages > 1; s++)
        TRY(run_tensor(run, ARENA_BUFFERS, 1, &patch, &pp->slot[s]));
    TRY(skips_init(&pp->skips, me, run, stage_of, channel_of_skips(pp->stages), pp->slots));
    if (pp->stages == 1 || (!plan->shard.embed && !plan->shard.head))
        return ST_OK;
    struct tensor x = run_latent(run, PATCH_ALL);
    int64_t count = tensor_count(&x);
    return run_tensor(run, ARENA_BUFFERS, 1, &count, &pp->latents);
}

static enum status pipefusion_begin(struct strategy *me, struct run *run)
{
    struct pipefusion *pp = me->state;
    pp->pass = 0;
    pp->posted = false;
    skips_begin(&pp->skips);
    return run_plan(run)->warmup == 0 ? kv_store_zero(&pp->store, run_queue(run)) : ST_OK;
}

static enum status pipefusion_attend(struct strategy *me, const struct attn_call *call)
{
    struct pipefusion *pp = me->state;
    struct attn_call in = *call;
    TRY(kv_store_put(&pp->store, call->site, call->span, &call->k, &call->v, call->queue));
    in.k = kv_store_keys(&pp->store, call->site);
    in.v = kv_store_values(&pp->store, call->site);
    return attn_inner(me, &in);
}

/* ---- activations from stage to stage ---- */

/* Where the rows of a pass live: the whole sequence in the run's h; patches in turn in the slots.
 */
static struct tensor pass_rows(struct pipefusion *pp, struct run *run, int patch, int pass)
{
    struct tensor h = run_hidden(run, patch);
    if (patch != PATCH_ALL && pp->stages > 1)
        h.data = pp->slot[pass % pp->slots].data;
    return h;
}

static struct comm_req *pass_sent(struct pipefusion *pp, int patch, int pass)
{
    return patch == PATCH_ALL ? &pp->sent_whole : &pp->sent[pass % pp->slots];
}

/* Posts the receive of a pass's rows, once they have left from there the last time. */
static enum status post_rows(struct pipefusion *pp, struct run *run, int patch, int pass)
{
    struct tensor h = pass_rows(pp, run, patch, pass);
    TRY(comm_wait(pass_sent(pp, patch, pass), run_queue(run)));
    TRY(comm_recv(pp->before, pp->stage - 1, &h, run_queue(run), &pp->coming));
    pp->posted = true;
    return ST_OK;
}

/* The patch of the pass after (i, patch), or false when the loop ends there. */
static bool next_patch(const struct plan *plan, int i, int patch, int *next)
{
    if (patch != PATCH_ALL && patch + 1 < plan->n_patches) {
        *next = patch + 1;
        return true;
    }
    *next = i + 1 < plan->warmup ? PATCH_ALL : 0;
    return i + 1 < plan->problem.steps;
}

static enum status take_rows(struct pipefusion *pp, struct run *run, int i, int patch)
{
    int next;
    if (!pp->posted)
        TRY(post_rows(pp, run, patch, pp->pass));
    TRY(comm_wait(&pp->coming, run_queue(run)));
    pp->posted = false;
    /* a patch has a slot of its own and may arrive early; a whole sequence shares h with the pass
     * at hand */
    int after = pp->pass + (patch == PATCH_ALL ? 0 : 1);
    if (next_patch(run_plan(run), i, patch, &next) && next != PATCH_ALL)
        return post_rows(pp, run, next, after);
    return ST_OK;
}

/* ---- latents from the last stage to the first ---- */

/* Patch m's block [R*F, n, K] in the flat buffer. */
static struct tensor latent_block(struct pipefusion *pp, struct run *run, int m)
{
    struct tensor x = run_latent(run, m);
    int64_t at = 0;
    for (int k = 0; k < m; k++)
        at += run_rows(run, TOKENS_IMAGE, k);
    at *= x.dim[0] * x.dim[2];
    return tensor_of((char *)pp->latents.data + at * (int64_t)dtype_size(pp->latents.dtype),
                     pp->latents.dev, pp->latents.dtype, 3, x.dim);
}

/* Patches first .. end-1 that a pass stands for. */
static int pass_end(const struct plan *plan, int patch)
{
    return patch == PATCH_ALL ? plan->n_patches : patch + 1;
}

/* The message that a pass causes: the whole buffer, or the patch's block. */
static struct tensor latent_message(struct pipefusion *pp, struct run *run, int patch)
{
    return patch == PATCH_ALL ? pp->latents : latent_block(pp, run, patch);
}

/* First stage, step i: messages are cut as step i-1 cut them, so the first stale step takes one
 * whole message apart. */
static enum status take_latent(struct pipefusion *pp, struct run *run, int i, int patch)
{
    const struct plan *plan = run_plan(run);
    bool was_whole = i - 1 < plan->warmup;
    for (int m = patch == PATCH_ALL ? 0 : patch; m < pass_end(plan, patch); m++) {
        struct tensor x = run_latent(run, m);
        if (!was_whole || m == 0)
            TRY(comm_wait(&pp->latent_req[m], run_queue(run)));
        struct tensor block = latent_block(pp, run, m);
        TRY(op_copy(run_queue(run), &x, &block));
    }
    return ST_OK;
}

/* First stage: posts what the last stage will send when it finishes this pass of step i. A block
 * may be written again once its patch was taken, and a whole message once all were. */
static enum status post_latent(struct pipefusion *pp, struct run *run, int i, int patch)
{
    if (i + 1 == run_plan(run)->problem.steps)
        return ST_OK;
    struct tensor message = latent_message(pp, run, patch);
    return comm_recv(pp->back, pp->stages - 1, &message, run_queue(run),
                     &pp->latent_req[patch == PATCH_ALL ? 0 : patch]);
}

static enum status return_latent(struct pipefusion *pp, struct run *run, int i, int patch)
{
    const struct plan *plan = run_plan(run);
    if (i + 1 == plan->problem.steps)
        return ST_OK;
    for (int m = patch == PATCH_ALL ? 0 : patch; m < pass_end(plan, patch); m++) {
        struct tensor x = run_latent(run, m);
        struct tensor block = latent_block(pp, run, m);
        /* the block left with its own message, or with a whole one, which request 0 stands for and
         * patch 0 waits for */
        TRY(comm_wait(&pp->latent_req[m], run_queue(run)));
        TRY(op_copy(run_queue(run), &block, &x));
    }
    struct tensor message = latent_message(pp, run, patch);
    return comm_send(pp->back, 0, &message, run_queue(run),
                     &pp->latent_req[patch == PATCH_ALL ? 0 : patch]);
}

/* ---- passes ---- */

/* What a pass needs from other stages: rows, or the latents that they are embedded from. */
static enum status enter(struct pipefusion *pp, struct run *run, int i, int patch)
{
    int next;
    bool more = next_patch(run_plan(run), i, patch, &next);
    TRY(skips_enter(&pp->skips, run, patch, pp->pass, more ? &next : NULL));
    if (pp->stage > 0)
        return take_rows(pp, run, i, patch);
    if (pp->stages == 1)
        return ST_OK;
    TRY(comm_wait(pass_sent(pp, patch, pp->pass), run_queue(run)));
    if (i > 0)
        TRY(take_latent(pp, run, i, patch));
    return post_latent(pp, run, i, patch);
}

/* What a pass computes: captured, since transfers of PipeFusion's own outlive it and stay outside.
 */
static enum status compute(void *self, struct run *run, int i, int patch)
{
    struct pipefusion *pp = self;
    struct tensor h = pass_rows(pp, run, patch, pp->pass);
    if (pp->stage == 0)
        TRY(run_embed(run, i, patch, &h));
    TRY(run_blocks(run, i, patch, &h, skips_of(&pp->skips, patch, pp->pass)));
    if (pp->stage + 1 < pp->stages)
        return ST_OK;
    struct tensor eps = run_eps(run, patch);
    TRY(run_head(run, i, patch, &h, &eps));
    return run_advance(run, i, patch, &eps);
}

/* What a pass gives to other stages. */
static enum status leave(struct pipefusion *pp, struct run *run, int i, int patch)
{
    if (pp->stages == 1)
        return ST_OK;
    TRY(skips_leave(&pp->skips, run, patch, pp->pass));
    if (pp->stage + 1 == pp->stages)
        return return_latent(pp, run, i, patch);
    struct tensor h = pass_rows(pp, run, patch, pp->pass);
    return comm_send(pp->behind, pp->stage + 1, &h, run_queue(run), pass_sent(pp, patch, pp->pass));
}

static enum status whole_pass(struct pipefusion *pp, struct run *run, int i, int patch)
{
    TRY(TRACED("enter", enter(pp, run, i, patch)));
    TRY(run_captured(run, compute, pp, i, patch, pp->pass % pp->slots));
    return TRACED("leave", leave(pp, run, i, patch));
}

/* One patch (or PATCH_ALL) of step i through this stage's layers. */
static enum status pass(struct strategy *me, struct run *run, int i, int patch)
{
    struct pipefusion *pp = me->state;
    TRY(RUN_TRACED_PASS(patch, whole_pass(pp, run, i, patch)));
    pp->pass += patch != PATCH_ALL;
    return ST_OK;
}

static enum status pipefusion_step(struct strategy *me, struct run *run, int i)
{
    const struct plan *plan = run_plan(run);
    if (i < plan->warmup)
        return pass(me, run, i, PATCH_ALL);
    for (int m = 0; m < plan->n_patches; m++)
        TRY(pass(me, run, i, m));
    return ST_OK;
}

/* Rows as they might arrive, and the copies that go with messages. */
static enum status rehearse_enter(struct pipefusion *pp, struct run *run, int patch, int pass)
{
    struct queue *q = run_queue(run);
    if (pp->stage > 0) {
        struct tensor h = pass_rows(pp, run, patch, pass);
        int64_t dim[2] = {h.dim[0] * h.dim[1], h.dim[2]};
        struct tensor rows = tensor_reshape(&h, 2, dim);
        TRY(op_random_uniform(q, &rows, 1.0f, 1, 0, 0, dim[1]));
    }
    if (pp->latents.data && patch != PATCH_ALL) {
        struct tensor x = run_latent(run, patch);
        struct tensor block = latent_block(pp, run, patch);
        TRY(op_copy(q, &block, &x));
        TRY(op_copy(q, &x, &block));
    }
    return skips_rehearse(&pp->skips, run, patch, pass);
}

static enum status rehearse_pass(struct pipefusion *pp, struct run *run, int i, int patch, int pass)
{
    pp->pass = pass;
    TRY(TRACED("enter", rehearse_enter(pp, run, patch, pass)));
    return RUN_TRACED_PASS(patch, run_captured(run, compute, pp, i, patch, pass % pp->slots));
}

static enum status pipefusion_rehearse(struct strategy *me, struct run *run, int i)
{
    struct pipefusion *pp = me->state;
    const struct plan *plan = run_plan(run);
    if (i < plan->warmup)
        return rehearse_pass(pp, run, i, PATCH_ALL, 0);
    for (int pass = 0; pass < pp->slots; pass++)
        TRY(rehearse_pass(pp, run, i, pass % plan->n_patches, pass));
    return ST_OK;
}

static enum status forward_enter(struct pipefusion *pp, struct run *run, struct tensor *h)
{
    struct queue *q = run_queue(run);
    struct comm_req req = {0};
    if (pp->stage > 0) {
        TRY(comm_recv(pp->before, pp->stage - 1, h, q, &req));
        TRY(comm_wait(&req, q));
    }
    return skips_enter(&pp->skips, run, PATCH_ALL, 0, NULL);
}

static enum status forward_leave(struct pipefusion *pp, struct run *run, const struct tensor *h)
{
    struct queue *q = run_queue(run);
    struct comm_req req = {0};
    TRY(skips_leave(&pp->skips, run, PATCH_ALL, 0));
    if (pp->stage + 1 == pp->stages)
        return ST_OK;
    TRY(comm_send(pp->behind, pp->stage + 1, h, q, &req));
    return comm_wait(&req, q);
}

static enum status pipefusion_forward(struct strategy *me, struct run *run)
{
    struct pipefusion *pp = me->state;
    struct tensor h = run_hidden(run, PATCH_ALL);
    if (pp->stage == 0)
        TRY(run_embed_input(run, &h));
    TRY(TRACED("enter", forward_enter(pp, run, &h)));
    TRY(run_blocks(run, 0, PATCH_ALL, &h, skips_of(&pp->skips, PATCH_ALL, 0)));
    TRY(TRACED("leave", forward_leave(pp, run, &h)));
    if (pp->stage + 1 < pp->stages)
        return ST_OK;
    struct tensor eps = run_eps(run, PATCH_ALL);
    return run_head(run, 0, PATCH_ALL, &h, &eps);
}

static enum status pipefusion_finish(struct strategy *me, struct run *run)
{
    struct pipefusion *pp = me->state;
    TRY(comm_wait(&pp->sent_whole, run_queue(run)));
    TRY(skips_finish(&pp->skips, run));
    for (int s = 0; s < pp->slots; s++)
        TRY(comm_wait(&pp->sent[s], run_queue(run)));
    for (int m = 0; m < run_plan(run)->n_patches; m++)
        TRY(comm_wait(&pp->latent_req[m], run_queue(run)));
    return ST_OK;
}

const struct strategy_ops strategy_pipefusion = {
    .name = "pipefusion",
    .kind = &kind_transformer,
    .summary = "layers in stages, patches in a pipe; later patches' keys are one step old",
    .paper = "PipeFusion (2405.14430)",
    .seam = "step, attend: store",
    .bytes = "A, and A for each skip (last stage: latent)",
    .memory = "weights / N, keys of all tokens for L / N attentions",
    .stale = true,
    .options = pipefusion_options,
    .state_size = sizeof(struct pipefusion),
    .plan = pipefusion_plan,
    .volume = pipefusion_volume,
    .init = pipefusion_init,
    .begin = pipefusion_begin,
    .attend = pipefusion_attend,
    .step = pipefusion_step,
    .rehearse = pipefusion_rehearse,
    .forward = pipefusion_forward,
    .finish = pipefusion_finish,
};
