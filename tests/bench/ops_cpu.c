/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of the CPU ops at the shapes of PixArt-alpha, 256 and 512 px, two lanes: products and
 * attention in GFLOP/s, the rest in GB/s of what an op must read and write. Medians of repeated
 * calls; not a test. ops_cpu [threads] Weights are taken in turn from more memory than the caches
 * hold, as the layers of a model are.
 */
#include "kernels/backend.h"
#include "kernels/base/arena.h"
#include "kernels/base/clock.h"
#include "kernels/base/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LANES = 2,
    HEADS = 16,
    HEAD = 72,
    WIDTH = HEADS * HEAD,
    MLP = 4608,
    TEXT = 120,
    WEIGHTS = 12,
    REPEATS = 15
};

struct bench {
    struct queue *q;
    struct arena *arena;
    int round; /* which of the weights is next */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check(enum status st)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "ops_cpu: %s\n", status_text());
    exit(1);
}

static struct tensor make(struct bench *b, int ndim, const int64_t *dim)
{
    struct tensor t;
    check(arena_tensor(b->arena, DTYPE_F32, ndim, dim, &t));
    rng_uniform(1, 2, 0, tensor_count(&t), t.data);
    return t;
}

#define MAKE(b, ...)                                                                               \
    make(b, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* Calls body(b, arg) REPEATS times after two more, and prints the median of `work` per second. */
static void report(struct bench *b, const char *name, double work, const char *unit,
                   void (*body)(struct bench *, void *), void *arg)
{
    double seconds[REPEATS];
    for (int i = -2; i < REPEATS; i++) {
        double start = clock_seconds();
        body(b, arg);
        if (i >= 0)
            seconds[i] = clock_seconds() - start;
    }
    qsort(seconds, REPEATS, sizeof(seconds[0]), compare);
    printf("%-44s %9.3f ms  %7.1f %s  (best %.1f)\n", name, seconds[REPEATS / 2] * 1e3,
           work / seconds[REPEATS / 2] * 1e-9, unit, work / seconds[0] * 1e-9);
}

struct linear_case {
    struct tensor x, y, w[WEIGHTS], bias;
    enum act act;
};

static void call_linear(struct bench *b, void *arg)
{
    struct linear_case *c = arg;
    check(op_linear(b->q, &c->y, &c->x, &c->w[b->round++ % WEIGHTS], &c->bias, c->act));
}

static void bench_linear(struct bench *b, const char *name, int64_t rows, int64_t in, int64_t out,
                         enum act act)
{
    struct linear_case c = {.x = MAKE(b, LANES, rows, in),
                            .y = MAKE(b, LANES, rows, out),
                            .bias = MAKE(b, out),
                            .act = act};
    for (int i = 0; i < WEIGHTS; i++)
        c.w[i] = MAKE(b, out, in);
    char title[80];
    snprintf(title, sizeof(title), "linear %s [%lld,%lld] -> %lld", name, (long long)(LANES * rows),
             (long long)in, (long long)out);
    report(b, title, 2.0 * (double)(LANES * rows * in * out), "GFLOP/s", call_linear, &c);
}

struct attention_case {
    struct tensor q, k, v, o;
};

static void call_attention(struct bench *b, void *arg)
{
    struct attention_case *c = arg;
    check(op_attention(b->q, &c->o, NULL, &c->q, &c->k, &c->v, NULL, 0.1178511f));
}

static void bench_attention(struct bench *b, const char *name, int64_t rows, int64_t keys,
                            int64_t lanes)
{
    struct tensor qkv = MAKE(b, lanes, rows, 3, HEADS, HEAD);
    struct tensor kv = MAKE(b, lanes, keys, 2, HEADS, HEAD);
    struct attention_case c = {.o = MAKE(b, lanes, rows, HEADS, HEAD)};
    int64_t q_dim[] = {lanes, rows, HEADS, HEAD}, k_dim[] = {lanes, keys, HEADS, HEAD};
    c.q = tensor_of(qkv.data, qkv.dev, DTYPE_F32, 4, q_dim);
    c.k = tensor_of(kv.data, kv.dev, DTYPE_F32, 4, k_dim);
    c.v = c.k;
    c.v.data = (float *)kv.data + WIDTH;
    for (int a = 0; a < 2; a++) {
        c.q.stride[a] = qkv.stride[a];
        c.k.stride[a] = c.v.stride[a] = kv.stride[a];
    }
    char title[80];
    snprintf(title, sizeof(title), "attention %s [%lld,%lld] x %lld", name, (long long)lanes,
             (long long)rows, (long long)keys);
    report(b, title, 4.0 * (double)(lanes * rows * keys * WIDTH), "GFLOP/s", call_attention, &c);
}

struct row_case {
    struct tensor h, a, y, bias, vector, table;
    struct norm norm;
    enum act act;
};

static void call_norm(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_norm(b->q, &c->a, &c->h, &c->norm));
}

static void call_gate(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_gate_add(b->q, &c->h, &c->y, &c->bias, &c->vector));
}

static void call_gate_norm(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_gate_add_norm(b->q, &c->h, &c->y, &c->bias, &c->vector, &c->a, &c->norm));
}

static void call_add(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_add(b->q, &c->h, &c->y));
}

static void call_copy(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_copy(b->q, &c->h, &c->y));
}

static void call_activate(struct bench *b, void *arg)
{
    struct row_case *c = arg;
    check(op_activate(b->q, &c->a, &c->y, c->act));
}

