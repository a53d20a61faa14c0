/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attention chain: heads are exchanged first (RESHARD), then keys are completed from the last
 * step's memory (STORE), then what other ranks still have is collected (COLLECT), then plain
 * attention.
 * Which levels are occupied is the plan's data.
 */
#include "strategies/run_internal.h"

static enum status attn_from(const struct run *run, int level, const struct attn_call *call)
{
    for (; level < ATTN_LEVELS; level++) {
        struct strategy *owner = run->plan.attend[level];
        if (owner && owner->ops->attend)
            return owner->ops->attend(owner, call);
    }
    struct tensor o = call->o;
    return op_attention(call->queue, &o, call->lse, &call->q, &call->k, &call->v, NULL,
                        call->scale);
}

enum status attn_outer(void *run, const struct attn_call *call)
{
    return attn_from(run, ATTN_RESHARD, call);
}

enum status attn_inner(struct strategy *me, const struct attn_call *call)
{
    for (int level = 0; level < ATTN_LEVELS; level++)
        if (me->run->plan.attend[level] == me)
            return attn_from(me->run, level + 1, call);
    bug(__FILE__, __LINE__, "%s owns no attention level", me->ops->name);
}
