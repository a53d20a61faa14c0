/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: opening a run, and its loop. What a step is made of is the kind's business. */
#include "kernels/device.h"
#include "strategies/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the plan whose slots point at the copy's own strategies. */
static void copy_plan(const struct plan *from, struct plan *to)
{
    *to = *from;
    struct strategy **slot[ATTN_LEVELS + 4] = {&to->row_linear, &to->guide, &to->schedule,
                                               &to->rows};
    for (int l = 0; l < ATTN_LEVELS; l++)
        slot[4 + l] = &to->attend[l];
    for (int i = 0; i < ATTN_LEVELS + 4; i++)
        if (*slot[i])
            *slot[i] = &to->strategy[(*slot[i])->axis];
    for (int a = 0; a < to->mesh.n_axes; a++)
        to->strategy[a].item = &to->spec.item[a];
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
    TRY(run->plan.problem.kind->upload(run));
    return queue_sync(run->q);
}

/* Every communicator must be able to: what one rank captures, its peers capture. */
static bool can_capture(const struct run *run)
{
    if (!run->in.graph || run->plan.problem.all_channels || !graph_supported(run->dev))
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

    enum status st = dev ? queue_open(dev, &run->q) : ST_OK;
    if (world)
        st = comm_agree(world, st); /* all ranks split the world, or none */
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
    run->plan.problem.kind->close(run);
    mesh_close(
        run->mesh); /* before the memory: after an abort a peer may still copy from or into it */
    for (int k = 0; k < ARENA_KINDS; k++)
        arena_close(run->arena[k]);
    queue_close(run->q);
    free(run);
}

/* Every axis counts its bytes under the kind that this step is for it. */
void run_set_when(struct run *run, int i)
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

enum status run_begin(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->begin)
            TRY(TRACED("begin", s->ops->begin(s, run)));
    }
    return ST_OK;
}

enum status run_settle(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->settle)
            TRY(TRACED("settle", s->ops->settle(s, run)));
    }
    return ST_OK;
}

enum status run_finish(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++) {
        struct strategy *s = &run->plan.strategy[a];
        if (s->ops->finish)
            TRY(TRACED("finish", s->ops->finish(s, run)));
    }
    return run_drain(run);
}

/* ---- a loop ---- */

static enum status begin_loop(struct run *run)
{
    mesh_reset_counters(run->mesh);
    TRY(TRACED("begin", run->plan.problem.kind->reset(run)));
    TRY(run_begin(run));
    TRY(run_drain(run));
    return comm_barrier(mesh_world(run->mesh));
}

static enum status do_steps(struct run *run)
{
    const struct kind_ops *kind = run->plan.problem.kind;
    TRY(kind->begin(run));
    for (int i = 0; i < run->plan.problem.steps; i++) {
        run_set_when(run, i);
        TRY(TRACE(TRACE_STEP, "step", i, kind->step(run, i)));
        TRY(queue_mark(run->q, &run->event[i + 1]));
        if (run->in.on_step)
            run->in.on_step(run->in.on_step_self, i);
    }
    return run_finish(run);
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
    TRY(run->plan.problem.kind->rehearse(run));
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
    BUG_ON(run->plan.problem.all_channels, "a loop on a run opened for a forward");
    enum status st = loop(run, loop_ms, step_end_ms);
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
