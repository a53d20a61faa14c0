/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_attention where the kernel for Hopper splits pieces by keys, and where the last queries of a
 * head leave warpgroups without work. Multiprocessors are held, so that small shapes have whole
 * rounds before an incomplete one.
 */
#include "kernels/cuda/attention_split.h"
#include "kernels/cuda/cuda_private.h"
#include "tests/cuda/attention.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Leaves so many multiprocessors; all where there are fewer. */
static void leave(struct gpu *gpu, int multiprocessors)
{
    int all = ((const struct cuda_device *)gpu->dev)->multiprocessors;
    cuda_hold(gpu->dev, multiprocessors < all ? all - multiprocessors : 0);
}

static struct attention_split plan_of(const struct gpu *gpu, const struct attention_shape *s)
{
    struct attention_split_of of = {
        .rows = s->rows,
        .heads = s->heads * s->lanes,
        .keys = s->keys,
        .width = s->width,
        .multiprocessors = ((const struct cuda_device *)gpu->dev)->target.multiprocessors,
    };
    return attention_split(&of);
}

/* Of the most parts that a piece has. */
static int parts_of(const struct gpu *gpu, const struct attention_shape *s)
{
    struct attention_split split = plan_of(gpu, s);
    return split.full_parts > split.ragged_parts ? split.full_parts : split.ragged_parts;
}

/* Adds `apart` to the scores of a fifth of the keys and takes it from those of another. */
static void part_scores(struct gpu *gpu, struct attention_operands *p, float scale, float apart)
{
    int64_t columns = (int64_t)p->s.heads * p->s.width;
    struct gpu_tensor *both[] = {p->q, p->k};
    for (int i = 0; i < 2; i++) {
        int64_t rows = i ? p->s.keys : p->s.rows, count = p->s.lanes * rows * columns;
        float *value = malloc((size_t)count * sizeof(*value));
        memcpy(value, both[i]->value, (size_t)count * sizeof(*value));
        for (int64_t at = 0; at < count; at += p->s.width) {
            int64_t fifth = at / columns % rows * 5 / rows;
            value[at] = i == 0       ? 1.0f
                        : fifth == 3 ? apart / scale
                        : fifth == 1 ? -apart / scale
                                     : 0;
        }
        gpu_write(gpu, both[i], value);
        free(value);
    }
}

static void same_bits(struct gpu *gpu, const char *what, const struct tensor *t, const float *want)
{
    float *got = gpu_read(gpu, t);
    CHECK(near_equal(what, got, want, tensor_count(t)), "%s differs from one time to another",
          what);
    free(got);
}

/* Twice by a call and twice by a graph: always the same bits. */
static void again(struct gpu *gpu, const struct attention_operands *p, struct tensor *lse,
                  float scale)
{
    struct graph graph = {0};
    float *o = gpu_read(gpu, &p->o->t), *old = lse ? gpu_read(gpu, lse) : NULL;
    OK(graph_begin(gpu->q));
    OK(op_attention(gpu->q, &p->o->t, lse, &p->q->t, &p->k->t, &p->v->t, NULL, scale));
    OK(graph_end(gpu->q, &graph));
    for (int i = 0; i < 3; i++) {
        OK(op_fill(gpu->q, &p->o->t, NAN));
        if (i == 0)
            OK(op_attention(gpu->q, &p->o->t, lse, &p->q->t, &p->k->t, &p->v->t, NULL, scale));
        else
            OK(graph_launch(gpu->q, &graph));
        same_bits(gpu, "attention", &p->o->t, o);
        if (lse)
            same_bits(gpu, "lse", lse, old);
    }
    graph_release(gpu->dev, &graph);
    free(o);
    free(old);
}

