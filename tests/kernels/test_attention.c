/* SPDX-License-Identifier: Apache-2.0 */
/* op_attention against softmax(scale q k^T) v in double. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

struct shape {
    int lanes, rows, keys, heads, width;
};

/* One row of o [width] and its log-sum-exp, over keys 0..count-1. */
static double attend_row(const float *q, const struct tensor *k, const struct tensor *v, int lane,
                         int head, int count, double scale, double *o)
{
    int width = (int)k->dim[3];
    double *score = malloc((size_t)(count + 1) * sizeof(*score));
    double largest = -INFINITY;
    for (int i = 0; i < count; i++) {
        score[i] = 0.0;
        for (int d = 0; d < width; d++)
            score[i] += scale * q[d] * *ops_at(k, lane, i, head, d);
        largest = fmax(largest, score[i]);
    }
    double sum = 0.0;
    for (int d = 0; d < width; d++)
        o[d] = 0.0;
    for (int i = 0; i < count; i++) {
        double p = exp(score[i] - largest);
        sum += p;
        for (int d = 0; d < width; d++)
            o[d] += p * *ops_at(v, lane, i, head, d);
    }
    for (int d = 0; d < width; d++)
        o[d] = count > 0 ? o[d] / sum : 0.0;
    free(score);
    return largest + log(sum);
}

static void check_attention(struct ops *ops, struct shape s, const int *key_count, float size,
                            float scale)
{
    struct tensor q = ops_random(ops, size, OPS_DIM(s.lanes, s.rows, s.heads, s.width));
    struct tensor k = ops_random(ops, size, OPS_DIM(s.lanes, s.keys, s.heads, s.width));
    struct tensor v = ops_random(ops, 1.0f, OPS_DIM(s.lanes, s.keys, s.heads, s.width));
    struct tensor o = ops_blank(ops, OPS_DIM(s.lanes, s.rows, s.heads, s.width));
    struct tensor lse = ops_blank(ops, OPS_DIM(s.lanes, s.rows, s.heads));
    for (int b = 0; key_count && b < s.lanes;
         b++) { /* keys that do not take part must not be read */
        for (int i = key_count[b]; i < s.keys; i++) {
            for (int h = 0; h < s.heads; h++)
                *ops_at(&k, b, i, h, 0) = *ops_at(&v, b, i, h, s.width - 1) = NAN;
        }
    }
    cr_assert_eq(op_attention(ops->q, &o, &lse, &q, &k, &v, key_count, scale), ST_OK);

    double *want = ops_want(ops, &o);
    double *want_lse = ops_want(ops, &lse);
    for (int b = 0; b < s.lanes; b++) {
        for (int i = 0; i < s.rows; i++) {
            for (int h = 0; h < s.heads; h++) {
                int64_t row = ((int64_t)b * s.rows + i) * s.heads + h;
                want_lse[row] = attend_row(ops_at(&q, b, i, h, 0), &k, &v, b, h,
                                           key_count ? key_count[b] : s.keys, (double)scale,
                                           want + row * s.width);
            }
        }
    }
    ops_near(ops, "attention", &o, want);
    ops_near(ops, "lse", &lse, want_lse);
}

Test(attention, random_shapes)
{
    static const int widths[] = {11, 160, 256};
    for (int round = 0; round < 105; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        struct shape s = {
            .lanes = ops_pick(&ops, 1, 3),
            .rows = ops_pick(&ops, 1, 40),
            .keys = ops_pick(&ops, 1, 70),
            .heads = ops_pick(&ops, 1, 4),
            .width = round % 35 < 32 ? 4 + round % 35 * 4 : widths[round % 35 - 32],
        };
        int count[3];
        for (int b = 0; b < 3; b++)
            count[b] = ops_pick(&ops, 1, s.keys);
        check_attention(&ops, s, round % 2 ? count : NULL, 2.0f, 1.0f / sqrtf((float)s.width));
        ops_close(&ops);
    }
}

