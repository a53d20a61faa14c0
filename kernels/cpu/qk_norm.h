/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's norm and rotation of heads; contract at op_qk_norm_rope. */
#ifndef KERNELS_CPU_QK_NORM_H
#define KERNELS_CPU_QK_NORM_H

#include "kernels/op.h"

enum status qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                         const struct qk_norm *norm, const struct tensor *rope);

#endif
