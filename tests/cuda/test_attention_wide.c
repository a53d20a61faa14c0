/* SPDX-License-Identifier: Apache-2.0 */
/* op_attention on heads wider than 256 against double: one tile and several, of rows and of keys.
 */
#include "tests/cuda/attention.h"

#include "tests/support/near.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static void check(struct gpu *gpu, enum dtype dtype, struct attention_shape s, const int *count,
                  float size)
{
    struct attention_operands p = attention_make(gpu, dtype, s, size);
    float scale = 1.0f / sqrtf((float)s.width);
    double *o = malloc((size_t)tensor_count(&p.o->t) * sizeof(*o));
    double *lse = malloc((size_t)tensor_count(&p.lse->t) * sizeof(*lse));
    attention_want(&p, count, (double)scale, o, lse);
    if (count)
        attention_poison(gpu, &p, count);
    OK(op_attention(gpu->q, &p.o->t, &p.lse->t, &p.q->t, &p.k->t, &p.v->t, count, scale));
    gpu_near(gpu, "attention", p.o, o);
    gpu_near(gpu, "lse", p.lse, lse);
    free(o);
    free(lse);
    gpu_forget(gpu);
}

static void test_shapes(void)
{
    static const struct attention_shape shapes[] = {{1, 64, 64, 1, 512},   {2, 70, 300, 1, 512},
                                                    {1, 200, 501, 2, 320}, {2, 1, 90, 1, 512},
                                                    {1, 33, 1, 1, 260},    {1, 130, 77, 3, 384}};
    struct gpu gpu;
    gpu_open(&gpu, 90);
    for (int round = 0; round < 18; round++)
        check(&gpu, gpu_dtype(round), shapes[round / 3], NULL, 1.5f);
    gpu_close(&gpu);
}

static void test_counts(void)
{
    static const int count[] = {300, 0, 17};
    struct gpu gpu;
    gpu_open(&gpu, 91);
    for (int i = 0; i < 3; i++)
        check(&gpu, gpu_dtype(i), (struct attention_shape){3, 40, 300, 1, 512}, count, 1.0f);
    gpu_close(&gpu);
}

/*
 * What rounding a score of `terms` fp32 products, each sum of which is about `size`, costs its
 * weight: a weight's relative error is its score's absolute one, a walk of as many roundings; three
 * standard deviations.
 */
static double score_error(int terms, double size)
{
    return 3.0 * sqrt((double)terms) * (double)FLT_EPSILON / 2.0 * size;
}

/* More keys and rows than a tile; the largest score lies in the first, the last or between. A few
 * keys have nearly all of the weight, so their scores' errors do not average out. */
static void check_tiles(struct gpu *gpu, enum dtype dtype, int rows, int keys)
{
    enum { WIDTH = 512, SAMPLES = 24 };
    struct attention_shape s = {1, rows, keys, 1, WIDTH};
    struct gpu_tensor *lse = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(1, rows, 1));
    struct attention_operands p = {
        gpu_dense(gpu, dtype, 3.0f, GPU_DIM(1, rows, 1, WIDTH)),
        gpu_dense(gpu, dtype, 3.0f, GPU_DIM(1, keys, 1, WIDTH)),
        gpu_dense(gpu, dtype, 1.0f, GPU_DIM(1, keys, 1, WIDTH)),
        gpu_dense(gpu, dtype, 0.0f, GPU_DIM(1, rows, 1, WIDTH)),
        lse,
        s,
    };
    OK(op_attention(gpu->q, &p.o->t, &lse->t, &p.q->t, &p.k->t, &p.v->t, NULL, 0.05f));
    /* of values of +-3, whose squares' mean is 3: scores of about 0.05 * 3 * sqrt(512) */
    double bound = 3 * gpu_bound("attention", dtype) +
                   score_error(WIDTH, (double)0.05f * 3.0 * sqrt((double)WIDTH));
    float *all = gpu_read(gpu, &p.o->t), *all_lse = gpu_read(gpu, &lse->t);
    for (int n = 0; n < SAMPLES; n++) {
        int row = n == 0 ? 0 : n == 1 ? rows - 1 : gpu_pick(gpu, 0, rows - 1);
        double want[WIDTH];
        double want_lse = attention_row(&p, 0, row, 0, keys, (double)0.05f, want);
        CHECK(near_doubles("attention", all + (int64_t)row * WIDTH, want, WIDTH, bound), "row %d",
              row);
        CHECK(fabs(all_lse[row] - want_lse) < 1e-4, "row %d: %g instead of %g", row,
              (double)all_lse[row], want_lse);
    }
    free(all);
    free(all_lse);
    gpu_forget(gpu);
}

static void test_tiles(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 92);
    for (int i = 0; i < 3; i++) {
        check_tiles(&gpu, gpu_dtype(i), 300, 40001);
        check_tiles(&gpu, gpu_dtype(i), 5003, 17000);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_attention_wide[] = {
    {"attention_wide/shapes", test_shapes},
    {"attention_wide/counts", test_counts},
    {"attention_wide/tiles", test_tiles},
    {NULL, NULL},
};
