/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a plan says will be sent, in closed form; nothing here looks at what a run counted. */
#include "strategies/strategy.h"

int plan_layers(const struct plan *plan)
{
    return plan->shard.layer_end - plan->shard.layer_begin;
}

uint64_t plan_heads_bytes(const struct plan *plan, int64_t rows, int64_t heads)
{
    return (uint64_t)plan->n_lanes * (uint64_t)rows * (uint64_t)heads *
           (uint64_t)plan->problem.config->head_dim * dtype_size(plan->problem.dtype);
}

enum comm_when plan_when(const struct plan *plan, int axis, int step)
{
    if (step == plan->problem.steps - 1 && plan->last_differs[axis])
        return COMM_LAST_STEP;
    return step < plan->warmup ? COMM_WARMUP_STEP : COMM_STEP;
}

int plan_steps_of(const struct plan *plan, int axis, enum comm_when when)
{
    if (when == COMM_ONCE)
        return 1;
    int count = 0;
    for (int i = 0; i < plan->problem.steps; i++)
        count += plan_when(plan, axis, i) == when;
    return count;
}

void volume_add(struct volume *volume, int axis, enum comm_op op, enum comm_when when,
                uint64_t calls, uint64_t api_bytes, uint64_t wire_bytes)
{
    BUG_ON(volume->n == VOLUME_MAX, "more than %d lines of a volume", VOLUME_MAX);
    volume->line[volume->n++] = (struct volume_line){axis, op, when, calls, api_bytes, wire_bytes};
}

void volume_add_steps(struct volume *volume, const struct plan *plan, int axis, enum comm_op op,
                      uint64_t calls, uint64_t api_bytes, uint64_t wire_bytes, bool scaled)
{
    uint64_t passes = (uint64_t)plan->n_patches;
    if (plan_steps_of(plan, axis, COMM_WARMUP_STEP) > 0)
        volume_add(volume, axis, op, COMM_WARMUP_STEP, calls, api_bytes, wire_bytes);
    if (plan_steps_of(plan, axis, COMM_STEP) > 0) {
        uint64_t times = scaled ? passes : 1;
        volume_add(volume, axis, op, COMM_STEP, calls * passes, api_bytes * times,
                   wire_bytes * times);
    }
}

/* The final gather, once per loop, in fp32, among the ranks that advance latents. */
static void add_gather(const struct plan *plan, struct volume *out)
{
    const struct dit_config *c = plan->problem.config;
    uint64_t row_bytes = (uint64_t)c->in_channels * (uint64_t)(c->patch * c->patch) * sizeof(float);
    if (!plan->shard.head)
        return;
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        if (!plan_gathers(plan, a, false) || plan->mesh.size[a] == 1)
            continue;
        uint64_t own = (uint64_t)plan_gather_rows(plan, plan->coord, a + 1, false) * row_bytes;
        volume_add(out, a, COMM_ALL_GATHER, COMM_ONCE, 1, own,
                   own * (uint64_t)(plan->mesh.size[a] - 1));
    }
}

enum status plan_volume(const struct plan *plan, struct volume *out)
{
    out->n = 0;
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        const struct strategy *s = &plan->strategy[a];
        if (s->ops->volume && plan->mesh.size[a] > 1)
            TRY(s->ops->volume(s, plan, out));
    }
    add_gather(plan, out);
    return ST_OK;
}
