/* SPDX-License-Identifier: Apache-2.0 */
/* op_norm_modulate, op_gate_add and op_gate_add_norm against double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

struct rows_case {
    int lanes, rows, width;
    struct tensor h, y, a, bias, gate, shift, scale;
};

static struct rows_case make_case(struct ops *ops)
{
    static const int widths[] = {1, 5, 16, 31, 48, 64, 96, 257, 1152, 1200};
    struct rows_case c = {.lanes = ops_pick(ops, 1, 3),
                          .rows = ops_pick(ops, 1, 60),
                          .width = widths[ops_pick(ops, 0, 9)]};
    c.h = ops_random(ops, 2.0f, OPS_DIM(c.lanes, c.rows, c.width));
    c.y = ops_random(ops, 2.0f, OPS_DIM(c.lanes, c.rows, c.width));
    c.a = ops_blank(ops, OPS_DIM(c.lanes, c.rows, c.width));
    c.bias = ops_random(ops, 1.0f, OPS_DIM(c.width));
    c.gate = ops_random(ops, 1.0f, OPS_DIM(c.lanes, c.width));
    c.shift = ops_random(ops, 1.0f, OPS_DIM(c.lanes, c.width));
    c.scale = ops_random(ops, 1.0f, OPS_DIM(c.lanes, c.width));
    return c;
}

/* out = LN(in) (1 + scale) + shift for one row, in double. */
static void norm_row(int width, const double *in, const float *shift, const float *scale,
                     double eps, double *out)
{
    double mean = 0.0, variance = 0.0;
    for (int i = 0; i < width; i++)
        mean += in[i] / width;
    for (int i = 0; i < width; i++)
        variance += (in[i] - mean) * (in[i] - mean) / width;
    for (int i = 0; i < width; i++)
        out[i] =
            (in[i] - mean) / sqrt(variance + eps) * (1.0 + (double)scale[i]) + (double)shift[i];
}

static void gated_row(const struct rows_case *c, int b, int n, const float *bias, bool gate,
                      double *out)
{
    for (int i = 0; i < c->width; i++) {
        double y = *ops_at(&c->y, b, n, i, 0) + (bias ? (double)bias[i] : 0.0);
        out[i] = *ops_at(&c->h, b, n, i, 0) + (gate ? *ops_at(&c->gate, b, i, 0, 0) : 1.0) * y;
    }
}

Test(norm, modulate)
{
    for (int round = 0; round < 45; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops);
        bool in_place = round % 4 == 0;
        double *want = ops_want(&ops, &c.a), *in = ops_want(&ops, &c.shift);
        for (int r = 0; r < c.lanes * c.rows; r++) {
            for (int i = 0; i < c.width; i++)
                in[i] = *ops_at(&c.h, r / c.rows, r % c.rows, i, 0);
            norm_row(c.width, in, ops_at(&c.shift, r / c.rows, 0, 0, 0),
                     ops_at(&c.scale, r / c.rows, 0, 0, 0), 1e-6, want + (int64_t)r * c.width);
        }
        cr_assert_eq(op_norm_modulate(ops.q, in_place ? &c.h : &c.a, &c.h,
                                      &(struct modulation){&c.shift, &c.scale, 1e-6f}),
                     ST_OK);
        ops_near(&ops, "norm_modulate", in_place ? &c.h : &c.a, want);
        ops_close(&ops);
    }
}

/* A mean of 1000 times the deviation: the variance must not be taken as a difference of squares. */
Test(norm, far_from_zero)
{
    struct ops ops;
    ops_open(&ops, 1, 3);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(1, 1, 500)),
                  y = ops_blank(&ops, OPS_DIM(1, 1, 500));
    struct tensor none = ops_random(&ops, 0.0f, OPS_DIM(1, 500));
    double in[500], want[500];
    for (int i = 0; i < 500; i++)
        in[i] = *ops_at(&x, 0, 0, i, 0) += 1000.0f;
    cr_assert_eq(op_norm_modulate(ops.q, &y, &x, &(struct modulation){&none, &none, 1e-6f}), ST_OK);
    norm_row(500, in, none.data, none.data, 1e-6, want);
    for (int i = 0; i < 500; i++) /* the mean itself is rounded to 6e-5 */
        cr_assert_float_eq(*ops_at(&y, 0, 0, i, 0), want[i], 3e-4);
    ops_close(&ops);
}

