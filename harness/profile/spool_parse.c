/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at each record of a spool and refuses what cannot be. Maps nothing to anything. */
#include "harness/profile/spool_parse.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_RANKS = 65536,
    MOST_MARKS = 1 << 22, /* ranks x steps: the memory that a recording takes at once */
};

struct parser {
    struct recording **recording;
    struct spool_parsed *out;
    const struct spool_record *record;
    struct spool_parsed_stream *stream; /* of the record */
};

/* ---- arrays ---- */

/* Room for another element: NULL without memory. Rooms are powers of two. */
static void *grow(void *array, int n, size_t size)
{
    bool full = n == 0 || (n >= 16 && (n & (n - 1)) == 0);
    return full ? realloc(array, (n ? 2 * (size_t)n : 16) * size) : array;
}

static enum status find_stream(struct parser *p)
{
    struct spool_parsed *out = p->out;
    int wanted = (int)p->record->stream + 1;
    if (wanted > out->streams) {
        struct spool_parsed_stream *more =
            realloc(out->stream, (size_t)wanted * sizeof *out->stream);
        if (!more)
            return fail(ST_OOM, "%d streams: no host memory", wanted);
        out->stream = more;
        for (; out->streams < wanted; out->streams++)
            more[out->streams] = (struct spool_parsed_stream){
                .rank = RECORDED_NONE, .open = RECORDED_NONE, .loop = RECORDED_NONE};
    }
    p->stream = &out->stream[wanted - 1];
    return ST_OK;
}

/* ---- parts of records ---- */

static enum status check_time(int64_t at)
{
    if (at <= -SPOOL_MOST_NS || at >= SPOOL_MOST_NS)
        return fail(ST_INVALID, "a time of %" PRId64 " ns, wanted within +-2^60", at);
    return ST_OK;
}

/* Of a rank's own thread, whose clock never goes back. */
static enum status take_time(struct parser *p, int64_t at)
{
    TRY(check_time(at));
    if (p->stream->last && at < p->stream->last)
        return fail(ST_INVALID, "a time of %" PRId64 " ns after one of %" PRId64, at,
                    p->stream->last);
    p->stream->last = at;
    return ST_OK;
}

static enum status find_text(const struct parser *p, uint32_t id, const char **out)
{
    const struct spool_parsed_stream *s = p->stream;
    *out = NULL;
    if (id > (uint32_t)s->texts)
        return fail(ST_INVALID, "text %" PRIu32 " of stream %u, which has %d so far", id,
                    p->record->stream, s->texts);
    if (id > 0)
        *out = s->text[id - 1];
    return ST_OK;
}

static enum status find_name(const struct parser *p, uint32_t id, const char **out)
{
    TRY(find_text(p, id, out));
    return *out ? ST_OK : fail(ST_INVALID, "a record without a name");
}

static enum status need_rank(const struct parser *p)
{
    if (p->stream->rank == RECORDED_NONE)
        return fail(ST_INVALID, "a record of type %d in stream %u, which told no rank",
                    (int)p->record->type, p->record->stream);
    return ST_OK;
}

static enum status need_process(const struct parser *p)
{
    if (p->record->stream != 0)
        return fail(ST_INVALID, "a record of type %d in stream %u, wanted in stream 0",
                    (int)p->record->type, p->record->stream);
    return ST_OK;
}

/* ---- texts ---- */

static enum status take_text(struct parser *p)
{
    struct spool_parsed_stream *s = p->stream;
    char text[SPOOL_LETTERS + 1];
    uint32_t n = p->record->text.letters;
    if (p->record->text.id != (uint32_t)s->texts + 1)
        return fail(ST_INVALID, "text %" PRIu32 ", wanted %d", p->record->text.id, s->texts + 1);
    if (n == 0 || memchr(p->record->text.v, 0, n))
        return fail(ST_INVALID, "text %" PRIu32 " is empty or has a 0 in it", p->record->text.id);
    memcpy(text, p->record->text.v, n);
    text[n] = '\0';
    const char **more = grow(s->text, s->texts, sizeof *s->text);
    char *copy = strdup(text);
    if (!more || !copy) {
        s->text = more ? more : s->text;
        free(copy);
        return fail(ST_OOM, "texts: no host memory");
    }
    s->text = more;
    s->text[s->texts++] = copy;
    return ST_OK;
}

/* ---- the process ---- */

