/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of the GPU's ops at the shapes of PixArt-alpha at 1024 px with guidance (2 lanes of 4096
 * tokens), whole and as one of two GPUs has them: products and attention in TFLOP/s, the rest in
 * TB/s of what an op must read and write, each beside the rate it is held against. Calls are
 * captured and launched, on random data, in turn on more memory than the cache holds. Not a test.
 */
#include "kernels/backend.h"
#include "kernels/base/arena.h"
#include "kernels/base/rng.h"
#include "kernels/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 2,
    HEADS = 16,
    HEAD = 72,
    WIDTH = HEADS * HEAD,
    MLP = 4608,
    TEXT = 120,
    SETS = 4,    /* of operands, used in turn */
    CALLS = 24,  /* in a graph */
    REPLAYS = 9, /* of it, whose median counts */
};

/* What an NVIDIA H200 was measured to do: large products, a copy. Attention at head dim 72 has
 * products of 80 columns (a step is sixteen) and of 72. */
static const double gemm_rate = 750e12, memory_rate = 4.3e12;
static const double attention_rate = 750e12 * (72 + 72) / (80 + 72);

struct bench {
    struct queue *q;
    struct arena *arena;
    enum dtype dtype;
    const char *only; /* part of the names wanted; NULL: all */
    double step_us;   /* sum of what a step's calls take, layer by layer */
};

static void check(enum status st)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "ops_cuda: %s\n", status_text());
    exit(1);
}

/* Random, dense. The same 2^20 numbers again and again: enough to keep arithmetic units busy. */
static struct tensor make(struct bench *b, enum dtype dtype, int ndim, const int64_t *dim)
{
    enum { DRAWN = 1 << 20 };
    static float *drawn;
    struct tensor t;
    check(arena_tensor(b->arena, dtype, ndim, dim, &t));
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
        check(op_copy(b->q, &to, &from));
    }
    return t;
}

#define MAKE(b, dtype, ...)                                                                        \
    make(b, dtype, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                      \
         (int64_t[]){__VA_ARGS__})

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct work {
    const char *name;
    double amount;   /* floating-point operations or bytes of one call */
    double rate;     /* of the unit that bounds it */
    double per_step; /* calls in a step of the model */
    void (*call)(struct bench *, int set, void *operands);
    void *operands;
};

static void report(struct bench *b, const struct work *w)
{
    double us[REPLAYS];
    struct event from = {0}, to = {0};
    struct graph graph = {0};
    if (b->only && !strstr(w->name, b->only))
        return;
    check(event_open(b->q->dev, &from));
    check(event_open(b->q->dev, &to));
    for (int set = 0; set < SETS; set++)
        w->call(b, set, w->operands);
    check(queue_sync(b->q));
    check(graph_begin(b->q));
    for (int i = 0; i < CALLS; i++)
        w->call(b, i % SETS, w->operands);
    check(graph_end(b->q, &graph));
    for (int i = -1; i < REPLAYS; i++) {
        double ms;
        check(queue_mark(b->q, &from));
        check(graph_launch(b->q, &graph));
        check(queue_mark(b->q, &to));
        check(queue_sync(b->q));
        check(event_elapsed(b->q->dev, &from, &to, &ms));
        if (i >= 0)
            us[i] = ms * 1e3 / CALLS;
    }
    qsort(us, REPLAYS, sizeof(us[0]), compare);
    double median = us[REPLAYS / 2];
    bool matrix = w->rate > 1e13;
    printf("%-46s %8.1f us  %7.2f %s  floor %7.1f us, %3.0f%%\n", w->name, median,
           w->amount / median * 1e-6, matrix ? "TFLOP/s" : "TB/s   ", w->amount / w->rate * 1e6,
           100.0 * w->amount / w->rate * 1e6 / median);
    b->step_us += w->per_step * median;
    graph_release(b->q->dev, &graph);
    event_close(b->q->dev, &from);
    event_close(b->q->dev, &to);
}

/* ---- products ---- */

struct product {
    struct tensor x[SETS], w[SETS], bias, y[SETS];
    bool with_bias;
    enum act act;
};

