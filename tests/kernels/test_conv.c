/* SPDX-License-Identifier: Apache-2.0 */
/* op_conv and op_conv_fold against a plain loop in double, and parts of an image against all. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* [B, H, W, C], dense but for the batch stride. */
static struct tensor as_image(struct tensor flat, int64_t h, int64_t w, int64_t c)
{
    struct tensor t = flat;
    t.ndim = 4;
    t.dim[1] = h, t.stride[1] = w * c;
    t.dim[2] = w, t.stride[2] = c;
    t.dim[3] = c, t.stride[3] = 1;
    return t;
}

static struct tensor random_image(struct ops *ops, int64_t b, int64_t h, int64_t w, int64_t c)
{
    return as_image(ops_random(ops, 1.0f, OPS_DIM(b, h * w * c)), h, w, c);
}

static struct tensor blank_image(struct ops *ops, int64_t b, int64_t h, int64_t w, int64_t c)
{
    return as_image(ops_blank(ops, OPS_DIM(b, h * w * c)), h, w, c);
}

static struct tensor dense(struct ops *ops, int ndim, const int64_t *dim)
{
    int64_t count = 1;
    for (int a = 0; a < ndim; a++)
        count *= dim[a];
    struct tensor flat = ops_random(ops, 1.0f, OPS_DIM(count));
    return tensor_of(flat.data, flat.dev, DTYPE_F32, ndim, dim);
}

struct sizes {
    int b, h, w, in, out, k;
};

static struct sizes pick_sizes(struct ops *ops)
{
    static const int channels[] = {1, 3, 4, 7, 16, 33, 40};
    return (struct sizes){
        .b = ops_pick(ops, 1, 3),
        .h = ops_pick(ops, 1, 9),
        .w = ops_pick(ops, 1, 11),
        .in = channels[ops_pick(ops, 0, 6)],
        .out = channels[ops_pick(ops, 0, 6)],
        .k = ops_pick(ops, 0, 3) ? 3 : 1,
    };
}

/* The formula of op_image.h; w [O, k, k, I]. */
static double pixel_of(const struct tensor *y, const struct tensor *x, const struct tensor *w,
                       const struct conv *conv, const int64_t at[4])
{
    int64_t k = w->dim[1], scale = conv->upsample ? 2 : 1;
    double sum = conv->bias ? (double)*ops_at(conv->bias, at[3], 0, 0, 0) : 0.0;
    (void)y;
    if (conv->add)
        sum += (double)*ops_at(conv->add, at[0], at[1], at[2], at[3]);
    for (int64_t place = 0; place < k * k; place++) {
        int64_t row = at[1] + place / k - conv->above, column = at[2] + place % k - (k - 1) / 2;
        if (row < 0 || row >= scale * x->dim[1] || column < 0 || column >= scale * x->dim[2])
            continue;
        for (int64_t c = 0; c < x->dim[3]; c++)
            sum += (double)*ops_at(w, at[3], place / k, place % k, c) *
                   (double)*ops_at(x, at[0], row / scale, column / scale, c);
    }
    return sum;
}

static double *want_of(struct ops *ops, const struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct conv *conv)
{
    double *want = ops_want(ops, y);
    for (int64_t n = 0; n < tensor_count(y); n++) {
        int64_t c = y->dim[3], row = y->dim[2] * c;
        int64_t at[] = {n / row / y->dim[1], n / row % y->dim[1], n / c % y->dim[2], n % c};
        want[n] = pixel_of(y, x, w, conv, at);
    }
    return want;
}

/* Everything that a conv may have or lack, drawn. */
static void check_random(int threads, uint64_t seed, bool upsample, bool folded)
{
    struct ops ops;
    ops_open(&ops, threads, seed);
    struct sizes s = pick_sizes(&ops);
    s.k = folded ? 3 : s.k;
    struct conv conv = {.upsample = upsample};
    int64_t scale = upsample ? 2 : 1;
    if (s.k == 3) {
        conv.above = ops_pick(&ops, upsample ? -1 : 0, 1);
        conv.below = ops_pick(&ops, upsample ? -1 : 0, 1);
    }
    int64_t height = scale * s.h + conv.above + conv.below - (s.k - 1);
    if (height < 0) {
        s.h += 2;
        height += 2 * scale;
    }
    struct tensor x = random_image(&ops, s.b, s.h, s.w, s.in);
    struct tensor w = dense(&ops, OPS_DIM(s.out, s.k, s.k, s.in));
    struct tensor bias = dense(&ops, OPS_DIM(s.out));
    struct tensor y = blank_image(&ops, s.b, height, scale * s.w, s.out);
    struct tensor add = random_image(&ops, s.b, height, scale * s.w, s.out);
    int with_add = ops_pick(&ops, 0, 2);
    conv.bias = ops_pick(&ops, 0, 1) ? &bias : NULL;
    conv.add = with_add == 0 ? NULL : &add;
    double *want = want_of(&ops, &y, &x, &w, &conv);
    if (with_add == 2)
        y = add;
    struct tensor folded_w = dense(&ops, OPS_DIM(4, s.out, 2, 2, s.in));
    if (folded)
        cr_assert_eq(op_conv_fold(ops.q, &folded_w, &w), ST_OK);
    cr_assert_eq(op_conv(ops.q, &y, &x, folded ? &folded_w : &w, &conv), ST_OK);
    ops_near(&ops, "conv", &y, want);
    ops_close(&ops);
}

