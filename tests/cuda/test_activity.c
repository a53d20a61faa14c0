/* SPDX-License-Identifier: Apache-2.0 */
/* What the GPU is said to have done against what it was given: eager and in graphs, with tags,
 * calls, times and sizes. */
#include "kernels/device.h"
#include "tests/cuda/activity_log.h"
#include "tests/cuda/gpu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAUNCHES = 3, SLACK_NS = 50000 };

/* ---- a piece of a model ---- */

enum { B = 2, N = 300, H = 4, D = 72, C = H * D };
enum op { LINEAR, ATTENTION, NORM, COPY, FILL, ACTIVATE, OPS };

static const char *const work_names[OPS] = {[COPY] = "copy device to device", [FILL] = "fill"};
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
static void run(struct gpu *gpu, struct model *m, struct activity_log *log)
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
    char names[4 * ACTIVITY_NAME]; /* one after the other */
};

static void give(struct given *given, const struct activity_entry *e)
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

static void expect_sizes(struct activity_log *log, const struct model *m, int op,
                         const struct activity_entry *e)
{
    uint64_t want = tensor_bytes(&m->a->t);
    if (op == COPY || op == FILL)
        EXPECT(log, e->a.bytes == want && strcmp(e->name, work_names[op]) == 0,
               "%s of %lu bytes is told as '%s' of %lu", work_names[op], want, e->name, e->a.bytes);
    if (e->a.kind == ACTIVITY_KERNEL)
        EXPECT(log,
               e->a.grid[0] > 0 && e->a.block[0] > 0 && e->a.registers > 0 &&
                   strncmp(e->name, "_Z", 2) != 0,
               "%s: grid %d, block %d, %d registers, name as its source spells it?", e->name,
               e->a.grid[0], e->a.block[0], e->a.registers);
}

static void expect_times(struct activity_log *log, int64_t before, int64_t after)
{
    for (int i = 0; i < log->n; i++) {
        const struct activity *a = &log->entry[i].a;
        EXPECT(log, a->begin <= a->end, "%s ends %ld ns before it begins", log->entry[i].name,
               (long)(a->begin - a->end));
        if (activity_log_work(a) || activity_log_is_call(a))
            EXPECT(log, a->begin >= before - SLACK_NS && a->end <= after + SLACK_NS,
                   "%s begins %.3f us after the host began and ends %.3f us before it was done",
                   log->entry[i].name, (double)(a->begin - before) * 1e-3,
                   (double)(after - a->end) * 1e-3);
    }
}

/* Calls of the host tell which op a kernel is of. */
static void eager(struct gpu *gpu, struct model *m, struct activity_log *log,
                  struct given given[OPS])
{
    const struct backend_ops *ops = backend_find("cuda");
    log->n = 0;
    OK(activity_record(ops));
    int64_t before = activity_clock();
    run(gpu, m, log);
    OK(queue_sync(gpu->q));
    int64_t after = activity_clock();
    activity_log_pause(log);
    activity_log_note(log, "eager");
    expect_times(log, before, after);
    for (int i = 0; i < log->n; i++) {
        const struct activity_entry *e = &log->entry[i];
        if (!activity_log_work(&e->a))
            continue;
        EXPECT(log, e->a.tag == 0, "%s has tag %lu and is of no graph", e->name, e->a.tag);
        const struct activity_entry *from = activity_log_call(log, e->a.correlation);
        EXPECT(log, from, "%s has correlation %u, of which there is no call", e->name,
               e->a.correlation);
        if (!from)
            continue;
        int op = op_during(m, &from->a);
        EXPECT(log, from->a.thread == (uint32_t)gettid(), "%s is of thread %u, this is %d",
               from->name, from->a.thread, (int)gettid());
        EXPECT(log, op >= 0, "%s of %s lies within none of the ops", from->name, e->name);
        expect_sizes(log, m, op, e);
        if (op >= 0)
            give(&given[op], e);
    }
    for (int op = 0; op < OPS; op++) {
        fprintf(stderr, "NOTE eager %s: %d: %s\n", op_names[op], given[op].works, given[op].names);
        EXPECT(log, given[op].works > 0, "%s gave no work", op_names[op]);
    }
    EXPECT(log, given[COPY].works == 1 && given[FILL].works == 1, "%d copies, %d fills",
           given[COPY].works, given[FILL].works);
}

static void launched(struct gpu *gpu, struct model *m, struct activity_log *log,
                     const struct graph *graph, const struct given given[OPS])
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
    activity_log_pause(log);
    activity_log_note(log, "graph");
    expect_times(log, before, after);
    for (int i = 0; i < log->n; i++) {
        const struct activity_entry *e = &log->entry[i];
        int known = 0;
        if (!activity_log_work(&e->a))
            continue;
        works++;
        const struct activity_entry *from = activity_log_call(log, e->a.correlation);
        EXPECT(log, from && strstr(from->name, "GraphLaunch"), "%s (correlation %u) comes from %s",
               e->name, e->a.correlation, from ? from->name : "no call");
        while (known < launches && correlation[known] != e->a.correlation)
            known++;
        EXPECT(log, known < LAUNCHES, "more launches than %d", LAUNCHES);
        if (known == launches && launches < LAUNCHES)
            correlation[launches++] = e->a.correlation;
        if (e->a.tag < 100 || e->a.tag >= 100 + OPS) {
            untagged++;
            continue;
        }
        expect_sizes(log, m, (int)(e->a.tag - 100), e);
        if (known == 0) // names of the first launch, number of all
            give(&all[e->a.tag - 100], e);
        else
            all[e->a.tag - 100].works++;
    }
    EXPECT(log, launches == LAUNCHES, "%d launches have work", launches);
    EXPECT(log, untagged == 0, "%d of %d works have no tag of an op", untagged, works);
    for (int op = 0; op < OPS; op++)
        EXPECT(log,
               all[op].works == LAUNCHES * given[op].works &&
                   strcmp(all[op].names, given[op].names) == 0,
               "%s: %d works eager (%s), %d in %d launches (%s)", op_names[op], given[op].works,
               given[op].names, all[op].works, LAUNCHES, all[op].names);
}