static enum status read_shape(const struct parser *p, struct mesh_shape *out)
{
    const struct spool_process *process = &p->record->process;
    uint64_t ranks = 1;
    *out = (struct mesh_shape){.n_axes = (int)process->axes};
    if (process->axes > MESH_MAX_AXES)
        return fail(ST_INVALID, "%" PRIu32 " axes, at most %d", process->axes, MESH_MAX_AXES);
    for (int a = 0; a < out->n_axes; a++) {
        ranks *= process->axis_size[a];
        if (process->axis_size[a] < 1 || ranks > MOST_RANKS)
            return fail(ST_INVALID, "axis %d has %" PRIu32 " ranks, wanted 1 to %d of all axes", a,
                        process->axis_size[a], MOST_RANKS);
        out->size[a] = (int)process->axis_size[a];
        TRY(find_name(p, process->axis_name[a], &out->name[a]));
    }
    if (process->ranks != ranks)
        return fail(ST_INVALID, "%" PRIu32 " ranks, but %" PRIu64 " by its axes", process->ranks,
                    ranks);
    return ST_OK;
}

static enum status check_process(const struct spool_process *process)
{
    if (process->ranks < 1 || process->steps < 1 ||
        (uint64_t)process->ranks * process->steps > MOST_MARKS)
        return fail(ST_INVALID,
                    "%" PRIu32 " ranks and %" PRIu32 " steps, wanted 1 of each and at most %d "
                    "as their product",
                    process->ranks, process->steps, MOST_MARKS);
    if (process->schedule_axis < RECORDED_NONE ||
        process->schedule_axis >= (int32_t)process->axes || process->on_host > 1)
        return fail(ST_INVALID, "axis %" PRId32 " has the schedule, of %" PRIu32 " axes",
                    process->schedule_axis, process->axes);
    return check_time(process->epoch / 4);
}

static bool same_shape(const struct mesh_shape *a, const struct mesh_shape *b)
{
    bool same = a->n_axes == b->n_axes;
    for (int i = 0; same && i < a->n_axes; i++)
        same = a->size[i] == b->size[i] && strcmp(a->name[i], b->name[i]) == 0;
    return same;
}

static enum status open_recording(const struct parser *p, const struct mesh_shape *shape)
{
    const struct spool_process *process = &p->record->process;
    struct recording *r;
    TRY(recording_open((int)process->ranks, (int)process->steps, p->recording));
    r = *p->recording;
    r->on_host = process->on_host;
    r->schedule_axis = process->schedule_axis;
    r->shape = *shape;
    for (int a = 0; a < shape->n_axes; a++)
        r->shape.name[a] = recording_text(r, shape->name[a]);
    return recording_check(r);
}

static enum status take_process(struct parser *p)
{
    const struct spool_process *process = &p->record->process;
    struct mesh_shape shape;
    const char *host;
    const char *why;
    TRY(need_process(p));
    if (p->out->told)
        return fail(ST_INVALID, "a second record of the process");
    TRY(read_shape(p, &shape));
    TRY(check_process(process));
    TRY(find_text(p, process->host, &host));
    TRY(find_text(p, process->no_activity, &why));
    if (!*p->recording)
        TRY(open_recording(p, &shape));
    struct recording *r = *p->recording;
    if (r->ranks != (int)process->ranks || r->steps != (int)process->steps ||
        r->on_host != (bool)process->on_host || r->schedule_axis != process->schedule_axis ||
        !same_shape(&r->shape, &shape))
        return fail(ST_INVALID,
                    "%" PRIu32 " ranks and %" PRIu32 " steps of another run than the %d and %d "
                    "of the files before it: empty the folder and profile again",
                    process->ranks, process->steps, r->ranks, r->steps);
    p->out->told = true;
    p->out->process = *process;
    p->out->host = recording_text(r, host ? host : "");
    p->out->no_activity = recording_text(r, why ? why : "");
    return ST_OK;
}

/* ---- a rank ---- */

static enum status take_rank(struct parser *p)
{
    struct recording *r = *p->recording;
    const struct spool_rank *rank = &p->record->rank;
    const char *name;
    char text[40];
    TRY(find_text(p, rank->device_name, &name));
    if (p->record->stream == 0 || p->stream->rank != RECORDED_NONE)
        return fail(ST_INVALID, "a rank in stream %u, which is the process' or another's",
                    p->record->stream);
    if (rank->rank >= (uint32_t)r->ranks || r->rank[rank->rank].tracks > 0)
        return fail(ST_INVALID,
                    "rank %" PRIu32 " of %d, which does not exist or is told twice: empty the "
                    "folder and profile again",
                    rank->rank, r->ranks);
    p->stream->rank = (int)rank->rank;
    p->stream->thread = rank->thread;
    struct recorded_rank *to = &r->rank[rank->rank];
    to->device = rank->device;
    to->device_name = recording_text(r, name ? name : "");
    to->host = p->out->host;
    snprintf(text, sizeof text, "rank %" PRIu32, rank->rank);
    const struct recorded_track track = {.name = text, .id = rank->thread};
    recording_add_track(r, p->stream->rank, &track);
    return recording_check(r);
}

