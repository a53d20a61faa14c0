/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's matrix product; contracts at op_linear and op_linear_add. */
#ifndef KERNELS_CPU_LINEAR_H
#define KERNELS_CPU_LINEAR_H

#include "kernels/op.h"

enum status linear_run(struct queue *q, struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct tensor *bias, enum act act);
enum status linear_run_add(struct queue *q, struct tensor *h, const struct tensor *x,
                           const struct tensor *w, const struct tensor *bias);

/* c[m,n] = alpha a[m,k] b^T + beta c on the calling thread; b is [n,k] (b_rows_are_columns) or
 * [k,n]. Row strides in elements. With beta 0, c is not read. */
void linear_product(bool b_rows_are_columns, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t a_stride, const float *b, int64_t b_stride, float beta,
                    float *c, int64_t c_stride);

#endif
