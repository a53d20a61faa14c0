/* SPDX-License-Identifier: Apache-2.0 */
/* Data parallel: each rank has whole requests; nothing is exchanged until the results are gathered.
 * Exact. */
#include "strategies/strategy.h"

static enum status data_plan(struct strategy *me, struct plan *plan)
{
    int n = plan->mesh.size[me->axis];
    if (plan->problem.requests < n)
        return plan_refuse(
            "data=%d needs a request for each rank, and there are %d; legal degrees: 1 to %d", n,
            plan->problem.requests, plan->problem.requests);
    plan->request_axis = me->axis;
    return ST_OK;
}

const struct strategy_ops strategy_data = {
    .name = "data",
    .summary = "requests are split; nothing is exchanged but the results",
    .paper = "-",
    .seam = "plan: requests",
    .bytes = "0",
    .memory = "activations / N; weights whole",
    .plan = data_plan,
};
