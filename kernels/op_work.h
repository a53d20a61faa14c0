/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each operation of op.h and op_image.h computes and moves: the least that any backend must,
 * not what one of them does. Letters and tensors as there; tensors that may be NULL there, may
 * here.
 *
 * FLOPs: an addition, a product, a quotient, a comparison, and a value of a function (exp, log,
 * tanh, sqrt, sin, cos) count one each. Products and attentions count their multiplications and
 * additions alone: neither bias nor activation nor softmax. What is reckoned once for a row or a
 * lane and not for each of its elements is left out, but where a line below has it.
 * Bytes: every operand once, read or written; one that is both, twice.
 */
#ifndef KERNELS_OP_WORK_H
#define KERNELS_OP_WORK_H

#include "kernels/base/trace.h"
#include "kernels/op.h"
#include "kernels/op_image.h"

/* 0. */
struct trace_work op_work_copy(const struct tensor *dst, const struct tensor *src);
struct trace_work op_work_fill(const struct tensor *t);

/* 2 M N K, of all rows M. */
struct trace_work op_work_linear(const struct tensor *y, const struct tensor *x,
                                 const struct tensor *w, const struct tensor *bias);
struct trace_work op_work_linear_add(const struct tensor *h, const struct tensor *x,
                                     const struct tensor *w, const struct tensor *bias);

/* An element: 9 of GELU_TANH, 0.5 x (1 + tanh(c (x + d x x x))); 4 of SILU, x / (1 + exp(-x)). */
struct trace_work op_work_activate(const struct tensor *y, const struct tensor *x, enum act act);

/* An element: 5 (sum, deviation, square, its sum, over the root), and 1 for each of weight, bias,
 * shift and scale. */
struct trace_work op_work_norm(const struct tensor *y, const struct tensor *x,
                               const struct norm *norm);

/* An element: 1, and 1 for each of bias and gate. */
struct trace_work op_work_gate_add(const struct tensor *h, const struct tensor *y,
                                   const struct tensor *bias, const struct tensor *gate);

/* Both; h is not read again. */
struct trace_work op_work_gate_add_norm(const struct tensor *h, const struct tensor *y,
                                        const struct tensor *bias, const struct tensor *gate,
                                        const struct tensor *a, const struct norm *norm);

/* An element of query and key: normed, 3 (square, its sum, over the root) or 5 where centred, and 1
 * for each of weight and bias; rotated, 3. */
struct trace_work op_work_qk_norm_rope(const struct tensor *query, const struct tensor *key,
                                       const struct qk_norm *norm, const struct tensor *rope);

/* 1 an element. */
struct trace_work op_work_add_rows(const struct tensor *h, const struct tensor *table);
struct trace_work op_work_add(const struct tensor *y, const struct tensor *x);
struct trace_work op_work_add_outer(const struct tensor *out, const struct tensor *table,
                                    const struct tensor *t);

/* 2 an element: the angle, its sine or cosine. */
struct trace_work op_work_timestep(const struct tensor *out, const struct tensor *t);

/* 4 H Nq D for each key that takes part, in each lane; keys that do not are not read. */
struct trace_work op_work_attention(const struct tensor *o, const struct tensor *lse,
                                    const struct tensor *query, const struct tensor *key,
                                    const int *key_count);

/* 3 an element of o; 9 an element of lse: the larger, two differences, their exponentials, the sum,
 * its logarithm, two weights. */
struct trace_work op_work_merge(const struct tensor *o, const struct tensor *lse);

/* An element: 12 (x0 3, clamped 2, x 7), 3 for guidance, 2 for noise. */
struct trace_work op_work_advance(const struct tensor *x, const struct tensor *eps_u,
                                  const struct tensor *eps_c, const struct tensor *noise);

/* An element: 4 (logarithm, root, sine or cosine, product) of a normal number, 1 of a uniform one;
 * the generator's work is on integers. */
struct trace_work op_work_random_normal(const struct tensor *out);
struct trace_work op_work_random_uniform(const struct tensor *out);

/* An element of y: 2 I for each of the kernel's places, k k or 4 where it is folded, those on the
 * border too. */
struct trace_work op_work_conv(const struct tensor *y, const struct tensor *x,
                               const struct tensor *w, const struct conv *conv);

/* 20 for each of O and I: of nine numbers four in each of four ways. */
struct trace_work op_work_conv_fold(const struct tensor *folded, const struct tensor *w);

/* 4 an element: a distance, its sum, its square, their sum. */
struct trace_work op_work_group_sums(const struct tensor *sums, const struct tensor *x);

/* 6 a group: two means, their distance, its square, times the count, added. */
struct trace_work op_work_group_centre(const struct tensor *sums, const struct group_parts *parts);

/* An element: 2 (deviation, over the root), 1 for each of weight and bias, 4 of SILU. */
struct trace_work op_work_group_norm(const struct tensor *y, const struct tensor *x,
                                     const struct group_norm *norm);

#endif
