/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the tracks of a rank together and writes each as it is complete. */
#include "harness/profile/trace_rank.h"
#include "harness/profile/trace_counter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LANES = 32, FIRST_FREE = 1 << 24 }; /* threads of Linux have numbers below 1 << 22 */

struct state {
    struct trace_out *out;
    struct trace_scene scene;
    struct trace_flows flows;
    struct trace_track track; /* that is being put together */
    int64_t free_tid;         /* no track has this number, nor a larger one */
    uint64_t *cut;
};

/* ---- names ---- */

static void name_track(struct state *s, int64_t tid, const char *name, int sort)
{
    trace_out_event(s->out, 'M', s->scene.number, tid);
    trace_out_text(s->out, ", \"name\": \"thread_name\", \"args\": {\"name\": ");
    trace_out_string(s->out, name);
    trace_out_text(s->out, "}}");
    trace_out_event(s->out, 'M', s->scene.number, tid);
    trace_out_text(s->out, ", \"name\": \"thread_sort_index\", \"args\": {\"sort_index\": %d}}",
                   sort);
}

static void name_process(struct state *s)
{
    const struct recorded_rank *rank = s->scene.rank;
    char text[TRACE_SLICE_NAME];
    char device[16] = "";
    if (!s->scene.recording->on_host)
        snprintf(device, sizeof device, " %d", rank->device);
    snprintf(text, sizeof text, "rank %d (%.100s%s on %.100s)", s->scene.number, rank->device_name,
             device, rank->host);
    trace_out_event(s->out, 'M', s->scene.number, 0);
    trace_out_text(s->out, ", \"name\": \"process_name\", \"args\": {\"name\": ");
    trace_out_string(s->out, text);
    trace_out_text(s->out, "}}");
    trace_out_event(s->out, 'M', s->scene.number, 0);
    trace_out_text(s->out, ", \"name\": \"process_sort_index\", \"args\": {\"sort_index\": %d}}",
                   s->scene.number);
}

/* Streams keep their numbers; threads too, where no stream has it. */
static void number_tracks(struct state *s)
{
    const struct recorded_rank *rank = s->scene.rank;
    for (int device = 1; device >= 0; device--) {
        for (int t = 0; t < rank->tracks; t++) {
            if (rank->track[t].device != (device == 1))
                continue;
            int64_t tid = rank->track[t].id;
            bool taken = tid < 1 || tid >= FIRST_FREE;
            for (int o = 0; o < rank->tracks; o++)
                taken = taken || (o != t && s->scene.tid[o] == tid);
            s->scene.tid[t] = taken ? s->free_tid++ : tid;
        }
    }
}

/* ---- a track that is complete ---- */

