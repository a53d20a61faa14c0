/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of the ops: how they are traced, and what it refuses. What they compute is asserted
 * in the files beside this one. */
#include "kernels/op.h"

#include "tests/kernels/ops.h"
#include "tests/support/ranges.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

Test(op, ops_are_traced)
{
    struct ranges seen;
    char traced[256] = "";
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor t = ops_random(&ops, 1.0f, OPS_DIM(2, 3, 4)),
                  table = ops_random(&ops, 1.0f, OPS_DIM(3, 4));
    ranges_begin(&seen);
    op_fill(ops.q, &t, 1.0f);
    op_add_rows(ops.q, &t, &table);
    ranges_end(&seen);
    op_fill(ops.q, &t, 1.0f);
    for (int i = 0; i < seen.n; i++) {
        strcat(strcat(traced, trace_kind_name(seen.v[i].range.kind)), " ");
        strcat(strcat(traced, seen.v[i].range.name), ";");
    }
    cr_assert_str_eq(traced, "op fill;op add_rows;");
    cr_assert_eq(seen.open, -1);
    ranges_release(&seen);
    ops_close(&ops);
}

/* ---- a caller's mistakes abort ---- */

Test(op, other_shape_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(4, 5)),
                  w = ops_random(&ops, 1.0f, OPS_DIM(3, 6));
    struct tensor y = ops_blank(&ops, OPS_DIM(4, 3));
    op_linear(ops.q, &y, &x, &w, NULL, ACT_NONE);
}

Test(op, sparse_last_axis_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 3, 4)),
                  v = ops_random(&ops, 1.0f, OPS_DIM(2, 4));
    x.stride[2] = 2;
    op_norm(ops.q, &x, &x, &(struct norm){.shift = &v, .scale = &v, .eps = 1e-6f});
}

Test(op, unsupported_dtype_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    uint16_t data[8] = {0};
    struct tensor x = tensor_of(data, NULL, DTYPE_BF16, 2, (const int64_t[]){2, 4});
    op_activate(ops.q, &x, &x, ACT_SILU);
}

Test(op, weights_of_an_unsupported_dtype_abort, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    uint16_t data[12] = {0};
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 4)), y = ops_blank(&ops, OPS_DIM(2, 3));
    struct tensor w = tensor_of(data, NULL, DTYPE_BF16, 2, (const int64_t[]){3, 4});
    op_linear(ops.q, &y, &x, &w, NULL, ACT_NONE);
}

Test(op, frame_beyond_the_frames_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor out = ops_blank(&ops, OPS_DIM(1, 4));
    struct latent_geometry g = {
        .channels = 4, .height = 2, .width = 2, .patch = 1, .frames = 3, .frame = 3};
    op_random_normal(ops.q, &out, &g, 0, 1, 2);
}

Test(op, frame_of_an_image_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor out = ops_blank(&ops, OPS_DIM(1, 4));
    struct latent_geometry g = {.channels = 4, .height = 2, .width = 2, .patch = 1, .frame = 1};
    op_random_normal(ops.q, &out, &g, 0, 1, 2);
}

Test(op, key_count_beyond_the_keys_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor q = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 2, 4)),
                  o = ops_blank(&ops, OPS_DIM(1, 3, 2, 4));
    op_attention(ops.q, &o, NULL, &q, &q, &q, (const int[]){4}, 0.5f);
}
