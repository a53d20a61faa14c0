/* SPDX-License-Identifier: Apache-2.0 */
/* op_group_sums and op_group_norm against double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

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
    return tensor_of(flat.data, flat.dev, DTYPE_F32, OPS_DIM(b, groups, 2));
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

/* [B, G, 2] */
static void sum_in_double(const struct tensor *x, int64_t groups, double *want)
{
    int64_t each = x->dim[3] / groups;
    for (int64_t i = 0; i < x->dim[0] * groups * 2; i++)
        want[i] = 0.0;
    for (int64_t b = 0; b < x->dim[0]; b++) {
        for (int64_t n = 0; n < x->dim[1] * x->dim[2] * x->dim[3]; n++) {
            double v = ((const float *)x->data)[b * x->stride[0] + n];
            double *to = want + (b * groups + n % x->dim[3] / each) * 2;
            to[0] += v;
            to[1] += v * v;
        }
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
            cr_assert(fabs(got - want[i]) < 1e-6 * (fabs(want[i]) + sqrt(n)), "%g, %g", got,
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
        const float *from = (const float *)x->data + b * x->stride[0] + g * each;
        double mean = 0.0, variance = 0.0, n = (double)(pixels * each);
        for (int64_t e = 0; e < pixels * each; e++)
            mean += from[e / each * C + e % each] / n;
        for (int64_t e = 0; e < pixels * each; e++) {
            double d = from[e / each * C + e % each] - mean;
            variance += d * d / n;
        }
        for (int64_t e = 0; e < pixels * each; e++) {
            int64_t c = g * each + e % each;
            double y = (from[e / each * C + e % each] - mean) / sqrt(variance + v->eps);
            y = y * (v->weight ? (double)*ops_at(v->weight, c, 0, 0, 0) : 1.0) +
                (v->bias ? (double)*ops_at(v->bias, c, 0, 0, 0) : 0.0);
            want[(b * pixels + e / each) * C + c] = v->act == ACT_SILU ? y / (1.0 + exp(-y)) : y;
        }
    }
}

/* The sums of two parts of the rows, added as ranks do. */
static void sum_parts(struct ops *ops, struct tensor *sums, const struct tensor *x)
{
    int64_t rows = x->dim[1] / 2;
    struct tensor top = tensor_slice(x, 1, 0, rows);
    struct tensor bottom = tensor_slice(x, 1, rows, x->dim[1] - rows);
    struct tensor more = sums_of(ops, x->dim[0], sums->dim[1]);
    cr_assert_eq(op_group_sums(ops->q, sums, &top), ST_OK);
    cr_assert_eq(op_group_sums(ops->q, &more, &bottom), ST_OK);
    cr_assert_eq(op_add(ops->q, sums, &more), ST_OK);
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
    static const float want_sums[] = {8, 34, 40, 1000};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(((float *)sums.data)[i], want_sums[i]);
    struct group_norm norm = {.sums = &sums, .count = 2, .eps = 0.0f};
    cr_assert_eq(op_group_norm(ops.q, &x, &x, &norm), ST_OK);
    static const float want[] = {-1, -1, 1, 1};
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(at[i], want[i], 1e-6);
    ops_close(&ops);
}

/* A mean of 100 deviations: of the variance fp32 squares keep 1e-3, and no more is lost. */
Test(group_norm, large_mean)
{
    struct ops ops;
    ops_open(&ops, 2, 3);
    struct tensor x = image(&ops, 1.0f, 1, 16, 16, 64);
    struct tensor y = image(&ops, 0.0f, 1, 16, 16, 64);
    for (int64_t i = 0; i < tensor_count(&x); i++)
        ((float *)x.data)[i] += 60.0f;
    struct tensor sums = sums_of(&ops, 1, 4);
    double *want = ops_want(&ops, &y);
    norm_in_double(&x, 4, &(struct vectors){NULL, NULL, 1e-6, ACT_NONE}, want);
    cr_assert_eq(op_group_sums(ops.q, &sums, &x), ST_OK);
    struct group_norm norm = {.sums = &sums, .count = 16 * 16 * 16, .eps = 1e-6f};
    cr_assert_eq(op_group_norm(ops.q, &y, &x, &norm), ST_OK);
    cr_assert(near_doubles("large mean", y.data, want, tensor_count(&y), 1.5e-3));
    ops_close(&ops);
}
