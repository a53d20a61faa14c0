/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges, activities and samples of a process' ranks, on their way into its spool. Draws no
 * conclusions from them. */
#include "harness/profile/recorder.h"

#include "harness/base/folder.h"
#include "harness/profile/recorder_clock.h"
#include "harness/profile/recorder_samples.h"
#include "harness/profile/spool_write.h"
#include "kernels/identity.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 64, PROCESS = 0 }; /* ranges within each other whose number is kept; a stream */

/* Its thread's alone. */
struct recorder_rank {
    struct recorder *recorder;
    struct trace_sink sink;
    int index, stream;
    bool profiled;            /* the loop at hand is the one */
    int depth, from;          /* ranges that are open; the outermost that is written, 0: none */
    uint32_t ranges;          /* written so far */
    uint32_t number[DEEPEST]; /* of the open ones that are written, from 1 */
    struct recorder_clock before;
    bool differs; /* the ranks' clocks do */
    struct recorder_sampled device;
};

struct recorder {
    struct worker_observer observer;
    const struct backend_ops *backend;
    bool activity;         /* is open */
    char no_activity[400]; /* why not; "": there is nothing to have */
    int first, ranks;
    struct spool *spool;
    struct recorder_samples *samples;
    pthread_mutex_t phase; /* of what a rank does for all of them */
    bool told, running, finished;
    enum status outcome;         /* of finishing */
    char message[400];           /* the same in words */
    pthread_mutex_t stream;      /* of the process' stream; never held when taking `phase` */
    struct recorder_rank rank[]; /* [ranks] */
};

static _Thread_local struct recorder_rank *my_rank; /* for `tag`, which is told no rank */

/* ---- ranges ---- */

static bool starts(const struct recorder_rank *rank, const struct trace_range *range)
{
    return (range->kind == TRACE_LOOP && rank->profiled) ||
           (range->kind == TRACE_GRAPH && strcmp(range->name, "capture") == 0);
}

static uint32_t *number_at(struct recorder_rank *rank)
{
    int at = rank->depth - rank->from;
    return &rank->number[at < DEEPEST ? at : DEEPEST - 1];
}

static void push(void *self, const struct trace_range *range)
{
    struct recorder_rank *rank = self;
    struct spool *spool = rank->recorder->spool;
    rank->depth++;
    if (rank->from == 0 && starts(rank, range))
        rank->from = rank->depth;
    if (rank->from == 0)
        return;
    *number_at(rank) = ++rank->ranges;
    struct spool_record record = {.type = SPOOL_OPEN};
    record.range = (struct spool_range){
        .kind = (uint32_t)range->kind,
        .name = spool_text(spool, rank->stream, range->name),
        .axis = spool_text(spool, rank->stream, range->axis),
        .index = range->index,
        .channel = range->channel,
        .peer = range->peer,
        .payload = range->payload,
        .wire = range->wire,
        .work = range->work,
        .begin = activity_clock(),
    };
    spool_put(spool, rank->stream, &record);
}

static void pop(void *self)
{
    struct recorder_rank *rank = self;
    struct spool_record record = {.type = SPOOL_CLOSE, .close = activity_clock()};
    if (rank->from > 0)
        spool_put(rank->recorder->spool, rank->stream, &record);
    if (rank->depth == rank->from)
        rank->from = 0;
    rank->depth--;
}

/* ---- activities and samples ---- */

static uint64_t tag(void *self)
{
    struct recorder_rank *rank = my_rank;
    (void)self;
    if (!rank || rank->from == 0)
        return 0;
    return (uint64_t)(rank->index + 1) << 32 | *number_at(rank);
}

