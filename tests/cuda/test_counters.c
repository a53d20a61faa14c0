/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU's counters against what is known of a product and of a copy, each larger than L2. */
#include "kernels/counters.h"
#include "kernels/device.h"
#include "tests/cuda/gpu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 8192, COPY_ROWS = 4 * SIDE, PASSES = 4, A = 0, B = 1, RANGES = 2 };

static const uint32_t links =
    COUNTER_BIT(COUNTER_NVLINK_SENT) | COUNTER_BIT(COUNTER_NVLINK_RECEIVED);

struct work {
    struct tensor x, w, y;  /* [SIDE, SIDE] bf16, 128 MiB each */
    struct tensor from, to; /* [COPY_ROWS, SIDE] bf16, 512 MiB each */
};

static struct tensor fill(struct gpu *gpu, int64_t rows)
{
    const int64_t dim[2] = {rows, SIDE};
    struct tensor t = tensor_of(NULL, gpu->dev, DTYPE_BF16, 2, dim);
    OK(device_alloc(gpu->dev, tensor_bytes(&t), &t.data));
    OK(op_random_uniform(gpu->q, &t, 1.0f, gpu->seed, 1, 0, SIDE));
    return t;
}

static void product(struct gpu *gpu, struct work *w)
{
    OK(op_linear(gpu->q, &w->y, &w->x, &w->w, NULL, ACT_NONE));
}

static struct work make(struct gpu *gpu)
{
    struct work w = {fill(gpu, SIDE), fill(gpu, SIDE), fill(gpu, SIDE), fill(gpu, COPY_ROWS),
                     fill(gpu, COPY_ROWS)};
    product(gpu, &w); // chooses an algorithm
    OK(op_copy(gpu->q, &w.to, &w.from));
    OK(queue_sync(gpu->q));
    return w;
}

static void release(struct gpu *gpu, struct work *w)
{
    struct tensor *all[] = {&w->x, &w->w, &w->y, &w->from, &w->to};
    for (int i = 0; i < 5; i++)
        device_release(gpu->dev, all[i]->data);
}

static enum status one_pass(struct gpu *gpu, struct work *w, struct counters *c, int pass,
                            double (*value)[COUNTERS])
{
    TRY(counters_begin(c, pass));
    TRY(counters_push(c));
    product(gpu, w);
    TRY(counters_pop(c));
    OK(op_copy(gpu->q, &w->from, &w->to)); // in no range
    TRY(counters_push(c));
    OK(op_copy(gpu->q, &w->to, &w->from));
    TRY(counters_pop(c));
    return counters_end(c, value);
}

static void tell(const struct counters *c, double (*value)[COUNTERS])
{
    for (int k = 0; k < COUNTERS; k++)
        printf("  %-16s a %-14.6g b %-14.6g pass %d %s%s\n", counters_name((enum counter)k),
               value[A][k], value[B][k], c->pass[k], c->metric[k] ? c->metric[k] : "not to be had ",
               c->reason[k]);
}

static void check(double (*value)[COUNTERS], const struct work *w)
{
    double bytes = (double)tensor_bytes(&w->from);
    double moved = value[B][COUNTER_DRAM_READ] + value[B][COUNTER_DRAM_WRITE];
    double flops = 2.0 * SIDE * SIDE * SIDE;
    CHECK(fabs(moved / (2 * bytes) - 1) < 0.15,
          "a copy of %.1f MB read %.1f MB and wrote %.1f MB: %.1f%% of the %.1f MB wanted, within "
          "15%%",
          1e-6 * bytes, 1e-6 * value[B][COUNTER_DRAM_READ], 1e-6 * value[B][COUNTER_DRAM_WRITE],
          50 * moved / bytes, 2e-6 * bytes);
    CHECK(value[A][COUNTER_TENSOR] > 50 && value[A][COUNTER_TENSOR] <= 100.5,
          "a product of %d^3 had the tensor pipes at %.2f%%, wanted 50 to 100", SIDE,
          value[A][COUNTER_TENSOR]);
    // Copied by an engine, no multiprocessor works and there is no share.
    CHECK(isnan(value[B][COUNTER_TENSOR]) || value[B][COUNTER_TENSOR] < 1,
          "a copy had the tensor pipes at %.2f%%, wanted below 1", value[B][COUNTER_TENSOR]);
    for (int r = 0; r < RANGES; r++)
        CHECK(value[r][COUNTER_TIME] > 1e4 && value[r][COUNTER_TIME] < 1e9,
              "range %d took %.0f ns, wanted 10 us to 1 s", r, value[r][COUNTER_TIME]);
    CHECK(flops / value[A][COUNTER_TIME] > 1e4, "%.0f GFLOP in %.0f ns: %.1f TFLOP/s, wanted > 10",
          1e-9 * flops, value[A][COUNTER_TIME], 1e-3 * flops / value[A][COUNTER_TIME]);
    double hit = value[A][COUNTER_L2_HIT], miss = value[A][COUNTER_L2_MISS];
    CHECK(isnan(hit + miss) || (hit > 0 && miss > 0 && hit > miss),
          "a product in tiles finds most sectors in L2: %.4g hits, %.4g misses", hit, miss);
}