static void call_product(struct bench *b, int set, void *operands)
{
    struct product *p = operands;
    check(op_linear(b->q, &p->y[set], &p->x[set], &p->w[set], p->with_bias ? &p->bias : NULL,
                    p->act));
}

static void bench_product(struct bench *b, const char *name, int64_t rows, int64_t in, int64_t out,
                          bool bias, enum act act, double per_step)
{
    struct product p = {.bias = MAKE(b, b->dtype, out), .with_bias = bias, .act = act};
    char title[80];
    for (int i = 0; i < SETS; i++) {
        p.x[i] = MAKE(b, b->dtype, LANES, rows, in);
        p.w[i] = MAKE(b, b->dtype, out, in);
        p.y[i] = MAKE(b, b->dtype, LANES, rows, out);
    }
    snprintf(title, sizeof(title), "linear %s [%d,%d] x [%d]", name, (int)(LANES * rows), (int)in,
             (int)out);
    double flops = 2.0 * LANES * (double)rows * (double)in * (double)out;
    report(b, &(struct work){title, flops, gemm_rate, per_step, call_product, &p});
}

/* h += x w^T + bias; h grows from call to call, as far as one replay goes. */
static void call_product_add(struct bench *b, int set, void *operands)
{
    struct product *p = operands;
    check(op_linear_add(b->q, &p->y[set], &p->x[set], &p->w[set], &p->bias));
}

static void bench_product_add(struct bench *b, int64_t rows, double per_step)
{
    struct product p = {.bias = MAKE(b, b->dtype, WIDTH)};
    for (int i = 0; i < SETS; i++) {
        p.x[i] = MAKE(b, b->dtype, LANES, rows, WIDTH);
        p.w[i] = MAKE(b, b->dtype, WIDTH, WIDTH);
        p.y[i] = MAKE(b, b->dtype, LANES, rows, WIDTH);
    }
    char title[80];
    snprintf(title, sizeof(title), "linear_add cross out [%d,%d] x [%d]", (int)(LANES * rows),
             WIDTH, WIDTH);
    double flops = 2.0 * LANES * (double)rows * WIDTH * WIDTH;
    report(b, &(struct work){title, flops, gemm_rate, per_step, call_product_add, &p});
}

/* ---- weights, as they are drawn ---- */

struct drawn {
    struct tensor w[SETS];
};

static void call_draw(struct bench *b, int set, void *operands)
{
    struct drawn *p = operands;
    check(op_random_uniform(b->q, &p->w[set], 0.05f, 1, 2, (uint64_t)set, WIDTH));
}

static void bench_draw(struct bench *b)
{
    struct drawn p;
    for (int i = 0; i < SETS; i++)
        p.w[i] = MAKE(b, b->dtype, MLP, WIDTH);
    report(b, &(struct work){"random_uniform [4608,1152]", (double)tensor_bytes(&p.w[0]),
                             memory_rate, 0, call_draw, &p});
}

/* ---- attention ---- */

struct attention {
    struct tensor q[SETS], k[SETS], v[SETS], o[SETS], lse;
    bool with_lse;
    const int *count;
};

static void call_attention(struct bench *b, int set, void *operands)
{
    struct attention *p = operands;
    check(op_attention(b->q, &p->o[set], p->with_lse ? &p->lse : NULL, &p->q[set], &p->k[set],
                       &p->v[set], p->count, 1.0f / sqrtf((float)HEAD)));
}

static struct tensor heads_of(const struct tensor *rows, int64_t part, int heads)
{
    struct tensor t = tensor_slice(rows, 2, part * heads * HEAD, (int64_t)heads * HEAD);
    return tensor_split(&t, 2, heads, HEAD);
}