static enum status check_range(const struct parser *p, const struct spool_range *range,
                               const char *axis)
{
    const struct recording *r = *p->recording;
    int a = recording_axis(r, axis);
    int peers = a >= 0 ? r->shape.size[a] : r->ranks;
    if (range->kind >= TRACE_KINDS)
        return fail(ST_INVALID, "a range of kind %" PRIu32 ", wanted below %d", range->kind,
                    TRACE_KINDS);
    if (range->peer < -1 || range->peer >= peers)
        return fail(ST_INVALID, "peer %" PRId32 " of %d", range->peer, peers);
    if (range->channel < 0)
        return fail(ST_INVALID, "channel %" PRId32 ", wanted 0 or more", range->channel);
    if (range->kind == TRACE_STEP && (range->index < 0 || range->index >= r->steps))
        return fail(ST_INVALID, "step %" PRId32 " of %d", range->index, r->steps);
    if (range->kind == TRACE_LOOP && p->stream->loop != RECORDED_NONE)
        return fail(ST_INVALID, "a second loop of rank %d", p->stream->rank);
    return ST_OK;
}

static enum status take_open(struct parser *p)
{
    struct recording *r = *p->recording;
    const struct spool_range *from = &p->record->range;
    const char *name;
    const char *axis;
    TRY(need_rank(p));
    TRY(find_name(p, from->name, &name));
    TRY(find_text(p, from->axis, &axis));
    TRY(check_range(p, from, axis));
    TRY(take_time(p, from->begin));
    const struct recorded_range range = {
        .begin = from->begin,
        .end = from->begin,
        .parent = p->stream->open,
        .kind = (enum trace_kind)from->kind,
        .name = name,
        .axis = axis,
        .index = from->index,
        .channel = from->channel,
        .peer = from->peer,
        .payload = from->payload,
        .wire = from->wire,
        .work = from->work,
    };
    int index = recording_add_range(r, p->stream->rank, &range);
    TRY(recording_check(r));
    p->stream->open = index;
    if (range.kind == TRACE_LOOP)
        p->stream->loop = index;
    return ST_OK;
}

static enum status take_close(struct parser *p)
{
    TRY(need_rank(p));
    if (p->stream->open == RECORDED_NONE)
        return fail(ST_INVALID, "the end of a range of rank %d, none of which is open",
                    p->stream->rank);
    TRY(take_time(p, p->record->close));
    struct recorded_range *range = &(*p->recording)->rank[p->stream->rank].range[p->stream->open];
    range->end = p->record->close;
    p->stream->open = range->parent;
    return ST_OK;
}

static enum status take_step(struct parser *p)
{
    struct recording *r = *p->recording;
    uint32_t index = p->record->step.index;
    TRY(need_rank(p));
    if (index >= (uint32_t)r->steps)
        return fail(ST_INVALID, "step %" PRIu32 " of %d", index, r->steps);
    r->rank[p->stream->rank].step_ms[index] = p->record->step.ms;
    return ST_OK;
}

static enum status take_loop(struct parser *p)
{
    TRY(need_rank(p));
    if (p->stream->loop == RECORDED_NONE || p->stream->open != RECORDED_NONE)
        return fail(ST_INVALID, "the end of a loop of rank %d that has not begun or is not over",
                    p->stream->rank);
    p->stream->ended = true;
    p->stream->loop_ms = p->record->loop_ms;
    return ST_OK;
}

static enum status take_clock(struct parser *p)
{
    TRY(need_rank(p));
    struct recorded_rank *rank = &(*p->recording)->rank[p->stream->rank];
    TRY(check_time(p->record->clock.offset));
    TRY(check_time(p->record->clock.error));
    rank->clock_offset = p->record->clock.offset;
    rank->clock_error = p->record->clock.error;
    return ST_OK;
}

/* ---- what belongs to no thread ---- */

