/* SPDX-License-Identifier: Apache-2.0 */
/* op_group_sums, op_group_centre and op_group_norm on GPUs against double. */
#include "tests/cuda/gpu.h"

#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

struct sizes {
    int b, h, w, groups, each;
};

/* [B, H, W, C] with gaps between images; `size` 0: NaNs. */
static struct gpu_tensor *image(struct gpu *gpu, enum dtype dtype, float size,
                                const struct sizes *s)
{
    int64_t C = s->groups * s->each;
    int64_t flat[2] = {s->b, s->h * s->w * C};
    struct gpu_tensor *g =
        size > 0.0f ? gpu_random(gpu, dtype, size, 2, flat) : gpu_blank(gpu, dtype, 2, flat);
    g->t.ndim = 4;
    g->t.dim[1] = s->h, g->t.stride[1] = s->w * C;
    g->t.dim[2] = s->w, g->t.stride[2] = C;
    g->t.dim[3] = C, g->t.stride[3] = 1;
    return g;
}

/* Where element e of a group of an image is in order. */
static int64_t place(const struct sizes *s, int64_t b, int64_t g, int64_t e)
{
    int64_t C = s->groups * s->each;
    return (b * s->h * s->w + e / s->each) * C + g * s->each + e % s->each;
}

/* Uniform in -2 .. 2, whose deviation is 2 / sqrt(3), around so many deviations, of another sign in
 * each second group. */
static struct gpu_tensor *image_around(struct gpu *gpu, enum dtype dtype, float deviations,
                                       const struct sizes *s)
{
    struct gpu_tensor *x = image(gpu, dtype, 2.0f, s);
    if (deviations == 0.0f)
        return x;
    int64_t count = tensor_count(&x->t);
    float *value = malloc((size_t)count * sizeof *value), mean = deviations * 1.1547f;
    for (int64_t i = 0; i < count; i++)
        value[i] = x->value[i] + (i / s->each % s->groups % 2 ? -mean : mean);
    gpu_write(gpu, x, value);
    free(value);
    return x;
}

/* Whatever the mean: each sum to a few roundings of its own, and each element's distance from the
 * shift, at most 4, to its rounding, which many elements may share. */
static void check_sums(struct gpu *gpu, enum dtype dtype, float deviations, const struct sizes *s)
{
    struct gpu_tensor *x = image_around(gpu, dtype, deviations, s);
    struct gpu_tensor *sums = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(s->b, 2, s->groups));
    OK(op_group_sums(gpu->q, &sums->t, &x->t));
    float *got = gpu_read(gpu, &sums->t);
    for (int64_t i = 0; i < (int64_t)s->b * s->groups; i++) {
        double want[2] = {0, 0}, n = (double)s->h * s->w * s->each;
        int64_t b = i / s->groups, g = i % s->groups;
        for (int64_t e = 0; e < (int64_t)n; e++)
            want[0] += x->value[place(s, b, g, e)];
        for (int64_t e = 0; e < (int64_t)n; e++)
            want[1] += pow(x->value[place(s, b, g, e)] - want[0] / n, 2);
        for (int k = 0; k < 2; k++) {
            double sum = got[(b * 2 + k) * s->groups + g];
            CHECK(fabs(sum - want[k]) < 1e-6 * fabs(want[k]) + 4 * 0x1p-25 * n,
                  "sum %d of group %lld, a mean of %g deviations: %.9g instead of %.9g", k,
                  (long long)i, (double)deviations, sum, want[k]);
        }
    }
    free(got);
    gpu_untouched(gpu, "group_sums", sums);
    gpu_forget(gpu);
}

static struct sizes pick(struct gpu *gpu)
{
    static const int each[] = {1, 2, 3, 4, 8, 16, 37};
    return (struct sizes){gpu_pick(gpu, 1, 3), gpu_pick(gpu, 1, 40), gpu_pick(gpu, 1, 30),
                          gpu_pick(gpu, 1, 9), each[gpu_pick(gpu, 0, 6)]};
}