/* Rows of equal elements have no variance: eps keeps them finite. */
Test(norm, constant_rows)
{
    struct ops ops;
    ops_open(&ops, 1, 3);
    struct tensor x = ops_blank(&ops, OPS_DIM(1, 2, 40)), y = ops_blank(&ops, OPS_DIM(1, 2, 40));
    struct tensor shift = ops_random(&ops, 1.0f, OPS_DIM(1, 40)),
                  scale = ops_random(&ops, 1.0f, OPS_DIM(1, 40));
    cr_assert_eq(op_fill(ops.q, &x, 3.0f), ST_OK);
    cr_assert_eq(op_norm_modulate(ops.q, &y, &x, &(struct modulation){&shift, &scale, 1e-6f}),
                 ST_OK);
    for (int i = 0; i < 40; i++)
        cr_assert_float_eq(*ops_at(&y, 0, 1, i, 0), *ops_at(&shift, 0, i, 0, 0), 1e-6);
    ops_close(&ops);
}

Test(norm, gate_add)
{
    for (int round = 0; round < 48; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops);
        bool bias = round & 1, gate = round & 2;
        double *want = ops_want(&ops, &c.h);
        for (int r = 0; r < c.lanes * c.rows; r++)
            gated_row(&c, r / c.rows, r % c.rows, bias ? c.bias.data : NULL, gate,
                      want + (int64_t)r * c.width);
        cr_assert_eq(op_gate_add(ops.q, &c.h, &c.y, bias ? &c.bias : NULL, gate ? &c.gate : NULL),
                     ST_OK);
        ops_near(&ops, "gate_add", &c.h, want);
        ops_close(&ops);
    }
}

Test(norm, gate_add_norm)
{
    for (int round = 0; round < 48; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops);
        bool bias = round & 1, gate = round & 2;
        double *want_h = ops_want(&ops, &c.h), *want_a = ops_want(&ops, &c.a);
        for (int r = 0; r < c.lanes * c.rows; r++) {
            gated_row(&c, r / c.rows, r % c.rows, bias ? c.bias.data : NULL, gate,
                      want_h + (int64_t)r * c.width);
            norm_row(c.width, want_h + (int64_t)r * c.width, ops_at(&c.shift, r / c.rows, 0, 0, 0),
                     ops_at(&c.scale, r / c.rows, 0, 0, 0), 1e-5, want_a + (int64_t)r * c.width);
        }
        cr_assert_eq(op_gate_add_norm(ops.q, &c.h, &c.y, bias ? &c.bias : NULL,
                                      gate ? &c.gate : NULL, &c.a,
                                      &(struct modulation){&c.shift, &c.scale, 1e-5f}),
                     ST_OK);
        ops_near(&ops, "gate_add", &c.h, want_h);
        ops_near(&ops, "gate_add_norm", &c.a, want_a);
        ops_close(&ops);
    }
}

/* One pass does what the two ops do, bit for bit. */
Test(norm, together_as_apart)
{
    struct ops ops;
    ops_open(&ops, 2, 9);
    struct rows_case c = make_case(&ops);
    struct tensor h = ops_blank(&ops, OPS_DIM(c.lanes, c.rows, c.width)),
                  a = ops_blank(&ops, OPS_DIM(c.lanes, c.rows, c.width));
    cr_assert_eq(op_copy(ops.q, &h, &c.h), ST_OK);
    cr_assert_eq(op_gate_add_norm(ops.q, &c.h, &c.y, &c.bias, &c.gate, &c.a,
                                  &(struct modulation){&c.shift, &c.scale, 1e-6f}),
                 ST_OK);
    cr_assert_eq(op_gate_add(ops.q, &h, &c.y, &c.bias, &c.gate), ST_OK);
    cr_assert_eq(op_norm_modulate(ops.q, &a, &h, &(struct modulation){&c.shift, &c.scale, 1e-6f}),
                 ST_OK);
    float *want = ops_dense(&a), *got = ops_dense(&c.a);
    cr_assert(near_equal("gate_add_norm", got, want, tensor_count(&a)));
    free(want), free(got);
    ops_close(&ops);
}
