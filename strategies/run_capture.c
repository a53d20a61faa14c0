/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that comes again in every step, as graphs of the backend (kernels/device.h): captured the
 * first time, launched from then on. What a graph sends is counted at each launch as it was counted
 * when it was captured.
 */
#include "kernels/device.h"
#include "strategies/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What makes two passes the same work. */
struct capture_key {
    run_body *body;
    void *self;
    int patch, variant;
    bool fresh, draws;
    enum comm_when when[MESH_MAX_AXES];
};

struct capture {
    struct capture_key key;
    struct graph graph;
    struct comm_counters sent[MESH_MAX_AXES]; /* by one launch */
};

static struct capture_key key_of(const struct run *run, run_body *body, void *self, int i,
                                 int patch, int variant)
{
    struct capture_key key;
    memset(&key, 0, sizeof key); /* compared as bytes */
    key.body = body;
    key.self = self;
    key.patch = patch;
    key.variant = variant;
    key.fresh = run_fresh(run, i);
    key.draws = run->in.sampler && run->in.sampler->draws[i];
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        key.when[a] = plan_when(&run->plan, a, i);
    return key;
}

static void counters_read(struct run *run, struct comm_counters *out)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        out[a] = *mesh_counters(run->mesh, a);
}

static void counters_write(struct run *run, const struct comm_counters *in)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        *mesh_counters(run->mesh, a) = in[a];
}

/* to += sign * by, for every axis. */
static void counters_add(const struct run *run, struct comm_counters *to,
                         const struct comm_counters *by, bool subtract)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        for (int op = 0; op < COMM_OPS; op++)
            for (int when = 0; when < COMM_WHENS; when++) {
                struct comm_count *t = &to[a].count[op][when];
                struct comm_count b = by[a].count[op][when];
                t->calls = subtract ? t->calls - b.calls : t->calls + b.calls;
                t->api_bytes = subtract ? t->api_bytes - b.api_bytes : t->api_bytes + b.api_bytes;
                t->wire_bytes =
                    subtract ? t->wire_bytes - b.wire_bytes : t->wire_bytes + b.wire_bytes;
            }
}

/* No work of a communicator stays outside the graph. */
static enum status join_all(struct run *run)
{
    for (int a = 0; a < run->plan.mesh.n_axes; a++)
        for (int c = 0; c < mesh_channels(run->mesh, a); c++)
            TRY(comm_join(mesh_comm(run->mesh, a, c), run->q));
    return ST_OK;
}

static enum status capture(struct run *run, const struct capture_key *key, int i,
                           struct capture *out)
{
    struct comm_counters before[MESH_MAX_AXES];
    counters_read(run, before);
    TRY(graph_begin(run->q));
    enum status st = key->body(key->self, run, i, key->patch);
    if (st == ST_OK)
        st = join_all(run);
    if (st != ST_OK) { /* told first; a queue must not stay in a capture */
        char message[1024];
        snprintf(message, sizeof message, "%s", status_message());
        graph_end(run->q, &out->graph);
        graph_release(run->dev, &out->graph);
        return fail(st, "while a step was captured: %s", message);
    }
    TRY(graph_end(run->q, &out->graph));
    out->key = *key;
    counters_read(run, out->sent);
    counters_add(run, out->sent, before, true);
    counters_write(run, before);
    return ST_OK;
}

static struct capture *find(const struct run *run, const struct capture_key *key)
{
    for (int r = 0; r < run->n_captures; r++)
        if (memcmp(&run->capture[r].key, key, sizeof *key) == 0)
            return &run->capture[r];
    return NULL;
}

static enum status launch(struct run *run, const struct capture *capture)
{
    struct comm_counters now[MESH_MAX_AXES];
    TRY(graph_launch(run->q, &capture->graph));
    counters_read(run, now);
    counters_add(run, now, capture->sent, false);
    counters_write(run, now);
    return ST_OK;
}

/* The first time chooses algorithms by timing and finds memory for them, which a capture cannot;
 * so it computes, and the same calls are then captured without computing. */
enum status run_captured(struct run *run, run_body *body, void *self, int i, int patch, int variant)
{
    if (!run->graphs)
        return body(self, run, i, patch);
    struct capture_key key = key_of(run, body, self, i, patch, variant);
    const struct capture *known = find(run, &key);
    if (known)
        return launch(run, known);
    TRY(body(self, run, i, patch));
    size_t room = ((size_t)run->n_captures + 1) * sizeof *run->capture;
    struct capture *all = realloc(run->capture, room);
    if (!all)
        return fail(ST_OOM, "captured steps: %zu bytes of host memory", room);
    run->capture = all;
    memset(&all[run->n_captures], 0, sizeof *all);
    TRY(capture(run, &key, i, &all[run->n_captures]));
    run->n_captures++;
    return ST_OK;
}

void run_capture_release(struct run *run)
{
    for (int r = 0; r < run->n_captures; r++)
        graph_release(run->dev, &run->capture[r].graph);
    free(run->capture);
    run->capture = NULL;
    run->n_captures = 0;
}