static void test_sums(void)
{
    static const struct sizes models[] = {{1, 300, 280, 32, 4}, {1, 64, 64, 32, 16},
                                          {2, 70, 41, 32, 8},   {1, 9, 9, 8, 320},
                                          {2, 5, 4, 37, 70},    {1, 6, 5, 1000, 3}};
    struct gpu gpu;
    gpu_open(&gpu, 80);
    for (int round = 0; round < 45; round++) {
        struct sizes s = pick(&gpu);
        check_sums(&gpu, gpu_dtype(round), round % 2 ? 10.0f : 0.0f, &s);
    }
    for (int i = 0; i < 18; i++)
        for (float deviations = 0.0f; deviations < 2000.0f; deviations = 10 * deviations + 1)
            check_sums(&gpu, gpu_dtype(i), deviations, &models[i / 3]);
    gpu_close(&gpu);
}

/* Two images, the one with 2 of 5 elements and the other with 3, and 260 groups alike: as
 * tests/kernels has it by hand. */
static void test_centre(void)
{
    enum { G = 260 };
    struct gpu gpu;
    float values[2 * 2 * G], own[2 * G];
    gpu_open(&gpu, 83);
    for (int g = 0; g < G; g++) { // of 1, 3 or 5, 7, 9, times 1 + g
        float scale = (float)(1 + g);
        values[g] = values[2 * G + g] = 25 * scale;
        values[G + g] = 2 * scale * scale, values[3 * G + g] = 8 * scale * scale;
        own[g] = 4 * scale, own[G + g] = 21 * scale;
    }
    struct gpu_tensor *sums = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(2, 2, G));
    struct gpu_tensor *part = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(2, 1, G));
    gpu_write(&gpu, part, own);
    for (int i = 0; i < 2; i++) {
        struct group_parts parts = {&part->t, 2 + i, 5};
        gpu_write(&gpu, sums, values);
        OK(op_group_centre(gpu.q, &sums->t, &parts));
        float *got = gpu_read(&gpu, &sums->t);
        for (int g = 0; g < G; g++) {
            float squares = (float)((1 + g) * (1 + g)), scale = (float)(1 + g);
            CHECK(got[2 * i * G + g] == 25 * scale &&
                      fabsf(got[(2 * i + 1) * G + g] / (20 * squares) - 1) < 2e-7f,
                  "group %d of image %d: sums %g and %g", g, i, (double)got[2 * i * G + g],
                  (double)got[(2 * i + 1) * G + g]);
        }
        free(got);
    }
    gpu_untouched(&gpu, "group_centre", sums);
    gpu_close(&gpu);
}

/* A norm's bound, and what a mean of so many deviations adds. It costs each y its own rounding to
 * fp32, that of the sum and that of the summand: 2^-24 mean / deviation each, y's mean square being
 * 1 before the weight, which is at most 1. In sixteen bits it leaves few values, so that all may be
 * rounded by half a unit. */
static double bound_of(enum dtype dtype, float deviations)
{
    double half = dtype == DTYPE_BF16 ? 0x1p-8 : dtype == DTYPE_F16 ? 0x1p-11 : 0.0;
    double bound = gpu_bound("group_norm", dtype);
    if (deviations > 0.0f && half > bound)
        bound = half;
    return bound + 3 * 0x1p-24 * (double)deviations;
}

