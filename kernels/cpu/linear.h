/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's matrix product; contracts at op_linear and op_linear_add. */
#ifndef KERNELS_CPU_LINEAR_H
#define KERNELS_CPU_LINEAR_H

#include "kernels/op.h"

enum status linear_run(struct queue *q, struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct tensor *bias, enum act act);
enum status linear_run_add(struct queue *q, struct tensor *h, const struct tensor *x,
                           const struct tensor *w, const struct tensor *bias);

/* c = alpha a b + beta c; row strides in elements. With beta 0, c is not read. */
struct linear_product {
    int64_t m, n, k;
    const float *a, *b;
    float *c;         /* [m, n] */
    int64_t a_stride; /* of [m, k] */
    int64_t b_stride; /* of [k, n], or [n, k] */
    int64_t c_stride;
    bool b_transposed; /* b is [n, k] */
    float alpha, beta;
};

/* On the calling thread. */
void linear_multiply(const struct linear_product *p);

#endif
