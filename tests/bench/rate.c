/* SPDX-License-Identifier: Apache-2.0 */
/* Random operands on a GPU, and the median time of captured calls on them. */
#include "tests/bench/rate.h"

#include "kernels/base/clock.h"
#include "kernels/base/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALLS = 24,  /* in a graph */
    REPLAYS = 9, /* of it, whose median counts */
};

/* Replays go before for so long: by then a GPU at its power limit has the clock that the op leaves
 * it, as in a loop of nothing else. */
static const double SETTLE_SECONDS = 0.25;

const double rate_gemm = 750e12, rate_memory = 4.3e12;

void rate_check(enum status st)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "ops_cuda: %s\n", status_text());
    exit(1);
}

/* Random, dense. The same 2^20 numbers again and again: enough to keep arithmetic units busy. */
struct tensor rate_tensor(struct bench *b, enum dtype dtype, int ndim, const int64_t *dim)
{
    enum { DRAWN = 1 << 20 };
    static float *drawn;
    struct tensor t;
    rate_check(arena_tensor(b->arena, dtype, ndim, dim, &t));
    if (!drawn) {
        drawn = malloc(DRAWN * sizeof(float));
        rng_uniform(1, 2, 0, DRAWN, drawn);
    }
    int64_t count = tensor_count(&t);
    struct tensor flat = tensor_reshape(&t, 1, &count);
    for (int64_t at = 0; at < count; at += DRAWN) {
        int64_t n = count - at < DRAWN ? count - at : DRAWN;
        struct tensor from = tensor_of(drawn, NULL, DTYPE_F32, 1, &n);
        struct tensor to = tensor_slice(&flat, 0, at, n);
        rate_check(op_copy(b->q, &to, &from));
    }
    return t;
}

struct place rate_dense(int64_t rows, int64_t columns)
{
    return (struct place){rows, columns, 0, 0};
}

struct tensor rate_part(struct bench *b, struct place at, int64_t rows, int64_t columns)
{
    struct tensor t = MAKE(b, b->dtype, b->model->lanes, at.all, at.wide);
    t = tensor_slice(&t, 1, at.begin, rows);
    return tensor_slice(&t, 2, at.column, columns);
}

struct tensor rate_heads(const struct bench *b, const struct tensor *rows, int64_t which, int heads)
{
    int last = rows->ndim - 1;
    int64_t width = (int64_t)heads * b->model->head;
    struct tensor t = tensor_slice(rows, last, which * width, width);
    return tensor_split(&t, last, heads, b->model->head);
}

void rate_open(struct bench *b)
{
    rate_check(arena_open(b->q->dev, ARENA_BUFFERS, &b->arena));
}

void rate_close(struct bench *b)
{
    rate_check(queue_sync(b->q));
    arena_close(b->arena);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool rate_title(const struct bench *b, char line[LINE], const char *format, ...)
{
    va_list args;
    int n = snprintf(line, LINE, "%s ", b->model->name);
    va_start(args, format);
    vsnprintf(line + n, (size_t)(LINE - n), format, args);
    va_end(args);
    return !b->only || strstr(line, b->only);
}

/* us of a call. */
static double replay(const struct bench *b, const struct graph *graph, struct event mark[2])
{
    double ms;
    rate_check(queue_mark(b->q, &mark[0]));
    rate_check(graph_launch(b->q, graph));
    rate_check(queue_mark(b->q, &mark[1]));
    rate_check(queue_sync(b->q));
    rate_check(event_elapsed(b->q->dev, &mark[0], &mark[1], &ms));
    return ms * 1e3 / CALLS;
}

void rate_report(struct bench *b, const struct work *w)
{
    double us[REPLAYS];
    struct event mark[2] = {{0}, {0}};
    struct graph graph = {0};
    for (int i = 0; i < 2; i++)
        rate_check(event_open(b->q->dev, &mark[i]));
    for (int set = 0; set < SETS; set++)
        w->call(b, set, w->operands);
    rate_check(queue_sync(b->q));
    rate_check(graph_begin(b->q));
    for (int i = 0; i < CALLS; i++)
        w->call(b, i % SETS, w->operands);
    rate_check(graph_end(b->q, &graph));
    for (double begin = clock_seconds(); clock_seconds() < begin + SETTLE_SECONDS;)
        replay(b, &graph, mark);
    for (int i = 0; i < REPLAYS; i++)
        us[i] = replay(b, &graph, mark);
    qsort(us, REPLAYS, sizeof(us[0]), compare);
    double median = us[REPLAYS / 2];
    bool matrix = w->rate > 1e13;
    printf("%-56s %8.1f us  %7.2f %s  floor %7.1f us, %3.0f%%\n", w->name, median,
           w->amount / median * 1e-6, matrix ? "TFLOP/s" : "TB/s   ", w->amount / w->rate * 1e6,
           100.0 * w->amount / w->rate * 1e6 / median);
    b->step_us += w->per_step * median;
    graph_release(b->q->dev, &graph);
    for (int i = 0; i < 2; i++)
        event_close(b->q->dev, &mark[i]);
}
