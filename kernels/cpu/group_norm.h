/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's GroupNorm; contracts at op_group_sums, op_group_centre and op_group_norm. */
#ifndef KERNELS_CPU_GROUP_NORM_H
#define KERNELS_CPU_GROUP_NORM_H

#include "kernels/op_image.h"

enum status group_sums(struct queue *q, struct tensor *sums, const struct tensor *x);
enum status group_centre(struct queue *q, struct tensor *sums, const struct group_parts *parts);
enum status group_norm_run(struct queue *q, struct tensor *y, const struct tensor *x,
                           const struct group_norm *norm);

#endif