static void check_norm(struct gpu *gpu, enum dtype dtype, float deviations, const struct sizes *s,
                       int with)
{
    int C = s->groups * s->each;
    int64_t n = (int64_t)s->h * s->w * s->each;
    struct gpu_tensor *x = image_around(gpu, dtype, deviations, s);
    struct gpu_tensor *y = with & 1 ? x : image(gpu, dtype, 0.0f, s);
    struct gpu_tensor *sums = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(s->b, 2, s->groups));
    struct gpu_tensor *weight = with & 2 ? gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(C)) : NULL;
    struct gpu_tensor *bias = with & 4 ? gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(C)) : NULL;
    struct group_norm norm = {&sums->t, weight ? &weight->t : NULL,    bias ? &bias->t : NULL, n,
                              1e-6f,    with & 8 ? ACT_SILU : ACT_NONE};
    double *want = malloc((size_t)tensor_count(&x->t) * sizeof(*want));
    for (int64_t i = 0; i < (int64_t)s->b * s->groups; i++) {
        double mean = 0, variance = 0;
        int64_t b = i / s->groups, g = i % s->groups;
        for (int64_t e = 0; e < n; e++)
            mean += x->value[place(s, b, g, e)] / (double)n;
        for (int64_t e = 0; e < n; e++)
            variance += pow(x->value[place(s, b, g, e)] - mean, 2) / (double)n;
        for (int64_t e = 0; e < n; e++) {
            int64_t c = g * s->each + e % s->each;
            double v = (x->value[place(s, b, g, e)] - mean) / sqrt(variance + 1e-6);
            v = v * (weight ? (double)weight->value[c] : 1.0) + (bias ? (double)bias->value[c] : 0);
            want[place(s, b, g, e)] = with & 8 ? v / (1.0 + exp(-v)) : v;
        }
    }
    OK(op_group_sums(gpu->q, &sums->t, &x->t));
    OK(op_group_norm(gpu->q, &y->t, &x->t, &norm));
    gpu_near_by(gpu, "group_norm", y, want, bound_of(dtype, deviations));
    free(want);
    gpu_forget(gpu);
}

static void test_norm(void)
{
    static const struct sizes models[] = {
        {1, 130, 140, 32, 4}, {2, 33, 64, 32, 16}, {1, 9, 9, 8, 320}, {2, 5, 4, 37, 70}};
    struct gpu gpu;
    gpu_open(&gpu, 81);
    for (int round = 0; round < 48; round++) {
        struct sizes s = pick(&gpu);
        s.h++; // one element would be its mean
        s.w++;
        check_norm(&gpu, gpu_dtype(round), 0.0f, &s, gpu_pick(&gpu, 0, 15));
    }
    for (int i = 0; i < 12; i++)
        check_norm(&gpu, gpu_dtype(i), 0.0f, &models[i / 3], 14 + i % 2);
    gpu_close(&gpu);
}

/* Means of 10, 100 and 1000 deviations; where elements have sixteen bits, of 10 and 100, since few
 * of them are left between neighbouring elements of larger ones. */
static void test_large_means(void)
{
    static const struct sizes models[] = {
        {1, 130, 140, 32, 4}, {2, 33, 64, 32, 16}, {1, 9, 9, 8, 37}};
    static const float deviations[] = {10.0f, 100.0f, 1000.0f};
    struct gpu gpu;
    gpu_open(&gpu, 84);
    for (int i = 0; i < 27; i++) {
        enum dtype dtype = gpu_dtype(i);
        if (dtype == DTYPE_F32 || i / 9 < 2)
            check_norm(&gpu, dtype, deviations[i / 9], &models[i / 3 % 3], 0);
    }
    gpu_close(&gpu);
}

/* The same bits every time. */
static void test_repeatable(void)
{
    struct gpu gpu;
    struct sizes s = {1, 211, 190, 32, 4};
    gpu_open(&gpu, 82);
    struct gpu_tensor *x = image(&gpu, DTYPE_BF16, 2.0f, &s);
    struct gpu_tensor *sums = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(1, 2, 32));
    float *first = NULL;
    for (int i = 0; i < 5; i++) {
        OK(op_group_sums(gpu.q, &sums->t, &x->t));
        float *got = gpu_read(&gpu, &sums->t);
        CHECK(!first || near_equal("sums", got, first, 64), "sums of another order");
        if (first)
            free(got);
        else
            first = got;
    }
    free(first);
    gpu_close(&gpu);
}

const struct gpu_test tests_group_norm[] = {
    {"group_norm/sums", test_sums},
    {"group_norm/centre", test_centre},
    {"group_norm/norm", test_norm},
    {"group_norm/large_means", test_large_means},
    {"group_norm/repeatable", test_repeatable},
    {NULL, NULL},
};
