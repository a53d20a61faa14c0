/* SPDX-License-Identifier: Apache-2.0 */
/* op_linear and op_linear_add against sums in double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static double activated(double x, enum act act)
{
    switch (act) {
    case ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case ACT_SILU:
        return x / (1.0 + exp(-x));
    default:
        return x;
    }
}

/* x, y [lanes, rows, width]; two axes when lanes is 0. */
static void check_linear(struct ops *ops, int lanes, int rows, int in, int out, bool with_bias,
                         enum act act)
{
    int ndim = lanes > 0 ? 3 : 2;
    int64_t x_dim[] = {lanes, rows, in}, y_dim[] = {lanes, rows, out};
    struct tensor x = ops_random(ops, 1.0f, ndim, x_dim + 3 - ndim);
    struct tensor y = ops_blank(ops, ndim, y_dim + 3 - ndim);
    struct tensor w = ops_random(ops, 1.0f, OPS_DIM(out, in));
    struct tensor bias = ops_random(ops, 1.0f, OPS_DIM(out));
    cr_assert_eq(op_linear(ops->q, &y, &x, &w, with_bias ? &bias : NULL, act), ST_OK);

    double *want = ops_want(ops, &y);
    for (int b = 0; b < (lanes > 0 ? lanes : 1); b++) {
        for (int n = 0; n < rows; n++) {
            const float *row = lanes > 0 ? ops_at(&x, b, n, 0, 0) : ops_at(&x, n, 0, 0, 0);
            for (int o = 0; o < out; o++) {
                double sum = with_bias ? *ops_at(&bias, o, 0, 0, 0) : 0.0;
                for (int i = 0; i < in; i++)
                    sum += (double)row[i] * *ops_at(&w, o, i, 0, 0);
                want[((int64_t)b * rows + n) * out + o] = activated(sum, act);
            }
        }
    }
    ops_near(ops, act == ACT_NONE ? "linear" : "linear+act", &y, want);
}

Test(linear, random_shapes)
{
    for (int round = 0; round < 60; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int lanes = ops_pick(&ops, 0, 3);
        int rows = ops_pick(&ops, 1, 70);
        int in = ops_pick(&ops, 1, 150);
        int out = ops_pick(&ops, 1, 150);
        check_linear(&ops, lanes, rows, in, out, ops_pick(&ops, 0, 1),
                     (enum act)ops_pick(&ops, 0, 2));
        ops_close(&ops);
    }
}

/* Past the blocks of rows and columns, with more rows than columns and the reverse. */
Test(linear, many_blocks)
{
    static const int shapes[][4] = {
        {2, 531, 33, 70}, {0, 37, 700, 301}, {0, 1040, 9, 531}, {3, 1, 64, 800}, {1, 300, 8, 32}};
    for (int threads = 1; threads <= 3; threads++) {
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
            struct ops ops;
            ops_open(&ops, threads, 100 + i);
            check_linear(&ops, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], i % 2,
                         (enum act)(i % 3));
            ops_close(&ops);
        }
    }
}

Test(linear, no_rows)
{
    struct ops ops;
    ops_open(&ops, 2, 7);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 0, 5));
    struct tensor y = ops_blank(&ops, OPS_DIM(2, 0, 3));
    struct tensor w = ops_random(&ops, 1.0f, OPS_DIM(3, 5));
    cr_assert_eq(op_linear(ops.q, &y, &x, &w, NULL, ACT_SILU), ST_OK);
    ops_near(&ops, "linear", &y, NULL);
    ops_close(&ops);
}

/* The same bits every time for a given number of threads, whatever the scheduler does. */
Test(linear, repeats_bit_for_bit)
{
    for (int threads = 1; threads <= 3; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 11);
        struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 77, 130));
        struct tensor w = ops_random(&ops, 1.0f, OPS_DIM(301, 130));
        struct tensor y = ops_blank(&ops, OPS_DIM(2, 77, 301));
        float *first = NULL;
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(op_linear(ops.q, &y, &x, &w, NULL, ACT_GELU_TANH), ST_OK);
            float *got = ops_dense(&y);
            cr_assert(!first || near_equal("linear", got, first, tensor_count(&y)));
            if (first)
                free(got);
            else
                first = got;
        }
        free(first);
        ops_close(&ops);
    }
}