static int find_flows(const struct trace_flows *flows, const struct trace_slice *slice)
{
    int low = 0;
    int high = flows->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const struct trace_flow *f = &flows->v[middle];
        if (f->kind < slice->kind || (f->kind == slice->kind && f->index < slice->index))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int by_at(const void *a, const void *b)
{
    const struct trace_flow *x = a;
    const struct trace_flow *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The ends of arrows that are bound to the track's slices, moved into them; [*n] in order. */
static enum status bound_flows(const struct state *s, int *n, struct trace_flow **out)
{
    *n = 0;
    *out = malloc(((size_t)s->flows.n + 1) * sizeof **out);
    if (!*out)
        return fail(ST_OOM, "timeline: no host memory for %d ends of arrows", s->flows.n);
    for (int i = 0; i < s->track.n; i++) {
        const struct trace_slice *slice = &s->track.v[i];
        int64_t last = slice->end > slice->begin ? slice->end - 1 : slice->begin;
        for (int f = find_flows(&s->flows, slice); f < s->flows.n; f++) {
            struct trace_flow flow = s->flows.v[f];
            if (flow.kind != slice->kind || flow.index != slice->index)
                break;
            flow.at = flow.at > last ? last : flow.at;
            flow.at = flow.at < slice->begin ? slice->begin : flow.at;
            (*out)[(*n)++] = flow;
        }
    }
    qsort(*out, (size_t)*n, sizeof **out, by_at);
    return ST_OK;
}

static void write_flow(struct state *s, int64_t tid, const struct trace_flow *flow)
{
    trace_out_event(s->out, flow->start ? 's' : 'f', s->scene.number, tid);
    trace_out_text(s->out, ", \"ts\": ");
    trace_out_us(s->out, flow->at);
    const char *category = flow->message ? "comm_flow" : "ac2g";
    trace_out_text(s->out, ", \"id\": %u, \"cat\": \"%s\", \"name\": \"%s\"%s}", flow->id, category,
                   category, flow->start ? "" : ", \"bp\": \"e\"");
}

/* Writes the track that was put together and empties it. */
static enum status write_track(struct state *s, int64_t tid)
{
    TRY(trace_track_nest(&s->track));
    struct trace_flow *flow;
    int n;
    TRY(bound_flows(s, &n, &flow));
    int f = 0;
    for (int i = 0; i < s->track.n; i++) {
        while (f < n && flow[f].at < s->track.v[i].begin)
            write_flow(s, tid, &flow[f++]);
        trace_slice_write(s->out, &s->scene, tid, &s->track.v[i]);
    }
    while (f < n)
        write_flow(s, tid, &flow[f++]);
    free(flow);
    *s->cut += s->track.cut;
    s->track.cut = 0;
    s->track.n = 0;
    return ST_OK;
}

/* ---- a thread ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Cuts a call to the part between two of the n instants at[] that most of it lies in. */
static bool cut_call(struct trace_slice *call, int n, const int64_t *at)
{
    int low = 0;
    int high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (at[middle] <= call->begin)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n || at[low] >= call->end)
        return false;
    int64_t best = call->begin;
    int64_t length = 0;
    for (int64_t from = call->begin; from < call->end; low++) {
        int64_t to = low < n && at[low] < call->end ? at[low] : call->end;
        if (to - from > length) {
            best = from;
            length = to - from;
        }
        from = to;
    }
    call->begin = best;
    call->end = best + length;
    return true;
}

static enum status add_ranges(struct state *s, int track)
{
    const struct recorded_rank *rank = s->scene.rank;
    for (int i = 0; i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        if (range->track != track || !trace_flow_drawn(rank, i))
            continue;
        struct trace_slice slice = {range->begin, range->end, TRACE_SLICE_RANGE, i, 0};
        for (int p = range->parent; p >= 0; p = rank->range[p].parent)
            slice.depth++;
        TRY(trace_track_add(&s->track, &slice));
        slice.kind = TRACE_SLICE_STEP;
        if (range->kind == TRACE_STEP && strcmp(range->name, "step") == 0)
            TRY(trace_track_add(&s->track, &slice));
    }
    return ST_OK;
}

static enum status add_calls(struct state *s, int track, int n, const int64_t *at)
{
    const struct recorded_rank *rank = s->scene.rank;
    for (int i = 0; i < rank->calls; i++) {
        const struct recorded_call *call = &rank->call[i];
        struct trace_slice slice = {call->begin, call->end, TRACE_SLICE_CALL, i, 0};
        if (call->track != track || call->kind == RECORDED_OVERHEAD)
            continue;
        if (cut_call(&slice, n, at))
            s->track.cut++;
        TRY(trace_track_add(&s->track, &slice));
    }
    return ST_OK;
}

static enum status write_overhead(struct state *s, int track)
{
    const struct recorded_rank *rank = s->scene.rank;
    for (int i = 0; i < rank->calls; i++) {
        const struct recorded_call *call = &rank->call[i];
        const struct trace_slice slice = {call->begin, call->end, TRACE_SLICE_CALL, i, 0};
        if (call->track == track && call->kind == RECORDED_OVERHEAD)
            TRY(trace_track_add(&s->track, &slice));
    }
    if (s->track.n == 0)
        return ST_OK;
    char name[TRACE_SLICE_NAME];
    snprintf(name, sizeof name, "%.200s: cost of profiling", rank->track[track].name);
    int64_t tid = s->free_tid++;
    name_track(s, tid, name, 2 * rank->tracks + track);
    return write_track(s, tid);
}

static enum status write_thread(struct state *s, int track)
{
    TRY(add_ranges(s, track));
    TRY(trace_track_nest(&s->track));
    int n = 0;
    int64_t *at = malloc((2 * (size_t)s->track.n + 1) * sizeof *at);
    if (!at)
        return fail(ST_OOM, "timeline: no host memory for a track of %d ranges", s->track.n);
    for (int i = 0; i < s->track.n; i++) {
        at[n++] = s->track.v[i].begin;
        at[n++] = s->track.v[i].end;
    }
    qsort(at, (size_t)n, sizeof *at, by_value);
    enum status st = add_calls(s, track, n, at);
    free(at);
    TRY(st);
    name_track(s, s->scene.tid[track], s->scene.rank->track[track].name, track);
    TRY(write_track(s, s->scene.tid[track]));
    return write_overhead(s, track);
}

/* ---- a stream ---- */

struct lane {
    int64_t begin, end; /* of its last item */
};

/* The first lane that is free when the item begins, and the slice as it fits in there. */
static int choose_lane(int lanes, const struct lane *lane, struct trace_slice *slice)
{
    for (int l = 0; l < lanes; l++) {
        int64_t over = lane[l].end - slice->begin;
        int64_t shorter = lane[l].end - lane[l].begin;
        if (over <= 0)
            return l;
        if (slice->end - slice->begin < shorter)
            shorter = slice->end - slice->begin;
        if (50 * over > shorter)
            continue;
        slice->begin = lane[l].end;
        return l;
    }
    return lanes;
}

/* Slices of a stream's items by begin; depth: the lane of each. */
static enum status sort_items(struct state *s, int track, struct trace_track *items, int *lanes)
{
    const struct recorded_rank *rank = s->scene.rank;
    struct lane lane[MOST_LANES];
    *lanes = 0;
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        const struct trace_slice slice = {item->begin, item->end, TRACE_SLICE_ITEM, i, 0};
        if (item->track == track)
            TRY(trace_track_add(items, &slice));
    }
    trace_track_sort(items);
    for (int i = 0; i < items->n; i++) {
        struct trace_slice *slice = &items->v[i];
        int64_t begin = slice->begin;
        slice->depth = choose_lane(*lanes, lane, slice);
        if (slice->depth == *lanes && *lanes < MOST_LANES)
            ++*lanes;
        slice->depth = slice->depth < MOST_LANES ? slice->depth : MOST_LANES - 1;
        *s->cut += slice->begin != begin;
        lane[slice->depth] = (struct lane){slice->begin, slice->end};
    }
    return ST_OK;
}

