/* SPDX-License-Identifier: Apache-2.0 */
/* op_group_sums and op_group_norm on GPUs against double. */
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

static void check_sums(struct gpu *gpu, enum dtype dtype, const struct sizes *s)
{
    struct gpu_tensor *x = image(gpu, dtype, 2.0f, s);
    struct gpu_tensor *sums = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(s->b, s->groups, 2));
    OK(op_group_sums(gpu->q, &sums->t, &x->t));
    float *got = gpu_read(gpu, &sums->t);
    for (int64_t i = 0; i < (int64_t)s->b * s->groups; i++) {
        double want[2] = {0, 0}, n = (double)s->h * s->w * s->each;
        for (int64_t e = 0; e < (int64_t)n; e++) {
            double v = x->value[place(s, i / s->groups, i % s->groups, e)];
            want[0] += v;
            want[1] += v * v;
        }
        for (int k = 0; k < 2; k++)
            CHECK(fabs(got[2 * i + k] - want[k]) < 1e-6 * (fabs(want[k]) + sqrt(n)),
                  "sum %d of group %lld: %g instead of %g", k, (long long)i, (double)got[2 * i + k],
                  want[k]);
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
        check_sums(&gpu, gpu_dtype(round), &s);
    }
    for (int i = 0; i < 18; i++)
        check_sums(&gpu, gpu_dtype(i), &models[i / 3]);
    gpu_close(&gpu);
}

static void check_norm(struct gpu *gpu, enum dtype dtype, const struct sizes *s, int with)
{
    int C = s->groups * s->each;
    int64_t n = (int64_t)s->h * s->w * s->each;
    struct gpu_tensor *x = image(gpu, dtype, 2.0f, s);
    struct gpu_tensor *y = with & 1 ? x : image(gpu, dtype, 0.0f, s);
    struct gpu_tensor *sums = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(s->b, s->groups, 2));
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
    gpu_near(gpu, "group_norm", y, want);
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
        check_norm(&gpu, gpu_dtype(round), &s, gpu_pick(&gpu, 0, 15));
    }
    for (int i = 0; i < 12; i++)
        check_norm(&gpu, gpu_dtype(i), &models[i / 3], 14 + i % 2);
    gpu_close(&gpu);
}

/* The same bits every time. */
static void test_repeatable(void)
{
    struct gpu gpu;
    struct sizes s = {1, 211, 190, 32, 4};
    gpu_open(&gpu, 82);
    struct gpu_tensor *x = image(&gpu, DTYPE_BF16, 2.0f, &s);
    struct gpu_tensor *sums = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(1, 32, 2));
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
    {"group_norm/norm", test_norm},
    {"group_norm/repeatable", test_repeatable},
    {NULL, NULL},
};
