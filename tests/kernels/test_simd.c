/* SPDX-License-Identifier: Apache-2.0 */
/* The vectorised loops of every instruction set that this machine has, against double. */
#include "kernels/cpu/simd.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { LONGEST = 300, GUARD = 16 };

static const struct simd_ops *usable(int index)
{
    const struct simd_ops *ops = simd_at(index);
    return ops && ops->usable() ? ops : NULL;
}

#define FOR_EACH(ops)                                                                              \
    for (int set_ = 0; simd_at(set_); set_++)                                                      \
        for (const struct simd_ops *ops = usable(set_); ops; ops = NULL)

Test(simd, list)
{
    int n = 0;
    while (simd_at(n))
        n++;
    cr_assert_str_eq(simd_at(n - 1)->name, "portable");
    cr_assert(simd_at(n - 1)->usable());
    cr_assert(simd_best()->usable());
    for (int i = 0; simd_at(i) != simd_best(); i++)
        cr_assert_not(simd_at(i)->usable());
}

/* exp over its whole range, one element at a time against exp in double. */
Test(simd, exp_accuracy)
{
    FOR_EACH(ops)
    {
        double worst = 0.0;
        for (double x = -87.3; x < 87.9; x += 0.00173) {
            float value = (float)x;
            float sum = ops->exp_sum(1, &value, 0.0f);
            double want = exp((double)(float)x);
            cr_assert_eq(sum, value);
            worst = fmax(worst, fabs(value / want - 1.0));
        }
        cr_assert_lt(worst, 2e-7, "%s: relative error %.2e", ops->name, worst);
    }
}

Test(simd, exp_at_the_borders)
{
    FOR_EACH(ops)
    {
        float x[] = {0.0f, -INFINITY, -88.0f, -1000.0f, INFINITY, NAN, -NAN, 200.0f, -87.33f};
        uint32_t all_ones = 0xffffffff;
        memcpy(&x[6], &all_ones, sizeof(all_ones));
        ops->exp_sum(9, x, 0.0f);
        cr_assert_eq(x[0], 1.0f);
        cr_assert_eq(x[1], 0.0f);
        cr_assert_eq(x[2], 0.0f);
        cr_assert_eq(x[3], 0.0f);
        cr_assert(x[4] > 1e38f);
        cr_assert(isnan(x[5]) && isnan(x[6]), "%s", ops->name);
        cr_assert(x[7] > 1e38f);
        cr_assert(x[8] > 0.0f && x[8] < 1.3e-38f);
    }
}

/* Near 0 and far from it, where the logistic function is 0 or 1. */
Test(simd, activation_accuracy)
{
    FOR_EACH(ops)
    {
        for (double x = -12.0; x < 12.0; x += 0.0037) {
            float in = (float)x, gelu, silu;
            ops->activate(1, &gelu, &in, NULL, ACT_GELU_TANH);
            ops->activate(1, &silu, &in, NULL, ACT_SILU);
            double v = in;
            double u = 2.0 * sqrt(2.0 / M_PI) * (v + 0.044715 * v * v * v);
            cr_assert_float_eq(gelu, v / (1.0 + exp(-u)), 4e-7 * fabs(v) + 1e-30, "%s gelu(%g)",
                               ops->name, v);
            cr_assert_float_eq(silu, v / (1.0 + exp(-v)), 3e-7 * fabs(v / (1.0 + exp(-v))) + 1e-30,
                               "%s silu(%g)", ops->name, v);
        }
        float edge[] = {-1e20f, 1e20f, NAN, 0.0f};
        ops->activate(4, edge, edge, NULL, ACT_GELU_TANH);
        cr_assert(fabsf(edge[0]) < 1e-15f);
        cr_assert_eq(edge[1], 1e20f);
        cr_assert(isnan(edge[2]));
        cr_assert_eq(edge[3], 0.0f);
    }
}

/* Buffers of n elements, at an odd place, with guards behind. */
struct rows {
    float space[4][1 + LONGEST + GUARD];
    float *a, *b, *c, *d;
};

