/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the GPU is said to have done against what it was given: eager and in graphs, with tags,
 * calls, times and sizes. A failure does not end a test, and all that is known is printed then, so
 * that one run on a rare machine tells enough.
 */
#include "kernels/activity.h"
#include "kernels/cuda/activity_cupti.h"
#include "kernels/device.h"
#include "tests/cuda/gpu.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME = 96, DUMPED = 150, LAUNCHES = 3, SLACK_NS = 50000 };

struct entry {
    struct activity a; /* its name is the one below */
    char name[NAME];
};

struct log {
    pthread_mutex_t lock;
    int n, room;
    struct entry *entry;
    uint64_t tag; /* that the next captured work gets */
    int asked;
    int failures;
};

static void on_activity(void *self, const struct activity *activity)
{
    struct log *log = self;
    pthread_mutex_lock(&log->lock);
    if (log->n == log->room) {
        log->room = log->room ? 2 * log->room : 1024;
        log->entry = realloc(log->entry, (size_t)log->room * sizeof(*log->entry));
        CHECK(log->entry, "no memory for %d records", log->room);
    }
    struct entry *e = &log->entry[log->n++];
    e->a = *activity;
    snprintf(e->name, NAME, "%s", activity->name);
    pthread_mutex_unlock(&log->lock);
}

static uint64_t tag(void *self)
{
    struct log *log = self;
    log->asked++;
    return log->tag;
}

