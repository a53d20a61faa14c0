/* SPDX-License-Identifier: Apache-2.0 */
/* What every op is said to compute and move, against numbers reckoned by hand. */
#include "kernels/op_work.h"

#include "tests/kernels/ops.h"
#include "tests/support/ranges.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ops ops;
static struct ranges seen;

static void begin(void)
{
    ops_open(&ops, 1, 1);
}

static void end(void)
{
    ops_close(&ops);
}

TestSuite(op_work, .init = begin, .fini = end);

/* Of the one op that `call` is: its name, FLOPs, bytes. */
#define CHECK(call, op, flops_by_hand, bytes_by_hand)                                              \
    do {                                                                                           \
        ranges_begin(&seen);                                                                       \
        cr_assert_eq(call, ST_OK, "%s", status_message());                                         \
        ranges_end(&seen);                                                                         \
        cr_assert_eq(seen.n, 1);                                                                   \
        cr_expect_eq(seen.v[0].range.kind, TRACE_OP);                                              \
        cr_expect_str_eq(seen.v[0].range.name, op);                                                \
        cr_expect_eq(seen.v[0].range.work.flops, flops_by_hand, op ": %g FLOPs",                   \
                     seen.v[0].range.work.flops);                                                  \
        cr_expect_eq(seen.v[0].range.work.bytes, bytes_by_hand, op ": %g bytes",                   \
                     seen.v[0].range.work.bytes);                                                  \
        ranges_release(&seen);                                                                     \
    } while (0)

static struct tensor some(int ndim, const int64_t *dim)
{
    return ops_random(&ops, 1.0f, ndim, dim);
}

Test(op_work, copies_and_fills)
{
    struct tensor a = some(OPS_DIM(2, 3, 4));
    struct tensor b = some(OPS_DIM(2, 3, 4));
    CHECK(op_copy(ops.q, &a, &b), "copy", 0, 24 * 4 * 2);
    CHECK(op_fill(ops.q, &a, 1.0f), "fill", 0, 24 * 4);
}

Test(op_work, products)
{
    struct tensor x = some(OPS_DIM(2, 3, 5));
    struct tensor w = some(OPS_DIM(7, 5));
    struct tensor bias = some(OPS_DIM(7));
    struct tensor y = some(OPS_DIM(2, 3, 7));
    CHECK(op_linear(ops.q, &y, &x, &w, &bias, ACT_GELU_TANH), "linear", 2 * 6 * 7 * 5,
          4 * (42 + 30 + 35 + 7));
    CHECK(op_linear(ops.q, &y, &x, &w, NULL, ACT_NONE), "linear", 420, 4 * (42 + 30 + 35));
    CHECK(op_linear_add(ops.q, &y, &x, &w, &bias), "linear_add", 420, 4 * (84 + 30 + 35 + 7));
}

Test(op_work, activations)
{
    struct tensor x = some(OPS_DIM(3, 5));
    CHECK(op_activate(ops.q, &x, &x, ACT_SILU), "activate", 4 * 15, 4 * 30);
    CHECK(op_activate(ops.q, &x, &x, ACT_GELU_TANH), "activate", 9 * 15, 4 * 30);
}

Test(op_work, norms)
{
    struct tensor x = some(OPS_DIM(2, 3, 4));
    struct tensor beside = some(OPS_DIM(2, 3, 2));
    struct tensor y = some(OPS_DIM(2, 3, 4));
    struct tensor wide = some(OPS_DIM(2, 3, 6));
    struct tensor shift = some(OPS_DIM(2, 4));
    struct tensor scale = some(OPS_DIM(2, 4));
    struct tensor weight = some(OPS_DIM(6));
    struct norm plain = {.eps = 1e-6f};
    struct norm modulated = {.shift = &shift, .scale = &scale, .eps = 1e-6f};
    struct norm both = {.weight = &weight, .beside = &beside, .eps = 1e-6f};
    CHECK(op_norm(ops.q, &y, &x, &plain), "norm", 5 * 24, 4 * 48);
    CHECK(op_norm(ops.q, &y, &x, &modulated), "norm", 7 * 24, 4 * (48 + 16));
    CHECK(op_norm(ops.q, &wide, &x, &both), "norm", 6 * 36, 4 * (36 + 24 + 12 + 6));
}

