/* SPDX-License-Identifier: Apache-2.0 */
/* op_group_sums, op_group_centre and op_group_norm against double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* [B, H, W, C], dense but for the batch stride; `size` 0: NaNs. */
static struct tensor image(struct ops *ops, float size, int64_t b, int64_t h, int64_t w, int64_t c)
{
    struct tensor t = size > 0 ? ops_random(ops, size, OPS_DIM(b, h * w * c))
                               : ops_blank(ops, OPS_DIM(b, h * w * c));
    t.ndim = 4;
    t.dim[1] = h, t.stride[1] = w * c;
    t.dim[2] = w, t.stride[2] = c;
    t.dim[3] = c, t.stride[3] = 1;
    return t;
}

static struct tensor sums_of(struct ops *ops, int64_t b, int64_t groups)
{
    struct tensor flat = ops_blank(ops, OPS_DIM(b * groups * 2));
    return tensor_of(flat.data, flat.dev, DTYPE_F32, OPS_DIM(b, 2, groups));
}

struct shape {
    int b, h, w, groups, each;
};

static struct shape pick(struct ops *ops)
{
    static const int each[] = {1, 2, 3, 4, 16, 37};
    return (struct shape){ops_pick(ops, 1, 3), ops_pick(ops, 1, 40), ops_pick(ops, 1, 30),
                          ops_pick(ops, 1, 9), each[ops_pick(ops, 0, 5)]};
}

/* Element e of a group of an image, in any order. */
static double element(const struct tensor *x, int64_t groups, int64_t b, int64_t g, int64_t e)
{
    int64_t each = x->dim[3] / groups;
    return ((const float *)x->data)[b * x->stride[0] + e / each * x->dim[3] + g * each + e % each];
}

/* [B, 2, G]: sums, then squared distances from the mean. */
static void sum_in_double(const struct tensor *x, int64_t groups, double *want)
{
    int64_t n = x->dim[1] * x->dim[2] * (x->dim[3] / groups);
    for (int64_t i = 0; i < x->dim[0] * groups; i++) {
        int64_t b = i / groups, g = i % groups;
        double *to = want + b * 2 * groups + g;
        to[0] = to[groups] = 0.0;
        for (int64_t e = 0; e < n; e++)
            to[0] += element(x, groups, b, g, e);
        for (int64_t e = 0; e < n; e++)
            to[groups] += pow(element(x, groups, b, g, e) - to[0] / (double)n, 2);
    }
}

Test(group_norm, sums)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct ops ops;
        ops_open(&ops, 1 + (int)seed % 4, seed);
        struct shape s = pick(&ops);
        struct tensor x = image(&ops, 2.0f, s.b, s.h, s.w, s.groups * s.each);
        struct tensor sums = sums_of(&ops, s.b, s.groups);
        double *want = ops_want(&ops, &sums);
        sum_in_double(&x, s.groups, want);
        cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
        for (int64_t i = 0; i < tensor_count(&sums); i++) {
            double n = (double)s.h * s.w * s.each;
            double got = (double)((float *)sums.data)[i];
            // a few roundings of a sum, and those of distances of at most 4, which may be alike
            cr_assert(fabs(got - want[i]) < 1e-6 * fabs(want[i]) + 4 * 0x1p-25 * n, "%g, %g", got,
                      want[i]);
        }
        ops_close(&ops);
    }
}

/* The same bits for any number of threads. */
Test(group_norm, sums_are_repeatable)
{
    float first[2 * 6];
    for (int threads = 1; threads <= 5; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 8);
        struct tensor x = image(&ops, 2.0f, 1, 51, 47, 6 * 16);
        struct tensor sums = sums_of(&ops, 1, 6);
        cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
        for (int i = 0; i < 12; i++) {
            float got = ((float *)sums.data)[i];
            first[i] = threads == 1 ? got : first[i];
            cr_assert_eq(got, first[i]);
        }
        ops_close(&ops);
    }
}

struct vectors {
    const struct tensor *weight, *bias;
    double eps;
    enum act act;
};

