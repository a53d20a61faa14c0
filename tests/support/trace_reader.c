/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a timeline event by event. */
#include "tests/support/trace_reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_DEEP = 64, MOST_PRINTED = 20 };

struct span {
    int64_t begin, end;
};

struct trace_reader_track {
    json_int_t pid, tid;
    bool named;
    int64_t last;                /* ts of the event before */
    int depth;                   /* open slices */
    struct span open[MOST_DEEP]; /* [depth] */
    int n, room;
    struct span *outer; /* [n] slices that lie in no other */
};

static void fault(struct trace_reader *r, size_t event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(struct trace_reader *r, size_t event, const char *format, ...)
{
    if (r->faults++ >= MOST_PRINTED)
        return;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "event %zu: ", event);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- reading ---- */

char *trace_reader_text(const char *path)
{
    gzFile file = gzopen(path, "rb");
    size_t n = 0;
    size_t room = 1 << 16;
    char *text = malloc(room);
    int got = 0;
    while (file && (got = gzread(file, text + n, (unsigned)(room - n - 1))) > 0) {
        n += (size_t)got;
        if (room - n < 2)
            text = realloc(text, room *= 2);
    }
    bool whole = file && got == 0 && gzeof(file) && !gzdirect(file);
    if (file)
        whole = gzclose(file) == Z_OK && whole;
    text[n] = '\0';
    if (!whole || strlen(text) != n) {
        free(text);
        return NULL;
    }
    return text;
}

static int64_t nanoseconds(const json_t *value)
{
    return llround(json_number_value(value) * 1000);
}

int64_t trace_reader_ns(const json_t *event, const char *key)
{
    return nanoseconds(json_object_get(event, key));
}

int64_t trace_reader_arg(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(json_object_get(event, "args"), key);
    if (!json_is_number(value)) {
        fprintf(stderr, "no number args.%s\n", key);
        abort();
    }
    return llround(json_number_value(value));
}

const char *trace_reader_word(const json_t *event, const char *key)
{
    const char *word = json_string_value(json_object_get(json_object_get(event, "args"), key));
    return word ? word : "";
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

static bool is(const json_t *event, const char *phase, const char *cat, const char *name, int pid)
{
    return strcmp(text_of(event, "ph"), phase) == 0 &&
           (!cat || strcmp(text_of(event, "cat"), cat) == 0) &&
           (!name || strcmp(text_of(event, "name"), name) == 0) &&
           (pid < 0 || json_integer_value(json_object_get(event, "pid")) == pid);
}

json_t *trace_reader_find(const struct trace_reader *reader, const char *phase, const char *cat,
                          const char *name, int pid, int nth)
{
    for (size_t i = 0; i < json_array_size(reader->events); i++) {
        json_t *event = json_array_get(reader->events, i);
        if (is(event, phase, cat, name, pid) && nth-- == 0)
            return event;
    }
    return NULL;
}

int trace_reader_count(const struct trace_reader *reader, const char *phase, const char *cat,
                       const char *name, int pid)
{
    int n = 0;
    for (size_t i = 0; i < json_array_size(reader->events); i++)
        n += is(json_array_get(reader->events, i), phase, cat, name, pid);
    return n;
}

/* ---- tracks ---- */

static struct trace_reader_track *track_of(struct trace_reader *r, json_int_t pid, json_int_t tid)
{
    for (int i = 0; i < r->tracks; i++)
        if (r->track[i].pid == pid && r->track[i].tid == tid)
            return &r->track[i];
    r->track = realloc(r->track, ((size_t)r->tracks + 1) * sizeof *r->track);
    struct trace_reader_track *track = &r->track[r->tracks++];
    *track = (struct trace_reader_track){.pid = pid, .tid = tid, .last = INT64_MIN};
    return track;
}

static void check_slice(struct trace_reader *r, size_t i, const json_t *event,
                        struct trace_reader_track *t)
{
    struct span s;
    s.begin = trace_reader_ns(event, "ts");
    s.end = s.begin + trace_reader_ns(event, "dur");
    if (!json_is_number(json_object_get(event, "dur")) || s.end < s.begin)
        fault(r, i, "dur of '%s' is no number of at least 0", text_of(event, "name"));
    while (t->depth > 0 && t->open[t->depth - 1].end <= s.begin)
        t->depth--;
    if (t->depth > 0 && s.end > t->open[t->depth - 1].end)
        fault(r, i, "'%s' outlives the slice around it by %lld ns", text_of(event, "name"),
              (long long)(s.end - t->open[t->depth - 1].end));
    if (t->depth == 0) {
        if (t->n == t->room)
            t->outer = realloc(t->outer, (size_t)(t->room += 64 + t->room) * sizeof *t->outer);
        t->outer[t->n++] = s;
    }
    if (t->depth < MOST_DEEP)
        t->open[t->depth++] = s;
    else
        fault(r, i, "slices nest more than %d deep", MOST_DEEP);
}

static bool covered(const struct trace_reader_track *t, int64_t at)
{
    int low = 0;
    int high = t->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (t->outer[middle].begin <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && t->outer[low - 1].end >= at;
}

/* ---- events ---- */

static void want_arg(struct trace_reader *r, size_t i, const json_t *event, const char *key,
                     int64_t least)
{
    const json_t *value = json_object_get(json_object_get(event, "args"), key);
    if (!json_is_integer(value) || json_integer_value(value) < least)
        fault(r, i, "args.%s of '%s' is no integer of at least %lld", key, text_of(event, "name"),
              (long long)least);
}

static void check_category(struct trace_reader *r, size_t i, const json_t *event)
{
    static const char *const known[] = {
        "kernel",      "gpu_memcpy", "gpu_memset",      "cuda_runtime",
        "cuda_driver", "cuda_sync",  "user_annotation", "gpu_user_annotation",
        "cpu_op",      "comm",       "overhead"};
    const char *cat = text_of(event, "cat");
    bool found = false;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        found = found || strcmp(cat, known[k]) == 0;
    if (!found)
        fault(r, i, "category '%s' is none of Kineto's", cat);
    if (strcmp(cat, "kernel") == 0 || strncmp(cat, "gpu_mem", 7) == 0) {
        want_arg(r, i, event, "stream", 1);
        want_arg(r, i, event, "correlation", 0);
        want_arg(r, i, event, "device", 0);
        if (json_integer_value(json_object_get(event, "tid")) < 1)
            fault(r, i, "the track of '%s' is below 1", text_of(event, "name"));
    } else if (json_object_get(json_object_get(event, "args"), "stream")) {
        fault(r, i, "'%s' has args.stream and is nothing that a device did",
              text_of(event, "name"));
    }
    if (strcmp(cat, "cuda_runtime") == 0)
        want_arg(r, i, event, "correlation", 0);
    if (strncmp(cat, "gpu_mem", 7) == 0)
        want_arg(r, i, event, "bytes", 0);
}

static void check_timed(struct trace_reader *r, size_t i, const json_t *event, char phase)
{
    struct trace_reader_track *track =
        track_of(r, json_integer_value(json_object_get(event, "pid")),
                 json_integer_value(json_object_get(event, "tid")));
    const json_t *args = json_object_get(event, "args");
    int64_t at = trace_reader_ns(event, "ts");
    if (!json_is_number(json_object_get(event, "ts")))
        fault(r, i, "ts is no number");
    else if (at < 0)
        fault(r, i, "ts of '%s' is %lld ns before 0", text_of(event, "name"), (long long)-at);
    if (phase == 'C') {
        r->counters++;
        if (json_object_size(args) != 1 ||
            !json_is_number(json_object_iter_value(json_object_iter((json_t *)args))))
            fault(r, i, "a counter with other than one number");
        return;
    }
    if (at < track->last)
        fault(r, i, "%lld ns before the event written before it on its track",
              (long long)(track->last - at));
    track->last = at;
    if (phase == 'X') {
        r->slices++;
        if (!json_is_object(args))
            fault(r, i, "args of a slice are no object");
        check_category(r, i, event);
        check_slice(r, i, event, track);
        return;
    }
    *(phase == 's' ? &r->starts : &r->ends) += 1;
    if (!json_is_integer(json_object_get(event, "id")) || !*text_of(event, "cat"))
        fault(r, i, "an arrow without id or cat");
    if (phase == 'f' && strcmp(text_of(event, "bp"), "e") != 0)
        fault(r, i, "an arrow's end that is not bound to the slice around it");
}

static void check_event(struct trace_reader *r, size_t i, const json_t *event)
{
    const char *phase = text_of(event, "ph");
    if (strlen(phase) != 1 || !strchr("XCMsf", *phase)) {
        fault(r, i, "phase '%s'", phase);
        return;
    }
    if (!json_is_integer(json_object_get(event, "pid")) ||
        !json_is_integer(json_object_get(event, "tid")) || !*text_of(event, "name"))
        fault(r, i, "without integer pid, tid or without a name");
    if (*phase != 'M') {
        check_timed(r, i, event, *phase);
        return;
    }
    r->names++;
    const char *name = text_of(event, "name");
    bool sort = strstr(name, "_sort_index") != NULL;
    const json_t *value =
        json_object_get(json_object_get(event, "args"), sort ? "sort_index" : "name");
    if (sort ? !json_is_integer(value) : !json_is_string(value))
        fault(r, i, "%s without its value", name);
    if (strcmp(name, "thread_name") == 0)
        track_of(r, json_integer_value(json_object_get(event, "pid")),
                 json_integer_value(json_object_get(event, "tid")))
            ->named = true;
}

/* ---- arrows ---- */

struct arrow {
    const char *cat;
    json_int_t id;
    bool start;
    int64_t at;
    size_t event;
};

static int by_arrow(const void *a, const void *b)
{
    const struct arrow *x = a;
    const struct arrow *y = b;
    int order = strcmp(x->cat, y->cat);
    if (order)
        return order;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (int)y->start - (int)x->start;
}

static void check_arrows(struct trace_reader *r, int64_t slack)
{
    int n = 0;
    struct arrow *v = malloc(((size_t)r->starts + (size_t)r->ends + 1) * sizeof *v);
    for (size_t i = 0; i < json_array_size(r->events); i++) {
        const json_t *event = json_array_get(r->events, i);
        bool start = is(event, "s", NULL, NULL, -1);
        if (!start && !is(event, "f", NULL, NULL, -1))
            continue;
        v[n] =
            (struct arrow){text_of(event, "cat"), json_integer_value(json_object_get(event, "id")),
                           start, trace_reader_ns(event, "ts"), i};
        if (!covered(track_of(r, json_integer_value(json_object_get(event, "pid")),
                              json_integer_value(json_object_get(event, "tid"))),
                     v[n].at))
            fault(r, i, "the end of an arrow lies in no slice of its track");
        n++;
    }
    qsort(v, (size_t)n, sizeof *v, by_arrow);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && v[end].id == v[i].id && strcmp(v[end].cat, v[i].cat) == 0;)
            end++;
        if (!v[i].start || end - i < 2 || v[i + 1].start)
            fault(r, v[i].event, "arrow %s %lld has not one start and an end", v[i].cat,
                  (long long)v[i].id);
        for (int k = i + 1; k < end; k++)
            if (v[k].at < v[i].at - slack)
                fault(r, v[k].event, "arrow %s %lld points back by %lld ns", v[i].cat,
                      (long long)v[i].id, (long long)(v[i].at - v[k].at));
    }
    free(v);
}

/* ---- the file ---- */

static void check_head(struct trace_reader *r)
{
    const json_t *info = json_object_get(r->root, "distributedInfo");
    if (!json_is_integer(json_object_get(r->root, "schemaVersion")) ||
        !json_is_integer(json_object_get(r->root, "baseTimeNanoseconds")) ||
        strcmp(text_of(r->root, "displayTimeUnit"), "ms") != 0 ||
        !json_is_array(json_object_get(r->root, "deviceProperties")))
        fault(r, 0,
              "schemaVersion, baseTimeNanoseconds, displayTimeUnit or deviceProperties is "
              "missing or of another type");
    if (!json_is_string(json_object_get(info, "backend")) ||
        !json_is_integer(json_object_get(info, "world_size")))
        fault(r, 0, "distributedInfo has no backend or no world_size");
    if (!json_is_array(r->events))
        fault(r, 0, "traceEvents is no array");
}

int trace_reader_open(const char *path, int64_t slack_ns, struct trace_reader *out)
{
    *out = (struct trace_reader){0};
    char *text = trace_reader_text(path);
    json_error_t error;
    if (!text) {
        fault(out, 0, "%s is no whole gzip file of text", path);
        return out->faults;
    }
    out->root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!out->root) {
        fault(out, 0, "%s: line %d: %s", path, error.line, error.text);
        return out->faults;
    }
    out->events = json_object_get(out->root, "traceEvents");
    check_head(out);
    for (size_t i = 0; i < json_array_size(out->events); i++)
        check_event(out, i, json_array_get(out->events, i));
    for (int t = 0; t < out->tracks; t++)
        if (out->track[t].n && !out->track[t].named)
            fault(out, 0, "track %lld of process %lld has no name", (long long)out->track[t].tid,
                  (long long)out->track[t].pid);
    check_arrows(out, slack_ns);
    return out->faults;
}

void trace_reader_close(struct trace_reader *reader)
{
    for (int i = 0; i < reader->tracks; i++)
        free(reader->track[i].outer);
    free(reader->track);
    json_decref(reader->root);
    *reader = (struct trace_reader){0};
}
