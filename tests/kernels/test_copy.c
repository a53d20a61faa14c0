/* SPDX-License-Identifier: Apache-2.0 */
/* op_copy and op_fill: all strides move the right elements, all conversions round to nearest. */
#include "tests/kernels/ops.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

Test(copy, random_strides)
{
    for (int round = 0; round < 60; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int64_t dim[] = {ops_pick(&ops, 1, 3), ops_pick(&ops, 1, 6), ops_pick(&ops, 1, 9),
                         ops_pick(&ops, 1, 5), ops_pick(&ops, 0, 90)};
        int ndim = ops_pick(&ops, 1, 5);
        struct tensor src = ops_random(&ops, 1.0f, ndim, dim + 5 - ndim);
        struct tensor dst = ops_blank(&ops, ndim, dim + 5 - ndim);
        cr_assert_eq(op_copy(ops.q, &dst, &src), ST_OK);
        float *from = ops_dense(&src);
        double *want = ops_want(&ops, &src);
        for (int64_t i = 0; i < tensor_count(&src); i++)
            want[i] = from[i];
        ops_near(&ops, "add", &dst, want);
        float *to = ops_dense(&dst);
        cr_assert_eq(memcmp(to, from, tensor_bytes(&src)), 0);
        free(from), free(to);
        ops_close(&ops);
    }
}

/* [B, N, H, D] into [H, N, B, D], [D, H, N, B] and the like; the last axis is then not dense. */
Test(copy, exchanged_axes)
{
    struct ops ops;
    ops_open(&ops, 3, 4);
    struct tensor src = ops_random(&ops, 1.0f, OPS_DIM(3, 40, 6, 50));
    static const int order[][4] = {{2, 1, 0, 3}, {3, 2, 1, 0}, {0, 1, 3, 2}, {1, 3, 0, 2}};
    for (int o = 0; o < 4; o++) {
        int64_t dim[4];
        struct tensor seen = src;
        for (int a = 0; a < 4; a++) {
            dim[a] = seen.dim[a] = src.dim[order[o][a]];
            seen.stride[a] = src.stride[order[o][a]];
        }
        struct tensor dst = ops_blank(&ops, 4, dim);
        cr_assert_eq(op_copy(ops.q, &dst, &seen), ST_OK);
        float *from = ops_dense(&seen), *to = ops_dense(&dst);
        cr_assert_eq(memcmp(to, from, tensor_bytes(&dst)), 0, "order %d", o);
        free(from), free(to);
    }
    ops_close(&ops);
}

/* An input of stride 0 repeats. */
Test(copy, broadcast)
{
    struct ops ops;
    ops_open(&ops, 2, 4);
    struct tensor src = ops_random(&ops, 1.0f, OPS_DIM(1, 7)), dst = ops_blank(&ops, OPS_DIM(5, 7));
    struct tensor repeated = src;
    repeated.dim[0] = 5;
    repeated.stride[0] = 0;
    cr_assert_eq(op_copy(ops.q, &dst, &repeated), ST_OK);
    for (int i = 0; i < 35; i++)
        cr_assert_eq(*ops_at(&dst, i / 7, i % 7, 0, 0), *ops_at(&src, 0, i % 7, 0, 0));
    ops_close(&ops);
}

Test(copy, fill)
{
    struct ops ops;
    ops_open(&ops, 2, 4);
    struct tensor t = ops_blank(&ops, OPS_DIM(3, 4, 5));
    double want[60];
    for (int i = 0; i < 60; i++)
        want[i] = 2.5;
    cr_assert_eq(op_fill(ops.q, &t, 2.5f), ST_OK);
    ops_near(&ops, "add", &t, want);

    uint16_t half[6] = {9, 9, 9, 9, 9, 9};
    struct tensor narrow = tensor_of(half + 1, ops.dev, DTYPE_BF16, 1, (const int64_t[]){4});
    cr_assert_eq(op_fill(ops.q, &narrow, -1.0f), ST_OK);
    cr_assert_eq(half[0], 9);
    cr_assert_eq(half[1], 0xbf80);
    cr_assert_eq(half[4], 0xbf80);
    cr_assert_eq(half[5], 9);
    ops_close(&ops);
}

/* What a 16-bit pattern stands for: `exponent` bits of exponent, the rest of the 15 mantissa. */
static double value_of(uint16_t h, int exponent)
{
    int mantissa = 15 - exponent;
    int bias = (1 << (exponent - 1)) - 1;
    int e = (h & 0x7fff) >> mantissa;
    int m = h & ((1 << mantissa) - 1);
    double sign = h & 0x8000 ? -1.0 : 1.0;
    if (e == (1 << exponent) - 1)
        return m ? NAN : sign * INFINITY;
    return e ? sign * ldexp((1 << mantissa) + m, e - bias - mantissa)
             : sign * ldexp(m, 1 - bias - mantissa);
}

static void copy_values(struct ops *ops, enum dtype to, void *dst, enum dtype from, void *src,
                        int64_t n)
{
    struct tensor d = tensor_of(dst, NULL, to, 1, &n), s = tensor_of(src, NULL, from, 1, &n);
    cr_assert_eq(op_copy(ops->q, &d, &s), ST_OK);
}

