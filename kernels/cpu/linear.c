/* SPDX-License-Identifier: Apache-2.0 */
/*
 * y = act(x w^T + bias), or added to y, through OpenBLAS' sgemm. OpenBLAS' own threads are off:
 * they would serve one caller at a time, and here each rank of a process calls. Instead every
 * worker of the device multiplies a fixed slice.
 */
#include "kernels/cpu/linear.h"

#include "kernels/cpu/backend_cpu.h"

#include <cblas.h>
#include <limits.h>
#include <pthread.h>

enum {
    /* A block of y stays in the second-level cache until bias and activation are applied: 512 x 256
     * floats, 512 KiB. OpenBLAS packs both operands anew for every block, which at these sizes
     * costs less than can be measured. */
    BLOCK_ROWS = 512,
    BLOCK_COLUMNS = 256,
    UNIT = 16,                   /* slices are multiples of a vector */
    WORKER_MULTIPLIES = 1 << 17, /* fewer are not worth waking a worker for */
};

static void set_blas_threads(void)
{
    openblas_set_num_threads(1);
}

static int blas_int(int64_t n)
{
    BUG_ON(n > INT_MAX, "a matrix dimension of %lld for BLAS", (long long)n);
    return (int)n;
}

void linear_multiply(const struct linear_product *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_blas_threads);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, p->b_transposed ? CblasTrans : CblasNoTrans,
                blas_int(p->m), blas_int(p->n), blas_int(p->k), p->alpha, p->a,
                blas_int(p->a_stride), p->b, blas_int(p->b_stride), p->beta, p->c,
                blas_int(p->c_stride));
}

/* One product of matrices; x [rows, in], w [out, in], y [rows, out]. */
struct job {
    const struct simd_ops *simd;
    int64_t rows, out, in;
    int64_t x_stride, w_stride, y_stride;
    const float *x, *w, *bias;
    float *y;
    enum act act;
    bool add;      /* to what y holds */
    bool cut_rows; /* workers share the rows, else the columns of y */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void multiply_block(const struct job *job, int64_t row, int64_t rows, int64_t column,
                           int64_t columns)
{
    float *y = job->y + row * job->y_stride + column;
    linear_multiply(&(struct linear_product){
        .m = rows,
        .n = columns,
        .k = job->in,
        .a = job->x + row * job->x_stride,
        .b = job->w + column * job->w_stride,
        .c = y,
        .a_stride = job->x_stride,
        .b_stride = job->w_stride,
        .c_stride = job->y_stride,
        .b_transposed = true,
        .alpha = 1.0f,
        .beta = job->add ? 1.0f : 0.0f,
    });
    if (!job->bias && job->act == ACT_NONE)
        return;
    for (int64_t i = 0; i < rows; i++, y += job->y_stride)
        job->simd->activate(columns, y, y, job->bias ? job->bias + column : NULL, job->act);
}

static void multiply_part(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct job *job = arg;
    int64_t row_begin = job->cut_rows ? begin * UNIT : 0;
    int64_t row_end = job->cut_rows ? least(end * UNIT, job->rows) : job->rows;
    int64_t column_begin = job->cut_rows ? 0 : begin * UNIT;
    int64_t column_end = job->cut_rows ? job->out : least(end * UNIT, job->out);
    for (int64_t column = column_begin; column < column_end; column += BLOCK_COLUMNS) {
        int64_t columns = least(BLOCK_COLUMNS, column_end - column);
        for (int64_t row = row_begin; row < row_end; row += BLOCK_ROWS)
            multiply_block(job, row, least(BLOCK_ROWS, row_end - row), column, columns);
    }
}

/* Cuts the longer side of y: the operand that every worker has to pack is then the smaller one. */
static void multiply(struct pool *pool, struct job *job)
{
    job->cut_rows = job->rows > job->out;
    int64_t cut = job->cut_rows ? job->rows : job->out;
    int64_t unit = UNIT * (job->cut_rows ? job->out : job->rows) * job->in; /* multiplications */
    pool_run(pool, (cut + UNIT - 1) / UNIT, WORKER_MULTIPLIES / unit + 1, multiply_part, job);
}

/* The stride that makes one matrix of all rows of [N, I] or [B, N, I]; -1: there is none. */
static int64_t joint_stride(const struct tensor *t)
{
    if (t->ndim == 2)
        return t->stride[0];
    if (t->dim[1] == 1)
        return t->stride[0];
    return t->dim[0] == 1 || t->stride[0] == t->dim[1] * t->stride[1] ? t->stride[1] : -1;
}

/* BLAS wants a row stride of at least the row; that of a single row means nothing. */
static int64_t blas_stride(int64_t stride, int64_t rows, int64_t width)
{
    if (rows <= 1)
        return width;
    BUG_ON(stride < width, "linear: rows of %lld elements at a stride of %lld", (long long)width,
           (long long)stride);
    return stride;
}

static enum status run(struct queue *q, const struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct tensor *bias, enum act act, bool add)
{
    struct cpu_device *cpu = cpu_of(q);
    int64_t lanes = x->ndim == 3 ? x->dim[0] : 1;
    int64_t rows = x->dim[x->ndim - 2];
    int64_t x_stride = joint_stride(x);
    int64_t y_stride = joint_stride(y);
    if (x_stride < 0 || y_stride < 0) {
        x_stride = x->stride[1];
        y_stride = y->stride[1];
    } else {
        rows *= lanes;
        lanes = 1;
    }
    struct job job = {
        .simd = cpu->simd,
        .rows = rows,
        .out = w->dim[0],
        .in = w->dim[1],
        .w = w->data,
        .w_stride = blas_stride(w->stride[0], w->dim[0], w->dim[1]),
        .x_stride = blas_stride(x_stride, rows, w->dim[1]),
        .y_stride = blas_stride(y_stride, rows, w->dim[0]),
        .bias = bias ? bias->data : NULL,
        .act = act,
        .add = add,
    };
    for (int64_t b = 0; b < lanes && rows > 0 && job.out > 0; b++) {
        job.x = (const float *)x->data + b * x->stride[0];
        job.y = (float *)y->data + b * y->stride[0];
        multiply(cpu->pool, &job);
    }
    return ST_OK;
}

enum status linear_run(struct queue *q, struct tensor *y, const struct tensor *x,
                       const struct tensor *w, const struct tensor *bias, enum act act)
{
    return run(q, y, x, w, bias, act, false);
}

enum status linear_run_add(struct queue *q, struct tensor *h, const struct tensor *x,
                           const struct tensor *w, const struct tensor *bias)
{
    return run(q, h, x, w, bias, ACT_NONE, true);
}
