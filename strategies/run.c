/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: opening a run, the denoising loop, a bare forward. What a step is made of is in
 * run_step.c. */
#include "kernels/device.h"
#include "strategies/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the plan whose slots point at the copy's own strategies. */
static void copy_plan(const struct plan *from, struct plan *to)
{
    *to = *from;
    struct strategy **slot[ATTN_LEVELS + 3] = {&to->row_linear, &to->guide, &to->schedule};
    for (int l = 0; l < ATTN_LEVELS; l++)
        slot[3 + l] = &to->attend[l];
    for (int i = 0; i < ATTN_LEVELS + 3; i++)
        if (*slot[i])
            *slot[i] = &to->strategy[(*slot[i])->axis];
    for (int a = 0; a < to->mesh.n_axes; a++)
        to->strategy[a].item = &to->spec.item[a];
}

static enum status row_linear_owned(void *self, struct tensor *y, const struct tensor *x,
                                    const struct tensor *w, struct queue *q)
{
    struct strategy *owner = self;
    return owner->ops->row_linear(owner, y, x, w, q);
}

static void set_hooks(struct run *run)
{
    run->hooks = dit_hooks_serial;
    run->hooks.attend = attn_outer;
    run->hooks.attend_self = run;
    if (run->plan.row_linear && run->plan.row_linear->ops->row_linear) {
        run->hooks.row_linear = row_linear_owned;
        run->hooks.row_linear_self = run->plan.row_linear;
    }
}

static enum status open_events(struct run *run)
{
    int n = run->plan.problem.steps + 1;
    TRY(arena_host(run->arena[ARENA_ACTIVATIONS], sizeof *run->event * (size_t)n,
                   (void **)&run->event));
    for (int i = 0; i < n; i++)
        TRY(event_open(run->dev, &run->event[i]));
    return ST_OK;
}

static enum status open_real(struct run *run)
{
    TRY(run_allocate(run));
    TRY(open_events(run));
    TRY(TRACED("schedule", schedule_upload(run)));
    TRY(TRACED("noise", latents_start(run)));
    TRY(dit_set_prompt(run->dit, run->in.prompt, run->prompt_row, run->q));
    return queue_sync(run->q);
}

/* Every communicator must be able to: what one rank captures, its peers capture. */
static bool can_capture(const struct run *run)
{
    if (!run->in.graph || !run->in.sampler || !graph_supported(run->dev))
        return false;
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        for (int c = 0; c < mesh_channels(run->mesh, a); c++)
            if (!comm_captures(mesh_comm(run->mesh, a, c)))
                return false;
    return true;
}

enum status run_open(const struct plan *plan, const struct run_inputs *inputs, struct device *dev,
                     struct comm *world, struct run **out)
{
    struct run *run = calloc(1, sizeof *run);
    *out = NULL;
    if (!run)
        return fail(ST_OOM, "run: %zu bytes of host memory", sizeof *run);
    copy_plan(plan, &run->plan);
    run->in = *inputs;
    run->dev = dev;
    set_hooks(run);

    enum status st = dev ? queue_open(dev, &run->q) : ST_OK;
    if (st == ST_OK && world)
        st = mesh_open(world, &run->plan.mesh, &run->mesh);
    if (st == ST_OK)
        st = dev ? open_real(run) : run_allocate(run);
    if (world)
        st = comm_agree(world, st);
    if (st != ST_OK) {
        run_close(run);
        return st;
    }
    run->graphs = dev && can_capture(run);
    for (int k = 0; k < ARENA_KINDS; k++)
        arena_seal(run->arena[k]);
    *out = run;
    return ST_OK;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    run_capture_release(run);
    for (int i = 0; run->event && i <= run->plan.problem.steps; i++)
        event_close(run->dev, &run->event[i]);
    dit_close(run->dit);
    mesh_close(
        run->mesh); /* before the memory: after an abort a peer may still copy from or into it */
    for (int k = 0; k < ARENA_KINDS; k++)
        arena_close(run->arena[k]);
    queue_close(run->q);
    free(run);
}

/* Every axis counts its bytes under the kind that this step is for it. */
static void set_when(struct run *run, int i)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        for (int c = 0; c < mesh_channels(run->mesh, a); c++)
            comm_set_when(mesh_comm(run->mesh, a, c), plan_when(&run->plan, a, i));
}

enum status run_drain(struct run *run)
{
    return comm_drain(mesh_world(run->mesh), run->q);
}