static void on_activity(void *self, const struct activity *a)
{
    struct recorder *recorder = self;
    struct spool_record record = {.type = SPOOL_ACTIVITY};
    pthread_mutex_lock(&recorder->stream);
    record.activity = (struct spool_activity){
        .kind = (uint32_t)a->kind,
        .name = spool_text(recorder->spool, PROCESS, a->name),
        .begin = a->begin,
        .end = a->end,
        .device = a->device,
        .stream = a->stream,
        .thread = a->thread,
        .correlation = a->correlation,
        .tag = a->tag,
        .bytes = a->bytes,
        .grid = {a->grid[0], a->grid[1], a->grid[2]},
        .block = {a->block[0], a->block[1], a->block[2]},
        .registers = a->registers,
        .shared = a->shared,
    };
    spool_put(recorder->spool, PROCESS, &record);
    pthread_mutex_unlock(&recorder->stream);
}

static void on_sample(void *self, int ordinal, enum recorded_counter counter, int64_t at,
                      double value)
{
    struct recorder *recorder = self;
    struct spool_record record = {.type = SPOOL_SAMPLE};
    record.sample.at = at;
    record.sample.device = ordinal;
    record.sample.counter = (uint32_t)counter;
    record.sample.value = value;
    pthread_mutex_lock(&recorder->stream);
    spool_put(recorder->spool, PROCESS, &record);
    pthread_mutex_unlock(&recorder->stream);
}

/* ---- a rank begins ---- */

static int64_t epoch(void)
{
    struct timespec now;
    int64_t begin = activity_clock();
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t end = activity_clock();
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (begin + (end - begin) / 2);
}

/* What holds for all ranks; the first record. */
static void tell_process(struct recorder *recorder, const struct plan *plan)
{
    struct spool *spool = recorder->spool;
    struct spool_record record = {.type = SPOOL_PROCESS};
    struct spool_process *p = &record.process;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    *p = (struct spool_process){
        .ranks = (uint32_t)mesh_ranks(&plan->mesh),
        .steps = (uint32_t)plan->problem.steps,
        .on_host = recorder->backend->on_host,
        .schedule_axis = plan->schedule ? plan->schedule->axis : RECORDED_NONE,
        .axes = (uint32_t)plan->mesh.n_axes,
        .host = spool_text(spool, PROCESS, host),
        .no_activity = spool_text(spool, PROCESS, recorder->no_activity),
        .epoch = epoch(),
    };
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        p->axis_size[a] = (uint32_t)plan->mesh.size[a];
        p->axis_name[a] = spool_text(spool, PROCESS, plan->mesh.name[a]);
    }
    spool_put(spool, PROCESS, &record);
    spool_flush(spool, PROCESS);
}

static void tell_rank(struct recorder_rank *rank)
{
    struct recorder *recorder = rank->recorder;
    struct identity identity;
    const struct nvml *nvml = nvml_get();
    bool known = identity_read(recorder->backend, rank->device.ordinal, &identity) == ST_OK;
    if (!known)
        status_clear();
    const char *name = known && identity.name[0] ? identity.name : recorder->backend->name;
    struct spool_record record = {.type = SPOOL_RANK};
    record.rank = (struct spool_rank){
        .rank = (uint32_t)rank->index,
        .thread = (uint32_t)gettid(),
        .device = rank->device.ordinal,
        .device_name = spool_text(recorder->spool, rank->stream, name),
    };
    spool_put(recorder->spool, rank->stream, &record);
    spool_flush(recorder->spool, rank->stream);
    if (known && identity.id[0] && nvml && nvml->by_uuid &&
        nvml->by_uuid(identity.id, &rank->device.device) != 0)
        rank->device.device = NULL;
}

static struct recorder_rank *rank_of(struct recorder *recorder, const struct rank *rank)
{
    int at = rank->index - recorder->first;
    BUG_ON(at < 0 || at >= recorder->ranks, "rank %d, but ranks %d to %d are here", rank->index,
           recorder->first, recorder->first + recorder->ranks - 1);
    return &recorder->rank[at];
}