static void test_eager_and_graph(void)
{
    struct gpu gpu;
    struct activity_log log;
    struct activity_sink sink;
    struct graph graph = {0};
    struct given given[OPS] = {{0}};
    int works = 0;
    if (!activity_log_open(&log, &sink))
        return;
    gpu_open(&gpu, 71);
    struct model m = make(&gpu);
    run(&gpu, &m, &log); // plans and workspaces
    OK(queue_sync(gpu.q));
    EXPECT(&log, log.n == 0 && log.asked == 0, "%d records, %d tags before activity_record", log.n,
           log.asked);
    eager(&gpu, &m, &log, given);
    OK(graph_begin(gpu.q));
    run(&gpu, &m, &log);
    OK(graph_end(gpu.q, &graph));
    for (int op = 0; op < OPS; op++)
        works += given[op].works;
    /* CUPTI 13 tells of a captured node twice */
    EXPECT(&log, log.asked >= works, "%d tags were asked for, the ops have %d works", log.asked,
           works);
    activity_log_note(&log, "captured");
    launched(&gpu, &m, &log, &graph, given);
    launched(&gpu, &m, &log, &graph, given); // paused and recorded again
    graph_release(gpu.dev, &graph);
    activity_log_note(&log, "released");
    gpu_close(&gpu);
    activity_log_close(&log);
}

/* ---- times ---- */

/* Back to back, so that the kernels' times add up to what two events have between them. */
static void test_times_add_up(void)
{
    enum { ROWS = 8192, WIDTH = 4608, CALLS = 20 };
    struct gpu gpu;
    struct activity_log log;
    struct activity_sink sink;
    struct event event[2] = {{0}, {0}};
    double elapsed = 0, sum = 0;
    if (!activity_log_open(&log, &sink))
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
    activity_log_pause(&log);
    OK(event_elapsed(gpu.dev, &event[0], &event[1], &elapsed));
    int kernels = 0;
    for (int i = 0; i < log.n; i++) {
        if (!activity_log_work(&log.entry[i].a))
            continue;
        kernels++;
        sum += (double)(log.entry[i].a.end - log.entry[i].a.begin) * 1e-6;
    }
    sum *= (double)CALLS / (CALLS + 1);
    fprintf(stderr, "NOTE %d products: %.3f ms by events, %.3f ms by %d records\n", CALLS, elapsed,
            sum, kernels);
    EXPECT(&log, kernels > 0 && kernels % (CALLS + 1) == 0, "%d kernels of %d equal calls", kernels,
           CALLS + 1);
    EXPECT(&log, fabs(sum / elapsed - 1) < 0.05, "events say %.3f ms, records %.3f ms", elapsed,
           sum);
    event_close(gpu.dev, &event[0]);
    event_close(gpu.dev, &event[1]);
    gpu_close(&gpu);
    activity_log_close(&log);
}

/* ---- life ---- */

static int works_of(const struct activity_log *log)
{
    int n = 0;
    for (int i = 0; i < log->n; i++)
        n += activity_log_work(&log->entry[i].a);
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
    struct activity_log log;
    struct activity_sink sink;
    activity_close(ops); // of nothing
    if (!activity_log_open(&log, &sink))
        return;
    CHECK(activity_open(ops, &sink) == ST_INVALID, "open twice: %s", status_text());
    gpu_open(&gpu, 73);
    struct gpu_tensor *t = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(5, 1000));
    for (int round = 1; round <= 3; round++) {
        fill_once(&gpu, t); // not recorded
        OK(activity_record(ops));
        fill_once(&gpu, t);
        activity_log_pause(&log);
        EXPECT(&log, works_of(&log) == round, "%d works after %d recorded fills", works_of(&log),
               round);
    }
    activity_log_pause(&log); // again
    activity_log_note(&log, "life");
    activity_close(ops);
    fill_once(&gpu, t);
    int before = log.n;
    OK(activity_open(ops, &sink)); // and once more, with a device that is there
    OK(activity_record(ops));
    fill_once(&gpu, t);
    activity_log_pause(&log);
    EXPECT(&log, works_of(&log) == 4 && log.n > before, "%d works after another opening",
           works_of(&log));
    activity_log_note(&log, "opened again");
    gpu_close(&gpu);
    activity_log_close(&log);
}

const struct gpu_test tests_activity[] = {
    {"activity/eager_and_graph", test_eager_and_graph},
    {"activity/times_add_up", test_times_add_up},
    {"activity/life", test_life},
    {NULL, NULL},
};
