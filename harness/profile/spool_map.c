/* SPDX-License-Identifier: Apache-2.0 */
/* Activities become calls and items of ranks. Changes no time. */
#include "harness/profile/spool_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A call by its correlation: the first of those that have the same. */
struct link {
    uint32_t correlation;
    int at; /* index of the activity */
};

struct map {
    struct spool_parsed *file;
    struct recording *recording;
    int links;
    struct link *link; /* [links] by correlation, then begin */
    int streams;
    struct spool_parsed_stream **stream; /* [streams] those of ranks */
};

/* ---- order ---- */

static int by_begin(const void *a, const void *b)
{
    const struct spool_activity *x = &((const struct spool_parsed_activity *)a)->a;
    const struct spool_activity *y = &((const struct spool_parsed_activity *)b)->a;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end); /* the longer one is around the other */
}

static int by_correlation(const void *a, const void *b)
{
    const struct link *x = a;
    const struct link *y = b;
    if (x->correlation != y->correlation)
        return x->correlation < y->correlation ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool is_call(const struct spool_activity *a)
{
    return a->kind == ACTIVITY_RUNTIME || a->kind == ACTIVITY_DRIVER;
}

/* The call that started it; NULL: not told. */
static struct spool_parsed_activity *call_of(const struct map *m, uint32_t correlation)
{
    int low = 0;
    int high = m->links;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (m->link[middle].correlation < correlation)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = correlation != 0 && low < m->links && m->link[low].correlation == correlation;
    return found ? &m->file->activity[m->link[low].at] : NULL;
}

/* ---- whose it is ---- */

static struct spool_parsed_stream *stream_of_thread(const struct map *m, uint32_t thread)
{
    for (int i = 0; i < m->streams; i++)
        if (m->stream[i]->thread == thread)
            return m->stream[i];
    return NULL;
}

/* A lone rank has all that its process does, whatever thread of it. */
static struct spool_parsed_stream *stream_of_call(const struct map *m, uint32_t thread)
{
    struct spool_parsed_stream *s = stream_of_thread(m, thread);
    return s ? s : m->streams == 1 ? m->stream[0] : NULL;
}

static struct spool_parsed_stream *stream_of_item(const struct map *m,
                                                  const struct spool_activity *a,
                                                  const struct spool_parsed_activity *call)
{
    struct spool_parsed_stream *found = NULL;
    uint64_t rank = a->tag >> 32;
    for (int i = 0; rank > 0 && i < m->streams; i++)
        if ((uint64_t)m->stream[i]->rank + 1 == rank)
            return m->stream[i];
    if (call)
        found = stream_of_call(m, call->a.thread);
    for (int i = 0; !found && i < m->streams; i++) /* the only rank of that device */
        if (m->recording->rank[m->stream[i]->rank].device == a->device) {
            for (int k = i + 1; k < m->streams; k++)
                if (m->recording->rank[m->stream[k]->rank].device == a->device)
                    return NULL;
            found = m->stream[i];
        }
    return found;
}

/* Did it begin within the loop? */
static bool in_loop(const struct map *m, const struct spool_parsed_stream *s, int64_t at)
{
    if (s->loop == RECORDED_NONE)
        return false;
    const struct recorded_range *loop = &m->recording->rank[s->rank].range[s->loop];
    return at >= loop->begin && (at <= loop->end || !s->ended);
}

static bool in_any_loop(const struct map *m, int64_t at)
{
    for (int i = 0; i < m->streams; i++)
        if (in_loop(m, m->stream[i], at))
            return true;
    return false;
}

/* ---- ranges ---- */

/* The innermost range in which the moment lies. Begins never fall. */
static int range_at(const struct recorded_rank *rank, int64_t at)
{
    int low = 0;
    int high = rank->ranges;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (rank->range[middle].begin <= at)
            low = middle + 1;
        else
            high = middle;
    }
    int range = low - 1;
    while (range >= 0 && rank->range[range].end < at)
        range = rank->range[range].parent;
    return range;
}

static int launch_around(const struct recorded_rank *rank, int range)
{
    range = recording_around(rank, range, TRACE_GRAPH);
    return range >= 0 && strcmp(rank->range[range].name, "launch") == 0 ? range : RECORDED_NONE;
}

static int step_around(const struct recorded_rank *rank, int range)
{
    range = recording_around(rank, range, TRACE_STEP);
    return range >= 0 ? rank->range[range].index : RECORDED_NONE;
}

/* ---- tracks ---- */

static int track_of(const struct map *m, int rank, bool device, uint32_t id)
{
    const struct recorded_rank *r = &m->recording->rank[rank];
    char name[40];
    for (int i = 0; i < r->tracks; i++)
        if (r->track[i].device == device && r->track[i].id == id)
            return i;
    snprintf(name, sizeof name, device ? "stream %u" : "thread %u", (unsigned)id);
    const struct recorded_track track = {name, device, id};
    return recording_add_track(m->recording, rank, &track);
}

/* ---- calls and items ---- */

