/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a checkpoint: types, shapes, slices. Knows no file names. */
#include "models/checkpoint.h"
#include "models/weights.h"

#include <stdio.h>
#include <string.h>

enum { SHAPE_TEXT = 200 };

static const char *files_name_at(const void *self, int index)
{
    const struct checkpoint *c = self;
    for (int i = 0; i < c->files; i++) {
        if (index < safetensors_count(c->file[i]))
            return safetensors_at(c->file[i], index)->name;
        index -= safetensors_count(c->file[i]);
    }
    return NULL;
}

/* "[2, 96]" into text; returns it. */
static const char *describe_shape(int ndim, const int64_t *dim, char text[SHAPE_TEXT])
{
    int used = snprintf(text, SHAPE_TEXT, "[");
    for (int i = 0; i < ndim; i++)
        used += snprintf(text + used, (size_t)(SHAPE_TEXT - used), i ? ", %lld" : "%lld",
                         (long long)dim[i]);
    snprintf(text + used, (size_t)(SHAPE_TEXT - used), "]");
    return text;
}

static enum status check_entry(const struct safetensors *file,
                               const struct safetensors_entry *entry, int ndim,
                               const int64_t *shape)
{
    char found[SHAPE_TEXT];
    char wanted[SHAPE_TEXT];
    if (entry->ndim != ndim || memcmp(entry->dim, shape, sizeof(*shape) * (size_t)ndim) != 0)
        return fail(ST_INVALID,
                    "%s: tensor \"%s\" is %s, the model's config.json wants %s: they do not belong "
                    "together",
                    safetensors_path(file), entry->name,
                    describe_shape(entry->ndim, entry->dim, found),
                    describe_shape(ndim, shape, wanted));
    if (entry->type != SAFETENSORS_F32 && entry->type != SAFETENSORS_F16 &&
        entry->type != SAFETENSORS_BF16)
        return fail(
            ST_INVALID,
            "%s: tensor \"%s\" is %s, wanted F32, F16 or BF16: save the model in one of these",
            safetensors_path(file), entry->name, entry->type_name);
    return ST_OK;
}

/* The tensor of a name, of the shape and one of the types that a model wants, and its file. */
static enum status want_entry(const struct checkpoint *c, const char *name, int ndim,
                              const int64_t *shape, const struct safetensors **file,
                              const struct safetensors_entry **out)
{
    char wanted[SHAPE_TEXT];
    *out = checkpoint_find(c, name, file);
    if (!*out)
        return fail(ST_INVALID,
                    "%s: tensor \"%s\" %s is missing: the weights are not those of the config.json",
                    c->files == 1 ? safetensors_path(*file) : c->folder, name,
                    describe_shape(ndim, shape, wanted));
    return check_entry(*file, *out, ndim, shape);
}

static int64_t columns_of(int ndim, const int64_t *shape)
{
    int64_t cols = ndim == 1 ? shape[0] : 1;
    for (int i = 1; i < ndim; i++)
        cols *= shape[i];
    return cols;
}

static enum status files_read(void *self, const char *name, int ndim, const int64_t *shape,
                              const struct weights_slice *slice, float *out)
{
    const struct safetensors *file;
    const struct safetensors_entry *entry;
    TRY(want_entry(self, name, ndim, shape, &file, &entry));
    int64_t cols = columns_of(ndim, shape);
    if (slice->cols == cols)
        return safetensors_floats(file, entry, slice->row_begin * cols, slice->rows * cols, out);
    for (int64_t i = 0; i < slice->rows; i++)
        TRY(safetensors_floats(file, entry, (slice->row_begin + i) * cols + slice->col_begin,
                               slice->cols, out + i * slice->cols));
    return ST_OK;
}

static enum status files_read_raw(void *self, const char *name, int ndim, const int64_t *shape,
                                  const struct weights_slice *slice, enum dtype *dtype, void *out)
{
    const struct safetensors *file;
    const struct safetensors_entry *entry;
    TRY(want_entry(self, name, ndim, shape, &file, &entry));
    *dtype = entry->type == SAFETENSORS_F32    ? DTYPE_F32
             : entry->type == SAFETENSORS_BF16 ? DTYPE_BF16
                                               : DTYPE_F16;
    size_t size = dtype_size(*dtype);
    size_t cols = (size_t)columns_of(ndim, shape);
    size_t run = (size_t)slice->cols;
    size_t runs = (size_t)slice->rows;
    size_t first = (size_t)slice->row_begin * cols + (size_t)slice->col_begin;
    if (run == cols) { // whole rows lie behind each other
        run *= runs;
        runs = 1;
    }
    for (size_t i = 0; i < runs; i++)
        TRY(safetensors_bytes(file, entry, (first + i * cols) * size, run * size,
                              (char *)out + i * run * size));
    return ST_OK;
}

static const char *files_path_at(const void *self, int index)
{
    const struct checkpoint *c = self;
    if (index < CHECKPOINT_DESCRIPTIONS)
        return c->description[index].path;
    return index - CHECKPOINT_DESCRIPTIONS < c->files
               ? safetensors_path(c->file[index - CHECKPOINT_DESCRIPTIONS])
               : NULL;
}

static const struct file_stamp *files_stamp_at(const void *self, int index)
{
    const struct checkpoint *c = self;
    if (index < CHECKPOINT_DESCRIPTIONS)
        return &c->description[index].stamp;
    return index - CHECKPOINT_DESCRIPTIONS < c->files
               ? safetensors_stamp(c->file[index - CHECKPOINT_DESCRIPTIONS])
               : NULL;
}

/* Over all that changes a number: the configurations of the model, of its scheduler and of the
 * pipeline, and every tensor. */
static enum status files_hash(const void *self, uint64_t *out)
{
    const struct checkpoint *c = self;
    *out = c->described;
    for (int i = 0; i < c->files; i++)
        TRY(safetensors_hash(c->file[i], out));
    return ST_OK;
}

static void files_close(void *self)
{
    checkpoint_close(self);
}

static const struct weights_ops weights_safetensors = {
    .name = "safetensors",
    .read = files_read,
    .read_raw = files_read_raw,
    .name_at = files_name_at,
    .path_at = files_path_at,
    .stamp_at = files_stamp_at,
    .hash = files_hash,
    .close = files_close,
};

enum status weights_open_safetensors(const char *folder, struct weights **out)
{
    struct checkpoint *c;
    TRY(checkpoint_open(folder, &c));
    return weights_open(&weights_safetensors, c, out);
}
