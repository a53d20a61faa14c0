/* SPDX-License-Identifier: Apache-2.0 */
/* Strided copies between dtypes in host memory, and fills; contracts at op_copy and op_fill. */
#ifndef KERNELS_CPU_COPY_H
#define KERNELS_CPU_COPY_H

#include "kernels/op.h"

/* All dtypes, also those that the backend does not compute in; data need not be aligned. Rounds to
 * nearest, ties to even; NaNs stay NaNs, values past fp16's range become infinite. */
enum status copy_tensor(struct queue *q, struct tensor *dst, const struct tensor *src);

enum status copy_fill(struct queue *q, struct tensor *t, float value);

/* n dense elements, converted as copy_tensor does; not parallel. */
void copy_run(int64_t n, enum dtype to_dtype, void *to, enum dtype from_dtype, const void *from);

#endif