__attribute__((format(printf, 3, 4))) static void expect(struct log *log, bool holds,
                                                         const char *format, ...)
{
    va_list args;
    if (holds)
        return;
    log->failures++;
    fputs("NOT AS EXPECTED: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void note(const struct log *log, const char *when)
{
    struct activity_cupti_seen s;
    activity_cupti_seen(&s);
    fprintf(stderr,
            "NOTE %s: CUPTI %u; nodes: %lu created (%lu tags asked for, the sink counts %d), %lu "
            "more while instantiating, %lu cloned (%lu of unknown ones), %lu destroyed; records of "
            "graphs: %lu name captured nodes, %lu clones, %lu unknown ones (first %#lx); %lu "
            "without times, %lu not wanted, %lu without a buffer; %lu buffers, at most %u at once; "
            "%d records in the sink\n",
            when, s.version, s.created, s.asked, log->asked, s.instantiated, s.cloned, s.orphans,
            s.destroyed, s.of_captured, s.of_clones, s.of_unknown, s.first_unknown, s.without_times,
            s.not_wanted, s.unbuffered, s.buffers, s.most_held, log->n);
}

static void dump(const struct log *log)
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

/* False, and the test is passed over, where there are no records. */
static bool open_log(struct log *log, struct activity_sink *sink)
{
    *log = (struct log){.lock = PTHREAD_MUTEX_INITIALIZER};
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

static void close_log(struct log *log)
{
    if (log->failures > 0)
        dump(log);
    activity_close(backend_find("cuda"));
    CHECK(log->failures == 0, "%d of the above are not as expected", log->failures);
    free(log->entry);
}

static void pause_log(struct log *log)
{
    uint64_t dropped = 99;
    OK(activity_pause(backend_find("cuda"), &dropped));
    expect(log, dropped == 0, "%lu records were dropped", dropped);
}

static bool is_work(const struct activity *a)
{
    return a->kind <= ACTIVITY_FILL;
}

static bool is_call(const struct activity *a)
{
    return a->kind == ACTIVITY_RUNTIME || a->kind == ACTIVITY_DRIVER;
}

/* The call of this correlation; a runtime's rather than the driver's below it. */
static const struct entry *call_of(const struct log *log, uint32_t correlation)
{
    const struct entry *found = NULL;
    for (int i = 0; i < log->n; i++) {
        const struct entry *e = &log->entry[i];
        if (is_call(&e->a) && e->a.correlation == correlation &&
            (!found || e->a.kind == ACTIVITY_RUNTIME))
            found = e;
    }
    return found;
}

/* ---- a piece of a model ---- */

enum { B = 2, N = 300, H = 4, D = 72, C = H * D };
enum op { LINEAR, ATTENTION, NORM, COPY, FILL, ACTIVATE, OPS };

static const char *const op_names[OPS] = {"linear", "attention", "norm", "copy", "fill", "act"};

struct model {
    struct gpu_tensor *x, *w, *bias, *qkv, *o, *h, *a, *shift, *scale;
    int64_t begin[OPS], end[OPS]; /* of each call, on the host */
};

static struct model make(struct gpu *gpu)
{
    const enum dtype t = DTYPE_BF16;
    return (struct model){
        .x = gpu_dense(gpu, t, 1.0f, GPU_DIM(B, N, C)),
        .w = gpu_dense(gpu, t, 0.1f, GPU_DIM(3 * C, C)),
        .bias = gpu_dense(gpu, t, 1.0f, GPU_DIM(3 * C)),
        .qkv = gpu_dense(gpu, t, 0.0f, GPU_DIM(B, N, 3 * C)),
        .o = gpu_dense(gpu, t, 0.0f, GPU_DIM(B, N, H, D)),
        .h = gpu_dense(gpu, t, 1.0f, GPU_DIM(B, N, C)),
        .a = gpu_dense(gpu, t, 0.0f, GPU_DIM(B, N, C)),
        .shift = gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
        .scale = gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
    };
}

static void call(struct gpu *gpu, struct model *m, enum op op)
{
    const struct norm norm = {.shift = &m->shift->t, .scale = &m->scale->t, .eps = 1e-6f};
    struct tensor part[3], flat = tensor_merge(&m->o->t, 2);
    for (int i = 0; i < 3; i++) {
        part[i] = tensor_slice(&m->qkv->t, 2, i * C, C);
        part[i] = tensor_split(&part[i], 2, H, D);
    }
    switch (op) {
    case LINEAR:
        OK(op_linear(gpu->q, &m->qkv->t, &m->x->t, &m->w->t, &m->bias->t, ACT_NONE));
        break;
    case ATTENTION:
        OK(op_attention(gpu->q, &m->o->t, NULL, &part[0], &part[1], &part[2], NULL, 0.1f));
        break;
    case NORM:
        OK(op_gate_add_norm(gpu->q, &m->h->t, &flat, NULL, NULL, &m->a->t, &norm));
        break;
    case COPY:
        OK(op_copy(gpu->q, &m->x->t, &m->a->t));
        break;
    case FILL:
        OK(op_fill(gpu->q, &m->a->t, 0.0f));
        break;
    default:
        OK(op_activate(gpu->q, &m->a->t, &m->x->t, ACT_SILU));
    }
}

/* Each op's captured work is tagged 100 + its number. */
static void run(struct gpu *gpu, struct model *m, struct log *log)
{
    for (int op = 0; op < OPS; op++) {
        log->tag = 100 + (uint64_t)op;
        m->begin[op] = activity_clock();
        call(gpu, m, (enum op)op);
        m->end[op] = activity_clock();
    }
    log->tag = 0;
}

/* What an op gave to the device. */
struct given {
    int works;
    char names[4 * NAME]; /* one after the other */
};

static void give(struct given *given, const struct entry *e)
{
    size_t used = strlen(given->names);
    given->works++;
    snprintf(given->names + used, sizeof(given->names) - used, "%.40s;", e->name);
}

static int op_during(const struct model *m, const struct activity *a)
{
    for (int op = 0; op < OPS; op++) {
        if (a->begin >= m->begin[op] && a->end <= m->end[op])
            return op;
    }
    return -1;
}

static void expect_sizes(struct log *log, const struct model *m, const struct entry *e)
{
    uint64_t want = tensor_bytes(&m->a->t);
    if (e->a.kind == ACTIVITY_COPY)
        expect(log, e->a.bytes == want && strcmp(e->name, "copy device to device") == 0,
               "a copy of %lu bytes is told as '%s' of %lu", want, e->name, e->a.bytes);
    if (e->a.kind == ACTIVITY_FILL)
        expect(log, e->a.bytes == want && strcmp(e->name, "fill") == 0,
               "a fill of %lu bytes is told as '%s' of %lu", want, e->name, e->a.bytes);
    if (e->a.kind == ACTIVITY_KERNEL)
        expect(log, e->a.grid[0] > 0 && e->a.block[0] > 0 && e->a.registers > 0,
               "%s: grid %d, block %d, %d registers", e->name, e->a.grid[0], e->a.block[0],
               e->a.registers);
    expect(log, e->a.kind != ACTIVITY_KERNEL || strncmp(e->name, "_Z", 2) != 0,
           "%s is not as its source spells it", e->name);
}

static void expect_times(struct log *log, int64_t before, int64_t after)
{
    for (int i = 0; i < log->n; i++) {
        const struct activity *a = &log->entry[i].a;
        expect(log, a->begin <= a->end, "%s ends %ld ns before it begins", log->entry[i].name,
               (long)(a->begin - a->end));
        if (is_work(a) || is_call(a))
            expect(log, a->begin >= before - SLACK_NS && a->end <= after + SLACK_NS,
                   "%s begins %.3f us after the host began and ends %.3f us before it was done",
                   log->entry[i].name, (double)(a->begin - before) * 1e-3,
                   (double)(after - a->end) * 1e-3);
    }
}

/* Calls of the host tell which op a kernel is of. */
static void eager(struct gpu *gpu, struct model *m, struct log *log, struct given given[OPS])
{
    const struct backend_ops *ops = backend_find("cuda");
    log->n = 0;
    OK(activity_record(ops));
    int64_t before = activity_clock();
    run(gpu, m, log);
    OK(queue_sync(gpu->q));
    int64_t after = activity_clock();
    pause_log(log);
    note(log, "eager");
    expect_times(log, before, after);
    for (int i = 0; i < log->n; i++) {
        const struct entry *e = &log->entry[i];
        if (!is_work(&e->a))
            continue;
        expect(log, e->a.tag == 0, "%s has tag %lu and is of no graph", e->name, e->a.tag);
        expect_sizes(log, m, e);
        const struct entry *from = call_of(log, e->a.correlation);
        expect(log, from, "%s has correlation %u, of which there is no call", e->name,
               e->a.correlation);
        if (!from)
            continue;
        int op = op_during(m, &from->a);
        expect(log, from->a.thread == (uint32_t)gettid(), "%s is of thread %u, this is %d",
               from->name, from->a.thread, (int)gettid());
        expect(log, op >= 0, "%s of %s lies within none of the ops", from->name, e->name);
        if (op >= 0)
            give(&given[op], e);
    }
    for (int op = 0; op < OPS; op++) {
        fprintf(stderr, "NOTE eager %s: %d: %s\n", op_names[op], given[op].works, given[op].names);
        expect(log, given[op].works > 0, "%s gave no work", op_names[op]);
    }
}

static void launched(struct gpu *gpu, struct model *m, struct log *log, const struct graph *graph,
                     const struct given given[OPS])
{
    struct given all[OPS] = {{0}};
    uint32_t correlation[LAUNCHES] = {0};
    int launches = 0, untagged = 0, works = 0;
    log->n = 0;
    OK(activity_record(backend_find("cuda")));
    int64_t before = activity_clock();
    for (int i = 0; i < LAUNCHES; i++)
        OK(graph_launch(gpu->q, graph));
    OK(queue_sync(gpu->q));
    int64_t after = activity_clock();
    pause_log(log);
    note(log, "graph");
    expect_times(log, before, after);
    for (int i = 0; i < log->n; i++) {
        const struct entry *e = &log->entry[i];
        int known = 0;
        if (!is_work(&e->a))
            continue;
        works++;
        expect_sizes(log, m, e);
        const struct entry *from = call_of(log, e->a.correlation);
        expect(log, from && strstr(from->name, "GraphLaunch"), "%s (correlation %u) comes from %s",
               e->name, e->a.correlation, from ? from->name : "no call");
        while (known < launches && correlation[known] != e->a.correlation)
            known++;
        expect(log, known < LAUNCHES, "more launches than %d", LAUNCHES);
        if (known == launches && launches < LAUNCHES)
            correlation[launches++] = e->a.correlation;
        if (e->a.tag < 100 || e->a.tag >= 100 + OPS) {
            untagged++;
            continue;
        }
        if (known == 0) // names of the first launch, number of all
            give(&all[e->a.tag - 100], e);
        else
            all[e->a.tag - 100].works++;
    }
    expect(log, launches == LAUNCHES, "%d launches have work", launches);
    expect(log, untagged == 0, "%d of %d works have no tag of an op", untagged, works);
    for (int op = 0; op < OPS; op++)
        expect(log,
               all[op].works == LAUNCHES * given[op].works &&
                   strcmp(all[op].names, given[op].names) == 0,
               "%s: %d works eager (%s), %d in %d launches (%s)", op_names[op], given[op].works,
               given[op].names, all[op].works, LAUNCHES, all[op].names);
}

static void test_eager_and_graph(void)
{
    struct gpu gpu;
    struct log log;
    struct activity_sink sink;
    struct graph graph = {0};
    struct given given[OPS] = {{0}};
    int works = 0;
    if (!open_log(&log, &sink))
        return;
    gpu_open(&gpu, 71);
    struct model m = make(&gpu);
    run(&gpu, &m, &log); // plans and workspaces
    OK(queue_sync(gpu.q));
    expect(&log, log.n == 0 && log.asked == 0, "%d records, %d tags before activity_record", log.n,
           log.asked);
    eager(&gpu, &m, &log, given);
    OK(graph_begin(gpu.q));
    run(&gpu, &m, &log);
    OK(graph_end(gpu.q, &graph));
    for (int op = 0; op < OPS; op++)
        works += given[op].works;
    expect(&log, log.asked == works, "%d tags were asked for, the ops have %d works", log.asked,
           works);
    note(&log, "captured");
    launched(&gpu, &m, &log, &graph, given);
    launched(&gpu, &m, &log, &graph, given); // paused and recorded again
    graph_release(gpu.dev, &graph);
    note(&log, "released");
    gpu_close(&gpu);
    close_log(&log);
}

/* ---- times ---- */

/* Back to back, so that the kernels' times add up to what two events have between them. */
static void test_times_add_up(void)
{
    enum { ROWS = 8192, WIDTH = 4608, CALLS = 20 };
    struct gpu gpu;
    struct log log;
    struct activity_sink sink;
    struct event event[2] = {{0}, {0}};
    double elapsed = 0, sum = 0;
    if (!open_log(&log, &sink))
        return;
    gpu_open(&gpu, 72);
    struct gpu_tensor *x = gpu_dense(&gpu, DTYPE_BF16, 0.0f, GPU_DIM(1, ROWS, WIDTH));
    struct gpu_tensor *w = gpu_dense(&gpu, DTYPE_BF16, 0.0f, GPU_DIM(WIDTH, WIDTH));
    struct gpu_tensor *y = gpu_dense(&gpu, DTYPE_BF16, 0.0f, GPU_DIM(1, ROWS, WIDTH));
    struct tensor flat = tensor_merge(&x->t, 0);
    OK(op_random_uniform(gpu.q, &flat, 1.0f, 1, 2, 0, WIDTH));
    OK(op_random_uniform(gpu.q, &w->t, 0.05f, 1, 3, 0, WIDTH));
    OK(event_open(gpu.dev, &event[0]));
    OK(event_open(gpu.dev, &event[1]));
    for (int i = 0; i < 3; i++)
        OK(op_linear(gpu.q, &y->t, &x->t, &w->t, NULL, ACT_NONE));
    OK(queue_sync(gpu.q));
    OK(activity_record(backend_find("cuda")));
    OK(op_linear(gpu.q, &y->t, &x->t, &w->t, NULL, ACT_NONE)); // has what the first record costs
    OK(queue_mark(gpu.q, &event[0]));
    for (int i = 0; i < CALLS; i++)
        OK(op_linear(gpu.q, &y->t, &x->t, &w->t, NULL, ACT_NONE));
    OK(queue_mark(gpu.q, &event[1]));
    OK(queue_sync(gpu.q));
    pause_log(&log);
    OK(event_elapsed(gpu.dev, &event[0], &event[1], &elapsed));
    int kernels = 0;
    for (int i = 0; i < log.n; i++) {
        if (!is_work(&log.entry[i].a))
            continue;
        kernels++;
        sum += (double)(log.entry[i].a.end - log.entry[i].a.begin) * 1e-6;
    }
    sum *= (double)CALLS / (CALLS + 1);
    fprintf(stderr, "NOTE %d products: %.3f ms by events, %.3f ms by %d records\n", CALLS, elapsed,
            sum, kernels);
    expect(&log, kernels > 0 && kernels % (CALLS + 1) == 0, "%d kernels of %d equal calls", kernels,
           CALLS + 1);
    expect(&log, fabs(sum / elapsed - 1) < 0.05, "events say %.3f ms, records %.3f ms", elapsed,
           sum);
    event_close(gpu.dev, &event[0]);
    event_close(gpu.dev, &event[1]);
    gpu_close(&gpu);
    close_log(&log);
}

/* ---- life ---- */

static int works_of(const struct log *log)
{
    int n = 0;
    for (int i = 0; i < log->n; i++)
        n += is_work(&log->entry[i].a);
    return n;
}

static void fill_once(struct gpu *gpu, struct gpu_tensor *t)
{
    OK(op_fill(gpu->q, &t->t, 0.0f));
    OK(queue_sync(gpu->q));
}

static void test_life(void)
{
    const struct backend_ops *ops = backend_find("cuda");
    struct gpu gpu;
    struct log log;
    struct activity_sink sink;
    activity_close(ops); // of nothing
    if (!open_log(&log, &sink))
        return;
    CHECK(activity_open(ops, &sink) == ST_INVALID, "open twice: %s", status_text());
    gpu_open(&gpu, 73);
    struct gpu_tensor *t = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(5, 1000));
    for (int round = 1; round <= 3; round++) {
        fill_once(&gpu, t); // not recorded
        OK(activity_record(ops));
        fill_once(&gpu, t);
        pause_log(&log);
        expect(&log, works_of(&log) == round, "%d works after %d recorded fills", works_of(&log),
               round);
    }
    pause_log(&log); // again
    note(&log, "life");
    activity_close(ops);
    fill_once(&gpu, t);
    int before = log.n;
    OK(activity_open(ops, &sink)); // and once more, with a device that is there
    OK(activity_record(ops));
    fill_once(&gpu, t);
    pause_log(&log);
    expect(&log, works_of(&log) == 4 && log.n > before, "%d works after another opening",
           works_of(&log));
    note(&log, "opened again");
    gpu_close(&gpu);
    close_log(&log);
}

const struct gpu_test tests_activity[] = {
    {"activity/eager_and_graph", test_eager_and_graph},
    {"activity/times_add_up", test_times_add_up},
    {"activity/life", test_life},
    {NULL, NULL},
};
