/* SPDX-License-Identifier: Apache-2.0 */
/* op_attention in lanes at two distances: the places of a video, whose frames attend to each other
 * where they lie. */
#include "tests/cuda/gpu.h"

#include <math.h>
#include <stdlib.h>

struct video {
    int lanes, frames, keys, places, heads, width;
};

/* Queries [B, F, S, H, D], keys and values in one tensor [B, K, S, 2HD], o as the queries, and lse
 * [B, S, F, H]. */
struct operands {
    struct gpu_tensor *q, *kv, *o, *lse;
    struct video v;
};

/* [B, F, S, ..] as [B, S, F, ..] */
static struct tensor by_place(struct tensor t)
{
    struct tensor turned = t;
    turned.dim[1] = t.dim[2], turned.stride[1] = t.stride[2];
    turned.dim[2] = t.dim[1], turned.stride[2] = t.stride[1];
    return turned;
}

/* One row of o [width]; returns its log-sum-exp. */
static double attend_row(const struct operands *p, int64_t b, int64_t s, int64_t f, int64_t h,
                         double scale, double *o)
{
    const struct video *v = &p->v;
    int64_t all = (int64_t)v->heads * v->width;
    const float *q = p->q->value + ((b * v->frames + f) * v->places + s) * all + h * v->width;
    double score[64], largest = -INFINITY, sum = 0.0;
    for (int d = 0; d < v->width; d++)
        o[d] = 0.0;
    for (int i = 0; i < v->keys; i++) {
        const float *k =
            p->kv->value + ((b * v->keys + i) * v->places + s) * 2 * all + h * v->width;
        score[i] = 0.0;
        for (int d = 0; d < v->width; d++)
            score[i] += scale * q[d] * k[d];
        largest = fmax(largest, score[i]);
    }
    for (int i = 0; i < v->keys; i++) {
        const float *value =
            p->kv->value + ((b * v->keys + i) * v->places + s) * 2 * all + all + h * v->width;
        double weight = exp(score[i] - largest);
        sum += weight;
        for (int d = 0; d < v->width; d++)
            o[d] += weight * value[d];
    }
    for (int d = 0; d < v->width && v->keys > 0; d++)
        o[d] /= sum;
    return largest + log(sum);
}

static struct operands make(struct gpu *gpu, enum dtype dtype, struct video v, bool dense)
{
    int64_t all = (int64_t)v.heads * v.width;
    struct operands p = {.v = v};
    if (dense) {
        p.q = gpu_dense(gpu, dtype, 2.0f, GPU_DIM(v.lanes, v.frames, v.places, v.heads, v.width));
        p.kv = gpu_dense(gpu, dtype, 2.0f, GPU_DIM(v.lanes, v.keys, v.places, 2 * all));
        p.o = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(v.lanes, v.frames, v.places, v.heads, v.width));
    } else {
        p.q = gpu_random(gpu, dtype, 2.0f, GPU_DIM(v.lanes, v.frames, v.places, v.heads, v.width));
        p.kv = gpu_random(gpu, dtype, 2.0f, GPU_DIM(v.lanes, v.keys, v.places, 2 * all));
        p.o = gpu_blank(gpu, dtype, GPU_DIM(v.lanes, v.frames, v.places, v.heads, v.width));
    }
    p.lse = gpu_blank(gpu, DTYPE_F32, GPU_DIM(v.lanes, v.places, v.frames, v.heads));
    return p;
}

static void check(struct gpu *gpu, enum dtype dtype, struct video v, bool dense, bool with_lse)
{
    struct operands p = make(gpu, dtype, v, dense);
    int64_t rows = (int64_t)v.lanes * v.frames * v.places * v.heads;
    int64_t all = (int64_t)v.heads * v.width;
    double *o = malloc((size_t)(rows * v.width) * sizeof(*o));
    double *lse = malloc((size_t)rows * sizeof(*lse));
    float scale = 1.0f / sqrtf((float)v.width);
    struct tensor q = by_place(p.q->t), out = by_place(p.o->t), part[2];
    for (int i = 0; i < 2; i++) {
        part[i] = tensor_slice(&p.kv->t, 3, i * all, all);
        part[i] = tensor_split(&part[i], 3, v.heads, v.width);
        part[i] = by_place(part[i]);
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t h = i % v.heads, f = i / v.heads % v.frames;
        int64_t s = i / v.heads / v.frames % v.places, b = i / v.heads / v.frames / v.places;
        int64_t row = ((b * v.frames + f) * v.places + s) * v.heads + h;
        lse[i] = attend_row(&p, b, s, f, h, (double)scale, o + row * v.width);
    }
    OK(op_attention(gpu->q, &out, with_lse ? &p.lse->t : NULL, &q, &part[0], &part[1], NULL,
                    scale));
    gpu_near(gpu, "attention", p.o, o);
    if (with_lse)
        gpu_near(gpu, "lse", p.lse, lse);
    free(o);
    free(lse);
    gpu_forget(gpu);
}

/* Frames and keys below, at and beyond what our own kernel takes; aligned for it, and not. */
static void any_videos(const char *kernel, uint64_t seed)
{
    struct gpu gpu;
    setenv("DITBENCH_ATTENTION", kernel, 1);
    gpu_open(&gpu, seed);
    for (int round = 0; round < 90; round++) {
        int most = round % 5 == 4 ? 20 : 16;
        struct video v = {
            .lanes = gpu_pick(&gpu, 1, 3),
            .frames = round % 5 == 3 ? 16 : gpu_pick(&gpu, 1, most),
            .keys = round % 5 == 3 ? 16 : gpu_pick(&gpu, 1, most),
            .places = gpu_pick(&gpu, 1, 30),
            .heads = gpu_pick(&gpu, 1, 5),
            .width = round / 6 < 12 ? 8 + 8 * (round / 6) : 4 * gpu_pick(&gpu, 1, 32),
        };
        check(&gpu, gpu_dtype(round), v, round / 3 % 2, round % 2);
    }
    gpu_close(&gpu);
}

static void test_any(void)
{
    any_videos("", 71);
}

static void test_other_kernels(void)
{
    any_videos("few", 72);
}

/* Heads of Latte, more of them than are at work at a time. */
static void test_model_shape(void)
{
    struct gpu gpu;
    setenv("DITBENCH_ATTENTION", "short", 1);
    gpu_open(&gpu, 73);
    for (int i = 1; i < 3; i++)
        check(&gpu, gpu_dtype(i), (struct video){2, 16, 16, 230, 16, 72}, true, true);
    gpu_close(&gpu);
}

static void test_small(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 74);
    for (int i = 1; i < 3; i++)
        check(&gpu, gpu_dtype(i), (struct video){2, 13, 11, 9, 3, 72}, true, true);
    gpu_close(&gpu);
}

const struct gpu_test tests_attention_short[] = {
    {"attention/short", test_any},
    {"attention/short_by_others", test_other_kernels},
    {"attention/short_model_shape", test_model_shape},
    {"attention/small_short", test_small},
    {NULL, NULL},
};