static enum status take_activity(struct parser *p)
{
    struct spool_parsed *out = p->out;
    const struct spool_activity *a = &p->record->activity;
    const char *name;
    TRY(need_process(p));
    TRY(find_name(p, a->name, &name));
    TRY(check_time(a->begin));
    TRY(check_time(a->end));
    if (a->kind >= ACTIVITY_KINDS)
        return fail(ST_INVALID, "an activity of kind %" PRIu32 ", wanted below %d", a->kind,
                    ACTIVITY_KINDS);
    if (a->end < a->begin)
        return fail(ST_INVALID, "an activity from %" PRId64 " to %" PRId64 " ns", a->begin, a->end);
    void *more = grow(out->activity, out->activities, sizeof *out->activity);
    if (!more)
        return fail(ST_OOM, "%d activities: no host memory", out->activities);
    out->activity = more;
    out->activity[out->activities++] =
        (struct spool_parsed_activity){*a, recording_text(*p->recording, name), RECORDED_NONE};
    return recording_check(*p->recording);
}

static enum status take_sample(struct parser *p)
{
    struct spool_parsed *out = p->out;
    TRY(need_process(p));
    TRY(check_time(p->record->sample.at));
    if (p->record->sample.counter >= RECORDED_COUNTERS || !isfinite(p->record->sample.value))
        return fail(ST_INVALID, "a sample of counter %" PRIu32 ", wanted below %d, with a number",
                    p->record->sample.counter, RECORDED_COUNTERS);
    void *more = grow(out->sample, out->samples, sizeof *out->sample);
    if (!more)
        return fail(ST_OOM, "%d samples: no host memory", out->samples);
    out->sample = more;
    out->sample[out->samples++] = (struct spool_parsed_sample){
        p->record->sample.device,
        {p->record->sample.at, (enum recorded_counter)p->record->sample.counter,
         p->record->sample.value}};
    return ST_OK;
}

static enum status take_finish(struct parser *p)
{
    TRY(need_process(p));
    p->out->finished = true;
    p->out->dropped = p->record->dropped;
    return ST_OK;
}

/* ---- the file ---- */

static enum status take(struct parser *p)
{
    static enum status (*const each[SPOOL_TYPES])(struct parser *) = {
        [SPOOL_PROCESS] = take_process,   [SPOOL_RANK] = take_rank,
        [SPOOL_TEXT] = take_text,         [SPOOL_OPEN] = take_open,
        [SPOOL_CLOSE] = take_close,       [SPOOL_STEP] = take_step,
        [SPOOL_LOOP] = take_loop,         [SPOOL_CLOCK] = take_clock,
        [SPOOL_ACTIVITY] = take_activity, [SPOOL_SAMPLE] = take_sample,
        [SPOOL_FINISH] = take_finish,
    };
    enum spool_type type = p->record->type;
    TRY(find_stream(p));
    if (!p->out->told && type != SPOOL_TEXT && type != SPOOL_PROCESS)
        return fail(ST_INVALID, "a record of type %d before that of the process", (int)type);
    return each[type](p);
}

static enum status parse(const struct spool_file *file, struct recording **recording,
                         struct spool_parsed *out)
{
    struct spool_record record;
    struct parser p = {.recording = recording, .out = out, .record = &record};
    size_t used = SPOOL_HEAD;
    TRY(spool_check_head(file->bytes, file->size, &out->torn));
    for (size_t at = 0; !out->torn && at + used < file->size;) {
        at += used;
        TRY(spool_decode(file->bytes, file->size, at, &record, &used, &out->torn));
        enum status st = out->torn ? ST_OK : take(&p);
        if (st != ST_OK)
            return fail_prefix(st, "byte %zu", at);
    }
    return ST_OK;
}

enum status spool_parse(const struct spool_file *file, struct recording **recording,
                        struct spool_parsed *out)
{
    *out = (struct spool_parsed){.name = file->name, .host = "", .no_activity = ""};
    enum status st = parse(file, recording, out);
    return st ? fail_prefix(st, "%s", file->name) : ST_OK;
}

void spool_parse_release(struct spool_parsed *parsed)
{
    for (int i = 0; i < parsed->streams; i++) {
        for (int k = 0; k < parsed->stream[i].texts; k++)
            free((char *)parsed->stream[i].text[k]);
        free(parsed->stream[i].text);
    }
    free(parsed->stream);
    free(parsed->activity);
    free(parsed->sample);
}

struct spool_parsed_stream *spool_parsed_rank(const struct spool_parsed *parsed, int rank)
{
    for (int i = 0; i < parsed->streams; i++)
        if (parsed->stream[i].rank == rank)
            return &parsed->stream[i];
    return NULL;
}