/* Several blocks of keys and of queries; counts that end in, at and before a block's border. */
Test(attention, many_blocks)
{
    static const struct shape shapes[] = {
        {1, 20, 700, 2, 72}, {2, 300, 256, 1, 16}, {3, 17, 513, 2, 88}, {1, 600, 30, 1, 24}};
    static const int count[] = {257, 256, 255};
    for (int threads = 1; threads <= 3; threads++) {
        for (int i = 0; i < 4; i++) {
            struct ops ops;
            ops_open(&ops, threads, 40 + (uint64_t)i);
            check_attention(&ops, shapes[i], i == 2 ? count : NULL, 1.0f, 0.3f);
            ops_close(&ops);
        }
    }
}

/* One head as wide as the channels of a decoder's mid block. */
Test(attention, wide)
{
    static const int count[] = {300, 1};
    for (int threads = 1; threads <= 3; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 60);
        check_attention(&ops, (struct shape){2, 70, 300, 1, 512}, NULL, 1.0f, 0.0441942f);
        check_attention(&ops, (struct shape){2, 33, 300, 1, 512}, count, 1.0f, 0.0441942f);
        check_attention(&ops, (struct shape){1, 5, 9, 2, 640}, NULL, 1.0f, 0.04f);
        ops_close(&ops);
    }
}

/* Scores in the hundreds, growing and shrinking from block to block: the maximum matters. */
Test(attention, large_scores)
{
    struct ops ops;
    ops_open(&ops, 2, 5);
    struct shape s = {1, 9, 600, 2, 8};
    struct tensor q = ops_random(&ops, 8.0f, OPS_DIM(s.lanes, s.rows, s.heads, s.width));
    struct tensor k = ops_random(&ops, 8.0f, OPS_DIM(s.lanes, s.keys, s.heads, s.width));
    struct tensor v = ops_random(&ops, 1.0f, OPS_DIM(s.lanes, s.keys, s.heads, s.width));
    struct tensor o = ops_blank(&ops, OPS_DIM(s.lanes, s.rows, s.heads, s.width));
    cr_assert_eq(op_attention(ops.q, &o, NULL, &q, &k, &v, NULL, 1.0f), ST_OK);
    for (int i = 0; i < s.rows; i++) {
        for (int h = 0; h < s.heads; h++) {
            double want[8];
            attend_row(ops_at(&q, 0, i, h, 0), &k, &v, 0, h, s.keys, 1.0, want);
            for (int d = 0; d < s.width;
                 d++) /* exp turns a score's rounding, 2e-5, into a relative error */
                cr_assert_float_eq(*ops_at(&o, 0, i, h, d), want[d], 1e-4);
        }
    }
    ops_close(&ops);
}

/* Without a key a row is 0 and its log-sum-exp minus infinity, so that a merge leaves it out. */
Test(attention, no_keys)
{
    struct ops ops;
    ops_open(&ops, 2, 6);
    check_attention(&ops, (struct shape){2, 5, 0, 3, 12}, NULL, 1.0f, 0.5f);
    check_attention(&ops, (struct shape){2, 5, 7, 3, 12}, (const int[]){0, 7}, 1.0f, 0.5f);
    check_attention(&ops, (struct shape){2, 0, 7, 3, 12}, NULL, 1.0f, 0.5f);
    ops_close(&ops);
}

/* The places of a video, whose frames attend to each other where they lie: [B, F, S, 3HD] seen as
 * [B, S, F, H, D]. */
