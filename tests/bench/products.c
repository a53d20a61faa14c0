/* SPDX-License-Identifier: Apache-2.0 */
/* Products of every kind at the shapes of a model, for ops_cuda: by whoever is chosen, and by each
 * that can compute them. */
#include "tests/bench/products.h"

#include "kernels/cuda/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- products ---- */

struct product {
    struct tensor x[SETS], w[SETS], bias, y[SETS];
    enum act act;
    bool add;
};

static void call_product(struct bench *b, int set, void *operands)
{
    struct product *p = operands;
    if (p->add) // y grows from call to call
        rate_check(op_linear_add(b->q, &p->y[set], &p->x[set], &p->w[set], &p->bias));
    else
        rate_check(op_linear(b->q, &p->y[set], &p->x[set], &p->w[set], &p->bias, p->act));
}

static void make_product(struct bench *b, int64_t rows, int64_t in, struct place from, int64_t out,
                         struct place to, struct product *p)
{
    p->bias = MAKE(b, b->dtype, out);
    for (int i = 0; i < SETS; i++) {
        p->x[i] = rate_part(b, from, rows, in);
        p->w[i] = MAKE(b, b->dtype, out, in);
        p->y[i] = rate_part(b, to, rows, out);
    }
}

/* The same work as `kernel` computes it, whoever is chosen else; the line counts in no step. */
static void measure_forced(const struct bench *b, const char *kernel, struct work work)
{
    struct device_options options = {.threads = 1};
    struct bench forced = *b;
    struct device *dev;
    char title[LINE];
    snprintf(title, sizeof(title), "%s, %s", work.name, kernel);
    work.name = title;
    work.per_step = 0.0;
    setenv("DITBENCH_LINEAR", kernel, 1);
    rate_check(device_open(b->q->dev->ops, &options, &dev));
    rate_check(queue_open(dev, &forced.q));
    rate_report(&forced, &work);
    queue_close(forced.q);
    device_close(dev);
    unsetenv("DITBENCH_LINEAR");
}

void bench_product(struct bench *b, const char *name, int64_t rows, int64_t in, struct place from,
                   int64_t out, struct place to, enum act act, double per_step)
{
    static const char *const kernels[] = {"cublas", "hopper"};
    struct product p = {.act = act, .add = strstr(name, "add") != NULL};
    bool forced = b->dtype != DTYPE_F32 && !p.add && cuda_target(b->q).compute == 90;
    char line[LINE];
    if (!rate_title(b, line, "linear %s [%d,%d] x [%d]", name, (int)(b->model->lanes * rows),
                    (int)in, (int)out))
        return;
    rate_open(b);
    make_product(b, rows, in, from, out, to, &p);
    double flops = 2.0 * b->model->lanes * (double)rows * (double)in * (double)out;
    struct work work = {line, flops, rate_gemm, per_step, call_product, &p};
    rate_report(b, &work);
    for (int i = 0; forced && i < 2; i++)
        measure_forced(b, kernels[i], work);
    rate_close(b);
}

/* ---- weights, as they are drawn ---- */

static void call_draw(struct bench *b, int set, void *operands)
{
    struct tensor *w = operands;
    rate_check(op_random_uniform(b->q, &w[set], 0.05f, 1, 2, (uint64_t)set, b->model->width));
}

void bench_draw(struct bench *b)
{
    struct tensor w[SETS];
    char line[LINE];
    if (!rate_title(b, line, "random_uniform [%d,%d]", b->model->mlp, b->model->width))
        return;
    rate_open(b);
    for (int i = 0; i < SETS; i++)
        w[i] = MAKE(b, b->dtype, b->model->mlp, b->model->width);
    rate_report(b, &(struct work){line, (double)tensor_bytes(&w[0]), rate_memory, 0, call_draw, w});
    rate_close(b);
}

/* ---- conditioning: rows in fp32 ---- */

struct conditioning {
    struct tensor x, w[SETS], bias, y;
};

static void call_conditioning(struct bench *b, int set, void *operands)
{
    struct conditioning *p = operands;
    rate_check(op_linear(b->q, &p->y, &p->x, &p->w[set], &p->bias, ACT_NONE));
}

/* `vectors` of the width of the model for each row. */
static void bench_conditioning(struct bench *b, enum dtype weights, int rows, int vectors)
{
    int in = b->model->width, out = vectors * in;
    struct conditioning p;
    char line[LINE];
    if (!rate_title(b, line, "linear of %d rows, %s [%d,%d]", rows, dtype_name(weights), out, in))
        return;
    rate_open(b);
    p.x = MAKE(b, DTYPE_F32, rows, in);
    p.bias = MAKE(b, weights, out);
    p.y = MAKE(b, DTYPE_F32, rows, out);
    for (int i = 0; i < SETS; i++)
        p.w[i] = MAKE(b, weights, out, in);
    double bytes = (double)tensor_bytes(&p.w[0]);
    rate_report(b, &(struct work){line, bytes, rate_memory, 0, call_conditioning, &p});
    rate_close(b);
}

/* Those of a block, for one to eight guided requests, then of all 28 blocks. */
void bench_vectors(struct bench *b)
{
    static const int shapes[][2] = {{2, 6}, {8, 6}, {16, 6}, {2, 168}, {8, 168}};
    bench_conditioning(b, DTYPE_F32, 2, 6);
    for (int i = 0; i < 5; i++)
        bench_conditioning(b, b->dtype, shapes[i][0], shapes[i][1]);
}