/* All 65536 patterns widen to their value, and come back unchanged. */
Test(copy, every_half)
{
    static const struct {
        enum dtype dtype;
        int exponent;
    } kinds[] = {{DTYPE_BF16, 8}, {DTYPE_F16, 5}};
    struct ops ops;
    ops_open(&ops, 2, 1);
    uint16_t *half = malloc(65536 * sizeof(*half)), *back = malloc(65536 * sizeof(*back));
    float *wide = malloc(65536 * sizeof(*wide));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 65536; i++)
            half[i] = (uint16_t)i;
        copy_values(&ops, DTYPE_F32, wide, kinds[k].dtype, half, 65536);
        copy_values(&ops, kinds[k].dtype, back, DTYPE_F32, wide, 65536);
        for (int i = 0; i < 65536; i++) {
            double want = value_of((uint16_t)i, kinds[k].exponent);
            if (isnan(want)) {
                cr_assert(isnan(wide[i]) && isnan(value_of(back[i], kinds[k].exponent)), "%04x", i);
            } else {
                cr_assert_eq((double)wide[i], want, "%04x", i);
                cr_assert_eq(back[i], i, "%04x", i);
            }
        }
    }
    free(half), free(back), free(wide);
    ops_close(&ops);
}

/* The nearer of two neighbours, at the middle the even one; tried at and just beside middles. */
Test(copy, rounds_to_nearest_even)
{
    static const struct {
        enum dtype dtype;
        int exponent;
        int largest; /* the last finite pattern */
    } kinds[] = {{DTYPE_BF16, 8, 0x7f7f}, {DTYPE_F16, 5, 0x7bff}};
    struct ops ops;
    ops_open(&ops, 1, 1);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i <= kinds[k].largest; i++) {
            double low = value_of((uint16_t)i, kinds[k].exponent);
            double high = i == kinds[k].largest
                              ? 2 * low - value_of((uint16_t)(i - 1), kinds[k].exponent)
                              : value_of((uint16_t)(i + 1), kinds[k].exponent);
            float middle = (float)((low + high) / 2);
            float in[4] = {nextafterf(middle, 0.0f), middle, nextafterf(middle, INFINITY), -middle};
            if ((double)middle != (low + high) / 2)
                continue; /* bf16's smallest denormals: fp32 has no middle */
            uint16_t out[4];
            copy_values(&ops, kinds[k].dtype, out, DTYPE_F32, in, 4);
            int even = i % 2 == 0 ? i : i + 1;
            cr_assert_eq(out[0], i, "below the middle after %04x: %04x", i, out[0]);
            cr_assert_eq(out[1], even, "at the middle after %04x: %04x", i, out[1]);
            cr_assert_eq(out[2], i + 1, "above the middle after %04x: %04x", i, out[2]);
            cr_assert_eq(out[3], 0x8000 | even);
        }
    }
    ops_close(&ops);
}

Test(copy, beyond_the_range)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    float in[] = {65519.99f, 65520.0f, -1e30f, INFINITY, float_of(0x7f800001), float_of(0xffffffff),
                  1e-30f,    3.4e38f};
    uint16_t f16[8], bf16[8];
    copy_values(&ops, DTYPE_F16, f16, DTYPE_F32, in, 8);
    copy_values(&ops, DTYPE_BF16, bf16, DTYPE_F32, in, 8);
    static const uint16_t want[] = {0x7bff, 0x7c00, 0xfc00, 0x7c00};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(f16[i], want[i], "%d: %04x", i, f16[i]);
    cr_assert(isnan(value_of(f16[4], 5)) && isnan(value_of(f16[5], 5)));
    cr_assert(isnan(value_of(bf16[4], 8)) && isnan(value_of(bf16[5], 8)));
    cr_assert_eq(f16[6], 0);
    cr_assert_eq(bf16[3], 0x7f80);
    cr_assert_eq(bf16[7], 0x7f80, "3.4e38 is nearer to infinity's place than to bf16's largest");

    /* Between the two narrow ones, by way of fp32. */
    uint16_t one[2] = {0x3c00, 0x7bff}, other[2];
    copy_values(&ops, DTYPE_BF16, other, DTYPE_F16, one, 2);
    cr_assert_eq(other[0], 0x3f80);
    cr_assert_eq(other[1], 0x4780); /* 65504 to 65536 */
    copy_values(&ops, DTYPE_F16, one, DTYPE_BF16, other, 2);
    cr_assert_eq(one[0], 0x3c00);
    cr_assert_eq(one[1], 0x7c00);
    ops_close(&ops);
}

/* A file's tensors may begin at an odd byte. */
Test(copy, unaligned_source)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    unsigned char file[1 + 3 * 4];
    const float values[] = {1.5f, -2.0f, 1e-40f};
    memcpy(file + 1, values, sizeof(values));
    float out[3];
    copy_values(&ops, DTYPE_F32, out, DTYPE_F32, file + 1, 3);
    cr_assert_eq(memcmp(out, values, sizeof(values)), 0);
    uint16_t half[3];
    copy_values(&ops, DTYPE_BF16, half, DTYPE_F32, file + 1, 3);
    cr_assert_eq(half[1], 0xc000);
    cr_assert_eq(half[0], bits_of(1.5f) >> 16);
    ops_close(&ops);
}