/* Where counters are kept for root, that may not show before the hardware is asked for them. */
static bool refused(enum status st)
{
    return st != ST_OK && strstr(status_message(), "kept for root");
}

static void test_product_and_copy(void)
{
    struct gpu gpu;
    struct counters *c;
    double value[RANGES][COUNTERS];
    gpu_open(&gpu, 91);
    enum status st = counters_open(gpu.dev, COUNTERS_ALL & ~links, RANGES, PASSES, &c);
    if (st == ST_UNSUPPORTED) {
        gpu_skip("counters: %s", status_message());
        gpu_close(&gpu);
        return;
    }
    CHECK(st == ST_OK, "counters_open: %s", status_text());
    struct work w = make(&gpu);
    for (int r = 0; r < RANGES; r++)
        for (int k = 0; k < COUNTERS; k++)
            value[r][k] = (double)NAN;
    for (int p = 0; p < c->passes && st == ST_OK; p++)
        st = one_pass(&gpu, &w, c, p, value);
    tell(c, value);
    if (refused(st))
        gpu_skip("counters: %s", status_message());
    else
        CHECK(st == ST_OK, "a pass of %d: %s", c->passes, status_text());
    if (st == ST_OK)
        check(value, &w);
    counters_close(c);
    release(&gpu, &w);
    gpu_close(&gpu);
}

static enum status product_pass(struct gpu *gpu, struct work *w, struct counters *c, int pass,
                                double (*value)[COUNTERS])
{
    TRY(counters_begin(c, pass));
    TRY(counters_push(c));
    product(gpu, w);
    TRY(counters_pop(c));
    return counters_end(c, value);
}

/* What NVLink is said to offer, and nothing sent by a product on one GPU. */
static void test_links(void)
{
    struct gpu gpu;
    struct counters *c;
    double value[1][COUNTERS] = {{0}};
    gpu_open(&gpu, 92);
    if (counters_open(gpu.dev, links, 1, PASSES, &c) != ST_OK) {
        gpu_skip("counters of NVLink: %s", status_message());
        gpu_close(&gpu);
        return;
    }
    struct work w = make(&gpu);
    enum status st = ST_OK;
    for (int p = 0; p < c->passes && st == ST_OK; p++)
        st = product_pass(&gpu, &w, c, p, value);
    if (refused(st))
        gpu_skip("counters of NVLink: %s", status_message());
    else
        CHECK(st == ST_OK, "a pass of %d: %s", c->passes, status_text());
    for (int k = COUNTER_NVLINK_SENT; k <= COUNTER_NVLINK_RECEIVED; k++) {
        printf("  %s %.6g %s%s\n", counters_name((enum counter)k), value[0][k],
               c->metric[k] ? c->metric[k] : "not to be had: ", c->reason[k]);
        CHECK(isnan(value[0][k]) || value[0][k] < 1e6,
              "a product on one GPU: %s is %.6g bytes, wanted below 1 MB",
              counters_name((enum counter)k), value[0][k]);
    }
    counters_close(c);
    release(&gpu, &w);
    gpu_close(&gpu);
}

const struct gpu_test tests_counters[] = {
    {"counters/product_and_copy", test_product_and_copy},
    {"counters/links", test_links},
    {NULL, NULL},
};
