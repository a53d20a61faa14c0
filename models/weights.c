/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of weights: checks a slice and brings it to its device and type, where its table
 * does not do so itself. Knows no files. */
#include "models/weights.h"

#include "kernels/backend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Floats on their way to another type or device, at most: 4 MiB. */
enum { STAGED_FLOATS = 1 << 20 };

struct weights {
    const struct weights_ops *ops;
    void *self;
    char identity[32]; /* "" until asked for */
};

enum status weights_open(const struct weights_ops *ops, void *self, struct weights **out)
{
    struct weights *weights = calloc(1, sizeof(*weights));
    if (!weights) {
        ops->close(self);
        return fail(ST_OOM, "weights \"%s\": memory for a table", ops->name);
    }
    weights->ops = ops;
    weights->self = self;
    *out = weights;
    return ST_OK;
}

void weights_close(struct weights *weights)
{
    if (!weights)
        return;
    weights->ops->close(weights->self);
    free(weights);
}

const char *weights_name_at(const struct weights *weights, int index)
{
    return weights->ops->name_at ? weights->ops->name_at(weights->self, index) : NULL;
}

const char *weights_path_at(const struct weights *weights, int index)
{
    return weights->ops->path_at ? weights->ops->path_at(weights->self, index) : NULL;
}

const struct file_stamp *weights_stamp_at(const struct weights *weights, int index)
{
    return weights->ops->path_at ? weights->ops->stamp_at(weights->self, index) : NULL;
}

enum status weights_identity(struct weights *weights, const char **out)
{
    uint64_t hash;
    *out = weights->ops->name;
    if (!weights->ops->hash)
        return ST_OK;
    if (!weights->identity[0]) {
        TRY(weights->ops->hash(weights->self, &hash));
        snprintf(weights->identity, sizeof(weights->identity), "%016" PRIx64, hash);
    }
    *out = weights->identity;
    return ST_OK;
}

enum status weights_want(const struct weights *weights, const char *name, int ndim,
                         const int64_t *shape)
{
    const struct weights_slice nothing = {0, 0, 0, 0};
    if (!weights->ops->name_at)
        return ST_OK;
    return weights->ops->read(weights->self, name, ndim, shape, &nothing, NULL);
}

/* ---- fill ---- */

static void check_slice(const char *name, int ndim, const int64_t *shape,
                        const struct weights_slice *slice, const struct tensor *out)
{
    BUG_ON(ndim < 1 || ndim > TENSOR_MAX_DIMS, "parameter %s of %d dimensions", name, ndim);
    int64_t rows = ndim == 1 ? 1 : shape[0];
    int64_t cols = ndim == 1 ? shape[0] : 1;
    for (int i = 1; i < ndim; i++)
        cols *= shape[i];
    BUG_ON(slice->row_begin < 0 || slice->rows < 0 || slice->row_begin > rows - slice->rows ||
               slice->col_begin < 0 || slice->cols < 0 || slice->col_begin > cols - slice->cols,
           "rows %lld+%lld, columns %lld+%lld of parameter %s [%lld, %lld]",
           (long long)slice->row_begin, (long long)slice->rows, (long long)slice->col_begin,
           (long long)slice->cols, name, (long long)rows, (long long)cols);
    BUG_ON(tensor_count(out) != slice->rows * slice->cols, "parameter %s: %lld elements into %lld",
           name, (long long)(slice->rows * slice->cols), (long long)tensor_count(out));
}

/* `out` as [rows, cols]; a tensor with holes must have this shape already. */
static struct tensor as_matrix(const struct tensor *out, const struct weights_slice *slice)
{
    int64_t dim[2] = {slice->rows, slice->cols};
    if (tensor_contiguous(out))
        return tensor_reshape(out, 2, dim);
    BUG_ON(out->ndim != 2 || out->dim[0] != dim[0] || out->dim[1] != dim[1] || out->stride[1] != 1,
           "a slice [%lld, %lld] into a strided tensor of another shape", (long long)dim[0],
           (long long)dim[1]);
    return *out;
}

