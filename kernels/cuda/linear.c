/* SPDX-License-Identifier: Apache-2.0 */
/* y = act(x w^T + bias), or added to y: one product of all rows where strides allow it, and who
 * computes it. Weights of another dtype than x have a kernel of their own. */
#include "kernels/cuda/linear_cublas.h"

#include <string.h>

enum { PLAIN_ROWS = 8 }; /* so few are bound by reading w once, which our own kernel does */

/* The stride that makes one matrix of all rows of [N, I] or [B, N, I]; -1: there is none. */
static int64_t joint_stride(const struct tensor *t)
{
    if (t->ndim == 2 || t->dim[1] == 1)
        return t->stride[0];
    return t->dim[0] == 1 || t->stride[0] == t->dim[1] * t->stride[1] ? t->stride[1] : -1;
}

/* A leading dimension must not be shorter than the row; that of a single row means nothing. */
static int64_t row_stride(int64_t stride, int64_t rows, int64_t width)
{
    if (rows <= 1)
        return width;
    BUG_ON(stride < width, "linear: rows of %lld elements at a stride of %lld", (long long)width,
           (long long)stride);
    return stride;
}

static int alignment_of(const struct linear_shape *s, const struct linear_operands *o)
{
    int64_t strides = s->x_row | s->w_row | s->y_row;
    if (s->lanes > 1)
        strides |= s->x_lane | s->y_lane;
    uintptr_t all = (uintptr_t)strides * dtype_size((enum dtype)s->dtype) | (uintptr_t)o->x |
                    (uintptr_t)o->w | (uintptr_t)o->y | (uintptr_t)o->bias | 16;
    return (int)(all & -all);
}

/* By a kernel of our own: the one for w of x's dtype, or of another. */
static enum status multiply_plain(struct queue *q, const struct linear_shape *s,
                                  const struct linear_operands *o, enum act act, enum dtype weights)
{
    struct cuda_target at = cuda_target(q);
    bool mixed = (int)weights != s->dtype;
    int64_t size = (int64_t)dtype_size((enum dtype)s->dtype);
    for (int64_t lane = 0; lane < s->lanes; lane++) {
        struct cuda_product p = {
            .y = (char *)o->y + lane * s->y_lane * size,
            .x = (const char *)o->x + lane * s->x_lane * size,
            .w = o->w,
            .bias = o->bias,
            .rows = s->rows,
            .out = s->out,
            .in = s->in,
            .y_stride = s->y_row,
            .x_stride = s->x_row,
            .w_stride = s->w_row,
            .dtype = weights,
            .act = act,
            .add = s->add,
        };
        TRY(mixed ? cuda_product_rows(&at, &p) : cuda_product_plain(&at, &p));
    }
    return ST_OK;
}

/* GELU in the library's epilogue where it has one for the shape, else in a pass of its own. */
static enum status multiply(struct queue *q, struct linear_shape *s,
                            const struct linear_operands *o, struct tensor *y, enum act act)
{
    bool done = false;
    s->gelu = act == ACT_GELU_TANH;
    TRY(cuda_blas_multiply(q, s, o, &done));
    if (done && (s->gelu || act == ACT_NONE))
        return ST_OK;
    if (!done && s->gelu) {
        s->gelu = 0;
        TRY(cuda_blas_multiply(q, s, o, &done));
    }
    return done ? cuda_activate(q, y, y, act) : multiply_plain(q, s, o, act, (enum dtype)s->dtype);
}

static enum status run(struct queue *q, struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct tensor *bias, enum act act, bool add)
{
    struct linear_operands o = {y->data, x->data, w->data, bias ? bias->data : NULL};
    struct linear_shape s;
    memset(&s, 0, sizeof(s)); // compared byte by byte
    s.lanes = x->ndim == 3 ? x->dim[0] : 1;
    s.rows = x->dim[x->ndim - 2];
    s.out = w->dim[0];
    s.in = w->dim[1];
    if (s.lanes == 0 || s.rows == 0 || s.out == 0)
        return ST_OK;
    s.x_row = joint_stride(x);
    s.y_row = joint_stride(y);
    if (s.x_row < 0 || s.y_row < 0) {
        s.x_row = x->stride[1];
        s.y_row = y->stride[1];
        s.x_lane = x->stride[0];
        s.y_lane = y->stride[0];
    } else {
        s.rows *= s.lanes;
        s.lanes = 1;
    }
    s.x_row = row_stride(s.x_row, s.rows, s.in);
    s.y_row = row_stride(s.y_row, s.rows, s.out);
    s.w_row = row_stride(w->stride[0], s.out, s.in);
    s.dtype = x->dtype;
    s.bias = bias != NULL;
    s.add = add;
    s.multiprocessors = cuda_rest(q);
    s.alignment = alignment_of(&s, &o);
    if (w->dtype != x->dtype || (s.lanes == 1 && s.rows <= PLAIN_ROWS))
        return multiply_plain(q, &s, &o, act, w->dtype);
    return multiply(q, &s, &o, y, act);
}

enum status cuda_linear(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct tensor *w, const struct tensor *bias, enum act act)
{
    return run(q, y, x, w, bias, act, false);
}

enum status cuda_linear_add(struct queue *q, struct tensor *h, const struct tensor *x,
                            const struct tensor *w, const struct tensor *bias)
{
    return run(q, h, x, w, bias, ACT_NONE, true);
}
