/* SPDX-License-Identifier: Apache-2.0 */
/* op_attention, by each kernel that can compute it, and op_merge against double. */
#include "tests/cuda/attention.h"

#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(struct gpu *gpu, enum dtype dtype, struct attention_shape s, const int *count,
                  bool lse, float size, float scale)
{
    struct attention_operands p = attention_make(gpu, dtype, s, size);
    size_t rows = (size_t)s.lanes * (size_t)s.rows * (size_t)s.heads;
    double *o = malloc((rows * (size_t)s.width + 1) * sizeof(*o));
    double *lse_want = malloc((rows + 1) * sizeof(*lse_want));
    attention_want(&p, count, (double)scale, o, lse_want);
    if (count)
        attention_poison(gpu, &p, count);
    OK(op_attention(gpu->q, &p.o->t, lse ? &p.lse->t : NULL, &p.q->t, &p.k->t, &p.v->t, count,
                    scale));
    gpu_near(gpu, "attention", p.o, o);
    if (lse)
        gpu_near(gpu, "lse", p.lse, lse_want);
    else
        gpu_untouched(gpu, "attention", p.o);
    free(o);
    free(lse_want);
    gpu_forget(gpu);
}

static void random_shapes(const char *kernel, uint64_t seed)
{
    static const int widths[] = {256, 11, 160};
    struct gpu gpu;
    setenv("DITBENCH_ATTENTION", kernel, 1);
    gpu_open(&gpu, seed);
    for (int round = 0; round < 105; round++) {
        int width = round / 3; // every multiple of 4 to 128, in each dtype
        struct attention_shape s = {
            .lanes = gpu_pick(&gpu, 1, 3),
            .rows = gpu_pick(&gpu, 1, 200),
            .keys = gpu_pick(&gpu, 1, 200),
            .heads = gpu_pick(&gpu, 1, 4),
            .width = width < 32 ? 4 + 4 * width : widths[width - 32],
        };
        int count[3];
        for (int b = 0; b < 3; b++)
            count[b] = gpu_pick(&gpu, 1, s.keys);
        check(&gpu, gpu_dtype(round), s, round % 4 == 3 ? count : NULL, round % 3 < 2, 1.5f,
              1.0f / sqrtf((float)s.width));
    }
    gpu_close(&gpu);
}

static void test_few(void)
{
    random_shapes("few", 40);
}

/* As a program takes them that chooses nothing. */
static void test_any(void)
{
    random_shapes("", 39);
}

static void test_cudnn(void)
{
    random_shapes("cudnn", 41);
}

static void test_flash(void)
{
    random_shapes("flash", 42);
}

static void test_plain(void)
{
    random_shapes("plain", 43);
}

static void check_hopper(struct gpu *gpu, enum dtype dtype, struct attention_shape s, float size,
                         float scale)
{
    struct attention_operands p = {
        .q = attention_part(gpu, dtype, size, s.rows, &s),
        .k = attention_part(gpu, dtype, size, s.keys, &s),
        .v = attention_part(gpu, dtype, 1.0f, s.keys, &s),
        .o = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads, s.width)),
        .lse = gpu_blank(gpu, DTYPE_F32, GPU_DIM(s.lanes, s.rows, s.heads)),
        .s = s,
    };
    size_t rows = (size_t)s.lanes * (size_t)s.rows * (size_t)s.heads;
    double *o = malloc(rows * (size_t)s.width * sizeof(*o));
    double *lse = malloc(rows * sizeof(*lse));
    attention_want(&p, NULL, (double)scale, o, lse);
    OK(op_fill(gpu->q, &p.o->t, NAN));
    OK(op_attention(gpu->q, &p.o->t, &p.lse->t, &p.q->t, &p.k->t, &p.v->t, NULL, scale));
    gpu_near(gpu, "attention", p.o, o);
    gpu_near(gpu, "lse", p.lse, lse);
    free(o);
    free(lse);
    gpu_forget(gpu);
}

/* Keys of a few tiles to many, rows that end within a block; scores of one size, and such that
 * outgrow the first tile's by far. More pieces than an H200 has multiprocessors are in model_shape.
 */
static void hopper_shapes(int width, int rounds, int most_rows, int most_heads)
{
    struct gpu gpu;
    setenv("DITBENCH_ATTENTION", "hopper", 1);
    gpu_open(&gpu, 49);
    for (int round = 0; round < rounds; round++) {
        struct attention_shape s = {
            .lanes = gpu_pick(&gpu, 1, 3),
            .rows = gpu_pick(&gpu, 1, most_rows),
            .keys = gpu_pick(&gpu, 256, round % 2 ? 400 : 900),
            .heads = gpu_pick(&gpu, 1, most_heads),
            .width = width,
        };
        float size = round / 2 % 3 == 2 ? 6.0f : 1.5f;
        check_hopper(&gpu, gpu_dtype(1 + round % 2), s, size, 1.0f / sqrtf((float)width));
    }
    gpu_close(&gpu);
}

