/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the CPU ops share: a device, tensors with gaps between their rows, the
 * comparison with a double reference and the bounds of all ops. Not a test.
 *
 * Every tensor lies in a buffer of NaNs: whoever reads an element that was not set computes a NaN,
 * and ops_near fails where an op wrote beside its output.
 */
#ifndef TESTS_KERNELS_OPS_H
#define TESTS_KERNELS_OPS_H

#include "kernels/backend.h"

enum { OPS_TENSORS = 64 };

struct ops {
    struct device *dev;
    struct queue *q;
    uint64_t seed, drawn; /* of the random numbers */
    int n;
    struct ops_buffer {
        uint32_t *word;
        int64_t words;
    } buffer[OPS_TENSORS];
};

/* A CPU device of `threads` workers; the numbers drawn depend on `seed` alone. */
void ops_open(struct ops *ops, int threads, uint64_t seed);
void ops_close(struct ops *ops);

/* Uniform in first..last, both included. */
int ops_pick(struct ops *ops, int first, int last);

/* An fp32 tensor with dense rows and gaps before, after and between them; its elements are NaN (for
 * outputs). */
struct tensor ops_blank(struct ops *ops, int ndim, const int64_t *dim);

/* The same with uniform elements in [-size, size). */
struct tensor ops_random(struct ops *ops, float size, int ndim, const int64_t *dim);

#define OPS_DIM(...)                                                                               \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* The element at an index; unused axes 0. */
float *ops_at(const struct tensor *t, int64_t i, int64_t j, int64_t k, int64_t l);

/* The same values in a dense array from malloc. */
float *ops_dense(const struct tensor *t);

/*
 * Fails the test unless t is within op's bound (relative L2) of want [count of t, dense] and all
 * that lies around t in its buffer is untouched.
 */
void ops_near(struct ops *ops, const char *op, const struct tensor *t, const double *want);

/* want[] for ops_near, freed with the ops. */
double *ops_want(struct ops *ops, const struct tensor *like);

#endif
