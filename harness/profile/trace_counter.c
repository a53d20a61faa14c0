/* SPDX-License-Identifier: Apache-2.0 */
/* Counter events: one series each, in order of time. */
#include "harness/profile/trace_counter.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_head(struct trace_out *out, int rank, int64_t at, const char *name)
{
    trace_out_event(out, 'C', rank, 0);
    trace_out_text(out, ", \"ts\": ");
    trace_out_us(out, at);
    trace_out_text(out, ", \"name\": ");
    trace_out_string(out, name);
}

/* ---- samples ---- */

static int by_counter(const void *a, const void *b)
{
    const struct recorded_sample *x = a;
    const struct recorded_sample *y = b;
    if (x->counter != y->counter)
        return x->counter < y->counter ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static enum status write_samples(struct trace_out *out, const struct recorded_rank *rank,
                                 int number)
{
    static const char *const name[][2] = {[RECORDED_SM_CLOCK] = {"SM clock", "MHz"},
                                          [RECORDED_POWER] = {"power", "W"},
                                          [RECORDED_MEMORY] = {"memory in use", "bytes"}};
    if (rank->samples == 0)
        return ST_OK;
    struct recorded_sample *v = malloc((size_t)rank->samples * sizeof *v);
    if (!v)
        return fail(ST_OOM, "timeline of rank %d: no host memory for %d samples", number,
                    rank->samples);
    for (int i = 0; i < rank->samples; i++)
        v[i] = rank->sample[i];
    qsort(v, (size_t)rank->samples, sizeof *v, by_counter);
    for (int i = 0; i < rank->samples; i++) {
        if (!isfinite(v[i].value))
            continue;
        put_head(out, number, v[i].at, name[v[i].counter][0]);
        trace_out_text(out, ", \"args\": {\"%s\": %.17g}}", name[v[i].counter][1], v[i].value);
    }
    free(v);
    return ST_OK;
}

/* ---- bytes ---- */

static int by_axis(const void *a, const void *b)
{
    const struct message *x = *(const struct message *const *)a;
    const struct message *y = *(const struct message *const *)b;
    if (x->axis != y->axis)
        return x->axis < y->axis ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static void write_axis(struct trace_out *out, const struct recording *recording, int rank, int n,
                       const struct message *const *v)
{
    char name[64];
    int axis = v[0]->axis;
    snprintf(name, sizeof name, "bytes sent in the loop: %s",
             axis >= 0 ? recording->shape.name[axis] : "world");
    put_head(out, rank, recording->rank[rank].begin, name);
    trace_out_text(out, ", \"args\": {\"bytes\": 0}}");
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        bytes += v[i]->bytes;
        put_head(out, rank, v[i]->end, name);
        trace_out_text(out, ", \"args\": {\"bytes\": %" PRIu64 "}}", bytes);
    }
}

/* Sent by this rank while it is recorded: of a window, not before and not after. The gather of the
 * result, which the ledger counts as "once", comes behind the loop. */
static bool sends(const struct recorded_rank *rank, int number, const struct message *m)
{
    return m->from == number && m->to != number && m->sent >= rank->begin && m->sent <= rank->end;
}

enum status trace_counter_write(struct trace_out *out, const struct recording *recording, int rank,
                                const struct messages *messages)
{
    const struct recorded_rank *of = &recording->rank[rank];
    TRY(write_samples(out, of, rank));
    int n = 0;
    for (int i = 0; messages && i < messages->n; i++)
        n += sends(of, rank, &messages->v[i]);
    if (n == 0)
        return ST_OK;
    const struct message **v = malloc((size_t)n * sizeof *v);
    if (!v)
        return fail(ST_OOM, "timeline of rank %d: no host memory for %d messages", rank, n);
    n = 0;
    for (int i = 0; i < messages->n; i++)
        if (sends(of, rank, &messages->v[i]))
            v[n++] = &messages->v[i];
    qsort(v, (size_t)n, sizeof *v, by_axis);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && v[end]->axis == v[i]->axis; end++)
            continue;
        write_axis(out, recording, rank, end - i, v + i);
    }
    free(v);
    return ST_OK;
}
