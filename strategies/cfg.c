/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFG parallel: one guidance branch for each of two ranks, whose predictions are gathered where the
 * sampler needs both. Both ranks then advance identical latents. Exact. (Classifier-free guidance:
 * Ho & Salimans 2022; split: xDiT, 2411.01738.)
 */
#include "strategies/strategy.h"

struct cfg {
    struct comm *comm;
    struct tensor both; /* [2, R*F, n, K] model dtype */
};

static enum status cfg_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    const struct dit_config *config = plan->problem.config;
    if (config->distilled)
        return plan_refuse("cfg=%d: %s is distilled: guidance is not two branches, %s; legal "
                           "degree: 1",
                           n, config->name,
                           config->guidance_in ? "but a number that the model is told"
                                               : "and the model is told none");
    if (n != 2)
        return plan_refuse("cfg=%d: guidance has two branches; legal degrees: 1, 2", n);
    if (!plan->problem.guided)
        return plan_refuse("cfg=2 needs the two branches of guidance, and this run has one; use a "
                           "guidance above 1 (two rows in a bare forward), or another strategy");
    plan->branch_axis = me->axis;
    plan->branch = plan->coord[me->axis];
    return plan_claim(plan, &plan->guide, "guidance", me);
}

static enum status cfg_volume(const struct strategy *me, const struct plan *plan,
                              struct volume *out)
{
    uint64_t rows = (uint64_t)plan_rows(plan, TOKENS_IMAGE, PLAN_OWN, NULL, PATCH_ALL);
    uint64_t features = (uint64_t)problem_features(&plan->problem);
    uint64_t grids = (uint64_t)plan->requests * (uint64_t)plan->problem.frames;
    uint64_t bytes = grids * rows * features * dtype_size(plan->problem.dtype);
    struct volume_line whole = {.axis = me->axis, .op = COMM_ALL_GATHER, .calls = 1};
    whole.api_bytes = whole.wire_bytes = bytes;
    if (plan->shard.head)
        volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
    return ST_OK;
}

static enum status cfg_init(struct strategy *me, struct run *run)
{
    struct cfg *cfg = me->state;
    const struct plan *plan = run_plan(run);
    if (!plan->shard.head)
        return ST_OK;
    struct tensor eps = run_eps(run, PATCH_ALL);
    int64_t dim[4] = {2, eps.dim[0], eps.dim[1], eps.dim[2]};
    cfg->comm = run_comm(run, me->axis, 0);
    return run_tensor(run, ARENA_BUFFERS, 4, dim, &cfg->both);
}

static enum status cfg_guide(struct strategy *me, struct run *run, const struct tensor *mine,
                             struct tensor *eps_u, struct tensor *eps_c)
{
    struct cfg *cfg = me->state;
    struct comm_req req = {0};
    int64_t count = tensor_count(mine);
    struct tensor part[2];
    for (int branch = 0; branch < 2; branch++) {
        part[branch] =
            tensor_of((char *)cfg->both.data + branch * count * (int64_t)dtype_size(mine->dtype),
                      mine->dev, mine->dtype, mine->ndim, mine->dim);
    }
    TRY(comm_all_gather(cfg->comm, mine, part, run_queue(run), &req));
    TRY(comm_wait(&req, run_queue(run)));
    *eps_u = part[0];
    *eps_c = part[1];
    return ST_OK;
}

const struct strategy_ops strategy_cfg = {
    .name = "cfg",
    .kind = &kind_transformer,
    .summary = "guidance branches are split; their predictions are gathered once a step",
    .paper = "xDiT (2411.01738)",
    .seam = "guide",
    .bytes = "latent",
    .memory = "activations / 2; weights whole",
    .state_size = sizeof(struct cfg),
    .plan = cfg_plan,
    .volume = cfg_volume,
    .init = cfg_init,
    .guide = cfg_guide,
};