static void bench_rows(struct bench *b, int64_t rows)
{
    struct row_case c = {
        .h = MAKE(b, LANES, rows, WIDTH),
        .a = MAKE(b, LANES, rows, WIDTH),
        .y = MAKE(b, LANES, rows, WIDTH),
        .bias = MAKE(b, WIDTH),
        .vector = MAKE(b, LANES, WIDTH),
    };
    c.norm = (struct norm){.shift = &c.vector, .scale = &c.vector, .eps = 1e-6f};
    double bytes = (double)tensor_bytes(&c.h);
    report(b, "norm", 2 * bytes, "GB/s", call_norm, &c);
    report(b, "gate_add", 3 * bytes, "GB/s", call_gate, &c);
    report(b, "gate_add_norm", 4 * bytes, "GB/s", call_gate_norm, &c);
    report(b, "add", 3 * bytes, "GB/s", call_add, &c);
    report(b, "copy", 2 * bytes, "GB/s", call_copy, &c);
    c.act = ACT_GELU_TANH;
    report(b, "activate gelu", 2 * bytes, "GB/s", call_activate, &c);
    c.act = ACT_SILU;
    report(b, "activate silu", 2 * bytes, "GB/s", call_activate, &c);
}

struct image_case {
    struct tensor x, y, w, bias, sums;
    struct conv conv;
    struct group_norm norm;
};

static void call_conv(struct bench *b, void *arg)
{
    struct image_case *c = arg;
    check(op_conv(b->q, &c->y, &c->x, &c->w, &c->conv));
}

static void call_group_sums(struct bench *b, void *arg)
{
    struct image_case *c = arg;
    check(op_group_sums(b->q, &c->sums, &c->x));
}

static void call_group_norm(struct bench *b, void *arg)
{
    struct image_case *c = arg;
    check(op_group_norm(b->q, &c->x, &c->x, &c->norm));
}

/* A decoder's layers of that many channels on a square of that side. */
static void bench_image(struct bench *b, int64_t side, int64_t channels)
{
    struct image_case c = {
        .x = MAKE(b, 1, side, side, channels),
        .y = MAKE(b, 1, side, side, channels),
        .w = MAKE(b, channels, 3, 3, channels),
        .bias = MAKE(b, channels),
        .sums = MAKE(b, 1, 2, 32),
        .conv = {.above = 1, .below = 1},
    };
    char title[80];
    double pixels = (double)(side * side), in = (double)channels;
    double bytes = (double)tensor_bytes(&c.x);
    c.conv.bias = &c.bias;
    snprintf(title, sizeof(title), "conv [%lld,%lld,%lld]", (long long)side, (long long)side,
             (long long)channels);
    report(b, title, 2.0 * pixels * in * in * 9, "GFLOP/s", call_conv, &c);
    c.y = MAKE(b, 1, 2 * side, 2 * side, channels);
    c.w = MAKE(b, 4, channels, 2, 2, channels);
    c.conv.upsample = true;
    snprintf(title, sizeof(title), "conv enlarged [%lld,%lld,%lld]", (long long)side,
             (long long)side, (long long)channels);
    report(b, title, 2.0 * pixels * 4 * in * in * 4, "GFLOP/s", call_conv, &c);
    c.norm = (struct group_norm){&c.sums, &c.bias, &c.bias, side * side * channels / 32,
                                 1e-6f,   ACT_SILU};
    report(b, "group sums", bytes, "GB/s", call_group_sums, &c);
    report(b, "group norm+silu", 2 * bytes, "GB/s", call_group_norm, &c);
}

static void bench_size(struct bench *b, int64_t rows)
{
    printf("-- %lld image tokens, %d lanes\n", (long long)rows, LANES);
    bench_linear(b, "qkv", rows, WIDTH, 3 * WIDTH, ACT_NONE);
    bench_linear(b, "out", rows, WIDTH, WIDTH, ACT_NONE);
    bench_linear(b, "fc1", rows, WIDTH, MLP, ACT_NONE);
    bench_linear(b, "fc1+gelu", rows, WIDTH, MLP, ACT_GELU_TANH);
    bench_linear(b, "fc2", rows, MLP, WIDTH, ACT_NONE);
    bench_linear(b, "head", rows, WIDTH, 32, ACT_NONE);
    bench_attention(b, "self", rows, rows, LANES);
    bench_attention(b, "cross", rows, TEXT, LANES);
    bench_rows(b, rows);
}

int main(int argc, char **argv)
{
    struct device_options options = {.threads = argc > 1 ? atoi(argv[1]) : 2};
    struct device *dev;
    struct bench b = {0};
    check(device_open(backend_find("cpu"), &options, &dev));
    check(queue_open(dev, &b.q));
    printf("threads %d\n", options.threads);
    for (int64_t rows = 256; rows <= 1024; rows *= 4) {
        check(arena_open(dev, ARENA_BUFFERS, &b.arena));
        bench_size(&b, rows);
        arena_close(b.arena);
    }
    check(arena_open(dev, ARENA_BUFFERS, &b.arena));
    printf("-- few rows, many lanes\n");
    bench_linear(&b, "modulation", 1, WIDTH, 6 * WIDTH, ACT_NONE);
    bench_attention(&b, "frames", 16, 16, 512);
    arena_close(b.arena);
    check(arena_open(dev, ARENA_BUFFERS, &b.arena));
    printf("-- a decoder\n");
    bench_image(&b, 64, 512);
    bench_image(&b, 256, 128);
    arena_close(b.arena);
    queue_close(b.q);
    device_close(dev);
    return 0;
}