Test(conv, random)
{
    for (uint64_t seed = 0; seed < 150; seed++)
        check_random(1 + (int)seed % 4, seed, false, false);
}

Test(conv, enlarged)
{
    for (uint64_t seed = 0; seed < 100; seed++)
        check_random(1 + (int)seed % 4, 1000 + seed, true, false);
}

Test(conv, enlarged_folded)
{
    for (uint64_t seed = 0; seed < 150; seed++)
        check_random(1 + (int)seed % 4, 2000 + seed, true, true);
}

/* Blocks of more pixels than the scratch holds, and several of them. */
Test(conv, wide_channels)
{
    struct ops ops;
    ops_open(&ops, 3, 5);
    struct tensor x = random_image(&ops, 1, 23, 31, 520);
    struct tensor w = dense(&ops, OPS_DIM(5, 3, 3, 520));
    struct tensor y = blank_image(&ops, 1, 23, 31, 5);
    struct conv conv = {.above = 1, .below = 1};
    double *want = want_of(&ops, &y, &x, &w, &conv);
    cr_assert_eq(op_conv(ops.q, &y, &x, &w, &conv), ST_OK);
    ops_near(&ops, "conv", &y, want);
    ops_close(&ops);
}

/* Known by hand: ones summed by a kernel of ones are counts of neighbours. */
Test(conv, counts)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = random_image(&ops, 1, 3, 3, 1);
    struct tensor w = dense(&ops, OPS_DIM(1, 3, 3, 1));
    struct tensor y = blank_image(&ops, 1, 3, 3, 1);
    cr_assert_eq(op_fill(ops.q, &x, 1.0f), ST_OK);
    cr_assert_eq(op_fill(ops.q, &w, 1.0f), ST_OK);
    cr_assert_eq(op_conv(ops.q, &y, &x, &w, &(struct conv){.above = 1, .below = 1}), ST_OK);
    static const float want[] = {4, 6, 4, 6, 9, 6, 4, 6, 4};
    for (int i = 0; i < 9; i++)
        cr_assert_eq(((float *)y.data)[i], want[i]);
    ops_close(&ops);
}

/* The rows of an image in parts with a halo row where there is a neighbour are the whole's. */
static void check_parts(bool upsample, bool folded)
{
    enum { H = 11, W = 6, IN = 8, OUT = 12 };
    static const int64_t cut[] = {0, 3, 4, 9, H};
    struct ops ops;
    ops_open(&ops, 2, 77);
    int64_t scale = upsample ? 2 : 1;
    struct tensor x = random_image(&ops, 2, H, W, IN);
    struct tensor w = dense(&ops, OPS_DIM(OUT, 3, 3, IN));
    struct tensor folded_w = dense(&ops, OPS_DIM(4, OUT, 2, 2, IN));
    struct tensor y = blank_image(&ops, 2, scale * H, scale * W, OUT);
    struct conv whole = {.upsample = upsample, .above = 1, .below = 1};
    double *want = want_of(&ops, &y, &x, &w, &whole);
    cr_assert_eq(op_conv_fold(ops.q, &folded_w, &w), ST_OK);
    for (int i = 0; i < 4; i++) {
        bool first = i == 0, last = i == 3;
        int64_t begin = cut[i] - !first, rows = cut[i + 1] - cut[i] + !first + !last;
        int beside = upsample ? -1 : 0;
        struct conv conv = {upsample, first ? 1 : beside, last ? 1 : beside, NULL, NULL};
        struct tensor from = tensor_slice(&x, 1, begin, rows);
        struct tensor to = tensor_slice(&y, 1, scale * cut[i], scale * (cut[i + 1] - cut[i]));
        cr_assert_eq(op_conv(ops.q, &to, &from, folded ? &folded_w : &w, &conv), ST_OK);
    }
    ops_near(&ops, "conv", &y, want);
    ops_close(&ops);
}

Test(conv, parts)
{
    check_parts(false, false);
    check_parts(true, false);
    check_parts(true, true);
}

Test(conv, nothing)
{
    struct ops ops;
    ops_open(&ops, 2, 9);
    struct tensor x = random_image(&ops, 0, 3, 4, 5);
    struct tensor w = dense(&ops, OPS_DIM(2, 3, 3, 5));
    struct tensor y = blank_image(&ops, 0, 3, 4, 2);
    cr_assert_eq(op_conv(ops.q, &y, &x, &w, &(struct conv){.above = 1, .below = 1}), ST_OK);
    ops_close(&ops);
}