/* ---- what every strategy is asked ---- */

static enum status begin(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->begin)
            TRY(TRACED("begin", s->ops->begin(s, run)));
    }
    return ST_OK;
}

static enum status settle(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->settle)
            TRY(TRACED("settle", s->ops->settle(s, run)));
    }
    return ST_OK;
}

static enum status finish(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->finish)
            TRY(TRACED("finish", s->ops->finish(s, run)));
    }
    return run_drain(run);
}

/* ---- a loop ---- */

static enum status reset(struct run *run)
{
    if (run->x.data)
        TRY(op_copy(run->q, &run->x, &run->start));
    return run->hist.data ? op_fill(run->q, &run->hist, 0.0f) : ST_OK;
}

static enum status begin_loop(struct run *run)
{
    mesh_reset_counters(run->mesh);
    TRY(TRACED("begin", reset(run)));
    TRY(begin(run));
    TRY(run_drain(run));
    return comm_barrier(mesh_world(run->mesh));
}

/* The whole sequence, or after the warm-up patch after patch, through the model of this rank. */
static enum status default_step(void *self, struct run *run, int i, int patch)
{
    const struct plan *plan = &run->plan;
    (void)self;
    if (i < plan->warmup || plan->n_patches == 1)
        TRY(run_pass(run, i, patch));
    else
        for (int m = 0; m < plan->n_patches; m++)
            TRY(run_pass(run, i, m));
    return settle(run);
}

/* What depends on the prompt alone. */
static enum status from_prompt(void *self, struct run *run, int i, int patch)
{
    (void)self;
    (void)i;
    (void)patch;
    return dit_begin(run->dit, run->q);
}

static enum status do_step(struct run *run, int i)
{
    struct strategy *schedule = run->plan.schedule;
    set_when(run, i);
    TRY(schedule_step(run, i));
    if (!schedule || !schedule->ops->step)
        return run_captured(run, default_step, NULL, i, PATCH_ALL, 0);
    return schedule->ops->step(schedule, run, i);
}

static enum status try_step(struct run *run, int i)
{
    struct strategy *schedule = run->plan.schedule;
    set_when(run, i);
    TRY(schedule_try(run, i));
    return schedule->ops->rehearse(schedule, run, i);
}

/* The kinds of steps that a schedule has: the first, the first stale one, the last. */
static enum status rehearse(struct run *run)
{
    struct strategy *schedule = run->plan.schedule;
    int last = run->plan.problem.steps - 1;
    int stale = run->plan.warmup < last ? run->plan.warmup : last;
    const int step[3] = {0, stale, last};
    bool due = !run->rehearsed && schedule && schedule->ops->rehearse && graph_supported(run->dev);
    run->rehearsed = true;
    if (!due)
        return ST_OK;
    TRY(run_captured(run, from_prompt, NULL, 0, PATCH_ALL, 0));
    for (int k = 0; k < 3; k++)
        TRY(TRACE(TRACE_STEP, "rehearsal of step", step[k], try_step(run, step[k])));
    return run_drain(run);
}

static enum status do_steps(struct run *run)
{
    TRY(run_captured(run, from_prompt, NULL, 0, PATCH_ALL, 0));
    for (int i = 0; i < run->plan.problem.steps; i++) {
        TRY(TRACE(TRACE_STEP, "step", i, do_step(run, i)));
        TRY(queue_mark(run->q, &run->event[i + 1]));
        if (run->in.on_step)
            run->in.on_step(run->in.on_step_self, i);
    }
    return finish(run);
}

/* Names the first step that did not come to its end on the device; the message is kept. */
static enum status name_step(struct run *run, enum status st)
{
    char message[1024];
    double ms;
    if (st != ST_TIMEOUT && st != ST_COMM)
        return st;
    snprintf(message, sizeof message, "%s", status_message());
    for (int i = 0; i < run->plan.problem.steps; i++)
        if (event_elapsed(run->dev, &run->event[0], &run->event[i + 1], &ms) != ST_OK)
            return fail(st, "step %d of %d: %s", i, run->plan.problem.steps, message);
    return fail(st, "%s", message);
}