static void check(struct gpu *gpu, enum dtype dtype, struct attention_shape s, float size,
                  float apart, bool with_lse)
{
    struct attention_operands p = attention_apart(gpu, dtype, s, size);
    size_t rows = (size_t)s.lanes * (size_t)s.rows * (size_t)s.heads;
    double *o = malloc(rows * (size_t)s.width * sizeof(*o));
    double *lse = malloc(rows * sizeof(*lse));
    float scale = 1.0f / sqrtf((float)s.width);
    struct tensor *wanted = with_lse ? &p.lse->t : NULL;
    if (apart > 0.0f)
        part_scores(gpu, &p, scale, apart);
    attention_want(&p, NULL, (double)scale, o, lse);
    OK(op_attention(gpu->q, &p.o->t, wanted, &p.q->t, &p.k->t, &p.v->t, NULL, scale));
    gpu_near(gpu, "attention", p.o, o);
    if (with_lse)
        gpu_near(gpu, "lse", p.lse, lse);
    again(gpu, &p, wanted, scale);
    gpu_untouched(gpu, "attention", p.o);
    gpu_untouched(gpu, "lse", p.lse);
    free(o);
    free(lse);
    gpu_forget(gpu);
}

static void open_hopper(struct gpu *gpu, uint64_t seed)
{
    setenv("DITBENCH_ATTENTION", "hopper", 1);
    gpu_open(gpu, seed);
}

/* No full piece, one or two, and so many queries after them; from few pieces for many
 * multiprocessors to some rounds on few. */
static void shapes_of(int width)
{
    static const int after[] = {1, 0, 63, 64, 65, 77, 128, 129, 191, 192, 193, 255};
    static const int left[] = {132, 3, 24, 5, 131, 7, 11};
    static const int keys[] = {256, 700, 385, 1000, 481};
    struct gpu gpu;
    int split = 0, rounds = 36, queries = ATTENTION_QUERIES(width);
    open_hopper(&gpu, 97);
    for (int i = 0; i < rounds; i++) {
        int last = after[i % 12] % queries;
        struct attention_shape s = {
            .lanes = 1 + i % 2,
            .rows = last + queries * (last == 0 ? 1 + i / 12 % 2 : i / 12),
            .keys = keys[i % 5],
            .heads = 1 + i / 2 % 3,
            .width = width,
        };
        leave(&gpu, left[i % 7]);
        split += parts_of(&gpu, &s) > 1;
        check(&gpu, gpu_dtype(1 + i / 3 % 2), s, i % 4 == 3 ? 6.0f : 1.5f, 0.0f, i % 3 < 2);
    }
    CHECK(split > rounds / 2, "only %d of %d shapes are split", split, rounds);
    gpu_close(&gpu);
}

static void test_64(void)
{
    shapes_of(64);
}

static void test_72(void)
{
    shapes_of(72);
}

static void test_88(void)
{
    shapes_of(88);
}

static void test_128(void)
{
    shapes_of(128);
}

/* From two parts to as many as there may be. */
static void parts_in(int width, int other)
{
    struct gpu gpu;
    unsigned seen = 0;
    open_hopper(&gpu, 98);
    for (int left = 2; left <= 20; left++) {
        int keys = 450 * left + 75, queries = ATTENTION_QUERIES(width);
        struct attention_shape s = {1, left % 2 ? queries : queries - 56, keys, 1,
                                    left % 3 ? width : other};
        leave(&gpu, left);
        seen |= 1u << parts_of(&gpu, &s);
        check(&gpu, gpu_dtype(1 + left % 2), s, 1.5f, 0.0f, true);
    }
    CHECK((seen & 0xffc) == 0xffc, "%d wide: parts seen: %#x", width, seen);
    gpu_close(&gpu);
}

static void test_parts(void)
{
    parts_in(64, 72);
    parts_in(128, 128);
}

/* Some parts' weights vanish beside another's; nearly, and altogether. */
static void test_apart(void)
{
    static const int widths[] = {64, 72, 88, 128};
    struct gpu gpu;
    open_hopper(&gpu, 99);
    for (int i = 0; i < 16; i++) {
        struct attention_shape s = {1 + i % 2, 333, 960, 2, widths[i % 4]};
        leave(&gpu, 15 + i);
        CHECK(parts_of(&gpu, &s) > 1, "round %d is not split", i);
        check(&gpu, gpu_dtype(1 + i / 4 % 2), s, 1.5f, i < 8 ? 8.0f : 300.0f, true);
    }
    gpu_close(&gpu);
}

