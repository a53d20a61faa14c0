/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's GroupNorm in its two halves; contracts at op_group_sums and op_group_norm. */
#ifndef KERNELS_CPU_GROUP_NORM_H
#define KERNELS_CPU_GROUP_NORM_H

#include "kernels/op_image.h"

enum status group_sums(struct queue *q, struct tensor *sums, const struct tensor *x);
enum status group_norm_run(struct queue *q, struct tensor *y, const struct tensor *x,
                           const struct group_norm *norm);

#endif
