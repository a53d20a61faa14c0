/* SPDX-License-Identifier: Apache-2.0 */
/* op_qk_norm_rope against double: views of products, three dtypes, widths with and without vectors.
 */
#include "tests/cuda/gpu.h"

#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

enum form { RMS = 1, LAYER = 2, WEIGHT = 4, BIAS = 8, ROPE = 16 };

struct operands {
    int lanes, rows, heads, width;
    struct gpu_tensor *qkv, *weight[2], *bias[2], *rope; /* of query, of key */
    struct tensor x[3];
};

static struct operands make(struct gpu *gpu, enum dtype dtype, int rows, int heads, int width,
                            bool dense)
{
    struct operands o = {
        .lanes = gpu_pick(gpu, 1, 3), .rows = rows, .heads = heads, .width = width};
    int64_t all = (int64_t)heads * width;
    o.qkv = dense ? gpu_dense(gpu, dtype, 2.0f, GPU_DIM(o.lanes, o.rows, 3 * all))
                  : gpu_random(gpu, dtype, 2.0f, GPU_DIM(o.lanes, o.rows, 3 * all));
    for (int i = 0; i < 3; i++) {
        o.x[i] = tensor_slice(&o.qkv->t, 2, i * all, all);
        o.x[i] = tensor_split(&o.x[i], 2, heads, width);
    }
    for (int i = 0; i < 2; i++) {
        o.weight[i] = gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(width));
        o.bias[i] = gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(width));
    }
    o.rope = gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(o.rows, width));
    return o;
}

/* One head of query (which 0) or key (1), in double. */
static void want_head(const struct operands *o, int which, int form, int64_t row, const float *x,
                      double *out)
{
    int width = o->width;
    bool normed = form & (RMS | LAYER);
    const float *turn = o->rope->value + row * width;
    double mean = 0.0, squares = 0.0;
    for (int d = 0; d < width; d++)
        mean += (form & LAYER) ? (double)x[d] / width : 0.0;
    for (int d = 0; d < width; d++)
        squares += (x[d] - mean) * (x[d] - mean) / width;
    for (int d = 0; d < width; d++) {
        out[d] = normed ? (x[d] - mean) / sqrt(squares + 1e-6) : (double)x[d];
        if (normed && (form & WEIGHT))
            out[d] *= o->weight[which]->value[d];
        if ((form & LAYER) && (form & BIAS))
            out[d] += o->bias[which]->value[d];
    }
    for (int d = 0; (form & ROPE) && d < width; d += 2) {
        double a = out[d], b = out[d + 1];
        out[d] = a * turn[d] - b * turn[d + 1];
        out[d + 1] = a * turn[d + 1] + b * turn[d];
    }
}

/* `parts`: 1 the query, 2 the key, 3 both; the product's other parts stay as they were. */
static void check(struct gpu *gpu, const struct operands *o, int form, int parts)
{
    int64_t all = (int64_t)o->heads * o->width, rows = (int64_t)o->lanes * o->rows;
    double *want = malloc((size_t)(rows * 3 * all) * sizeof(*want));
    for (int64_t i = 0; i < rows * 3 * o->heads; i++) {
        int which = (int)(i / o->heads % 3);
        want_head(o, which == 1, which < 2 && (parts & (1 << which)) ? form : 0,
                  i / o->heads / 3 % o->rows, o->qkv->value + i * o->width, want + i * o->width);
    }
    const struct qk_norm norm = {
        .centred = form & LAYER,
        .q_weight = form & WEIGHT ? &o->weight[0]->t : NULL,
        .q_bias = form & BIAS ? &o->bias[0]->t : NULL,
        .k_weight = form & WEIGHT ? &o->weight[1]->t : NULL,
        .k_bias = form & BIAS ? &o->bias[1]->t : NULL,
        .eps = 1e-6f,
    };
    struct tensor q = o->x[0], k = o->x[1];
    OK(op_qk_norm_rope(gpu->q, parts & 1 ? &q : NULL, parts & 2 ? &k : NULL,
                       form & (RMS | LAYER) ? &norm : NULL, form & ROPE ? &o->rope->t : NULL));
    gpu_near(gpu, "qk_norm_rope", o->qkv, want);
    free(want);
}

static void test_every_form(void)
{
    static const int widths[] = {4, 8, 12, 24, 44, 64, 72, 88, 128, 136};
    static const int odd[] = {3, 11, 65};
    static const int forms[] = {RMS | WEIGHT,
                                LAYER | WEIGHT | BIAS,
                                ROPE,
                                RMS | WEIGHT | ROPE,
                                LAYER | WEIGHT | BIAS | ROPE,
                                RMS,
                                LAYER | ROPE,
                                0};
    struct gpu gpu;
    gpu_open(&gpu, 61);
    for (int round = 0; round < 240; round++) {
        struct operands o = make(&gpu, gpu_dtype(round), gpu_pick(&gpu, 1, 30),
                                 gpu_pick(&gpu, 1, 9), widths[round / 3 % 10], round / 3 % 2);
        check(&gpu, &o, forms[round / 30], 1 + round / 2 % 3);
        gpu_forget(&gpu);
    }
    for (int round = 0; round < 18; round++) { // which are not rotated
        struct operands o = make(&gpu, gpu_dtype(round), 7, 5, odd[round / 6], false);
        check(&gpu, &o, round % 2 ? LAYER | WEIGHT | BIAS : RMS | WEIGHT, 3);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* The heads of SD3, SD3.5-large, FLUX and HunyuanDiT, more than a thread has on its way at a time.
 */
static void test_model_shapes(void)
{
    static const int shapes[][2] = {{24, 64}, {38, 64}, {24, 128}, {16, 88}, {67, 128}};
    struct gpu gpu;
    gpu_open(&gpu, 62);
    for (int round = 0; round < 30; round++) {
        const int *s = shapes[round / 6];
        struct operands o = make(&gpu, gpu_dtype(round), gpu_pick(&gpu, 1, 30), s[0], s[1], true);
        int form = s[1] == 88 ? LAYER | WEIGHT | BIAS | ROPE : RMS | WEIGHT | ROPE;
        check(&gpu, &o, round % 2 ? form : form & ~ROPE, 1 + round / 2 % 3);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* More rows than an H200 has warps at work, so that each warp takes several. */
static void test_many_rows(void)
{
    static const int shapes[][2] = {{16, 88}, {9, 72}, {3, 96}, {1, 80}};
    struct gpu gpu;
    gpu_open(&gpu, 63);
    for (int round = 0; round < 12; round++) {
        const int *s = shapes[round / 3];
        struct operands o = make(&gpu, gpu_dtype(round), 3000 + round, s[0], s[1], true);
        check(&gpu, &o, LAYER | WEIGHT | BIAS | (round % 4 ? ROPE : 0), 3 - round % 2);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_qk_norm[] = {
    {"qk_norm/every_form", test_every_form},
    {"qk_norm/model_shapes", test_model_shapes},
    {"qk_norm/many_rows", test_many_rows},
    {NULL, NULL},
};