static void test_hopper_64(void)
{
    hopper_shapes(64, 24, 600, 6);
}

static void test_hopper_72(void)
{
    hopper_shapes(72, 24, 600, 6);
}

static void test_hopper_88(void)
{
    hopper_shapes(88, 24, 600, 6);
}

static void test_hopper_128(void)
{
    hopper_shapes(128, 24, 600, 6);
}

static void test_hopper_small(void)
{
    hopper_shapes(64, 4, 150, 2);
    hopper_shapes(72, 4, 150, 2);
    hopper_shapes(88, 4, 150, 2);
    hopper_shapes(128, 4, 150, 2);
}

/* Each of our kernels on little, for tools that follow every access: more than one tile and block,
 * rows and keys that end within one. */
static void test_small(void)
{
    static const char *const kernels[] = {"few", "flash", "plain"};
    static const struct attention_shape shapes[] = {
        {2, 40, 70, 2, 72}, {1, 130, 33, 1, 128}, {1, 20, 40, 1, 256}};
    for (int k = 0; k < 3; k++) {
        struct gpu gpu;
        setenv("DITBENCH_ATTENTION", kernels[k], 1);
        gpu_open(&gpu, 48);
        for (int i = 0; i < 12; i++) // half of them aligned
            check(&gpu, gpu_dtype(1 + i % 2), shapes[i % 3], NULL, i % 4 < 2, 1.5f, 0.1f);
        gpu_close(&gpu);
    }
}

/* Without a key a row is 0 and its log-sum-exp minus infinity; many lanes; counts of long texts. */
static void test_counts(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 44);
    for (int i = 0; i < 3; i++) {
        check(&gpu, gpu_dtype(i), (struct attention_shape){2, 5, 0, 3, 16}, NULL, true, 1.0f, 0.5f);
        check(&gpu, gpu_dtype(i), (struct attention_shape){2, 5, 7, 3, 16}, (int[]){0, 7}, true,
              1.0f, 0.5f);
        check(&gpu, gpu_dtype(i), (struct attention_shape){3, 9, 700, 2, 72}, (int[]){601, 601, 12},
              true, 1.0f, 0.2f);
        int many[70];
        for (int b = 0; b < 70; b++)
            many[b] = 1 + b % 20;
        check(&gpu, gpu_dtype(i), (struct attention_shape){70, 3, 20, 1, 24}, many, true, 1.0f,
              0.3f);
    }
    gpu_close(&gpu);
}

/* Scores in the hundreds, growing and shrinking from tile to tile: the maximum matters. */
static void large_scores(const char *kernel)
{
    struct gpu gpu;
    setenv("DITBENCH_ATTENTION", kernel, 1);
    gpu_open(&gpu, 45);
    for (int i = 0; i < 3; i++) {
        struct attention_operands p =
            attention_make(&gpu, gpu_dtype(i), (struct attention_shape){1, 33, 600, 2, 64}, 3.0f);
        OK(op_attention(gpu.q, &p.o->t, NULL, &p.q->t, &p.k->t, &p.v->t, NULL, 1.0f));
        float *got = gpu_read(&gpu, &p.o->t);
        for (int row = 0; row < 33; row++) {
            double want[64];
            attention_row(&p, 0, row, 1, 600, 1.0, want);
            for (int d = 0; d < 64; d++) // a score's rounding, 3e-5, and the dtype's
                CHECK(fabs(got[(row * 2 + 1) * 64 + d] - want[d]) < (i ? 8e-3 : 5e-4),
                      "%s row %d: %g instead of %g", kernel, row,
                      (double)got[(row * 2 + 1) * 64 + d], want[d]);
        }
        free(got);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

static void test_large_scores(void)
{
    large_scores("cudnn");
    large_scores("few");
    large_scores("flash");
    large_scores("plain");
}

/* Views of one product [B, N, 3C], as the model has them, at the size of 1024 px: some rows. */
static void model_shape(const char *kernel, enum dtype dtype, int width)
{
    struct gpu gpu;
    struct attention_shape s = {2, 4096, 4096, 6, width};
    int64_t C = (int64_t)s.heads * s.width;
    setenv("DITBENCH_ATTENTION", kernel, 1);
    gpu_open(&gpu, 46);
    struct gpu_tensor *qkv = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, s.rows, 3 * C));
    struct gpu_tensor *o = gpu_dense(&gpu, dtype, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads, s.width));
    struct gpu_tensor *lse = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads));
    struct gpu_tensor part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = *qkv;
        part[i].t = tensor_slice(&qkv->t, 2, i * C, C);
        part[i].t = tensor_split(&part[i].t, 2, s.heads, s.width);
        part[i].value = gpu_read(&gpu, &part[i].t);
    }
    float scale = 1.0f / sqrtf((float)s.width);
    OK(op_attention(gpu.q, &o->t, &lse->t, &part[0].t, &part[1].t, &part[2].t, NULL, scale));
    struct attention_operands p = {&part[0], &part[1], &part[2], o, lse, s};
    float *all = gpu_read(&gpu, &o->t), *all_lse = gpu_read(&gpu, &lse->t);
    for (int n = 0; n < 60; n++) {
        int lane = n % 2, row = n < 2 ? 4095 : gpu_pick(&gpu, 0, 4095), head = n / 2 % s.heads;
        int64_t at = ((int64_t)lane * s.rows + row) * s.heads + head;
        double want[128];
        double want_lse = attention_row(&p, lane, row, head, s.keys, (double)scale, want);
        CHECK(near_doubles("attention", all + at * s.width, want, s.width,
                           1.5 * gpu_bound("attention", dtype)),
              "%s, lane %d row %d head %d", kernel, lane, row, head);
        CHECK(fabs(all_lse[at] - want_lse) < 3e-5, "%s lse %g, not %g", kernel, (double)all_lse[at],
              want_lse);
    }
    for (int i = 0; i < 3; i++)
        free(part[i].value);
    free(all);
    free(all_lse);
    gpu_close(&gpu);
}

