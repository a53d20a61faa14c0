/* SPDX-License-Identifier: Apache-2.0 */
/* op_qk_norm_rope against double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

enum form { RMS = 1, LAYER = 2, WEIGHT = 4, BIAS = 8, ROPE = 16 };

/* One head [width], normed and rotated. */
static void want_head(int form, int width, const struct tensor *weight, const struct tensor *bias,
                      const float *turn, const float *x, double *out)
{
    double mean = 0.0, squares = 0.0;
    for (int d = 0; d < width; d++)
        mean += (form & LAYER) ? (double)x[d] / width : 0.0;
    for (int d = 0; d < width; d++)
        squares += (x[d] - mean) * (x[d] - mean) / width;
    for (int d = 0; d < width; d++) {
        out[d] = form & (RMS | LAYER) ? (x[d] - mean) / sqrt(squares + 1e-5) : (double)x[d];
        if ((form & (RMS | LAYER)) && (form & WEIGHT))
            out[d] *= *ops_at(weight, d, 0, 0, 0);
        if ((form & LAYER) && (form & BIAS))
            out[d] += *ops_at(bias, d, 0, 0, 0);
    }
    for (int d = 0; (form & ROPE) && d < width; d += 2) {
        double a = out[d], b = out[d + 1];
        out[d] = a * turn[d] - b * turn[d + 1];
        out[d + 1] = a * turn[d + 1] + b * turn[d];
    }
}

struct operands {
    int lanes, rows, heads, width;
    struct tensor x[2], weight[2], bias[2], rope; /* of query, of key */
};

/* Query and key are the first two parts of one product, whose third is left alone. */
static struct operands make(struct ops *ops, int width)
{
    struct operands o = {.lanes = ops_pick(ops, 1, 3),
                         .rows = ops_pick(ops, 1, 30),
                         .heads = ops_pick(ops, 1, 5),
                         .width = width};
    int64_t all = (int64_t)o.heads * width;
    struct tensor qkv = ops_random(ops, 2.0f, OPS_DIM(o.lanes, o.rows, 3 * all));
    for (int i = 0; i < 2; i++) {
        o.x[i] = tensor_slice(&qkv, 2, i * all, all);
        o.x[i] = tensor_split(&o.x[i], 2, o.heads, width);
        o.weight[i] = ops_random(ops, 1.0f, OPS_DIM(width));
        o.bias[i] = ops_random(ops, 1.0f, OPS_DIM(width));
    }
    o.rope = ops_random(ops, 1.0f, OPS_DIM(o.rows, width));
    return o;
}

static double *want_of(struct ops *ops, const struct operands *o, int which, int form)
{
    double *want = ops_want(ops, &o->x[which]);
    for (int64_t i = 0; i < (int64_t)o->lanes * o->rows * o->heads; i++) {
        int64_t row = i / o->heads % o->rows, lane = i / o->heads / o->rows;
        want_head(form, o->width, &o->weight[which], &o->bias[which],
                  ops_at(&o->rope, row, 0, 0, 0), ops_at(&o->x[which], lane, row, i % o->heads, 0),
                  want + i * o->width);
    }
    return want;
}

/* Not ops_near, which wants nothing else in the buffer. */
static void check_near(const struct operands *o, int which, const double *want)
{
    float *got = ops_dense(&o->x[which]);
    cr_assert(near_doubles("qk_norm_rope", got, want, tensor_count(&o->x[which]), 5e-7), "width %d",
              o->width);
    free(got);
}

/* `parts`: 1 the query, 2 the key, 3 both. */
static void check_form(struct ops *ops, int width, int form, int parts)
{
    struct operands o = make(ops, width);
    struct tensor v = o.x[1]; /* the third part */
    v.data = (float *)v.data + (int64_t)o.heads * width;
    float *before = ops_dense(&v);
    const double *want[2] = {want_of(ops, &o, 0, parts & 1 ? form : 0),
                             want_of(ops, &o, 1, parts & 2 ? form : 0)};
    const struct qk_norm norm = {
        .centred = form & LAYER,
        .q_weight = form & WEIGHT ? &o.weight[0] : NULL,
        .q_bias = form & BIAS ? &o.bias[0] : NULL,
        .k_weight = form & WEIGHT ? &o.weight[1] : NULL,
        .k_bias = form & BIAS ? &o.bias[1] : NULL,
        .eps = 1e-5f,
    };
    cr_assert_eq(op_qk_norm_rope(ops->q, parts & 1 ? &o.x[0] : NULL, parts & 2 ? &o.x[1] : NULL,
                                 form & (RMS | LAYER) ? &norm : NULL, form & ROPE ? &o.rope : NULL),
                 ST_OK);
    check_near(&o, 0, want[0]);
    check_near(&o, 1, want[1]);
    float *after = ops_dense(&v);
    cr_assert(near_equal("values", after, before, tensor_count(&v)));
    free(before), free(after);
}