static void draw_rows(struct rows *r, int n)
{
    for (int i = 0; i < 4; i++) {
        rng_uniform(3, (uint64_t)(10 * n + i), 0, LONGEST, r->space[i] + 1);
        for (int g = n; g < LONGEST + GUARD; g++)
            r->space[i][1 + g] = 77.0f;
    }
    r->a = r->space[0] + 1, r->b = r->space[1] + 1, r->c = r->space[2] + 1, r->d = r->space[3] + 1;
}

static void check_guard(const struct simd_ops *ops, const char *what, const float *row, int n)
{
    for (int g = n; g < LONGEST + GUARD; g++)
        cr_assert_eq(row[g], 77.0f, "%s %s over %d elements wrote element %d", ops->name, what, n,
                     g);
}

/* Every length: whole vectors, parts of one, and both. */
Test(simd, every_length)
{
    FOR_EACH(ops)
    {
        for (int n = 1; n <= LONGEST; n++) {
            static struct rows r, old;
            draw_rows(&r, n);
            old = r;
            const float *a = old.space[0] + 1, *b = old.space[1] + 1, *c = old.space[2] + 1,
                        *d = old.space[3] + 1;

            ops->gate_add(n, r.a, r.b, r.c, r.d);
            for (int i = 0; i < n; i++)
                cr_assert_float_eq(r.a[i], a[i] + (double)d[i] * ((double)b[i] + c[i]), 5e-7);
            check_guard(ops, "gate_add", r.a, n);

            draw_rows(&r, n);
            ops->mix(n, r.a, 0.25f, r.b, -3.0f);
            for (int i = 0; i < n; i++)
                cr_assert_float_eq(r.a[i], 0.25 * a[i] - 3.0 * b[i], 5e-7);
            check_guard(ops, "mix", r.a, n);

            draw_rows(&r, n);
            ops->activate(n, r.a, r.b, r.c, ACT_NONE);
            for (int i = 0; i < n; i++)
                cr_assert_eq(r.a[i], b[i] + c[i]);
            check_guard(ops, "activate", r.a, n);

            draw_rows(&r, n);
            float largest = -2.0f;
            double sum = 0.0;
            for (int i = 0; i < n; i++) {
                largest = fmaxf(largest, a[i]);
                sum += exp((double)a[i] - 0.5);
            }
            cr_assert_eq(ops->max(n, r.a), largest);
            float got = ops->exp_sum(n, r.a, 0.5f);
            cr_assert_float_eq(got, sum, 1e-6 * sum);
            check_guard(ops, "exp_sum", r.a, n);
        }
    }
}

/* Moments, and the norm with and without each of its vectors. */
Test(simd, norm)
{
    FOR_EACH(ops)
    {
        for (int n = 1; n <= LONGEST; n++) {
            static struct rows r, old;
            draw_rows(&r, n);
            old = r;
            const float *a = old.space[0] + 1, *b = old.space[1] + 1, *c = old.space[2] + 1,
                        *d = old.space[3] + 1;
            double mean = 0.0, variance = 0.0;
            for (int i = 0; i < n; i++)
                mean += (double)b[i] / n;
            for (int i = 0; i < n; i++)
                variance += (b[i] - mean) * (b[i] - mean) / n;
            cr_assert_float_eq(ops->moment(n, r.b, 0.5f, false), (mean - 0.5) * n, 2e-5);
            cr_assert_float_eq(ops->moment(n, r.b, (float)mean, true), variance * n, 2e-5);
            struct simd_norm of = {.mean = (float)mean, .inverse = 1.5f};
            for (int form = 0; form < 16; form++) {
                of.weight = form & 1 ? r.a : NULL; /* in place */
                of.bias = form & 2 ? r.c : NULL;
                of.scale = form & 4 ? r.d : NULL;
                of.shift = form & 8 ? r.c : NULL;
                draw_rows(&r, n);
                ops->norm(n, r.a, r.b, &of);
                for (int i = 0; i < n; i++) {
                    double v = (b[i] - mean) * 1.5;
                    v = v * (form & 1 ? (double)a[i] : 1.0) + (form & 2 ? (double)c[i] : 0.0);
                    v = v * (form & 4 ? 1.0 + (double)d[i] : 1.0) + (form & 8 ? (double)c[i] : 0.0);
                    cr_assert_float_eq(r.a[i], v, 2e-6);
                }
            }
            check_guard(ops, "norm", r.a, n);
        }
    }
}