static enum status rank_begins(void *self, const struct rank *where, const struct plan *plan)
{
    struct recorder *recorder = self;
    struct recorder_rank *rank = rank_of(recorder, where);
    *rank = (struct recorder_rank){
        .recorder = recorder,
        .sink = {.push = push, .pop = pop, .self = rank},
        .index = where->index,
        .stream = 1 + where->index - recorder->first,
        .device = {where->dev->options.ordinal, NULL},
    };
    pthread_mutex_lock(&recorder->phase);
    if (!recorder->told) {
        pthread_mutex_lock(&recorder->stream);
        tell_process(recorder, plan);
        pthread_mutex_unlock(&recorder->stream);
    }
    recorder->told = true;
    pthread_mutex_unlock(&recorder->phase);
    tell_rank(rank);
    TRY(spool_check(recorder->spool));
    my_rank = rank;
    trace_add(&rank->sink);
    return ST_OK;
}

static void rank_ends(void *self, const struct rank *where)
{
    struct recorder_rank *rank = rank_of(self, where);
    trace_remove(&rank->sink);
    my_rank = NULL;
    spool_flush(rank->recorder->spool, rank->stream);
}

/* ---- the loop ---- */

static int64_t now(void *self)
{
    (void)self;
    return activity_clock();
}

/* Every device once. */
static enum status start_samples(struct recorder *recorder)
{
    int n = 0;
    struct recorder_sampled *devices = calloc((size_t)recorder->ranks, sizeof *devices);
    if (!devices)
        return fail(ST_OOM, "samples: no host memory");
    for (int r = 0; r < recorder->ranks; r++) {
        bool twice = !recorder->rank[r].device.device;
        for (int i = 0; i < n; i++)
            twice |= devices[i].ordinal == recorder->rank[r].device.ordinal;
        if (!twice)
            devices[n++] = recorder->rank[r].device;
    }
    enum status st = n == 0 ? ST_OK
                            : recorder_samples_open(nvml_get(), n, devices, on_sample, recorder,
                                                    &recorder->samples);
    free(devices);
    return st;
}

static enum status start(struct recorder *recorder)
{
    TRY(spool_check(recorder->spool));
    if (recorder->activity)
        TRY(activity_record(recorder->backend));
    return start_samples(recorder);
}

static void keep_outcome(struct recorder *recorder, enum status st)
{
    recorder->outcome = st;
    snprintf(recorder->message, sizeof recorder->message, "%s", st ? status_message() : "");
}

/* Does it for all ranks of this process, the first time; every rank hears how it went. */
static enum status once(struct recorder *recorder, bool *done, enum status (*it)(struct recorder *))
{
    pthread_mutex_lock(&recorder->phase);
    if (!*done)
        keep_outcome(recorder, it(recorder));
    *done = true;
    enum status st = recorder->outcome ? fail(recorder->outcome, "%s", recorder->message) : ST_OK;
    pthread_mutex_unlock(&recorder->phase);
    return st;
}

static enum status loop_begins(void *self, const struct rank *where)
{
    struct recorder *recorder = self;
    struct recorder_rank *rank = rank_of(recorder, where);
    TRY(recorder_clock_differs(where->world, &rank->differs));
    if (rank->differs)
        TRY(recorder_clock_measure(where->world, now, NULL, &rank->before));
    spool_flush(recorder->spool, rank->stream);
    TRY(comm_agree(where->world, once(recorder, &recorder->running, start)));
    rank->profiled = true;
    return ST_OK;
}

/* Every rank has come to its loop's end, and none goes on. */
static enum status finish(struct recorder *recorder)
{
    struct spool_record record = {.type = SPOOL_FINISH};
    enum status st = ST_OK;
    if (recorder->activity)
        st = activity_pause(recorder->backend, &record.dropped);
    recorder_samples_close(recorder->samples);
    recorder->samples = NULL;
    TRY(st);
    pthread_mutex_lock(&recorder->stream);
    spool_put(recorder->spool, PROCESS, &record);
    spool_flush(recorder->spool, PROCESS);
    pthread_mutex_unlock(&recorder->stream);
    return spool_check(recorder->spool);
}

