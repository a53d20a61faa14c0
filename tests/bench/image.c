/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of a decoder's operations: its widest convolutions at each height, with and without
 * enlargement, the last one, GroupNorm, and its mid block's attention. */
#include "tests/bench/image.h"

#include <stdio.h>

static const struct model decoder = {.name = "vae-1024", .lanes = 1, .head = 512, .heads = 1};

struct layer {
    const char *name;
    int side, in, out;
    bool upsample; /* to twice the side, folded */
    bool add;
    double count; /* in a decoder of FLUX's shape */
};

struct conv_case {
    struct tensor x[SETS], y[SETS], w, bias, add;
    struct conv conv;
};

static void call_conv(struct bench *b, int set, void *operands)
{
    struct conv_case *c = operands;
    rate_check(op_conv(b->q, &c->y[set], &c->x[set], &c->w, &c->conv));
}

/* What bounds it: products, or bytes where it has few channels. */
static void bench_conv(struct bench *b, const struct layer *l)
{
    struct conv_case c = {.conv = {.upsample = l->upsample, .above = 1, .below = 1}};
    char line[LINE];
    int to = l->upsample ? 2 * l->side : l->side;
    double places = l->upsample ? 4 : 9;
    double flops = 2.0 * to * to * l->out * places * l->in;
    if (!rate_title(b, line, "conv %s [%d,%d,%d] -> [%d,%d,%d]", l->name, l->side, l->side, l->in,
                    to, to, l->out))
        return;
    rate_open(b);
    for (int i = 0; i < SETS; i++) {
        c.x[i] = MAKE(b, b->dtype, 1, l->side, l->side, l->in);
        c.y[i] = MAKE(b, b->dtype, 1, to, to, l->out);
    }
    c.bias = MAKE(b, b->dtype, l->out);
    c.conv.bias = &c.bias;
    if (l->add)
        c.add = MAKE(b, b->dtype, 1, to, to, l->out);
    c.conv.add = l->add ? &c.add : NULL;
    c.w = l->upsample ? MAKE(b, b->dtype, 4, l->out, 2, 2, l->in)
                      : MAKE(b, b->dtype, l->out, 3, 3, l->in);
    double bytes = (double)(tensor_bytes(&c.x[0]) + tensor_bytes(&c.y[0]) * (l->add ? 2 : 1));
    bool by_memory = bytes / rate_memory > flops / rate_gemm;
    rate_report(b, &(struct work){line, by_memory ? bytes : flops,
                                  by_memory ? rate_memory : rate_gemm, l->count, call_conv, &c});
    rate_close(b);
}

struct norm_case {
    struct tensor x[SETS], sums, weight, bias;
    struct group_norm norm;
};

static void call_sums(struct bench *b, int set, void *operands)
{
    struct norm_case *c = operands;
    rate_check(op_group_sums(b->q, &c->sums, &c->x[set]));
}

static void call_norm(struct bench *b, int set, void *operands)
{
    struct norm_case *c = operands;
    rate_check(op_group_norm(b->q, &c->x[set], &c->x[set], &c->norm));
}

static void bench_norm(struct bench *b, int side, int channels, double count)
{
    struct norm_case c;
    char line[LINE];
    rate_open(b);
    for (int i = 0; i < SETS; i++)
        c.x[i] = MAKE(b, b->dtype, 1, side, side, channels);
    c.sums = MAKE(b, DTYPE_F32, 1, 2, 32);
    c.weight = MAKE(b, DTYPE_F32, channels);
    c.bias = MAKE(b, DTYPE_F32, channels);
    c.norm = (struct group_norm){&c.sums, &c.weight, &c.bias, (int64_t)side * side * channels / 32,
                                 1e-6f,   ACT_SILU};
    double bytes = (double)tensor_bytes(&c.x[0]);
    if (rate_title(b, line, "group sums [%d,%d,%d]", side, side, channels))
        rate_report(b, &(struct work){line, bytes, rate_memory, count, call_sums, &c});
    if (rate_title(b, line, "group norm+silu [%d,%d,%d]", side, side, channels))
        rate_report(b, &(struct work){line, 2 * bytes, rate_memory, count, call_norm, &c});
    rate_close(b);
}

struct attention_case {
    struct tensor q, k, v, o;
};

static void call_attention(struct bench *b, int set, void *operands)
{
    struct attention_case *c = operands;
    (void)set;
    rate_check(op_attention(b->q, &c->o, NULL, &c->q, &c->k, &c->v, NULL, 0.0441942f));
}

static void bench_attention(struct bench *b, int rows)
{
    char line[LINE];
    if (!rate_title(b, line, "attention mid block [%d], 1x512", rows))
        return;
    rate_open(b);
    struct attention_case c = {
        MAKE(b, b->dtype, 1, rows, 1, 512),
        MAKE(b, b->dtype, 1, rows, 1, 512),
        MAKE(b, b->dtype, 1, rows, 1, 512),
        MAKE(b, b->dtype, 1, rows, 1, 512),
    };
    rate_report(b, &(struct work){line, 4.0 * rows * rows * 512, rate_gemm, 1, call_attention, &c});
    rate_close(b);
}

void image_bench(struct bench *b)
{
    static const struct layer layers[] = {
        {"in", 128, 16, 512, false, false, 1},       {"", 128, 512, 512, false, true, 10},
        {"enlarged", 128, 512, 512, true, false, 1}, {"", 256, 512, 512, false, true, 6},
        {"enlarged", 256, 512, 512, true, false, 1}, {"", 512, 512, 256, false, false, 1},
        {"", 512, 256, 256, false, true, 5},         {"enlarged", 512, 256, 256, true, false, 1},
        {"", 1024, 256, 128, false, false, 1},       {"", 1024, 128, 128, false, true, 5},
        {"colours", 1024, 128, 3, false, false, 1},
    };
    b->model = &decoder;
    b->step_us = 0.0;
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
        bench_conv(b, &layers[i]);
    bench_norm(b, 128, 512, 11);
    bench_norm(b, 256, 512, 6);
    bench_norm(b, 512, 512, 1);
    bench_norm(b, 512, 256, 5);
    bench_norm(b, 1024, 256, 1);
    bench_norm(b, 1024, 128, 6);
    bench_attention(b, 128 * 128);
    if (!b->only)
        printf("%s: sum over a decoder's layers %.2f ms\n\n", decoder.name, b->step_us * 1e-3);
}
