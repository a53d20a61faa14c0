/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as a pure function of (seed, name, row, column): any shard, no file. Not trained. */
#include "kernels/base/hash.h"
#include "kernels/base/rng.h"
#include "kernels/device.h"
#include "kernels/op.h"
#include "models/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct synthetic {
    uint64_t seed;
};

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t part = strlen(ending);
    return length >= part && strcmp(name + length - part, ending) == 0;
}

/* Weights of norms: they lie around 1, so that queries and keys that are normed have logits of all
 * sizes. */
static bool is_norm(const char *name, int ndim)
{
    return ndim == 1 && ends_in(name, ".weight");
}

/* Standard deviation: sizes at which activations stay near 1 and no gate is closed. */
static double deviation_of(const char *name, int ndim, const int64_t *shape)
{
    double fan_in = 1;
    for (int i = ndim == 1 ? 0 : 1; i < ndim; i++)
        fan_in *= (double)shape[i];
    if (is_norm(name, ndim))
        return 0.2;
    return ends_in(name, ".bias") ? 0.02 : 1 / sqrt(fan_in > 0 ? fan_in : 1);
}

/* What a parameter's elements are drawn by: element (row, column) is the one of index row * cols +
 * column, whichever slice it is read in. */
struct draw {
    int64_t cols; /* of the whole parameter */
    uint64_t stream;
    uint64_t first; /* index of the slice's first element */
    float scale;
    float around; /* added to each */
};

static struct draw draw_of(const struct synthetic *synthetic, const char *name, int ndim,
                           const int64_t *shape, const struct weights_slice *slice)
{
    struct draw d = {.cols = 1, .stream = hash_text(synthetic->seed, name)};
    for (int i = ndim == 1 ? 0 : 1; i < ndim; i++)
        d.cols *= shape[i];
    d.first = (uint64_t)slice->row_begin * (uint64_t)d.cols + (uint64_t)slice->col_begin;
    /* A uniform value in [-1, 1) has the deviation 1/sqrt(3). */
    d.scale = (float)(sqrt(3.0) * deviation_of(name, ndim, shape));
    d.around = is_norm(name, ndim) ? 1 : 0;
    return d;
}

static enum status synthetic_read(void *self, const char *name, int ndim, const int64_t *shape,
                                  const struct weights_slice *slice, float *out)
{
    const struct synthetic *synthetic = self;
    struct draw d = draw_of(synthetic, name, ndim, shape, slice);
    bool whole_rows = slice->cols == d.cols;
    int64_t runs = whole_rows ? 1 : slice->rows;
    int64_t count = whole_rows ? slice->rows * d.cols : slice->cols;
    for (int64_t i = 0; i < runs; i++) {
        float *to = out + i * count;
        rng_uniform(synthetic->seed, d.stream, d.first + (uint64_t)(i * d.cols), count, to);
        for (int64_t k = 0; k < count; k++)
            to[k] = d.around + to[k] * d.scale;
    }
    return ST_OK;
}

/* A vector that is not around 0: drawn on the host, a few numbers. */
static enum status fill_vector(void *self, const char *name, int ndim, const int64_t *shape,
                               const struct weights_slice *slice, struct queue *q,
                               struct tensor *out)
{
    int64_t dim[2] = {slice->rows, slice->cols};
    float *host = malloc((size_t)(dim[0] * dim[1]) * sizeof *host + 1);
    if (!host)
        return fail(ST_OOM, "synthetic weights: host memory for %s", name);
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, 2, dim);
    enum status st = synthetic_read(self, name, ndim, shape, slice, host);
    if (st == ST_OK)
        st = op_copy(q, out, &from);
    if (st == ST_OK)
        st = queue_sync(q);
    free(host);
    return st;
}

/* Drawn where it is wanted: no host memory, no transfer. */
static enum status synthetic_fill(void *self, const char *name, int ndim, const int64_t *shape,
                                  const struct weights_slice *slice, struct queue *q,
                                  struct tensor *out)
{
    const struct synthetic *synthetic = self;
    struct draw d = draw_of(synthetic, name, ndim, shape, slice);
    if (d.around != 0)
        return fill_vector(self, name, ndim, shape, slice, q, out);
    return op_random_uniform(q, out, d.scale, synthetic->seed, d.stream, d.first, d.cols);
}

static const struct weights_ops weights_synthetic = {
    .name = "synthetic",
    .read = synthetic_read,
    .fill = synthetic_fill,
    .close = free,
};

enum status weights_open_synthetic(uint64_t seed, struct weights **out)
{
    struct synthetic *synthetic = malloc(sizeof(*synthetic));
    if (!synthetic)
        return fail(ST_OOM, "synthetic weights: memory for a seed");
    synthetic->seed = seed;
    return weights_open(&weights_synthetic, synthetic, out);
}
