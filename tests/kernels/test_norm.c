/* SPDX-License-Identifier: Apache-2.0 */
/* op_norm, op_gate_add and op_gate_add_norm against double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

struct rows_case {
    int lanes, rows, width, rest; /* rest: of what is beside h; 0: nothing */
    struct tensor h, y, a, bias, gate;
    struct tensor beside, weight, added, shift, scale; /* of the norm; not all are used */
    struct norm norm;
};

static struct rows_case make_case(struct ops *ops, bool beside)
{
    static const int widths[] = {1, 5, 16, 31, 48, 64, 96, 257, 1152, 1200};
    struct rows_case c = {.lanes = ops_pick(ops, 1, 3),
                          .rows = ops_pick(ops, 1, 60),
                          .width = widths[ops_pick(ops, 0, 9)],
                          .rest = beside ? ops_pick(ops, 1, 300) : 0};
    int whole = c.width + c.rest;
    c.h = ops_random(ops, 2.0f, OPS_DIM(c.lanes, c.rows, c.width));
    c.y = ops_random(ops, 2.0f, OPS_DIM(c.lanes, c.rows, c.width));
    c.a = ops_blank(ops, OPS_DIM(c.lanes, c.rows, whole));
    c.bias = ops_random(ops, 1.0f, OPS_DIM(c.width));
    c.gate = ops_random(ops, 1.0f, OPS_DIM(c.lanes, c.width));
    c.beside = ops_random(ops, 2.0f, OPS_DIM(c.lanes, c.rows, c.rest));
    c.weight = ops_random(ops, 1.0f, OPS_DIM(whole));
    c.added = ops_random(ops, 1.0f, OPS_DIM(whole));
    c.shift = ops_random(ops, 1.0f, OPS_DIM(c.lanes, whole));
    c.scale = ops_random(ops, 1.0f, OPS_DIM(c.lanes, whole));
    return c;
}

/* `vectors`: bits that say which vectors the norm has. Its pointers are into the case. */
static const struct norm *norm_of(struct rows_case *c, int vectors, float eps)
{
    c->norm = (struct norm){
        .weight = vectors & 1 ? &c->weight : NULL,
        .bias = vectors & 2 ? &c->added : NULL,
        .shift = vectors & 4 ? &c->shift : NULL,
        .scale = vectors & 8 ? &c->scale : NULL,
        .beside = c->rest > 0 ? &c->beside : NULL,
        .eps = eps,
    };
    return &c->norm;
}

static double element(const struct tensor *vector, int b, int i, double otherwise)
{
    if (!vector)
        return otherwise;
    return vector->ndim == 1 ? *ops_at(vector, i, 0, 0, 0) : *ops_at(vector, b, i, 0, 0);
}

/* out = the norm of in [width] and the row beside it, in double. */
static void norm_row(const struct rows_case *c, int b, int n, const double *in, double *out)
{
    const struct norm *norm = &c->norm;
    int whole = c->width + c->rest;
    double mean = 0.0, variance = 0.0;
    for (int i = 0; i < whole; i++) {
        out[i] = i < c->width ? in[i] : *ops_at(&c->beside, b, n, i - c->width, 0);
        mean += out[i] / whole;
    }
    for (int i = 0; i < whole; i++)
        variance += (out[i] - mean) * (out[i] - mean) / whole;
    for (int i = 0; i < whole; i++) {
        double v = (out[i] - mean) / sqrt(variance + (double)norm->eps);
        v = v * element(norm->weight, b, i, 1.0) + element(norm->bias, b, i, 0.0);
        out[i] = v * (1.0 + element(norm->scale, b, i, 0.0)) + element(norm->shift, b, i, 0.0);
    }
}

static void gated_row(const struct rows_case *c, int b, int n, const float *bias, bool gate,
                      double *out)
{
    for (int i = 0; i < c->width; i++) {
        double y = *ops_at(&c->y, b, n, i, 0) + (bias ? (double)bias[i] : 0.0);
        out[i] = *ops_at(&c->h, b, n, i, 0) + (gate ? *ops_at(&c->gate, b, i, 0, 0) : 1.0) * y;
    }
}