Test(op_work, gates)
{
    struct tensor h = some(OPS_DIM(2, 3, 4));
    struct tensor y = some(OPS_DIM(2, 3, 4));
    struct tensor a = some(OPS_DIM(2, 3, 4));
    struct tensor bias = some(OPS_DIM(4));
    struct tensor gate = some(OPS_DIM(2, 4));
    struct norm norm = {.shift = &gate, .scale = &gate, .eps = 1e-6f};
    CHECK(op_gate_add(ops.q, &h, &y, NULL, NULL), "gate_add", 24, 4 * 72);
    CHECK(op_gate_add(ops.q, &h, &y, &bias, &gate), "gate_add", 72, 4 * (72 + 4 + 8));
    CHECK(op_gate_add_norm(ops.q, &h, &y, &bias, &gate, &a, &norm), "gate_add_norm", 72 + 7 * 24,
          4 * (72 + 4 + 8 + 24 + 16));
}

Test(op_work, norms_and_turns_of_heads)
{
    struct tensor q = some(OPS_DIM(2, 3, 5, 4));
    struct tensor k = some(OPS_DIM(2, 3, 5, 4));
    struct tensor weight = some(OPS_DIM(4));
    struct tensor rope = some(OPS_DIM(3, 4));
    struct qk_norm rms = {.q_weight = &weight, .k_weight = &weight, .eps = 1e-6f};
    struct qk_norm layer = {.centred = true, .q_weight = &weight, .q_bias = &weight, .eps = 1e-6f};
    CHECK(op_qk_norm_rope(ops.q, &q, &k, &rms, &rope), "qk_norm_rope", 7 * 240, 4 * (480 + 8 + 12));
    CHECK(op_qk_norm_rope(ops.q, &q, NULL, &layer, NULL), "qk_norm_rope", 7 * 120, 4 * (240 + 8));
    CHECK(op_qk_norm_rope(ops.q, NULL, &k, NULL, &rope), "qk_norm_rope", 3 * 120, 4 * (240 + 12));
}

Test(op_work, sums)
{
    struct tensor h = some(OPS_DIM(2, 3, 4));
    struct tensor table = some(OPS_DIM(3, 4));
    struct tensor out = some(OPS_DIM(3, 2, 4));
    struct tensor t = some(OPS_DIM(2, 4));
    struct tensor a = some(OPS_DIM(24));
    struct tensor b = some(OPS_DIM(24));
    CHECK(op_add_rows(ops.q, &h, &table), "add_rows", 24, 4 * (48 + 12));
    CHECK(op_add(ops.q, &a, &b), "add", 24, 4 * 72);
    CHECK(op_add_outer(ops.q, &out, &table, &t), "add_outer", 24, 4 * (24 + 12 + 8));
}

Test(op_work, timesteps)
{
    struct tensor times = some(OPS_DIM(3));
    struct tensor out = some(OPS_DIM(3, 8));
    CHECK(op_timestep(ops.q, &out, &times, 0), "timestep", 48, 4 * (24 + 3));
}

Test(op_work, attention)
{
    struct tensor q = some(OPS_DIM(2, 3, 5, 4));
    struct tensor k = some(OPS_DIM(2, 6, 5, 4));
    struct tensor o = some(OPS_DIM(2, 3, 5, 4));
    struct tensor lse = some(OPS_DIM(2, 3, 5));
    const int count[2] = {1, 4};
    CHECK(op_attention(ops.q, &o, NULL, &q, &k, &k, NULL, 1.0f), "attention", 4 * 2 * 5 * 3 * 6 * 4,
          4 * (120 + 120 + 240 + 240));
    CHECK(op_attention(ops.q, &o, &lse, &q, &k, &k, count, 1.0f), "attention",
          4 * 5 * 3 * (1 + 4) * 4, 4 * (120 + 120 + 2 * 5 * 5 * 4 + 30));
}

Test(op_work, attention_of_lanes_at_two_distances)
{
    struct tensor q = some(OPS_DIM(2, 3, 5, 2, 4)); /* 6 lanes of 5 rows */
    struct tensor o = some(OPS_DIM(2, 3, 5, 2, 4));
    CHECK(op_attention(ops.q, &o, NULL, &q, &q, &q, NULL, 1.0f), "attention", 4 * 6 * 2 * 5 * 5 * 4,
          4 * 4 * 240);
}

Test(op_work, merges)
{
    struct tensor o = some(OPS_DIM(2, 3, 5, 4));
    struct tensor o2 = some(OPS_DIM(2, 3, 5, 4));
    struct tensor lse = some(OPS_DIM(2, 3, 5));
    struct tensor lse2 = some(OPS_DIM(2, 3, 5));
    CHECK(op_merge(ops.q, &o, &lse, &o2, &lse2), "merge", 3 * 120 + 9 * 30, 4 * (360 + 90));
}

