/* SPDX-License-Identifier: Apache-2.0 */
/* op_linear of fp32 rows with bf16 and fp16 weights against sums in double. */
#include "tests/cuda/gpu.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

struct operands {
    struct gpu_tensor *x, *w, *bias, *y;
};

static double want_at(const struct operands *o, int64_t row, int64_t column, enum act act)
{
    int64_t in = o->w->t.dim[1];
    double sum = o->bias ? o->bias->value[column] : 0.0;
    for (int64_t k = 0; k < in; k++)
        sum += (double)o->x->value[row * in + k] * o->w->value[column * in + k];
    return act == ACT_SILU ? sum / (1.0 + exp(-sum)) : sum;
}

/* lanes 0: two axes. */
static void check(struct gpu *gpu, enum dtype dtype, int lanes, int rows, int in, int out,
                  bool bias, enum act act)
{
    int64_t x[3] = {lanes, rows, in}, y[3] = {lanes, rows, out};
    int skip = lanes == 0;
    struct operands o = {
        .x = gpu_random(gpu, DTYPE_F32, 1.0f, 3 - skip, x + skip),
        .w = gpu_random(gpu, dtype, 1.0f, GPU_DIM(out, in)),
        .bias = bias ? gpu_random(gpu, dtype, 1.0f, GPU_DIM(out)) : NULL,
        .y = gpu_blank(gpu, DTYPE_F32, 3 - skip, y + skip),
    };
    int64_t count = tensor_count(&o.y->t);
    double *want = malloc((size_t)(count + 1) * sizeof(*want));
    for (int64_t i = 0; i < count; i++)
        want[i] = want_at(&o, i / out, i % out, act);
    OK(op_linear(gpu->q, &o.y->t, &o.x->t, &o.w->t, bias ? &o.bias->t : NULL, act));
    const char *name = act == ACT_NONE ? "linear" : "linear+act";
    /* a lane adds in/32 products one after the other: their rounding grows with the root of that,
     * from 9e-7 at the bound's 10240 columns */
    gpu_near_by(gpu, name, o.y, want,
                gpu_bound(name, DTYPE_F32) * (in > 10240 ? sqrt(in / 10240.0) : 1.0));
    free(want);
    gpu_forget(gpu);
}

/* Rows of one group and of several, lengths that are multiples of eight and others, features that
 * end within a warp's. */
static void test_random_shapes(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 71);
    for (int round = 0; round < 96; round++) {
        int lanes = round % 3 ? 0 : gpu_pick(&gpu, 1, 3);
        int rows = gpu_pick(&gpu, 1, round % 4 ? 9 : 40);
        int in = round % 8 < 6 ? 8 * gpu_pick(&gpu, 1, 100) : gpu_pick(&gpu, 1, 300);
        check(&gpu, gpu_dtype(1 + round % 2), lanes, rows, in, gpu_pick(&gpu, 1, 300),
              gpu_pick(&gpu, 0, 1), round / 2 % 2 ? ACT_SILU : ACT_NONE);
    }
    gpu_close(&gpu);
}

/* Every number of rows to three groups; lengths around a warp's step of 256 columns. */
static void test_every_row_count(void)
{
    static const int lengths[] = {8, 248, 256, 264, 512, 1152};
    struct gpu gpu;
    gpu_open(&gpu, 72);
    for (int rows = 1; rows <= 18; rows++)
        for (int i = 0; i < 6; i++)
            check(&gpu, gpu_dtype(1 + (rows + i) % 2), 0, rows, lengths[i], 37, i % 2, ACT_NONE);
    gpu_close(&gpu);
}

/* Rows that are too long for shared memory eight, two, or even one at a time. */
static void test_long_rows(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 73);
    for (int i = 0; i < 6; i++)
        check(&gpu, gpu_dtype(1 + i % 2), 0, 9,
              i < 2   ? 10240
              : i < 4 ? 32768
                      : 60000,
              5, true, ACT_NONE);
    gpu_close(&gpu);
}

/* Some elements at the sizes of models: the vectors of a block, and of all blocks in one call, so
 * that blocks of the GPU take several turns. Twice, to the same bits. */