static void norm_in_double(const struct tensor *x, int64_t groups, const struct vectors *v,
                           double *want)
{
    int64_t each = x->dim[3] / groups, pixels = x->dim[1] * x->dim[2], C = x->dim[3];
    for (int64_t i = 0; i < x->dim[0] * groups; i++) {
        int64_t b = i / groups, g = i % groups;
        double mean = 0.0, variance = 0.0, n = (double)(pixels * each);
        for (int64_t e = 0; e < pixels * each; e++)
            mean += element(x, groups, b, g, e) / n;
        for (int64_t e = 0; e < pixels * each; e++) {
            double d = element(x, groups, b, g, e) - mean;
            variance += d * d / n;
        }
        for (int64_t e = 0; e < pixels * each; e++) {
            int64_t c = g * each + e % each;
            double y = (element(x, groups, b, g, e) - mean) / sqrt(variance + v->eps);
            y = y * (v->weight ? (double)*ops_at(v->weight, c, 0, 0, 0) : 1.0) +
                (v->bias ? (double)*ops_at(v->bias, c, 0, 0, 0) : 0.0);
            want[(b * pixels + e / each) * C + c] = v->act == ACT_SILU ? y / (1.0 + exp(-y)) : y;
        }
    }
}

/* Half 0 or 1 of both parts := their sum. */
static void add_halves(struct tensor part[2], int half)
{
    int64_t G = part[0].dim[2];
    for (int64_t i = 0; i < part[0].dim[0] * G; i++) {
        int64_t at = (i / G * 2 + half) * G + i % G;
        float *a = part[0].data, *b = part[1].data;
        a[at] = b[at] = a[at] + b[at];
    }
}

/* The sums of two parts of the rows, of which the first may have none, put together as ranks do. */
static void sum_parts(struct ops *ops, struct tensor *sums, const struct tensor *x)
{
    int64_t B = x->dim[0], G = sums->dim[2], first = x->dim[1] / 2;
    int64_t row = x->dim[2] * (x->dim[3] / G);
    int64_t rows[2] = {first, x->dim[1] - first};
    struct tensor part[2] = {*sums, sums_of(ops, B, G)}, own[2];
    for (int i = 0; i < 2; i++) {
        struct tensor x_part = tensor_slice(x, 1, i * first, rows[i]);
        struct tensor sum = tensor_slice(&part[i], 1, 0, 1);
        own[i] = ops_blank(ops, OPS_DIM(B * G));
        own[i] = tensor_of(own[i].data, own[i].dev, DTYPE_F32, OPS_DIM(B, 1, G));
        cr_assert_eq(op_group_sums(ops->q, &part[i], &x_part), ST_OK);
        cr_assert_eq(op_copy(ops->q, &own[i], &sum), ST_OK);
    }
    add_halves(part, 0);
    for (int i = 0; i < 2; i++) {
        struct group_parts parts = {&own[i], rows[i] * row, x->dim[1] * row};
        if (rows[i] > 0)
            cr_assert_eq(op_group_centre(ops->q, &part[i], &parts), ST_OK);
    }
    add_halves(part, 1);
}

Test(group_norm, random)
{
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct ops ops;
        ops_open(&ops, 1 + (int)seed % 4, 500 + seed);
        struct shape s = pick(&ops);
        int C = s.groups * s.each;
        struct tensor x = image(&ops, 2.0f, s.b, s.h, s.w, C);
        struct tensor weight = ops_random(&ops, 1.0f, OPS_DIM(C));
        struct tensor bias = ops_random(&ops, 1.0f, OPS_DIM(C));
        struct tensor y = ops_pick(&ops, 0, 1) ? x : image(&ops, 0.0f, s.b, s.h, s.w, C);
        struct tensor sums = sums_of(&ops, s.b, s.groups);
        struct vectors v = {ops_pick(&ops, 0, 3) ? &weight : NULL,
                            ops_pick(&ops, 0, 3) ? &bias : NULL, 1e-6,
                            ops_pick(&ops, 0, 1) ? ACT_SILU : ACT_NONE};
        double *want = ops_want(&ops, &y);
        norm_in_double(&x, s.groups, &v, want);
        sum_parts(&ops, &sums, &x);
        struct group_norm norm = {&sums, v.weight, v.bias, (int64_t)s.h * s.w * s.each,
                                  1e-6f, v.act};
        cr_assert_eq(op_group_norm(ops.q, &y, &x, &norm), ST_OK);
        if (s.h * s.w * s.each > 1) // one element is its mean: nothing but rounding is left
            ops_near(&ops, "group_norm", &y, want);
        ops_close(&ops);
    }
}

/* By hand: -1 and 1 have mean 0 and variance 1. */
Test(group_norm, by_hand)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = image(&ops, 1.0f, 1, 1, 2, 2);
    float *at = x.data;
    at[0] = 3, at[1] = 10, at[2] = 5, at[3] = 30; // groups of one channel: 3, 5 and 10, 30
    struct tensor sums = sums_of(&ops, 1, 2);
    cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
    static const float want_sums[] = {8, 40, 2, 200}; // 1 + 1 and 100 + 100 from means of 4, 20
    for (int i = 0; i < 4; i++)
        cr_assert_eq(((float *)sums.data)[i], want_sums[i]);
    struct group_norm norm = {.sums = &sums, .count = 2, .eps = 0.0f};
    cr_assert_eq(op_group_norm(ops.q, &x, &x, &norm), ST_OK);
    static const float want[] = {-1, -1, 1, 1};
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(at[i], want[i], 1e-6);
    ops_close(&ops);
}