/* Self-attention on views of one product where keys equals rows, else on text. */
static void bench_attention(struct bench *b, const char *name, int64_t rows, int64_t keys,
                            int heads, bool lse, const int *count, double per_step)
{
    struct attention p = {.with_lse = lse, .count = count};
    char title[80];
    double pairs = 0.0;
    int64_t C = (int64_t)heads * HEAD;
    for (int i = 0; i < SETS; i++) {
        struct tensor qkv = MAKE(b, b->dtype, LANES, rows, 3 * C);
        struct tensor text = MAKE(b, b->dtype, LANES, keys, 3 * C);
        struct tensor o = MAKE(b, b->dtype, LANES, rows, C);
        p.q[i] = heads_of(&qkv, 0, heads);
        p.k[i] = heads_of(keys == rows ? &qkv : &text, 1, heads);
        p.v[i] = heads_of(keys == rows ? &qkv : &text, 2, heads);
        p.o[i] = heads_of(&o, 0, heads);
    }
    p.lse = MAKE(b, DTYPE_F32, LANES, rows, heads);
    for (int lane = 0; lane < LANES; lane++)
        pairs += (double)rows * (double)(count ? count[lane] : keys);
    snprintf(title, sizeof(title), "attention %s [%d] on [%d], %d heads", name, (int)rows,
             (int)keys, heads);
    report(b, &(struct work){title, 4.0 * pairs * (double)C, attention_rate, per_step,
                             call_attention, &p});
}

/* ---- rows ---- */

struct rows {
    struct tensor h[SETS], y[SETS], a[SETS], bias, gate, shift, scale, table, lse, lse2;
};

static void call_norm(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    check(op_norm_modulate(b->q, &p->a[set], &p->h[set],
                           &(struct modulation){&p->shift, &p->scale, 1e-6f}));
}

static void call_gate_add(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    check(op_gate_add(b->q, &p->h[set], &p->y[set], &p->bias, &p->gate));
}

static void call_gate_add_norm(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    check(op_gate_add_norm(b->q, &p->h[set], &p->y[set], &p->bias, &p->gate, &p->a[set],
                           &(struct modulation){&p->shift, &p->scale, 1e-6f}));
}

static void call_add_rows(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    check(op_add_rows(b->q, &p->h[set], &p->table));
}

static void call_add(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    check(op_add(b->q, &p->h[set], &p->y[set]));
}

static void call_merge(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    struct tensor o = tensor_split(&p->h[set], 2, HEADS, HEAD);
    struct tensor o2 = tensor_split(&p->y[set], 2, HEADS, HEAD);
    check(op_merge(b->q, &o, &p->lse, &o2, &p->lse2));
}

/* Heads 0..7 of all rows into a dense tensor, as an exchange of heads packs them. */
static void call_pack(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    struct tensor half = tensor_slice(&p->h[set], 2, 0, WIDTH / 2);
    int64_t dim[3] = {LANES, half.dim[1], WIDTH / 2};
    struct tensor dense = tensor_of(p->a[set].data, p->a[set].dev, p->a[set].dtype, 3, dim);
    check(op_copy(b->q, &dense, &half));
}

static void bench_rows(struct bench *b, int64_t rows, double layers)
{
    struct rows p = {
        .bias = MAKE(b, b->dtype, WIDTH),
        .gate = MAKE(b, DTYPE_F32, LANES, WIDTH),
        .shift = MAKE(b, DTYPE_F32, LANES, WIDTH),
        .scale = MAKE(b, DTYPE_F32, LANES, WIDTH),
        .table = MAKE(b, DTYPE_F32, rows, WIDTH),
        .lse = MAKE(b, DTYPE_F32, LANES, rows, HEADS),
        .lse2 = MAKE(b, DTYPE_F32, LANES, rows, HEADS),
    };
    for (int i = 0; i < SETS; i++) {
        p.h[i] = MAKE(b, b->dtype, LANES, rows, WIDTH);
        p.y[i] = MAKE(b, b->dtype, LANES, rows, WIDTH);
        p.a[i] = MAKE(b, b->dtype, LANES, rows, WIDTH);
    }
    double once = (double)tensor_bytes(&p.h[0]);
    const struct work works[] = {
        {"norm_modulate", 2 * once, memory_rate, layers + 2, call_norm, &p},
        {"gate_add", 3 * once, memory_rate, layers + 1, call_gate_add, &p},
        {"gate_add_norm", 4 * once, memory_rate, layers - 1, call_gate_add_norm, &p},
        {"add_rows", 2 * once + (double)tensor_bytes(&p.table), memory_rate, 1, call_add_rows, &p},
        {"add", 3 * once, memory_rate, 0, call_add, &p},
        {"merge", 3 * once + 3 * (double)tensor_bytes(&p.lse), memory_rate, 0, call_merge, &p},
        {"copy of half the heads", once, memory_rate, 0, call_pack, &p},
    };
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        report(b, &works[i]);
}

