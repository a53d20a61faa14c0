/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as a pure function of (seed, name, row, column): any shard, no file. Not trained. */
#include "kernels/base/hash.h"
#include "kernels/base/rng.h"
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

/* Standard deviation: sizes at which activations stay near 1 and no gate is closed. */
static double deviation_of(const char *name, int ndim, const int64_t *shape)
{
    double fan_in = 1;
    for (int i = ndim == 1 ? 0 : 1; i < ndim; i++)
        fan_in *= (double)shape[i];
    return ends_in(name, ".bias") ? 0.02 : 1 / sqrt(fan_in > 0 ? fan_in : 1);
}

/* Element (row, column) is the one of index row * columns + column, whichever slice it is read in.
 */
static enum status synthetic_read(void *self, const char *name, int ndim, const int64_t *shape,
                                  const struct weights_slice *slice, float *out)
{
    const struct synthetic *synthetic = self;
    int64_t cols = 1;
    for (int i = ndim == 1 ? 0 : 1; i < ndim; i++)
        cols *= shape[i];
    uint64_t stream = hash_text(synthetic->seed, name);
    /* A uniform value in [-1, 1) has the deviation 1/sqrt(3). */
    float scale = (float)(sqrt(3.0) * deviation_of(name, ndim, shape));
    bool whole_rows = slice->cols == cols;
    int64_t runs = whole_rows ? 1 : slice->rows;
    int64_t count = whole_rows ? slice->rows * cols : slice->cols;
    for (int64_t i = 0; i < runs; i++) {
        float *to = out + i * count;
        uint64_t first =
            (uint64_t)(slice->row_begin + i) * (uint64_t)cols + (uint64_t)slice->col_begin;
        rng_uniform(synthetic->seed, stream, first, count, to);
        for (int64_t k = 0; k < count; k++)
            to[k] *= scale;
    }
    return ST_OK;
}

static const struct weights_ops weights_synthetic = {
    .name = "synthetic",
    .read = synthetic_read,
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