static void check_places(struct ops *ops, int frames, int keys, int heads, int width, bool with_lse)
{
    int lanes = ops_pick(ops, 1, 2), places = ops_pick(ops, 1, 7);
    int64_t all = (int64_t)heads * width;
    struct tensor qkv = ops_random(ops, 1.5f, OPS_DIM(lanes, frames + keys, places, 3 * all));
    struct tensor out = ops_blank(ops, OPS_DIM(lanes, frames, places, heads, width));
    struct tensor lse = ops_blank(ops, OPS_DIM(lanes, places, frames, heads)), o = out, part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = tensor_slice(&qkv, 3, i * all, all);
        part[i] = tensor_slice(&part[i], 1, i ? frames : 0, i ? keys : frames);
        part[i] = tensor_split(&part[i], 3, heads, width);
    }
    struct tensor *views[] = {&part[0], &part[1], &part[2], &o};
    for (int i = 0; i < 4; i++) { /* frames and places change places */
        struct tensor t = *views[i];
        views[i]->dim[1] = t.dim[2], views[i]->stride[1] = t.stride[2];
        views[i]->dim[2] = t.dim[1], views[i]->stride[2] = t.stride[1];
    }
    cr_assert_eq(
        op_attention(ops->q, &o, with_lse ? &lse : NULL, &part[0], &part[1], &part[2], NULL, 0.3f),
        ST_OK);
    double *want = ops_want(ops, &out), *want_lse = ops_want(ops, &lse);
    for (int64_t i = 0; i < (int64_t)lanes * places * frames * heads; i++) {
        int64_t h = i % heads, n = i / heads % frames, s = i / heads / frames % places;
        int64_t b = i / heads / frames / places;
        struct tensor q = tensor_at(&part[0], b), k = tensor_at(&part[1], b),
                      v = tensor_at(&part[2], b);
        double *row = want + (((b * frames + n) * places + s) * heads + h) * width;
        want_lse[i] =
            attend_row(ops_at(&q, s, n, h, 0), &k, &v, (int)s, (int)h, keys, (double)0.3f, row);
    }
    ops_near(ops, "attention", &out, want);
    if (with_lse)
        ops_near(ops, "lse", &lse, want_lse);
}

Test(attention, places_of_a_video)
{
    for (int round = 0; round < 24; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, 70 + (uint64_t)round);
        check_places(&ops, ops_pick(&ops, 1, 20), ops_pick(&ops, 1, 20), ops_pick(&ops, 1, 3),
                     4 * ops_pick(&ops, 1, 20), round % 2);
        ops_close(&ops);
    }
}

/* A NaN in a value reaches every row of its lane and head, and no other. */
Test(attention, nan_spreads_where_it_should)
{
    struct ops ops;
    ops_open(&ops, 2, 8);
    struct tensor q = ops_random(&ops, 1.0f, OPS_DIM(2, 5, 2, 16));
    struct tensor k = ops_random(&ops, 1.0f, OPS_DIM(2, 6, 2, 16));
    struct tensor v = ops_random(&ops, 1.0f, OPS_DIM(2, 6, 2, 16));
    struct tensor o = ops_blank(&ops, OPS_DIM(2, 5, 2, 16));
    *ops_at(&k, 1, 3, 0, 2) = NAN;
    cr_assert_eq(op_attention(ops.q, &o, NULL, &q, &k, &v, NULL, 0.25f), ST_OK);
    for (int b = 0; b < 2; b++) {
        for (int h = 0; h < 2; h++) {
            for (int i = 0; i < 5; i++)
                cr_assert_eq(isnan(*ops_at(&o, b, i, h, 0)) != 0, b == 1 && h == 0);
        }
    }
    ops_close(&ops);
}

Test(attention, repeats_bit_for_bit)
{
    for (int threads = 1; threads <= 3; threads++) {
        struct ops ops;
        ops_open(&ops, threads, 11);
        struct tensor q = ops_random(&ops, 1.0f, OPS_DIM(2, 90, 3, 40));
        struct tensor o = ops_blank(&ops, OPS_DIM(2, 90, 3, 40));
        float *first = NULL;
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(op_attention(ops.q, &o, NULL, &q, &q, &q, NULL, 0.2f), ST_OK);
            float *got = ops_dense(&o);
            cr_assert(!first || near_equal("attention", got, first, tensor_count(&o)));
            if (first)
                free(got);
            else
                first = got;
        }
        free(first);
        ops_close(&ops);
    }
}
