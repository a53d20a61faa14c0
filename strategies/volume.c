/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a plan says will be sent, in closed form; nothing here looks at what a run counted. */
#include "strategies/volume.h"

#include "strategies/strategy.h"

uint64_t volume_heads_bytes(const struct plan *plan, int64_t rows, int64_t heads)
{
    return (uint64_t)plan->n_grids * (uint64_t)rows * (uint64_t)heads *
           (uint64_t)problem_facts(&plan->problem).head_dim * dtype_size(plan->problem.dtype);
}

const struct volume_line *volume_find(const struct volume *volume, const struct volume_line *like)
{
    for (int i = 0; i < volume->n; i++) {
        const struct volume_line *line = &volume->line[i];
        if (line->axis == like->axis && line->op == like->op && line->when == like->when)
            return line;
    }
    return NULL;
}

void volume_add(struct volume *volume, const struct volume_line *line)
{
    const struct volume_line *known = volume_find(volume, line);
    struct volume_line *to = &volume->line[known ? known - volume->line : volume->n];
    if (!known) {
        *to = *line;
        volume->n++;
        return;
    }
    to->calls += line->calls;
    to->api_bytes += line->api_bytes;
    to->wire_bytes += line->wire_bytes;
}

void volume_add_steps(struct volume *volume, const struct plan *plan,
                      const struct volume_line *whole, enum volume_pass pass)
{
    struct volume_line line = *whole;
    line.when = COMM_WARMUP_STEP;
    if (plan_steps_of(plan, line.axis, line.when) > 0)
        volume_add(volume, &line);
    line.when = COMM_STEP;
    line.calls *= (uint64_t)plan->n_patches;
    if (pass == VOLUME_BY_PASS) {
        line.api_bytes *= (uint64_t)plan->n_patches;
        line.wire_bytes *= (uint64_t)plan->n_patches;
    }
    if (plan_steps_of(plan, line.axis, line.when) > 0)
        volume_add(volume, &line);
}

/* The final gather, once per loop, in fp32, among the ranks that have a result. */
static void add_gather(const struct plan *plan, struct volume *out)
{
    int channels = problem_facts(&plan->problem).result_channels;
    uint64_t row_bytes =
        (uint64_t)problem_result_features(&plan->problem, channels) * sizeof(float);
    if (!plan->shard.head)
        return;
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        if (!plan_gathers(plan, a, false) || plan->mesh.size[a] == 1)
            continue;
        uint64_t own = (uint64_t)plan_gather_rows(plan, plan->coord, a + 1, false) * row_bytes;
        struct volume_line line = {.axis = a, .op = COMM_ALL_GATHER, .when = COMM_ONCE};
        line.calls = 1;
        line.api_bytes = own;
        line.wire_bytes = own * (uint64_t)(plan->mesh.size[a] - 1);
        volume_add(out, &line);
    }
}

enum status volume_predict(const struct plan *plan, struct volume *out)
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

enum status volume_predict_loop(const struct plan *plan, struct volume *out)
{
    TRY(volume_predict(plan, out));
    for (int i = 0; i < out->n; i++) {
        struct volume_line *line = &out->line[i];
        uint64_t times = (uint64_t)plan_steps_of(plan, line->axis, line->when);
        line->calls *= times;
        line->api_bytes *= times;
        line->wire_bytes *= times;
    }
    return ST_OK;
}
