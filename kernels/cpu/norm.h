/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's modulated LayerNorm and gated residual, alone and together; contracts at op_*. */
#ifndef KERNELS_CPU_NORM_H
#define KERNELS_CPU_NORM_H

#include "kernels/op.h"

enum status norm_modulate(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct modulation *m);

enum status norm_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                          const struct tensor *bias, const struct tensor *gate);

enum status norm_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                               const struct tensor *bias, const struct tensor *gate,
                               struct tensor *a, const struct modulation *m);

#endif