static void test_model_shape(void)
{
    static const int widths[] = {64, 72, 88, 128};
    for (int i = 0; i < 4; i++) {
        model_shape("", DTYPE_BF16, widths[i]);
        model_shape("", DTYPE_F16, widths[i]);
    }
}

static void test_model_shape_by_others(void)
{
    model_shape("cudnn", DTYPE_BF16, 72);
    model_shape("cudnn", DTYPE_F16, 88);
    model_shape("cudnn", DTYPE_BF16, 128);
    model_shape("flash", DTYPE_BF16, 72);
    model_shape("flash", DTYPE_F16, 88);
    model_shape("cudnn", DTYPE_F32, 72);
}

/* Parts of the keys, merged one after the other, are the attention over all of them. */
static void test_merge(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 47);
    for (int round = 0; round < 15; round++) {
        enum dtype dtype = gpu_dtype(round);
        struct attention_shape s = {2, gpu_pick(&gpu, 1, 50), 90, 3, round % 2 ? 72 : 13};
        float scale = 1.0f / sqrtf((float)s.width);
        struct attention_operands p = attention_make(&gpu, dtype, s, 1.5f);
        struct gpu_tensor *o2 = gpu_blank(&gpu, dtype, GPU_DIM(s.lanes, s.rows, s.heads, s.width));
        struct gpu_tensor *lse2 = gpu_blank(&gpu, DTYPE_F32, GPU_DIM(s.lanes, s.rows, s.heads));
        int cut[] = {0, round % 3 ? 40 : 0, 40, 90}; // the first part may be empty
        for (int i = 0; i < 3; i++) {
            struct tensor k = tensor_slice(&p.k->t, 1, cut[i], cut[i + 1] - cut[i]);
            struct tensor v = tensor_slice(&p.v->t, 1, cut[i], cut[i + 1] - cut[i]);
            OK(op_attention(gpu.q, i ? &o2->t : &p.o->t, i ? &lse2->t : &p.lse->t, &p.q->t, &k, &v,
                            NULL, scale));
            if (i)
                OK(op_merge(gpu.q, &p.o->t, &p.lse->t, &o2->t, &lse2->t));
        }
        size_t rows = (size_t)s.lanes * (size_t)s.rows * (size_t)s.heads;
        double *o = malloc(rows * (size_t)s.width * sizeof(*o));
        double *lse = malloc(rows * sizeof(*lse));
        attention_want(&p, NULL, (double)scale, o, lse);
        gpu_near(&gpu, "attention", p.o, o);
        gpu_near(&gpu, "lse", p.lse, lse);
        free(o);
        free(lse);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_attention[] = {
    {"attention/any", test_any},
    {"attention/few", test_few},
    {"attention/cudnn", test_cudnn},
    {"attention/flash", test_flash},
    {"attention/plain", test_plain},
    {"attention/hopper_64", test_hopper_64},
    {"attention/hopper_72", test_hopper_72},
    {"attention/hopper_88", test_hopper_88},
    {"attention/hopper_128", test_hopper_128},
    {"attention/tiles_hopper", test_hopper_small},
    {"attention/small", test_small},
    {"attention/counts", test_counts},
    {"attention/large_scores", test_large_scores},
    {"attention/model_shape", test_model_shape},
    {"attention/model_shape_by_others", test_model_shape_by_others},
    {"attention/merge", test_merge},
    {NULL, NULL},
};
