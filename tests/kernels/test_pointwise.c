/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, sums, tables, timestep features and noise against their formulas. */
#include "tests/kernels/ops.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

Test(pointwise, activate)
{
    for (int round = 0; round < 36; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int64_t dim[] = {ops_pick(&ops, 1, 3), ops_pick(&ops, 1, 40), ops_pick(&ops, 1, 900)};
        int ndim = 1 + round % 3;
        struct tensor x = ops_random(&ops, 6.0f, ndim, dim + 3 - ndim);
        struct tensor y = ops_blank(&ops, ndim, dim + 3 - ndim);
        bool in_place = round % 4 == 0;
        enum act act = (enum act)(round / 3 % 3);
        double *want = ops_want(&ops, &x);
        float *in = ops_dense(&x);
        for (int64_t i = 0; i < tensor_count(&x); i++)
            want[i] = act == ACT_GELU_TANH ? gelu(in[i])
                      : act == ACT_SILU    ? silu(in[i])
                                           : (double)in[i];
        free(in);
        cr_assert_eq(op_activate(ops.q, in_place ? &x : &y, &x, act), ST_OK);
        ops_near(&ops, "activate", in_place ? &x : &y, want);
        ops_close(&ops);
    }
}

Test(pointwise, add_rows)
{
    for (int round = 0; round < 24; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int lanes = ops_pick(&ops, 1, 3), rows = ops_pick(&ops, 0, 60),
            width = ops_pick(&ops, 1, 700);
        struct tensor h = ops_random(&ops, 1.0f, OPS_DIM(lanes, rows, width));
        struct tensor table = ops_random(&ops, 1.0f, OPS_DIM(rows, width));
        double *want = ops_want(&ops, &h);
        for (int64_t i = 0; i < tensor_count(&h); i++) {
            int64_t b = i / width / rows, n = i / width % rows, c = i % width;
            want[i] = (double)*ops_at(&h, b, n, c, 0) + *ops_at(&table, n, c, 0, 0);
        }
        cr_assert_eq(op_add_rows(ops.q, &h, &table), ST_OK);
        ops_near(&ops, "add", &h, want);
        ops_close(&ops);
    }
}

/* Exact: fp32's own sum. */
Test(pointwise, add)
{
    enum { COUNT = 50021 };
    static float y[COUNT], x[COUNT], want[COUNT];
    const int64_t dim[] = {COUNT};
    for (int threads = 1; threads <= 3; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 1);
        rng_uniform(1, 1, 0, COUNT, y);
        rng_uniform(1, 2, 0, COUNT, x);
        for (int i = 0; i < COUNT; i++)
            want[i] = y[i] + x[i];
        struct tensor ty = tensor_of(y, ops.dev, DTYPE_F32, 1, dim),
                      tx = tensor_of(x, ops.dev, DTYPE_F32, 1, dim);
        cr_assert_eq(op_add(ops.q, &ty, &tx), ST_OK);
        for (int i = 0; i < COUNT; i++)
            cr_assert_eq(y[i], want[i], "element %d", i);
        ops_close(&ops);
    }
}

Test(pointwise, add_outer)
{
    struct ops ops;
    ops_open(&ops, 2, 5);
    struct tensor table = ops_random(&ops, 1.0f, OPS_DIM(7, 33)),
                  t = ops_random(&ops, 1.0f, OPS_DIM(3, 33));
    struct tensor out = ops_blank(&ops, OPS_DIM(7, 3, 33));
    double *want = ops_want(&ops, &out);
    for (int64_t i = 0; i < tensor_count(&out); i++)
        want[i] =
            (double)*ops_at(&table, i / 99, i % 33, 0, 0) + *ops_at(&t, i / 33 % 3, i % 33, 0, 0);
    cr_assert_eq(op_add_outer(ops.q, &out, &table, &t), ST_OK);
    ops_near(&ops, "add", &out, want);
    ops_close(&ops);
}

Test(pointwise, timestep)
{
    for (int round = 0; round < 4; round++) {
        struct ops ops;
        ops_open(&ops, 1, (uint64_t)round);
        float freq_shift = (float)(round % 2);
        int width = round < 2 ? 256 : 2 * ops_pick(&ops, 2, 70);
        struct tensor t = ops_random(&ops, 1000.0f, OPS_DIM(5)),
                      out = ops_blank(&ops, OPS_DIM(5, width));
        double *want = ops_want(&ops, &out);
        for (int b = 0; b < 5; b++) {
            for (int i = 0; i < width / 2; i++) {
                double phase =
                    *ops_at(&t, b, 0, 0, 0) * pow(10000.0, -i / (width / 2 - (double)freq_shift));
                want[b * width + i] = cos(phase);
                want[b * width + width / 2 + i] = sin(phase);
            }
        }
        cr_assert_eq(op_timestep(ops.q, &out, &t, freq_shift), ST_OK);
        ops_near(&ops, "timestep", &out, want);
        ops_close(&ops);
    }
}

/* Tokens of a 3 x 6 x 4 latent in patches of 2: each element is the number of its pixel, from
 * whichever token one starts. */
Test(pointwise, random_normal)
{
    const struct latent_geometry g = {.channels = 3, .height = 6, .width = 4, .patch = 2};
    for (int first = 0; first < 6; first++) {
        struct ops ops;
        ops_open(&ops, 2, 1);
        struct tensor out = ops_blank(&ops, OPS_DIM(6 - first, 12));
        cr_assert_eq(op_random_normal(ops.q, &out, &g, first, 42, 7), ST_OK);
        for (int token = first; token < 6; token++) {
            for (int k = 0; k < 12; k++) {
                int c = k / 4, y = token / 2 * 2 + k / 2 % 2, x = token % 2 * 2 + k % 2;
                cr_assert_eq(*ops_at(&out, token - first, k, 0, 0),
                             rng_normal(42, 7, (uint64_t)((c * 6 + y) * 4 + x)));
            }
        }
        ops_close(&ops);
    }
}

/* The frames of a video [3, 5, 6, 4]; a video of one frame is an image. */
Test(pointwise, random_normal_of_frames)
{
    struct latent_geometry g = {.channels = 3, .height = 6, .width = 4, .patch = 2, .frames = 5};
    struct latent_geometry image = {.channels = 3, .height = 6, .width = 4, .patch = 2};
    struct ops ops;
    ops_open(&ops, 2, 1);
    struct tensor out = ops_blank(&ops, OPS_DIM(4, 12)), still = ops_blank(&ops, OPS_DIM(4, 12));
    for (g.frame = 0; g.frame < g.frames; g.frame++) {
        cr_assert_eq(op_random_normal(ops.q, &out, &g, 1, 42, 7), ST_OK);
        for (int i = 0; i < 4 * 12; i++) {
            int token = 1 + i / 12, k = i % 12, c = k / 4;
            int y = token / 2 * 2 + k / 2 % 2, x = token % 2 * 2 + k % 2;
            cr_assert_eq(*ops_at(&out, i / 12, k, 0, 0),
                         rng_normal(42, 7, (uint64_t)(((c * 5 + g.frame) * 6 + y) * 4 + x)));
        }
    }
    g.frames = 1;
    g.frame = 0;
    cr_assert_eq(op_random_normal(ops.q, &out, &g, 1, 42, 7), ST_OK);
    cr_assert_eq(op_random_normal(ops.q, &still, &image, 1, 42, 7), ST_OK);
    for (int i = 0; i < 4 * 12; i++)
        cr_assert_eq(*ops_at(&out, i / 12, i % 12, 0, 0), *ops_at(&still, i / 12, i % 12, 0, 0));
    ops_close(&ops);
}