/* Floats that the host may write where they are. */
static bool is_host_fp32(const struct tensor *t)
{
    return t->dtype == DTYPE_F32 && backend_on_host(t->dev ? t->dev->ops : NULL);
}

/* The parameter that is read; what a slice is cut from. */
struct filling {
    struct weights *weights;
    const char *name;
    int ndim;
    const int64_t *shape;
};

static enum status fill_direct(const struct filling *f, const struct weights_slice *slice,
                               const struct tensor *out)
{
    if (tensor_contiguous(out))
        return f->weights->ops->read(f->weights->self, f->name, f->ndim, f->shape, slice,
                                     out->data);
    for (int64_t i = 0; i < slice->rows; i++) {
        struct weights_slice row = *slice;
        row.row_begin += i;
        row.rows = 1;
        float *to = (float *)out->data + i * out->stride[0];
        TRY(f->weights->ops->read(f->weights->self, f->name, f->ndim, f->shape, &row, to));
    }
    return ST_OK;
}

static enum status read_piece(const struct filling *f, const struct weights_slice *piece,
                              enum dtype *dtype, void *stage)
{
    const struct weights_ops *ops = f->weights->ops;
    if (ops->read_raw)
        return ops->read_raw(f->weights->self, f->name, f->ndim, f->shape, piece, dtype, stage);
    *dtype = DTYPE_F32;
    return ops->read(f->weights->self, f->name, f->ndim, f->shape, piece, stage);
}

/* In pieces of whole rows, or of parts of a row where one alone is too long. */
static enum status fill_staged(const struct filling *f, const struct weights_slice *slice,
                               struct queue *q, const struct tensor *out, float *stage)
{
    int64_t cols = slice->cols < STAGED_FLOATS ? slice->cols : STAGED_FLOATS;
    int64_t rows = STAGED_FLOATS / cols;
    for (int64_t i = 0; i < slice->rows; i += rows) {
        for (int64_t j = 0; j < slice->cols; j += cols) {
            struct weights_slice piece = {slice->row_begin + i, rows, slice->col_begin + j, cols};
            piece.rows = rows < slice->rows - i ? rows : slice->rows - i;
            piece.cols = cols < slice->cols - j ? cols : slice->cols - j;
            enum dtype dtype;
            TRY(read_piece(f, &piece, &dtype, stage));
            int64_t dim[2] = {piece.rows, piece.cols};
            struct tensor from = tensor_of(stage, NULL, dtype, 2, dim);
            struct tensor to = tensor_slice(out, 0, i, piece.rows);
            to = tensor_slice(&to, 1, j, piece.cols);
            TRY(op_copy(q, &to, &from));
            TRY(queue_sync(q)); // the stage is used again
        }
    }
    return ST_OK;
}

enum status weights_fill(struct weights *weights, const char *name, int ndim, const int64_t *shape,
                         const struct weights_slice *slice, struct queue *q, struct tensor *out)
{
    struct filling f = {weights, name, ndim, shape};
    check_slice(name, ndim, shape, slice, out);
    struct tensor matrix = as_matrix(out, slice);
    if (weights->ops->fill && matrix.dev)
        return weights->ops->fill(weights->self, name, ndim, shape, slice, q, &matrix);
    if (is_host_fp32(&matrix) || tensor_count(&matrix) == 0)
        return fill_direct(&f, slice, &matrix);
    int64_t floats = tensor_count(&matrix) < STAGED_FLOATS ? tensor_count(&matrix) : STAGED_FLOATS;
    float *stage = malloc((size_t)floats * sizeof(*stage));
    if (!stage)
        return fail(ST_OOM, "parameter %s: %lld bytes of host memory to convert in", name,
                    (long long)floats * (long long)sizeof(*stage));
    enum status st = fill_staged(&f, slice, q, &matrix, stage);
    free(stage);
    return st;
}