Test(op_work, samplers)
{
    struct tensor x = some(OPS_DIM(2, 3, 4));
    struct tensor hist = some(OPS_DIM(2, 3, 4));
    struct tensor u = some(OPS_DIM(2, 3, 4));
    struct tensor c = some(OPS_DIM(2, 3, 4));
    struct tensor noise = some(OPS_DIM(2, 3, 4));
    struct tensor coef = some(OPS_DIM(ADVANCE_COEFS));
    CHECK(op_advance(ops.q, &x, &hist, NULL, &c, NULL, &coef), "advance", 12 * 24,
          4 * (48 + 48 + 24 + ADVANCE_COEFS));
    CHECK(op_advance(ops.q, &x, &hist, &u, &c, &noise, &coef), "advance", 17 * 24,
          4 * (48 + 48 + 72 + ADVANCE_COEFS));
}

Test(op_work, random_numbers)
{
    const struct latent_geometry g = {.channels = 1, .height = 4, .width = 4, .patch = 2};
    struct tensor normal = some(OPS_DIM(4, 4));
    struct tensor uniform = some(OPS_DIM(3, 5));
    CHECK(op_random_normal(ops.q, &normal, &g, 0, 1, 1), "random_normal", 64, 64);
    CHECK(op_random_uniform(ops.q, &uniform, 1.0f, 1, 1, 0, 5), "random_uniform", 15, 60);
}

/* Bytes are those of the dtype. */
Test(op_work, half_the_bytes_in_half_precision)
{
    const int64_t rows[2] = {6, 64};
    const int64_t weights[2] = {32, 64};
    const int64_t products[2] = {6, 32};
    struct tensor x = tensor_of(NULL, NULL, DTYPE_BF16, 2, rows);
    struct tensor w = tensor_of(NULL, NULL, DTYPE_BF16, 2, weights);
    struct tensor y = tensor_of(NULL, NULL, DTYPE_BF16, 2, products);
    struct trace_work work = op_work_linear(&y, &x, &w, NULL);
    cr_expect_eq(work.flops, 2 * 6 * 32 * 64);
    cr_expect_eq(work.bytes, 2 * (6 * 64 + 32 * 64 + 6 * 32));
}

static struct tensor dense(int ndim, const int64_t *dim)
{
    int64_t count = 1;
    for (int a = 0; a < ndim; a++)
        count *= dim[a];
    struct tensor flat = some(OPS_DIM(count));
    return tensor_of(flat.data, flat.dev, DTYPE_F32, ndim, dim);
}

Test(op_work, convolutions)
{
    struct tensor x = dense(OPS_DIM(2, 4, 5, 3)); // 120
    struct tensor w = dense(OPS_DIM(7, 3, 3, 3)); // 189
    struct tensor bias = dense(OPS_DIM(7));
    struct tensor y = dense(OPS_DIM(2, 4, 5, 7)); // 280
    struct conv conv = {.above = 1, .below = 1, .bias = &bias, .add = &y};
    CHECK(op_conv(ops.q, &y, &x, &w, &conv), "conv", 2 * 280 * 27, 4 * (560 + 120 + 189 + 7));
    struct tensor folded = dense(OPS_DIM(4, 7, 2, 2, 3)); // 336
    struct tensor twice = dense(OPS_DIM(2, 8, 10, 7));    // 1120
    conv = (struct conv){.upsample = true, .above = 1, .below = 1};
    CHECK(op_conv_fold(ops.q, &folded, &w), "conv_fold", 20 * 21, 4 * (336 + 189));
    CHECK(op_conv(ops.q, &twice, &x, &folded, &conv), "conv", 2 * 1120 * 12,
          4 * (1120 + 120 + 336));
}

Test(op_work, group_norms)
{
    struct tensor x = dense(OPS_DIM(2, 4, 5, 6)); // 240
    struct tensor sums = dense(OPS_DIM(2, 2, 3));
    struct tensor own = dense(OPS_DIM(2, 1, 3));
    struct group_parts parts = {&own, 20, 40};
    struct tensor weight = dense(OPS_DIM(6));
    struct group_norm norm = {&sums, &weight, &weight, 40, 1e-6f, ACT_SILU};
    CHECK(op_group_sums(ops.q, &sums, &x), "group_sums", 4 * 240, 4 * (240 + 12));
    CHECK(op_group_centre(ops.q, &sums, &parts), "group_centre", 6 * 6, 4 * (12 + 6 + 6));
    CHECK(op_group_norm(ops.q, &x, &x, &norm), "group_norm", 8 * 240, 4 * (480 + 12 + 12));
    norm = (struct group_norm){.sums = &sums, .count = 40, .eps = 1e-6f};
    CHECK(op_group_norm(ops.q, &x, &x, &norm), "group_norm", 2 * 240, 4 * (480 + 12));
}