/* Some rows of one lane, of the last queries of a head, too, and of pieces in parts; on all
 * multiprocessors but those held. */
static void model_shape(struct attention_shape s, enum dtype dtype, int held)
{
    struct gpu gpu;
    float scale = 1.0f / sqrtf((float)s.width);
    int last = (s.rows - 1) / ATTENTION_QUERIES(s.width) * ATTENTION_QUERIES(s.width);
    open_hopper(&gpu, 100);
    cuda_hold(gpu.dev, held);
    CHECK(parts_of(&gpu, &s) > 1, "%d heads are not split", s.heads);
    struct attention_operands p = {
        .q = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, s.rows, s.heads, s.width)),
        .k = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, s.keys, s.heads, s.width)),
        .v = gpu_dense(&gpu, dtype, 2.0f, GPU_DIM(s.lanes, s.keys, s.heads, s.width)),
        .o = gpu_dense(&gpu, dtype, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads, s.width)),
        .lse = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads)),
        .s = s,
    };
    OK(op_attention(gpu.q, &p.o->t, &p.lse->t, &p.q->t, &p.k->t, &p.v->t, NULL, scale));
    float *all = gpu_read(&gpu, &p.o->t), *all_lse = gpu_read(&gpu, &p.lse->t);
    for (int n = 0; n < 240; n++) {
        int row = n % 5 == 0 ? last + n / 5 * 3 % (s.rows - last) : gpu_pick(&gpu, 0, s.rows - 1);
        int head = n % 2 ? s.heads - 1 : n / 2 % s.heads; // the last one's pieces are in parts
        int64_t at = (int64_t)row * s.heads + head;
        double want[128];
        double want_lse = attention_row(&p, 0, row, head, s.keys, (double)scale, want);
        CHECK(near_doubles("attention", all + at * s.width, want, s.width,
                           1.5 * gpu_bound("attention", dtype)),
              "row %d head %d", row, head);
        CHECK(fabs(all_lse[at] - want_lse) < 3e-5, "lse %g, not %g", (double)all_lse[at], want_lse);
    }
    again(&gpu, &p, &p.lse->t, scale);
    free(all);
    free(all_lse);
    gpu_close(&gpu);
}

/* At 1024 px: a branch of SD3, and FLUX.1 on one of two ranks that exchange tokens for heads. */
static void test_model_shape(void)
{
    const struct attention_shape sd3 = {1, 4429, 4429, 24, 64}, flux = {1, 4608, 4608, 12, 128};
    model_shape(sd3, DTYPE_BF16, 0);
    model_shape(sd3, DTYPE_F16, 1);
    model_shape(flux, DTYPE_BF16, 0);
    model_shape(flux, DTYPE_F16, 1);
}

/* On little, for tools that follow every access. */
static void test_small(void)
{
    static const int widths[] = {64, 72, 88, 128};
    struct gpu gpu;
    open_hopper(&gpu, 101);
    for (int i = 0; i < 8; i++) {
        int width = widths[i / 2];
        struct attention_shape s = {1, i % 2 ? ATTENTION_QUERIES(width) : 70, 700, 3, width};
        leave(&gpu, i % 2 ? 2 : 132);
        CHECK(parts_of(&gpu, &s) > 1, "round %d is not split", i);
        check(&gpu, gpu_dtype(1 + i % 2), s, 1.5f, 0.0f, true);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_attention_split[] = {
    {"attention/split_64", test_64},
    {"attention/split_72", test_72},
    {"attention/split_88", test_88},
    {"attention/split_128", test_128},
    {"attention/split_parts", test_parts},
    {"attention/split_apart", test_apart},
    {"attention/split_model_shape", test_model_shape},
    {"attention/tiles_split", test_small},
    {NULL, NULL},
};
