/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All-gather of keys: tokens are split; before attention every rank gathers the keys and values of
 * all, and attends over them with its own queries. Exact. (Llama 3, Dubey et al. 2024, 2407.21783,
 * section 3.3.2; for images vLLM-Omni's all-gather-KV.) Behind a key store the stored shares are
 * gathered, once for each patch.
 */
#include "strategies/key_gather.h"

static enum status allgather_plan(struct strategy *me, struct plan *plan)
{
    TRY(plan_split_tokens(plan, me->axis, false));
    return plan_claim(plan, &plan->attend[ATTN_COLLECT], "keys of the other ranks", me);
}

static enum status allgather_volume(const struct strategy *me, const struct plan *plan,
                                    struct volume *out)
{
    int first;
    int sites = plan_sites(plan, &first);
    for (int s = first; s < first + sites; s++)
        key_gather_volume(me, plan, dit_site_at(plan->problem.config, s).keys, out);
    return ST_OK;
}

static enum status allgather_init(struct strategy *me, struct run *run)
{
    return key_gather_open(me->state, me, run, run_plan(run)->n_grids);
}

static enum status allgather_attend(struct strategy *me, const struct attn_call *call)
{
    return key_gather_attend(me->state, me, call);
}

const struct strategy_ops strategy_allgather = {
    .name = "allgather",
    .kind = &kind_transformer,
    .summary = "tokens are split; keys and values of all ranks are gathered before attention",
    .paper = "Llama 3 (2407.21783)",
    .seam = "attend: collect",
    .bytes = "2(N-1) * A/N * L",
    .memory = "activations / N, keys of all tokens for one attention; weights whole",
    .state_size = sizeof(struct key_gather),
    .plan = allgather_plan,
    .volume = allgather_volume,
    .init = allgather_init,
    .attend = allgather_attend,
};