static void tell_loop(struct recorder_rank *rank, struct recorder_clock clock, int steps,
                      double loop_ms, const double *step_end_ms)
{
    struct spool *spool = rank->recorder->spool;
    struct spool_record record = {.type = SPOOL_STEP};
    for (int i = 0; i < steps; i++) {
        record.step.index = (uint32_t)i;
        record.step.ms = step_end_ms[i];
        spool_put(spool, rank->stream, &record);
    }
    record = (struct spool_record){.type = SPOOL_CLOCK};
    record.clock.offset = clock.offset;
    record.clock.error = clock.error;
    spool_put(spool, rank->stream, &record);
    record = (struct spool_record){.type = SPOOL_LOOP, .loop_ms = loop_ms};
    spool_put(spool, rank->stream, &record);
    spool_flush(spool, rank->stream);
}

static enum status loop_ends(void *self, const struct rank *where, int steps, double loop_ms,
                             const double *step_end_ms)
{
    struct recorder *recorder = self;
    struct recorder_rank *rank = rank_of(recorder, where);
    struct recorder_clock clock = rank->before;
    rank->profiled = false;
    if (rank->differs) {
        TRY(recorder_clock_measure(where->world, now, NULL, &clock));
        clock = recorder_clock_between(rank->before, clock);
    }
    tell_loop(rank, clock, steps, loop_ms, step_end_ms);
    TRY(comm_agree(where->world, spool_check(recorder->spool)));
    return comm_agree(where->world, once(recorder, &recorder->finished, finish));
}

/* ---- life ---- */

static void open_activity(struct recorder *recorder)
{
    const struct activity_sink sink = {on_activity, tag, recorder};
    if (!activity_supported(recorder->backend))
        return;
    enum status st = activity_open(recorder->backend, &sink);
    recorder->activity = st == ST_OK;
    if (st != ST_OK)
        snprintf(recorder->no_activity, sizeof recorder->no_activity, "%s", status_message());
    status_clear();
}

static enum status open_spool(struct recorder *recorder, const char *folder)
{
    char *path;
    TRY(folder_make(folder));
    if (asprintf(&path, "%s/process-%d.spool", folder, recorder->first) < 0)
        return fail(ST_OOM, "profile: no host memory");
    enum status st = spool_open(path, 1 + recorder->ranks, &recorder->spool);
    free(path);
    return st;
}

enum status recorder_open(const char *folder, const struct backend_ops *backend, int first,
                          int ranks, struct recorder **out)
{
    size_t size = sizeof(struct recorder) + (size_t)ranks * sizeof(struct recorder_rank);
    struct recorder *recorder = calloc(1, size);
    *out = NULL;
    if (!recorder)
        return fail(ST_OOM, "profile of %d ranks: no host memory", ranks);
    recorder->observer = (struct worker_observer){
        .rank_begins = rank_begins,
        .loop_begins = loop_begins,
        .loop_ends = loop_ends,
        .rank_ends = rank_ends,
        .self = recorder,
    };
    recorder->backend = backend;
    recorder->first = first;
    recorder->ranks = ranks;
    pthread_mutex_init(&recorder->phase, NULL);
    pthread_mutex_init(&recorder->stream, NULL);
    enum status st = open_spool(recorder, folder);
    if (st != ST_OK) {
        recorder_close(recorder);
        return st;
    }
    open_activity(recorder);
    *out = recorder;
    return ST_OK;
}

void recorder_close(struct recorder *recorder)
{
    if (!recorder)
        return;
    recorder_samples_close(recorder->samples);
    if (recorder->activity)
        activity_close(recorder->backend);
    spool_close(recorder->spool);
    pthread_mutex_destroy(&recorder->phase);
    pthread_mutex_destroy(&recorder->stream);
    free(recorder);
}

const struct worker_observer *recorder_observer(struct recorder *recorder)
{
    return &recorder->observer;
}