Test(norm, every_form)
{
    for (int round = 0; round < 64; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops, round / 16 % 2);
        bool in_place = round / 16 == 2;
        struct tensor *y = in_place ? &c.h : &c.a;
        double *want = ops_want(&ops, &c.a), *in = ops_want(&ops, &c.shift);
        const struct norm *norm = norm_of(&c, round % 16, 1e-6f);
        for (int r = 0; r < c.lanes * c.rows; r++) {
            for (int i = 0; i < c.width; i++)
                in[i] = *ops_at(&c.h, r / c.rows, r % c.rows, i, 0);
            norm_row(&c, r / c.rows, r % c.rows, in, want + (int64_t)r * (c.width + c.rest));
        }
        cr_assert_eq(op_norm(ops.q, y, &c.h, norm), ST_OK);
        ops_near(&ops, "norm", y, want);
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
    double in[500], want[500];
    for (int i = 0; i < 500; i++)
        in[i] = *ops_at(&x, 0, 0, i, 0) += 1000.0f;
    struct rows_case c = {.lanes = 1, .rows = 1, .width = 500, .h = x};
    cr_assert_eq(op_norm(ops.q, &y, &x, norm_of(&c, 0, 1e-6f)), ST_OK);
    norm_row(&c, 0, 0, in, want);
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
    struct tensor shift = ops_random(&ops, 1.0f, OPS_DIM(1, 40));
    cr_assert_eq(op_fill(ops.q, &x, 3.0f), ST_OK);
    cr_assert_eq(op_norm(ops.q, &y, &x, &(struct norm){.shift = &shift, .eps = 1e-6f}), ST_OK);
    for (int i = 0; i < 40; i++)
        cr_assert_float_eq(*ops_at(&y, 0, 1, i, 0), *ops_at(&shift, 0, i, 0, 0), 1e-6);
    ops_close(&ops);
}

Test(norm, gate_add)
{
    for (int round = 0; round < 48; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops, false);
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
    for (int round = 0; round < 64; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct rows_case c = make_case(&ops, round / 4 % 2);
        bool bias = round & 1, gate = round & 2;
        const struct norm *norm = norm_of(&c, round / 4, 1e-5f);
        double *want_h = ops_want(&ops, &c.h), *want_a = ops_want(&ops, &c.a);
        for (int r = 0; r < c.lanes * c.rows; r++) {
            double *row = want_h + (int64_t)r * c.width;
            gated_row(&c, r / c.rows, r % c.rows, bias ? c.bias.data : NULL, gate, row);
            norm_row(&c, r / c.rows, r % c.rows, row, want_a + (int64_t)r * (c.width + c.rest));
        }
        cr_assert_eq(op_gate_add_norm(ops.q, &c.h, &c.y, bias ? &c.bias : NULL,
                                      gate ? &c.gate : NULL, &c.a, norm),
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
    struct rows_case c = make_case(&ops, true);
    const struct norm *norm = norm_of(&c, 15, 1e-6f);
    struct tensor h = ops_blank(&ops, OPS_DIM(c.lanes, c.rows, c.width)),
                  a = ops_blank(&ops, OPS_DIM(c.lanes, c.rows, c.width + c.rest));
    cr_assert_eq(op_copy(ops.q, &h, &c.h), ST_OK);
    cr_assert_eq(op_gate_add_norm(ops.q, &c.h, &c.y, &c.bias, &c.gate, &c.a, norm), ST_OK);
    cr_assert_eq(op_gate_add(ops.q, &h, &c.y, &c.bias, &c.gate), ST_OK);
    cr_assert_eq(op_norm(ops.q, &a, &h, norm), ST_OK);
    float *want = ops_dense(&a), *got = ops_dense(&c.a);
    cr_assert(near_equal("gate_add_norm", got, want, tensor_count(&a)));
    free(want), free(got);
    ops_close(&ops);
}

/* Rows of a wider buffer that holds two streams, as joint attention has them: lanes far apart, and
 * what lies between them untouched. */
Test(norm, rows_of_a_joint_buffer)
{
    for (int threads = 1; threads <= 3; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 10);
        struct rows_case c = make_case(&ops, false);
        struct tensor joint = ops_blank(&ops, OPS_DIM(c.lanes, c.rows + 7, 2 * c.width + 3));
        struct tensor wide = tensor_slice(&joint, 1, 7, c.rows);
        c.a = tensor_slice(&wide, 2, c.width, c.width);
        struct tensor h = tensor_slice(&wide, 2, 0, c.width);
        double *want_h = ops_want(&ops, &h), *want_a = ops_want(&ops, &c.a);
        cr_assert_eq(op_copy(ops.q, &h, &c.h), ST_OK);
        const struct norm *norm = norm_of(&c, 12, 1e-6f);
        for (int r = 0; r < c.lanes * c.rows; r++) {
            double *row = want_h + (int64_t)r * c.width;
            gated_row(&c, r / c.rows, r % c.rows, c.bias.data, true, row);
            norm_row(&c, r / c.rows, r % c.rows, row, want_a + (int64_t)r * c.width);
        }
        cr_assert_eq(op_gate_add_norm(ops.q, &h, &c.y, &c.bias, &c.gate, &c.a, norm), ST_OK);
        struct tensor around = tensor_slice(&joint, 1, 0, 7);
        float *got_h = ops_dense(&h), *got_a = ops_dense(&c.a), *rest = ops_dense(&around);
        cr_assert(near_doubles("gate_add", got_h, want_h, tensor_count(&h), 2e-7));
        cr_assert(near_doubles("gate_add_norm", got_a, want_a, tensor_count(&h), 1e-6));
        for (int64_t i = 0; i < tensor_count(&around); i++)
            cr_assert(isnan(rest[i]), "element %d before the rows", (int)i);
        free(got_h), free(got_a), free(rest);
        ops_close(&ops);
    }
}