/* ---- conditioning: two rows in fp32 ---- */

struct conditioning {
    struct tensor x, w, bias, y;
};

static void call_conditioning(struct bench *b, int set, void *operands)
{
    struct conditioning *p = operands;
    (void)set;
    check(op_linear(b->q, &p->y, &p->x, &p->w, &p->bias, ACT_NONE));
}

static void bench_conditioning(struct bench *b)
{
    struct conditioning p = {MAKE(b, DTYPE_F32, LANES, WIDTH), MAKE(b, DTYPE_F32, 6 * WIDTH, WIDTH),
                             MAKE(b, DTYPE_F32, 6 * WIDTH), MAKE(b, DTYPE_F32, LANES, 6 * WIDTH)};
    report(b, &(struct work){"linear of 2 rows in fp32", (double)tensor_bytes(&p.w), memory_rate, 1,
                             call_conditioning, &p});
}

/* One arena for each part, so that a part's memory is free for the next. */
static void part(struct bench *b, int64_t rows, int heads)
{
    static const int count[] = {20, 77};
    const double layers = 28;
    struct device *dev = b->q->dev;
    b->step_us = 0.0;
    printf("\n%d lanes of %d rows, attention over 4096 tokens with %d heads, %s\n", LANES,
           (int)rows, heads, dtype_name(b->dtype));
    check(arena_open(dev, ARENA_BUFFERS, &b->arena));
    bench_product(b, "qkv", rows, WIDTH, 3 * WIDTH, true, ACT_NONE, layers);
    bench_product(b, "out", rows, WIDTH, WIDTH, false, ACT_NONE, layers);
    bench_product(b, "cross q", rows, WIDTH, WIDTH, true, ACT_NONE, layers);
    bench_product_add(b, rows, layers);
    bench_product(b, "fc1+gelu", rows, WIDTH, MLP, true, ACT_GELU_TANH, layers);
    bench_product(b, "fc2", rows, MLP, WIDTH, false, ACT_NONE, layers);
    bench_product(b, "embed", rows, 16, WIDTH, true, ACT_NONE, 1);
    bench_product(b, "head", rows, WIDTH, 16, true, ACT_NONE, 1);
    bench_attention(b, "self", 4096, 4096, heads, false, NULL, layers);
    bench_attention(b, "self+lse", 4096, 4096, heads, true, NULL, 0);
    bench_attention(b, "half the rows+lse", 2048, 2048, 16, true, NULL, 0);
    bench_attention(b, "text", rows, TEXT, HEADS, false, NULL, layers);
    bench_attention(b, "text, 20 and 77 keys", rows, TEXT, HEADS, false, count, 0);
    bench_rows(b, rows, layers);
    bench_conditioning(b);
    bench_draw(b);
    check(queue_sync(b->q));
    arena_close(b->arena);
    printf("sum over a step of 28 layers: %.2f ms\n", b->step_us * 1e-3);
}

int main(int argc, char **argv)
{
    struct bench b = {.dtype = DTYPE_BF16};
    struct device_options options = {.threads = 1};
    struct device *dev;
    const struct backend_ops *cuda = backend_find("cuda");
    int devices = 0;
    if (argc > 1 && !dtype_find(argv[1], &b.dtype)) {
        fprintf(stderr, "usage: ops_cuda [fp32|bf16|fp16 [PART OF A NAME]]\n");
        return 2;
    }
    if (!cuda || cuda->count(&devices) != ST_OK || devices == 0) {
        printf("SKIP: no GPU is seen here, or this program was built without CUDA\n");
        return 0;
    }
    b.only = argc > 2 ? argv[2] : NULL;
    check(device_open(cuda, &options, &dev));
    check(queue_open(dev, &b.q));
    part(&b, 4096, HEADS);
    part(&b, 2048, HEADS / 2);
    queue_close(b.q);
    device_close(dev);
    return 0;
}
