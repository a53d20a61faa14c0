/* SPDX-License-Identifier: Apache-2.0 */
/* op_merge against its formula, and attention over parts of the keys against all of them. */
#include "tests/kernels/ops.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

Test(merge, formula)
{
    for (int round = 0; round < 30; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        int lanes = ops_pick(&ops, 1, 3), rows = ops_pick(&ops, 1, 60),
            heads = ops_pick(&ops, 1, 5);
        int width = ops_pick(&ops, 1, 100);
        struct tensor o = ops_random(&ops, 1.0f, OPS_DIM(lanes, rows, heads, width));
        struct tensor o2 = ops_random(&ops, 1.0f, OPS_DIM(lanes, rows, heads, width));
        struct tensor lse = ops_random(&ops, 9.0f, OPS_DIM(lanes, rows, heads));
        struct tensor lse2 = ops_random(&ops, 9.0f, OPS_DIM(lanes, rows, heads));
        double *want = ops_want(&ops, &o), *want_lse = ops_want(&ops, &lse);
        int64_t at = 0;
        for (int b = 0; b < lanes; b++) {
            for (int i = 0; i < rows; i++) {
                for (int h = 0; h < heads; h++, at++) {
                    double a = exp((double)*ops_at(&lse, b, i, h, 0));
                    double c = exp((double)*ops_at(&lse2, b, i, h, 0));
                    want_lse[at] = log(a + c);
                    for (int d = 0; d < width; d++)
                        want[at * width + d] =
                            (a * *ops_at(&o, b, i, h, d) + c * *ops_at(&o2, b, i, h, d)) / (a + c);
                }
            }
        }
        cr_assert_eq(op_merge(ops.q, &o, &lse, &o2, &lse2), ST_OK);
        ops_near(&ops, "merge", &o, want);
        ops_near(&ops, "lse", &lse, want_lse);
        ops_close(&ops);
    }
}

/* Attention over keys [0, 20), [20, 20) and [20, 53), merged in turn, is attention over all 53. */
Test(merge, parts_of_the_keys)
{
    struct ops ops;
    ops_open(&ops, 2, 3);
    struct tensor q = ops_random(&ops, 2.0f, OPS_DIM(2, 19, 3, 24));
    struct tensor k = ops_random(&ops, 2.0f, OPS_DIM(2, 53, 3, 24));
    struct tensor v = ops_random(&ops, 1.0f, OPS_DIM(2, 53, 3, 24));
    struct tensor whole = ops_blank(&ops, OPS_DIM(2, 19, 3, 24)),
                  whole_lse = ops_blank(&ops, OPS_DIM(2, 19, 3));
    struct tensor o = ops_blank(&ops, OPS_DIM(2, 19, 3, 24)),
                  lse = ops_blank(&ops, OPS_DIM(2, 19, 3));
    struct tensor o2 = ops_blank(&ops, OPS_DIM(2, 19, 3, 24)),
                  lse2 = ops_blank(&ops, OPS_DIM(2, 19, 3));
    cr_assert_eq(op_attention(ops.q, &whole, &whole_lse, &q, &k, &v, NULL, 0.2f), ST_OK);
    static const int border[] = {0, 20, 20, 53};
    for (int i = 0; i < 3; i++) {
        struct tensor k_part = tensor_slice(&k, 1, border[i], border[i + 1] - border[i]);
        struct tensor v_part = tensor_slice(&v, 1, border[i], border[i + 1] - border[i]);
        cr_assert_eq(
            op_attention(ops.q, i ? &o2 : &o, i ? &lse2 : &lse, &q, &k_part, &v_part, NULL, 0.2f),
            ST_OK);
        if (i)
            cr_assert_eq(op_merge(ops.q, &o, &lse, &o2, &lse2), ST_OK);
    }
    float *want = ops_dense(&whole), *got = ops_dense(&o);
    float *want_lse = ops_dense(&whole_lse), *got_lse = ops_dense(&lse);
    cr_assert(near_floats("o", got, want, tensor_count(&o), 5e-7));
    cr_assert(near_floats("lse", got_lse, want_lse, tensor_count(&lse), 5e-7));
    free(want), free(got), free(want_lse), free(got_lse);
    ops_close(&ops);
}

/* A part without keys is left out on either side, whatever its o holds. */
Test(merge, parts_without_keys)
{
    struct ops ops;
    ops_open(&ops, 1, 4);
    struct tensor o = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 1, 20)),
                  lse = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 1));
    struct tensor o2 = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 1, 20)),
                  lse2 = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 1));
    double *want = ops_want(&ops, &o), *want_lse = ops_want(&ops, &lse);
    for (int i = 0; i < 3; i++) {
        bool first =
            i == 0; /* row 0: only the first part has keys; row 1: only the second; row 2: none */
        *ops_at(first ? &lse2 : &lse, 0, i, 0, 0) = -INFINITY;
        for (int d = 0; d < 20; d++) {
            *ops_at(first ? &o2 : &o, 0, i, 0, d) = i == 2 ? 0.0f : NAN;
            want[i * 20 + d] = i == 2 ? 0.0 : *ops_at(first ? &o : &o2, 0, i, 0, d);
        }
        if (i == 2)
            *ops_at(&lse2, 0, i, 0, 0) = -INFINITY;
        want_lse[i] = *ops_at(first ? &lse : &lse2, 0, i, 0, 0);
    }
    cr_assert_eq(op_merge(ops.q, &o, &lse, &o2, &lse2), ST_OK);
    ops_near(&ops, "merge", &o, want);
    ops_near(&ops, "lse", &lse, want_lse);
    ops_close(&ops);
}
