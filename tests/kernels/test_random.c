/* SPDX-License-Identifier: Apache-2.0 */
/* op_random_uniform: bit for bit its definition, for any rectangle, dtype, stride and number of
 * threads. (op_random_normal: test_advance.c and the generator's own tests.) */
#include "kernels/base/rng.h"
#include "tests/kernels/ops.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 0x123456789abcdef0, stream = 0xfedcba9876543210;

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* Column-by-column product and rounding of every element, and poison beside the rows. */
static void check_floats(const struct tensor *t, float scale, uint64_t first, int64_t row_step)
{
    for (int64_t r = 0; r < t->dim[0]; r++) {
        const float *row = (const float *)t->data + r * t->stride[0];
        for (int64_t c = 0; c < t->dim[1]; c++) {
            float value;
            rng_uniform(seed, stream, first + (uint64_t)(r * row_step + c), 1, &value);
            cr_assert_eq(float_bits(row[c]), float_bits(value * scale), "element %lld, %lld",
                         (long long)r, (long long)c);
        }
        for (int64_t c = t->dim[1]; r + 1 < t->dim[0] && c < t->stride[0]; c++)
            cr_assert_eq(float_bits(row[c]), 0xffffffff, "beside row %lld", (long long)r);
    }
}

Test(random, uniform_is_its_definition)
{
    static const uint64_t starts[] = {0, 1, 2, 3, 1000003, (UINT64_C(1) << 34) - 37};
    for (int round = 0; round < 60; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int64_t rows = ops_pick(&ops, 1, round % 4 ? 9 : 400);
        int64_t cols = ops_pick(&ops, 1, round % 5 ? 130 : 5000);
        int64_t step = cols + ops_pick(&ops, 0, 70);
        uint64_t first = starts[round % 6];
        struct tensor out = ops_blank(&ops, OPS_DIM(rows, cols));
        cr_assert_eq(op_random_uniform(ops.q, &out, 0.37f, seed, stream, first, step), ST_OK);
        check_floats(&out, 0.37f, first, step);
        ops_close(&ops);
    }
}

/* Other dtypes hold what a copy of the floats would. */
Test(random, uniform_is_rounded_as_a_copy_is)
{
    enum { ROWS = 37, COLS = 301, WIDE = 310, STEP = 512 };
    static const enum dtype dtypes[] = {DTYPE_BF16, DTYPE_F16};
    struct ops ops;
    ops_open(&ops, 2, 3);
    uint16_t *drawn = malloc(sizeof(*drawn) * ROWS * WIDE);
    uint16_t *want = malloc(sizeof(*want) * ROWS * WIDE);
    int64_t dim[2] = {ROWS, WIDE};
    for (int i = 0; i < 4; i++) {
        float scale = i < 2 ? 0.05f : 1e-5f; // with fp16's subnormal numbers, too
        struct tensor exact = ops_blank(&ops, OPS_DIM(ROWS, COLS));
        struct tensor whole = tensor_of(drawn, ops.dev, dtypes[i % 2], 2, dim);
        struct tensor out = tensor_slice(&whole, 1, 4, COLS);
        struct tensor copied = whole;
        memset(drawn, 0xff, sizeof(*drawn) * ROWS * WIDE);
        memset(want, 0xff, sizeof(*want) * ROWS * WIDE);
        copied.data = want;
        copied = tensor_slice(&copied, 1, 4, COLS);
        cr_assert_eq(op_random_uniform(ops.q, &exact, scale, seed, stream, 7, STEP), ST_OK);
        cr_assert_eq(op_copy(ops.q, &copied, &exact), ST_OK);
        cr_assert_eq(op_random_uniform(ops.q, &out, scale, seed, stream, 7, STEP), ST_OK);
        cr_assert_eq(memcmp(drawn, want, sizeof(*want) * ROWS * WIDE), 0, "%s at %g",
                     dtype_name(dtypes[i % 2]), (double)scale);
    }
    free(drawn);
    free(want);
    ops_close(&ops);
}

Test(random, nothing_is_drawn_into_nothing)
{
    struct ops ops;
    ops_open(&ops, 2, 3);
    struct tensor no_rows = ops_blank(&ops, OPS_DIM(0, 5)),
                  no_columns = ops_blank(&ops, OPS_DIM(5, 0));
    cr_assert_eq(op_random_uniform(ops.q, &no_rows, 1.0f, seed, stream, 0, 5), ST_OK);
    cr_assert_eq(op_random_uniform(ops.q, &no_columns, 1.0f, seed, stream, 0, 5), ST_OK);
    ops_close(&ops);
}