/* h holds something else than what is added, and has gaps. */
static void check_add(struct ops *ops, int lanes, int rows, int in, int out, bool with_bias)
{
    int ndim = lanes > 0 ? 3 : 2;
    int64_t x_dim[] = {lanes, rows, in}, h_dim[] = {lanes, rows, out};
    struct tensor x = ops_random(ops, 1.0f, ndim, x_dim + 3 - ndim);
    struct tensor h = ops_random(ops, 5.0f, ndim, h_dim + 3 - ndim);
    struct tensor w = ops_random(ops, 1.0f, OPS_DIM(out, in));
    struct tensor bias = ops_random(ops, 1.0f, OPS_DIM(out));
    double *want = ops_want(ops, &h);
    for (int64_t n = 0; n < (int64_t)(lanes > 0 ? lanes : 1) * rows; n++) {
        int64_t at[3] = {lanes > 0 ? n / rows : n, lanes > 0 ? n % rows : 0, 0};
        const float *row = ops_at(&x, at[0], at[1], 0, 0);
        for (int o = 0; o < out; o++) {
            double sum = with_bias ? *ops_at(&bias, o, 0, 0, 0) : 0.0;
            for (int i = 0; i < in; i++)
                sum += (double)row[i] * *ops_at(&w, o, i, 0, 0);
            want[n * out + o] = sum + ops_at(&h, at[0], at[1], 0, 0)[o];
        }
    }
    cr_assert_eq(op_linear_add(ops->q, &h, &x, &w, with_bias ? &bias : NULL), ST_OK);
    ops_near(ops, "linear", &h, want);
}

Test(linear, add_random_shapes)
{
    for (int round = 0; round < 40; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, 200 + (uint64_t)round);
        int lanes = ops_pick(&ops, 0, 3);
        int rows = ops_pick(&ops, 0, 70);
        check_add(&ops, lanes, rows, ops_pick(&ops, 1, 150), ops_pick(&ops, 1, 150), round % 2);
        ops_close(&ops);
    }
    for (int threads = 1; threads <= 2; threads++) { // past the blocks of rows and columns
        struct ops ops;
        ops_open(&ops, threads, 300);
        check_add(&ops, 2, 531, 40, 301, true);
        ops_close(&ops);
    }
}

/* Both streams of a joint attention: products of B lanes straight into their rows of one buffer [B,
 * T + S, 3C], and from the rows of another one; lanes and rows of both at other distances than
 * their own. */
static void check_streams(struct ops *ops, int lanes, int text, int image, bool add)
{
    enum { C = 24, IN = 40 };
    struct tensor joint = ops_random(ops, 3.0f, OPS_DIM(lanes, text + image + 1, 3 * C + 5));
    struct tensor from = ops_random(ops, 1.0f, OPS_DIM(lanes, text + image + 2, IN + 7));
    struct tensor bias = ops_random(ops, 1.0f, OPS_DIM(3 * C));
    struct tensor all = tensor_slice(&joint, 2, 5, 3 * C);
    double *want = ops_want(ops, &all);
    for (int64_t i = 0; i < tensor_count(&all); i++)
        want[i] = *ops_at(&all, i / (3 * C) / all.dim[1], i / (3 * C) % all.dim[1], i % (3 * C), 0);
    const int begin[] = {0, text}, rows[] = {text, image};
    for (int stream = 0; stream < 2; stream++) {
        struct tensor w = ops_random(ops, 1.0f, OPS_DIM(3 * C, IN));
        struct tensor y = tensor_slice(&all, 1, begin[stream], rows[stream]);
        struct tensor x = tensor_slice(&from, 1, begin[stream] + 1, rows[stream]);
        x = tensor_slice(&x, 2, 3, IN);
        for (int64_t i = 0; i < tensor_count(&y); i++) {
            int64_t lane = i / (3 * C) / rows[stream], row = i / (3 * C) % rows[stream];
            double sum = *ops_at(&bias, i % (3 * C), 0, 0, 0);
            for (int k = 0; k < IN; k++)
                sum += (double)*ops_at(&x, lane, row, k, 0) * *ops_at(&w, i % (3 * C), k, 0, 0);
            double *at = want + (lane * all.dim[1] + begin[stream] + row) * 3 * C + i % (3 * C);
            *at = add ? *at + sum : sum;
        }
        cr_assert_eq(add ? op_linear_add(ops->q, &y, &x, &w, &bias)
                         : op_linear(ops->q, &y, &x, &w, &bias, ACT_NONE),
                     ST_OK);
    }
    float *got = ops_dense(&all);
    cr_assert(near_doubles("linear", got, want, tensor_count(&all), 1e-6));
    free(got);
}

Test(linear, streams_of_a_joint_buffer)
{
    for (int round = 0; round < 24; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, 400 + (uint64_t)round);
        check_streams(&ops, ops_pick(&ops, 1, 4), round % 5 == 4 ? 1 : ops_pick(&ops, 1, 40),
                      ops_pick(&ops, 1, 90), round % 2);
        ops_close(&ops);
    }
}