static void add_call(const struct map *m, struct spool_parsed_activity *p)
{
    static const enum recorded_call_kind kind[ACTIVITY_KINDS] = {
        [ACTIVITY_RUNTIME] = RECORDED_RUNTIME,
        [ACTIVITY_DRIVER] = RECORDED_DRIVER,
        [ACTIVITY_SYNC] = RECORDED_SYNC,
        [ACTIVITY_OVERHEAD] = RECORDED_OVERHEAD,
    };
    const struct spool_activity *a = &p->a;
    const struct spool_parsed_activity *of = call_of(m, a->correlation);
    uint32_t thread = a->thread || !of ? a->thread : of->a.thread;
    const struct spool_parsed_stream *s = stream_of_call(m, thread);
    if (!s || !in_loop(m, s, a->begin))
        return;
    const struct recorded_call call = {
        .begin = a->begin,
        .end = a->end,
        .kind = kind[a->kind],
        .name = p->name,
        .track = track_of(m, s->rank, false, thread ? thread : s->thread),
        .correlation = a->correlation,
    };
    p->call = recording_add_call(m->recording, s->rank, &call);
}

static void add_item(const struct map *m, const struct spool_parsed_activity *p)
{
    static const enum recorded_what what[] = {[ACTIVITY_KERNEL] = RECORDED_KERNEL,
                                              [ACTIVITY_COPY] = RECORDED_COPY,
                                              [ACTIVITY_FILL] = RECORDED_FILL};
    const struct spool_activity *a = &p->a;
    const struct spool_parsed_activity *call = call_of(m, a->correlation);
    const struct spool_parsed_stream *s = stream_of_item(m, a, call);
    m->file->dropped += !s && in_any_loop(m, a->begin);
    if (!s || !in_loop(m, s, a->begin))
        return;
    const struct recorded_rank *rank = &m->recording->rank[s->rank];
    bool own = call && call->a.thread == s->thread;
    int given = own ? range_at(rank, call->a.begin) : RECORDED_NONE;
    uint64_t tagged = a->tag & 0xffffffff;
    struct recorded_item item = {
        .begin = a->begin,
        .end = a->end,
        .what = what[a->kind],
        .name = p->name,
        .track = track_of(m, s->rank, true, a->stream),
        .range = tagged > 0 && tagged <= (uint64_t)rank->ranges ? (int)tagged - 1 : given,
        .launch = launch_around(rank, given),
        .call = call ? call->call : RECORDED_NONE,
        .bytes = a->bytes,
        .grid = {a->grid[0], a->grid[1], a->grid[2]},
        .block = {a->block[0], a->block[1], a->block[2]},
        .registers = a->registers,
        .shared = a->shared,
    };
    item.step = step_around(rank, item.launch >= 0 ? item.launch : item.range);
    recording_add_item(m->recording, s->rank, &item);
}

/* On the CPU: every operation of the loop is one. */
static void add_operations(const struct map *m, const struct spool_parsed_stream *s)
{
    const struct recorded_rank *rank = &m->recording->rank[s->rank];
    for (int i = s->loop; i >= 0 && i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        if (range->kind != TRACE_OP || recording_around(rank, i, TRACE_LOOP) < 0)
            continue;
        const struct recorded_item item = {
            .begin = range->begin,
            .end = range->end,
            .what = RECORDED_KERNEL,
            .name = range->name,
            .track = range->track,
            .range = i,
            .launch = RECORDED_NONE,
            .step = step_around(rank, i),
            .call = RECORDED_NONE,
        };
        recording_add_item(m->recording, s->rank, &item);
    }
}

static void add_samples(const struct map *m, const struct spool_parsed_stream *s)
{
    for (int i = 0; i < m->file->samples; i++) {
        const struct spool_parsed_sample *sample = &m->file->sample[i];
        if (sample->device == m->recording->rank[s->rank].device &&
            in_loop(m, s, sample->sample.at))
            recording_add_sample(m->recording, s->rank, &sample->sample);
    }
}

/* ---- the process ---- */

static enum status prepare(struct map *m)
{
    struct spool_parsed *file = m->file;
    m->link = calloc((size_t)file->activities + 1, sizeof *m->link);
    m->stream = calloc((size_t)file->streams + 1, sizeof *m->stream);
    if (!m->link || !m->stream)
        return fail(ST_OOM, "%d activities: no host memory", file->activities);
    for (int i = 0; i < file->streams; i++)
        if (file->stream[i].rank != RECORDED_NONE)
            m->stream[m->streams++] = &file->stream[i];
    if (file->activities > 0)
        qsort(file->activity, (size_t)file->activities, sizeof *file->activity, by_begin);
    for (int i = 0; i < file->activities; i++)
        if (is_call(&file->activity[i].a) && file->activity[i].a.correlation)
            m->link[m->links++] = (struct link){file->activity[i].a.correlation, i};
    qsort(m->link, (size_t)m->links, sizeof *m->link, by_correlation);
    return ST_OK;
}

static void map(struct map *m)
{
    const struct spool_parsed *file = m->file;
    for (int i = 0; i < file->activities; i++)
        if (file->activity[i].a.kind >= ACTIVITY_RUNTIME)
            add_call(m, &file->activity[i]);
    for (int i = 0; i < file->activities; i++)
        if (file->activity[i].a.kind < ACTIVITY_RUNTIME && m->streams > 0)
            add_item(m, &file->activity[i]);
    for (int i = 0; i < m->streams; i++) {
        if (m->recording->on_host)
            add_operations(m, m->stream[i]);
        add_samples(m, m->stream[i]);
    }
    if (m->streams > 0)
        m->recording->rank[m->stream[0]->rank].dropped = file->dropped;
}

enum status spool_map(struct spool_parsed *file, struct recording *recording)
{
    struct map m = {.file = file, .recording = recording};
    enum status st = prepare(&m);
    if (st == ST_OK)
        map(&m);
    free(m.link);
    free(m.stream);
    TRY(st);
    return recording_check(recording);
}
