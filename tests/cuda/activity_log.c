/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of the tests of activity records, and what it prints. */
#include "tests/cuda/activity_log.h"

#include "kernels/backend.h"
#include "kernels/cuda/activity_cupti.h"
#include "tests/cuda/gpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DUMPED = 150 };

static void on_activity(void *self, const struct activity *activity)
{
    struct activity_log *log = self;
    pthread_mutex_lock(&log->lock);
    if (log->n == log->room) {
        log->room = log->room ? 2 * log->room : 1024;
        log->entry = realloc(log->entry, (size_t)log->room * sizeof(*log->entry));
        CHECK(log->entry, "no memory for %d records", log->room);
    }
    struct activity_entry *e = &log->entry[log->n++];
    e->a = *activity;
    snprintf(e->name, ACTIVITY_NAME, "%s", activity->name);
    pthread_mutex_unlock(&log->lock);
}

static uint64_t tag(void *self)
{
    struct activity_log *log = self;
    log->asked++;
    return log->tag;
}

void activity_log_failed(struct activity_log *log, const char *format, ...)
{
    va_list args;
    log->failures++;
    fputs("NOT AS EXPECTED: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void activity_log_note(struct activity_log *log, const char *when)
{
    struct activity_cupti_seen s;
    activity_cupti_seen(&s);
    fprintf(stderr, "NOTE %s, CUPTI %u, %d records in the sink\n", when, s.version, log->n);
    fprintf(
        stderr,
        "  nodes: %lu created (%lu tags asked for, the sink counts %d), %lu more while "
        "instantiating %lu graphs, %lu cloned (%lu of unknown ones), %lu destroyed, %lu without "
        "a number, %lu without room\n",
        s.created, s.asked, log->asked, s.instantiated, s.executables, s.cloned, s.orphans,
        s.destroyed, s.nameless, s.without_room);
    fprintf(stderr, "  first numbers: created %#lx, clone %#lx of %#lx, unknown in a record %#lx\n",
            s.first_created, s.first_clone, s.first_original, s.first_unknown);
    fprintf(
        stderr,
        "  records of graphs: %lu name captured nodes, %lu clones, %lu unknown ones; %lu "
        "without times, %lu not wanted, %lu without a buffer; %lu buffers, at most %u at once\n",
        s.of_captured, s.of_clones, s.of_unknown, s.without_times, s.not_wanted, s.unbuffered,
        s.buffers, s.most_held);
}

static void dump(const struct activity_log *log)
{
    static const char *const kind[ACTIVITY_KINDS] = {"kernel", "copy", "fill",    "runtime",
                                                     "driver", "sync", "overhead"};
    for (int i = 0; i < log->n && i < DUMPED; i++) {
        const struct activity *a = &log->entry[i].a;
        fprintf(stderr,
                "  %-8s %10.3f us +%9.3f us device %d stream %u thread %u correlation %u tag %lu "
                "bytes %lu grid %d,%d,%d block %d %s\n",
                kind[a->kind], (double)(a->begin - log->entry[0].a.begin) * 1e-3,
                (double)(a->end - a->begin) * 1e-3, a->device, a->stream, a->thread, a->correlation,
                a->tag, a->bytes, a->grid[0], a->grid[1], a->grid[2], a->block[0],
                log->entry[i].name);
    }
}

bool activity_log_open(struct activity_log *log, struct activity_sink *sink)
{
    *log = (struct activity_log){.lock = PTHREAD_MUTEX_INITIALIZER};
    *sink = (struct activity_sink){.on_activity = on_activity, .tag = tag, .self = log};
    const struct backend_ops *ops = backend_find("cuda");
    CHECK(activity_supported(ops), "the table has no activity");
    enum status st = activity_open(ops, sink);
    if (st == ST_UNSUPPORTED) {
        gpu_skip("%s", status_message());
        return false;
    }
    CHECK(st == ST_OK, "activity_open: %s", status_text());
    return true;
}

void activity_log_close(struct activity_log *log)
{
    if (log->failures > 0)
        dump(log);
    activity_close(backend_find("cuda"));
    CHECK(log->failures == 0, "%d of the above are not as expected", log->failures);
    free(log->entry);
}

static int by_begin(const void *a, const void *b)
{
    const struct activity *one = &((const struct activity_entry *)a)->a;
    const struct activity *other = &((const struct activity_entry *)b)->a;
    return (one->begin > other->begin) - (one->begin < other->begin);
}

void activity_log_pause(struct activity_log *log)
{
    uint64_t dropped = 99;
    OK(activity_pause(backend_find("cuda"), &dropped));
    if (log->n > 0)
        qsort(log->entry, (size_t)log->n, sizeof(*log->entry), by_begin);
    EXPECT(log, dropped == 0, "%lu records were dropped", dropped);
}

bool activity_log_work(const struct activity *a)
{
    return a->kind <= ACTIVITY_FILL;
}

bool activity_log_is_call(const struct activity *a)
{
    return a->kind == ACTIVITY_RUNTIME || a->kind == ACTIVITY_DRIVER;
}

const struct activity_entry *activity_log_call(const struct activity_log *log, uint32_t correlation)
{
    const struct activity_entry *found = NULL;
    for (int i = 0; i < log->n; i++) {
        const struct activity_entry *e = &log->entry[i];
        if (activity_log_is_call(&e->a) && e->a.correlation == correlation &&
            (!found || e->a.kind == ACTIVITY_RUNTIME))
            found = e;
    }
    return found;
}
