/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of attention on a GPU share: operands, and the reference in double. Not a test. */
#ifndef TESTS_CUDA_ATTENTION_H
#define TESTS_CUDA_ATTENTION_H

#include "tests/cuda/gpu.h"

struct attention_shape {
    int lanes, rows, keys, heads, width;
};

struct attention_operands {
    struct gpu_tensor *q, *k, *v, *o, *lse;
    struct attention_shape s;
};

/* Random, of any alignment; queries and keys in [-size, size). */
struct attention_operands attention_make(struct gpu *gpu, enum dtype dtype,
                                         struct attention_shape s, float size);

/* The first columns of heads that are eight further apart, aligned as the kernels for Hopper want
 * them; NaN between them. */
struct gpu_tensor *attention_part(struct gpu *gpu, enum dtype dtype, float size, int rows,
                                  const struct attention_shape *s);

/* Such operands; outputs lie eight columns apart, too: nothing may be written between them. */
struct attention_operands attention_apart(struct gpu *gpu, enum dtype dtype,
                                          struct attention_shape s, float size);

/* Keys that do not take part become NaN. */
void attention_poison(struct gpu *gpu, const struct attention_operands *p, const int *count);

/* One row of o [width]; returns its log-sum-exp over keys 0..count-1. */
double attention_row(const struct attention_operands *p, int64_t lane, int64_t row, int64_t head,
                     int count, double scale, double *o);

/* All of them; count NULL: all keys. */
void attention_want(const struct attention_operands *p, const int *count, double scale, double *o,
                    double *lse);

#endif