static enum status loop(struct run *run, double *loop_ms, double *step_end_ms)
{
    int steps = run->plan.problem.steps;
    TRY(rehearse(run));
    TRY(begin_loop(run));
    TRY(queue_mark(run->q, &run->event[0]));
    enum status st = TRACE(TRACE_LOOP, "loop", -1, do_steps(run));
    if (st != ST_OK)
        return name_step(run, st);
    for (int i = 0; i < steps; i++)
        TRY(event_elapsed(run->dev, &run->event[0], &run->event[i + 1], &step_end_ms[i]));
    *loop_ms = step_end_ms[steps - 1];
    return ST_OK;
}

enum status run_loop(struct run *run, double *loop_ms, double *step_end_ms)
{
    BUG_ON(!run->in.sampler || run->in.sampler->steps != run->plan.problem.steps,
           "a loop without its schedule");
    enum status st = loop(run, loop_ms, step_end_ms);
    if (st != ST_OK)
        comm_abort(mesh_world(run->mesh));
    return st;
}

/* x [B, C, F, h, w] on ranks that embed: each lane has its own latent. */
static enum status input_latents(struct run *run, const float *x)
{
    int frames = run->plan.problem.frames;
    int64_t K = run_features(run, false);
    int64_t rows = run_rows(run, TOKENS_IMAGE, PATCH_ALL);
    size_t one = (size_t)(frames * rows * K);
    if (!run->input.data)
        return ST_OK;
    float *host = malloc(one * sizeof *host + 1);
    if (!host)
        return fail(ST_OOM, "forward: %zu bytes of host memory", one * sizeof *host);
    enum status st = ST_OK;
    for (int b = 0; b < run->plan.n_lanes && st == ST_OK; b++) {
        int64_t dim[3] = {frames, rows, K};
        struct tensor lane = tensor_slice(&run->input, 0, (int64_t)b * frames, frames);
        struct tensor from = tensor_of(host, NULL, DTYPE_F32, 3, dim);
        latents_pack(run, x, run->plan.problem.config->in_channels, run->prompt_row[b], host);
        st = op_copy(run->q, &lane, &from);
        if (st == ST_OK)
            st = queue_sync(run->q);
    }
    free(host);
    return st;
}

/* timestep [rows]; each lane's into `now`. */
static enum status input_times(struct run *run, const float *timestep)
{
    for (int b = 0; b < run->plan.n_lanes; b++) {
        struct tensor to = tensor_slice(&run->now, 0, b, 1);
        struct tensor from = to;
        from.data = (void *)&timestep[run->prompt_row[b]];
        from.dev = NULL;
        TRY(op_copy(run->q, &to, &from));
    }
    return ST_OK;
}

static enum status default_forward(struct run *run)
{
    struct tensor h = run_hidden(run, PATCH_ALL);
    struct tensor eps = run_eps(run, PATCH_ALL);
    TRY(run_embed_input(run, &h));
    TRY(run_blocks(run, 0, PATCH_ALL, &h, NULL));
    return run_head(run, 0, PATCH_ALL, &h, &eps);
}

static enum status forward(struct run *run, const float *x, const float *timestep)
{
    struct strategy *schedule = run->plan.schedule;
    TRY(TRACED("schedule", input_latents(run, x)));
    TRY(begin(run));
    TRY(comm_barrier(mesh_world(run->mesh)));
    TRY(dit_begin(run->dit, run->q));
    TRY(TRACED("schedule", input_times(run, timestep)));
    TRY(schedule_forward(run));
    bool own = schedule && schedule->ops->forward;
    TRY(RUN_TRACED_PASS(PATCH_ALL,
                        own ? schedule->ops->forward(schedule, run) : default_forward(run)));
    return finish(run);
}

enum status run_forward(struct run *run, const float *x, const float *timestep, float *out)
{
    BUG_ON(!run->plan.problem.all_channels, "a forward on a run opened for a loop");
    enum status st = forward(run, x, timestep);
    if (st == ST_OK)
        st = run_gather_eps(run, out);
    if (st != ST_OK)
        comm_abort(mesh_world(run->mesh));
    return st;
}

const struct plan *run_plan(const struct run *run)
{
    return &run->plan;
}

enum status run_volume(const struct run *run, struct volume *out)
{
    out->n = 0;
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        const struct comm_counters *c = mesh_counters(run->mesh, a);
        for (int op = 0; op < COMM_OPS; op++)
            for (int when = 0; when < COMM_WHENS; when++) {
                const struct comm_count *n = &c->count[op][when];
                struct volume_line line = {a, op, when, n->calls, n->api_bytes, n->wire_bytes};
                if (n->calls > 0)
                    volume_add(out, &line);
            }
    }
    return ST_OK;
}