Test(qk_norm, every_form)
{
    static const int widths[] = {2, 4, 8, 12, 24, 44, 64, 72, 88, 128, 130};
    static const int forms[] = {RMS,
                                RMS | WEIGHT,
                                LAYER,
                                LAYER | WEIGHT | BIAS,
                                ROPE,
                                RMS | WEIGHT | ROPE,
                                LAYER | WEIGHT | BIAS | ROPE,
                                LAYER | WEIGHT | ROPE};
    for (int round = 0; round < 88; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        check_form(&ops, widths[round % 11], forms[round / 11], 1 + round % 3);
        ops_close(&ops);
    }
}

/* Heads that are not rotated may have any width. */
Test(qk_norm, odd_widths_are_normed)
{
    static const int widths[] = {1, 3, 11, 65};
    static const int forms[] = {RMS | WEIGHT, LAYER | WEIGHT | BIAS};
    for (int round = 0; round < 8; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        check_form(&ops, widths[round / 2], forms[round % 2], 1 + round % 3);
        ops_close(&ops);
    }
}

Test(qk_norm, nothing_to_do)
{
    struct ops ops;
    ops_open(&ops, 2, 1);
    check_form(&ops, 16, 0, 3);
    struct tensor none = ops_blank(&ops, OPS_DIM(2, 0, 3, 8));
    struct tensor table = ops_blank(&ops, OPS_DIM(0, 8));
    cr_assert_eq(op_qk_norm_rope(ops.q, &none, &none, NULL, &table), ST_OK);
    ops_close(&ops);
}

/* Rotating by an angle and back is nothing, and lengths stay: that is a rotation. */
Test(qk_norm, rotates)
{
    struct ops ops;
    ops_open(&ops, 1, 2);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 9, 3, 10)),
                  there = ops_blank(&ops, OPS_DIM(9, 10)), back = ops_blank(&ops, OPS_DIM(9, 10));
    for (int n = 0; n < 9; n++) {
        for (int i = 0; i < 5; i++) {
            float angle = (float)(n * (i + 1)) * 0.3f;
            *ops_at(&there, n, 2 * i, 0, 0) = *ops_at(&back, n, 2 * i, 0, 0) = cosf(angle);
            *ops_at(&there, n, 2 * i + 1, 0, 0) = sinf(angle);
            *ops_at(&back, n, 2 * i + 1, 0, 0) = -sinf(angle);
        }
    }
    float *before = ops_dense(&x);
    cr_assert_eq(op_qk_norm_rope(ops.q, &x, NULL, NULL, &there), ST_OK);
    float *turned = ops_dense(&x);
    for (int i = 0; i < 2 * 9 * 3 * 10; i += 2) {
        double was = hypot((double)before[i], (double)before[i + 1]);
        cr_assert_float_eq(hypot((double)turned[i], (double)turned[i + 1]), was, 1e-6);
        cr_assert(i % 270 >= 30 || turned[i] == before[i], "row 0 turned");
    }
    cr_assert_eq(op_qk_norm_rope(ops.q, &x, NULL, NULL, &back), ST_OK);
    float *after = ops_dense(&x);
    cr_assert(near_floats("there and back", after, before, 540, 1e-6));
    free(before), free(turned), free(after);
    ops_close(&ops);
}

Test(qk_norm, a_table_of_other_rows_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 2, 4)),
                  table = ops_random(&ops, 1.0f, OPS_DIM(2, 4));
    op_qk_norm_rope(ops.q, &x, NULL, NULL, &table);
}