/* Ranges of the whole stream are drawn in its first lane. */
static enum status add_projected(struct state *s, int track)
{
    const struct projection *projection = &s->scene.projection;
    struct trace_track fitted = {0};
    enum status st = ST_OK;
    for (int i = 0; st == ST_OK && i < projection->n; i++) {
        const struct projected *p = &projection->v[i];
        struct trace_slice slice = {p->begin, p->end, TRACE_SLICE_PROJECTED, i, p->depth};
        if (p->track != track)
            continue;
        s->track.cut += !trace_track_fit(&s->track, &slice);
        if (slice.end > slice.begin || p->end == p->begin)
            st = trace_track_add(&fitted, &slice);
    }
    for (int i = 0; st == ST_OK && i < fitted.n; i++)
        st = trace_track_add(&s->track, &fitted.v[i]);
    trace_track_release(&fitted);
    return st;
}

static enum status write_lane(struct state *s, int track, int lane, const struct trace_track *items)
{
    for (int i = 0; i < items->n; i++)
        if (items->v[i].depth == lane)
            TRY(trace_track_add(&s->track, &items->v[i]));
    if (lane == 0)
        TRY(add_projected(s, track));
    const char *name = s->scene.rank->track[track].name;
    char beside[TRACE_SLICE_NAME];
    int64_t tid = s->scene.tid[track];
    if (lane > 0) {
        snprintf(beside, sizeof beside, "%.200s (%d)", name, lane + 1);
        name = beside;
        tid = s->free_tid++;
    }
    name_track(s, tid, name, s->scene.rank->tracks + track);
    return write_track(s, tid);
}

static enum status write_stream(struct state *s, int track)
{
    struct trace_track items = {0};
    int lanes;
    enum status st = sort_items(s, track, &items, &lanes);
    for (int l = 0; st == ST_OK && l < lanes; l++)
        st = write_lane(s, track, l, &items);
    trace_track_release(&items);
    return st;
}

/* ---- the rank ---- */

static enum status set_scene(struct state *s, const struct recording *recording, int rank)
{
    const struct recorded_rank *of = &recording->rank[rank];
    s->scene = (struct trace_scene){.recording = recording, .number = rank, .rank = of};
    s->free_tid = FIRST_FREE;
    s->scene.tid = calloc((size_t)of->tracks + 1, sizeof *s->scene.tid);
    s->scene.started = calloc((size_t)of->calls + 1, sizeof *s->scene.started);
    if (!s->scene.tid || !s->scene.started)
        return fail(ST_OOM, "timeline of rank %d: no host memory for %d calls", rank, of->calls);
    for (int i = 0; i < of->items; i++)
        if (of->item[i].call >= 0)
            s->scene.started[of->item[i].call] = true;
    number_tracks(s);
    return recording->on_host ? ST_OK : projection_open(recording, rank, &s->scene.projection);
}

static void release(struct state *s)
{
    free(s->scene.tid);
    free(s->scene.started);
    projection_release(&s->scene.projection);
    trace_flow_release(&s->flows);
    trace_track_release(&s->track);
}

enum status trace_rank_write(struct trace_out *out, const struct recording *recording, int rank,
                             const struct messages *messages, const struct trace_route *routes,
                             uint32_t *next, uint64_t *cut)
{
    struct state s = {.out = out, .cut = cut};
    enum status st = set_scene(&s, recording, rank);
    if (st == ST_OK)
        st = trace_flow_open(recording, rank, messages, routes, next, &s.flows);
    if (st == ST_OK)
        name_process(&s);
    for (int t = 0; st == ST_OK && t < s.scene.rank->tracks; t++)
        st = s.scene.rank->track[t].device ? write_stream(&s, t) : write_thread(&s, t);
    if (st == ST_OK)
        st = trace_counter_write(out, recording, rank, messages);
    release(&s);
    return st;
}
