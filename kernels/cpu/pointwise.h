/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's element-wise ops: activations, sums, tables, sampler; contracts at op_*. */
#ifndef KERNELS_CPU_POINTWISE_H
#define KERNELS_CPU_POINTWISE_H

#include "kernels/op.h"

enum status pointwise_activate(struct queue *q, struct tensor *y, const struct tensor *x,
                               enum act act);
enum status pointwise_add_rows(struct queue *q, struct tensor *h, const struct tensor *table);
enum status pointwise_add(struct queue *q, struct tensor *y, const struct tensor *x);
enum status pointwise_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                                const struct tensor *t);
enum status pointwise_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                               float freq_shift);
enum status pointwise_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                              const struct tensor *eps_u, const struct tensor *eps_c,
                              const struct tensor *noise, const struct tensor *coef);

#endif
