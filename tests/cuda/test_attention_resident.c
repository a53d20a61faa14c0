/* SPDX-License-Identifier: Apache-2.0 */
/* op_attention of many queries on few keys, as text has them, aligned as the kernel for them on
 * Hopper wants it. */
#include "tests/cuda/attention.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

static void check(struct gpu *gpu, enum dtype dtype, struct attention_shape s, const int *count,
                  float size)
{
    struct attention_operands p = attention_apart(gpu, dtype, s, size);
    size_t rows = (size_t)s.lanes * (size_t)s.rows * (size_t)s.heads;
    double *o = malloc(rows * (size_t)s.width * sizeof(*o));
    double *lse = malloc(rows * sizeof(*lse));
    double scale = 1.0 / sqrt(s.width);
    attention_want(&p, count, scale, o, lse);
    if (count)
        attention_poison(gpu, &p, count);
    OK(op_attention(gpu->q, &p.o->t, &p.lse->t, &p.q->t, &p.k->t, &p.v->t, count, (float)scale));
    gpu_near(gpu, "attention", p.o, o);
    gpu_near(gpu, "lse", p.lse, lse);
    free(o);
    free(lse);
    gpu_forget(gpu);
}

/* Keys of one tile to many, in lanes of equal and of different counts; rows that end within a
 * tile. */
static void random_shapes(int width)
{
    struct gpu gpu;
    gpu_open(&gpu, 91);
    for (int round = 0; round < 40; round++) {
        struct attention_shape s = {
            .lanes = gpu_pick(&gpu, 1, 3),
            .rows = gpu_pick(&gpu, 17, 600),
            .keys = gpu_pick(&gpu, 1, round % 2 ? 140 : 380),
            .heads = gpu_pick(&gpu, 1, 5),
            .width = width,
        };
        int count[3];
        for (int b = 0; b < 3; b++)
            count[b] = gpu_pick(&gpu, round % 8 == 2 ? 0 : 1, s.keys);
        check(&gpu, gpu_dtype(1 + round / 2 % 2), s, round % 4 >= 2 ? count : NULL,
              round / 4 % 3 == 2 ? 6.0f : 1.5f);
    }
    gpu_close(&gpu);
}

static void test_64(void)
{
    random_shapes(64);
}

static void test_72(void)
{
    random_shapes(72);
}

static void test_88(void)
{
    random_shapes(88);
}

/* Counts around the sizes of tiles, alone and beside lanes that have few. */
static void test_every_tile(void)
{
    static const int keys[] = {1,   16,  47,  48,  49,  79,  80,  81,  95,  96,
                               97,  127, 128, 129, 143, 144, 145, 176, 177, 224,
                               256, 300, 320, 333, 336, 337, 368, 512};
    static const int widths[] = {64, 72, 88};
    struct gpu gpu;
    gpu_open(&gpu, 92);
    for (int i = 0; i < 28; i++) {
        for (int w = 0; w < 3; w++) {
            struct attention_shape s = {2, 70, keys[i], 2, widths[w]};
            const int count[] = {keys[i], 1 + keys[i] / 3};
            check(&gpu, gpu_dtype(1 + (i + w) % 2), s, NULL, 1.5f);
            check(&gpu, gpu_dtype(1 + (i + w) % 2), s, count, 1.5f);
        }
    }
    gpu_close(&gpu);
}

/* So many heads that a block has all of a head's queries, and each of its buffers is used again and
 * again: three of them, two, and two where there are three teams. */
static void test_many_tiles(void)
{
    static const struct attention_shape shapes[] = {
        {8, 1100, 40, 16, 72}, {8, 1100, 150, 17, 64}, {5, 700, 333, 16, 88}};
    struct gpu gpu;
    gpu_open(&gpu, 93);
    for (int i = 0; i < 3; i++)
        check(&gpu, gpu_dtype(1 + i % 2), shapes[i], NULL, 1.5f);
    gpu_close(&gpu);
}

/* Queries of their own, keys and values views of one product [B, T, 2C], at the sizes of PixArt and
 * HunyuanDiT at 1024 px: some rows. */
static void model_shape(enum dtype dtype, int heads, int width, int keys, const int *count)
{
    struct gpu gpu;
    struct attention_shape s = {2, 4096, keys, heads, width};
    int64_t C = (int64_t)heads * width;
    float scale = 1.0f / sqrtf((float)width);
    gpu_open(&gpu, 94);
    struct gpu_tensor *q = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, s.rows, heads, width));
    struct gpu_tensor *kv = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, keys, 2 * C));
    struct gpu_tensor *o = gpu_dense(&gpu, dtype, 0.0f, GPU_DIM(s.lanes, s.rows, heads, width));
    struct gpu_tensor part[2] = {*kv, *kv};
    for (int i = 0; i < 2; i++) {
        part[i].t = tensor_slice(&kv->t, 2, i * C, C);
        part[i].t = tensor_split(&part[i].t, 2, heads, width);
        part[i].value = gpu_read(&gpu, &part[i].t);
    }
    struct attention_operands p = {q, &part[0], &part[1], o, NULL, s};
    OK(op_attention(gpu.q, &o->t, NULL, &q->t, &part[0].t, &part[1].t, count, scale));
    float *all = gpu_read(&gpu, &o->t);
    for (int n = 0; n < 200; n++) {
        int lane = n % 2, row = n < 2 ? 4095 : gpu_pick(&gpu, 0, 4095), head = n / 2 % heads;
        int64_t at = ((int64_t)lane * s.rows + row) * heads + head;
        double want[128];
        attention_row(&p, lane, row, head, count ? count[lane] : keys, (double)scale, want);
        CHECK(near_doubles("attention", all + at * width, want, width,
                           1.5 * gpu_bound("attention", dtype)),
              "lane %d row %d head %d", lane, row, head);
    }
    free(part[0].value);
    free(part[1].value);
    free(all);
    gpu_close(&gpu);
}

static void test_model_shapes(void)
{
    for (int i = 1; i < 3; i++) {
        model_shape(gpu_dtype(i), 16, 72, 120, NULL);
        model_shape(gpu_dtype(i), 16, 72, 120, (int[]){20, 77});
        model_shape(gpu_dtype(i), 16, 72, 300, NULL);
        model_shape(gpu_dtype(i), 16, 88, 333, NULL);
        model_shape(gpu_dtype(i), 16, 88, 333, (int[]){333, 41});
    }
}

/* On little, for tools that follow every access. */
static void test_small(void)
{
    static const int widths[] = {64, 72, 88};
    struct gpu gpu;
    gpu_open(&gpu, 95);
    for (int i = 0; i < 6; i++) {
        struct attention_shape s = {2, 150, i % 2 ? 150 : 60, 2, widths[i / 2]};
        const int count[] = {s.keys, 33};
        check(&gpu, gpu_dtype(1 + i % 2), s, i % 2 ? count : NULL, 1.5f);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_attention_resident[] = {
    {"attention/resident_64", test_64},
    {"attention/resident_72", test_72},
    {"attention/resident_88", test_88},
    {"attention/resident_every_tile", test_every_tile},
    {"attention/resident_many_tiles", test_many_tiles},
    {"attention/resident_model_shapes", test_model_shapes},
    {"attention/tiles_resident", test_small},
    {NULL, NULL},
};
