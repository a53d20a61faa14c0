/* SPDX-License-Identifier: Apache-2.0 */
/* The building blocks of a denoising step, for the engine and for strategies with a schedule of
 * their own. */
#include "strategies/run_internal.h"

struct comm *run_comm(struct run *run, int axis, int channel)
{
    return run->mesh ? mesh_comm(run->mesh, axis, channel) : NULL;
}

struct queue *run_queue(struct run *run)
{
    return run->q;
}

bool run_fresh(const struct run *run, int i)
{
    return !run->plan.stale || i < run->plan.warmup || run->plan.problem.all_channels;
}

int run_rows(const struct run *run, enum token_set set, int patch)
{
    return run->rows[set][plan_slot(patch)];
}

/* Image rows of a patch of [.., all image rows, ..]: a strided view. */
static struct tensor patch_rows(const struct run *run, const struct tensor *all, int patch)
{
    return tensor_slice(all, 1, run->row_begin[plan_slot(patch)],
                        run_rows(run, TOKENS_IMAGE, patch));
}

/* A dense tensor of a patch's rows at the start of a scratch tensor. */
static struct tensor patch_dense(const struct run *run, const struct tensor *all,
                                 enum token_set set, int patch)
{
    int64_t dim[3] = {all->dim[0], run_rows(run, set, patch), all->dim[2]};
    return tensor_of(all->data, all->dev, all->dtype, 3, dim);
}

struct tensor run_latent(struct run *run, int patch)
{
    return patch_rows(run, &run->x, patch);
}

struct tensor run_hidden(struct run *run, int patch)
{
    return patch_dense(run, &run->h, TOKENS_ALL, patch);
}

int64_t run_hidden_most(struct run *run)
{
    int64_t most = 0;
    for (int m = 0; m < run->plan.n_patches; m++) {
        struct tensor h = run_hidden(run, m);
        most = tensor_count(&h) > most ? tensor_count(&h) : most;
    }
    return most;
}

struct tensor run_eps(struct run *run, int patch)
{
    return patch_dense(run, &run->eps, TOKENS_IMAGE, patch);
}

static struct dit_call call_of(const struct run *run, int i, int patch)
{
    return (struct dit_call){
        .step = i,
        .patch = patch,
        .fresh = patch == PATCH_ALL && run_fresh(run, i),
        .span = &run->span[TOKENS_ALL][plan_slot(patch)],
        .image = &run->span[TOKENS_IMAGE][plan_slot(patch)],
        .hooks = &run->hooks,
        .queue = run->q,
    };
}

enum status run_embed_input(struct run *run, struct tensor *h)
{
    struct dit_call call = call_of(run, 0, PATCH_ALL);
    return dit_embed(run->dit, &call, &run->input, h);
}

/* input := the latent, for each branch. */
static enum status take_latent(struct run *run, const struct tensor *x, const struct tensor *input)
{
    int64_t grids = x->dim[0]; /* of one branch */
    for (int64_t first = 0; first < input->dim[0]; first += grids) {
        struct tensor branch = tensor_slice(input, 0, first, grids);
        TRY(op_copy(run->q, &branch, x));
    }
    return ST_OK;
}

enum status run_embed(struct run *run, int i, int patch, struct tensor *h)
{
    struct dit_call call = call_of(run, i, patch);
    struct tensor x = run_latent(run, patch);
    struct tensor input = patch_dense(run, &run->input, TOKENS_IMAGE, patch);
    TRY(TRACED("embed", take_latent(run, &x, &input)));
    return dit_embed(run->dit, &call, &input, h);
}

enum status run_blocks(struct run *run, int i, int patch, struct tensor *h,
                       const struct tensor *skips)
{
    struct dit_call call = call_of(run, i, patch);
    call.skips = skips;
    return dit_blocks(run->dit, &call, h);
}

enum status run_head(struct run *run, int i, int patch, const struct tensor *h, struct tensor *eps)
{
    struct dit_call call = call_of(run, i, patch);
    return dit_head(run->dit, &call, h, eps);
}

/* Both branches' predictions of my requests: from a hybrid's guide, or from my own lanes. */
static enum status guidance_pair(struct run *run, const struct tensor *eps, struct tensor *u,
                                 struct tensor *c)
{
    const struct plan *plan = &run->plan;
    if (plan->guide && plan->guide->ops->guide)
        return plan->guide->ops->guide(plan->guide, run, eps, u, c);
    int64_t grids = (int64_t)plan->requests * plan->problem.frames;
    *u = tensor_slice(eps, 0, 0, grids);
    *c = tensor_slice(eps, 0, grids, grids);
    return ST_OK;
}

static enum status advance(struct run *run, int i, int patch, const struct tensor *eps)
{
    struct tensor coef = schedule_coefs(run);
    struct tensor x = run_latent(run, patch);
    struct tensor hist = patch_rows(run, &run->hist, patch);
    bool draws = run->noise.data && run->in.sampler->draws[i];
    struct tensor noise = draws ? patch_rows(run, &run->noise, patch) : (struct tensor){0};
    if (!run->plan.problem.guided)
        return op_advance(run->q, &x, &hist, NULL, eps, draws ? &noise : NULL, &coef);
    struct tensor u;
    struct tensor c;
    TRY(guidance_pair(run, eps, &u, &c));
    return op_advance(run->q, &x, &hist, &u, &c, draws ? &noise : NULL, &coef);
}

enum status run_advance(struct run *run, int i, int patch, const struct tensor *eps)
{
    return TRACED("advance", advance(run, i, patch, eps));
}

static enum status whole_pass(struct run *run, int i, int patch)
{
    struct tensor h = run_hidden(run, patch);
    struct tensor eps = run_eps(run, patch);
    TRY(run_embed(run, i, patch, &h));
    TRY(run_blocks(run, i, patch, &h, NULL));
    TRY(run_head(run, i, patch, &h, &eps));
    return run_advance(run, i, patch, &eps);
}

enum status run_pass(struct run *run, int i, int patch)
{
    return RUN_TRACED_PASS(patch, whole_pass(run, i, patch));
}
