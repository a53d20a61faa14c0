/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors files: a reader that trusts nothing, and a writer. Format: 8 bytes little-endian
 * header length, a JSON header, then the data. Not a cache: an open file is its header and a
 * descriptor, and elements are read when they are asked for. Nothing is mapped, since a file that
 * somebody cuts off would then end the process.
 */
#ifndef MODELS_SAFETENSORS_H
#define MODELS_SAFETENSORS_H

#include "kernels/base/file.h"
#include "kernels/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_MAX_DIMS = 8 };

enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_I64,
    SAFETENSORS_OTHER
};

struct safetensors_entry {
    const char *name;      /* owned by the file */
    const char *type_name; /* as written: "F32", "BF16", ... */
    enum safetensors_type type;
    int ndim;
    int64_t dim[SAFETENSORS_MAX_DIMS];
    uint64_t first; /* byte of the file; its end was checked against dims and the file's size */
    size_t bytes;
};

struct safetensors;

/* Checks the whole header: length, JSON, types, shapes, offsets inside the file, no overlap, no
 * gap. ST_INVALID, ST_IO, ST_OOM. */
enum status safetensors_open(const char *path, struct safetensors **out);
/* The same over a buffer that outlives the object; `label` stands for the path in messages. For
 * tests and fuzzing. */
enum status safetensors_open_memory(const char *label, const void *bytes, size_t size,
                                    struct safetensors **out);
void safetensors_close(struct safetensors *file);

const char *safetensors_path(const struct safetensors *file);

/* The file as it was when it was opened; all 0: it is in memory. Owned by the file. */
const struct file_stamp *safetensors_stamp(const struct safetensors *file);

int safetensors_count(const struct safetensors *file);
const struct safetensors_entry *safetensors_at(const struct safetensors *file, int index);
const struct safetensors_entry *safetensors_find(const struct safetensors *file,
                                                 const char *name);            /* NULL: absent */
const char *safetensors_meta(const struct safetensors *file, const char *key); /* NULL: absent */

/* Bytes first .. first+size-1 of an entry, as they are in the file. Threads may read at one time.
 * ST_IO: the file was cut off since it was opened, or fails. */
enum status safetensors_bytes(const struct safetensors *file, const struct safetensors_entry *entry,
                              size_t first, size_t size, void *out);

/* Elements first .. first+count-1 as floats (F32, F16, BF16, I64). ST_INVALID for other types,
 * ST_IO. */
enum status safetensors_floats(const struct safetensors *file,
                               const struct safetensors_entry *entry, int64_t first, int64_t count,
                               float *out);

/* Folds the names, types, shapes and bytes of all tensors into *hash. ST_IO. */
enum status safetensors_hash(const struct safetensors *file, uint64_t *hash);

struct safetensors_item {
    const char *name;
    int ndim;
    int64_t dim[SAFETENSORS_MAX_DIMS];
    const float *data; /* fp32 */
};

/* Writes fp32 tensors and metadata pairs (n_meta times key, value) atomically: a temporary file,
 * then rename. */
enum status safetensors_write(const char *path, int n, const struct safetensors_item *item,
                              int n_meta, const char *const (*meta)[2]);

#endif