static void model_shape(struct gpu *gpu, enum dtype dtype, int rows, int in, int out, enum act act)
{
    enum { SAMPLES = 3000 };
    struct operands o = {
        .x = gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(rows, in)),
        .w = gpu_dense(gpu, dtype, 0.1f, GPU_DIM(out, in)),
        .bias = gpu_dense(gpu, dtype, 1.0f, GPU_DIM(out)),
        .y = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(rows, out)),
    };
    float got[SAMPLES];
    double want[SAMPLES];
    float *run[2];
    for (int i = 0; i < 2; i++) {
        OK(op_fill(gpu->q, &o.y->t, NAN));
        OK(op_linear(gpu->q, &o.y->t, &o.x->t, &o.w->t, &o.bias->t, act));
        run[i] = gpu_read(gpu, &o.y->t);
    }
    CHECK(near_equal("linear", run[1], run[0], (int64_t)rows * out), "other bits");
    for (int k = 0; k < SAMPLES; k++) {
        int64_t row = gpu_pick(gpu, 0, rows - 1);
        int64_t column = k < 8 ? out - 1 - k : gpu_pick(gpu, 0, out - 1);
        got[k] = run[0][row * out + column];
        want[k] = want_at(&o, row, column, act);
    }
    CHECK(near_doubles("linear", got, want, SAMPLES, gpu_bound("linear+act", DTYPE_F32)),
          "%d x %d x %d in %s", rows, out, in, dtype_name(dtype));
    free(run[0]);
    free(run[1]);
    gpu_forget(gpu);
}

static void test_model_shapes(void)
{
    static const int shapes[][3] = {{2, 1152, 6912},  {8, 1536, 9216},  {1, 256, 3072},
                                    {4, 3072, 18432}, {24, 1408, 1408}, {64, 1152, 6912}};
    struct gpu gpu;
    gpu_open(&gpu, 74);
    for (int i = 0; i < 12; i++) {
        const int *s = shapes[i / 2];
        model_shape(&gpu, gpu_dtype(1 + i % 2), s[0], s[1], s[2], i % 4 < 2 ? ACT_NONE : ACT_SILU);
    }
    gpu_close(&gpu);
}

/* x the rows of a wider tensor at an odd place, w some rows of a larger one, y some columns of a
 * wider tensor; the rest of y stays as it was. */
static void test_slices(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 75);
    for (int round = 0; round < 8; round++) {
        enum dtype dtype = gpu_dtype(1 + round % 2);
        int at = round / 2 % 2 ? 4 : 3, rows = 1 + 3 * (round / 4);
        struct gpu_tensor *wide = gpu_dense(&gpu, DTYPE_F32, 1.0f, GPU_DIM(rows, 320));
        struct gpu_tensor *tall = gpu_dense(&gpu, dtype, 1.0f, GPU_DIM(90, 312));
        struct gpu_tensor *joint = gpu_dense(&gpu, DTYPE_F32, 2.0f, GPU_DIM(rows, 100));
        struct tensor x = tensor_slice(&wide->t, 1, at, 312);
        struct tensor w = tensor_slice(&tall->t, 0, 13, 70);
        struct tensor y = tensor_slice(&joint->t, 1, 7, 70);
        double *want = malloc((size_t)rows * 100 * sizeof(*want));
        for (int i = 0; i < rows * 100; i++) {
            int row = i / 100, column = i % 100 - 7;
            want[i] = column < 0 || column >= 70 ? joint->value[i] : 0.0;
            for (int k = 0; k < 312 && column >= 0 && column < 70; k++)
                want[i] +=
                    (double)wide->value[row * 320 + at + k] * tall->value[(13 + column) * 312 + k];
        }
        OK(op_linear(gpu.q, &y, &x, &w, NULL, ACT_NONE));
        gpu_near(&gpu, "linear", joint, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_linear_rows[] = {
    {"linear_rows/random", test_random_shapes},
    {"linear_rows/every_row_count", test_every_row_count},
    {"linear_rows/long_rows", test_long_rows},
    {"linear_rows/model_shapes", test_model_shapes},
    {"linear_rows/slices", test_slices},
    {NULL, NULL},
};