/* By hand: 1, 3 and 5, 7, 9 have means 2 and 7 and squared distances 2 and 8; about the mean of
 * all, 5, they are 16 + 4 = 20 and 0 + 4 + 16 = 20. */
Test(group_norm, centre_by_hand)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor own = ops_blank(&ops, OPS_DIM(2));
    struct tensor sums = sums_of(&ops, 2, 1);
    memcpy(own.data, (float[]){4, 21}, 2 * sizeof(float)); // two images, the one and the other part
    memcpy(sums.data, (float[]){25, 2, 25, 8}, 4 * sizeof(float));
    own = tensor_of(own.data, own.dev, DTYPE_F32, OPS_DIM(2, 1, 1));
    cr_assert_eq(op_group_centre(ops.q, &sums, &(struct group_parts){&own, 2, 5}), ST_OK);
    cr_assert_eq(((float *)sums.data)[0], 25);
    cr_assert_eq(((float *)sums.data)[1], 20); // 2 + 2 (2 - 5)^2
    memcpy(sums.data, (float[]){25, 2, 25, 8}, 4 * sizeof(float));
    cr_assert_eq(op_group_centre(ops.q, &sums, &(struct group_parts){&own, 3, 5}), ST_OK);
    cr_assert_eq(((float *)sums.data)[2], 25);
    cr_assert_eq(((float *)sums.data)[3], 20); // 8 + 3 (7 - 5)^2
    ops_close(&ops);
}

/* Squared distances are as exact as those of small numbers. */
Test(group_norm, sums_of_large_means)
{
    static const float means[] = {5.77f, -57.7f, 577.0f, -5770.0f, 1e6f};
    for (int i = 0; i < 5; i++) {
        struct ops ops;
        double want[2 * 4];
        ops_open(&ops, 2, 30 + (uint64_t)i);
        struct tensor x = image(&ops, 1.0f, 1, 23, 17, 4 * 24);
        for (int64_t n = 0; n < tensor_count(&x); n++)
            ((float *)x.data)[n] += means[i];
        struct tensor sums = sums_of(&ops, 1, 4);
        sum_in_double(&x, 4, want);
        cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
        for (int k = 0; k < 8; k++) {
            double got = (double)((float *)sums.data)[k];
            cr_assert(fabs(got - want[k]) <= 5e-7 * fabs(want[k]), "mean %g, sum %d: %.9g, %.9g",
                      (double)means[i], k, got, want[k]);
        }
        ops_close(&ops);
    }
}

/*
 * Means of 10, 100 and 1000 deviations, whole and in two parts. As with two passes in fp32 it is
 * the rounding of the mean that is left: 2^-24 mean / deviation in each y, whose mean square is 1,
 * once more for that of the sum and once for what is added in parts, beside the bound of any norm.
 */
Test(group_norm, large_mean)
{
    static const float ratios[] = {10.0f, 100.0f, 1000.0f};
    for (int i = 0; i < 6; i++) {
        struct ops ops;
        ops_open(&ops, 2, 3);
        struct tensor x = image(&ops, 1.0f, 1, 17, 16, 64);
        struct tensor y = image(&ops, 0.0f, 1, 17, 16, 64);
        float ratio = ratios[i / 2];
        for (int64_t n = 0; n < tensor_count(&x); n++) // the deviation of -1 .. 1 is 3^-1/2
            ((float *)x.data)[n] += (n / 16 % 2 ? -ratio : ratio) * 0.57735f;
        struct tensor sums = sums_of(&ops, 1, 4);
        double *want = ops_want(&ops, &y);
        norm_in_double(&x, 4, &(struct vectors){NULL, NULL, 1e-6, ACT_NONE}, want);
        if (i % 2)
            sum_parts(&ops, &sums, &x);
        else
            cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
        struct group_norm norm = {.sums = &sums, .count = 17 * 16 * 16, .eps = 1e-6f};
        cr_assert_eq(op_group_norm(ops.q, &y, &x, &norm), ST_OK);
        cr_assert(near_doubles("large mean", y.data, want, tensor_count(&y),
                               1e-6 + 3 * 0x1p-24 * (double)ratio),
                  "a mean of %g deviations", (double)ratio);
        ops_close(&ops);
    }
}
