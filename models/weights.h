/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named parameters behind one table: a checkpoint's safetensors files, or synthetic values. A
 * caller asks for a rectangle of a matrix, so that a shard reads only its slice. Names and shapes
 * are those of diffusers' state dict.
 */
#ifndef MODELS_WEIGHTS_H
#define MODELS_WEIGHTS_H

#include "kernels/base/file.h"
#include "kernels/base/tensor.h"
#include "kernels/device.h"

struct weights;

/* Rows and columns of a parameter seen as a matrix: [rows, product of the other dims]; a vector is
 * [1, n], its slice by columns. */
struct weights_slice {
    int64_t row_begin, rows;
    int64_t col_begin, cols;
};

struct weights_ops {
    const char *name; /* "synthetic", "safetensors" */
    /* Host floats of the slice, row-major dense. `shape` is what the model expects of the whole
     * parameter. Threads may read at one time. */
    enum status (*read)(void *self, const char *name, int ndim, const int64_t *shape,
                        const struct weights_slice *slice, float *out);
    /* (optional) NULL: read does it. The elements of the slice in the type that the source has them
     * in, of at most four bytes. Threads may read at one time. */
    enum status (*read_raw)(void *self, const char *name, int ndim, const int64_t *shape,
                            const struct weights_slice *slice, enum dtype *dtype, void *out);
    /* (optional) NULL: reads, then copies. out [rows, cols] on a device, its last axis dense := the
     * slice; the same bits as read and op_copy would give. Asynchronous on q. */
    enum status (*fill)(void *self, const char *name, int ndim, const int64_t *shape,
                        const struct weights_slice *slice, struct queue *q, struct tensor *out);
    const char *(*name_at)(const void *self,
                           int index); /* (optional) NULL past the end; no slot: none */
    const char *(*path_at)(const void *self,
                           int index); /* (optional) NULL past the end; no slot: no files */
    const struct file_stamp *(*stamp_at)(const void *self, int index); /* with path_at */
    /* (optional) NULL: the identity is the name of the table */
    enum status (*hash)(const void *self, uint64_t *out);
    void (*close)(void *self);
};

/* Takes self, also where it fails. */
enum status weights_open(const struct weights_ops *ops, void *self, struct weights **out);

/* Pure function of (seed, name, row, column). Matrices and convolutions: uniform with variance
 * 1/fan_in; weights of norms ("*.weight" of one
 * dimension): uniform around 1 with standard deviation 0.2; "*.bias" and "*scale_shift_table":
 * uniform with standard deviation 0.02 and 1/sqrt(C).
 */
enum status weights_open_synthetic(uint64_t seed, struct weights **out);

/* The safetensors files of a transformer folder: diffusion_pytorch_model.safetensors, or the shards
 * that its index.json lists, or those of a variant ("fp16") where it is the only one. F32, F16,
 * BF16. Every offset, size and dtype of the headers is checked. ST_INVALID names file, tensor and
 * remedy. */
enum status weights_open_safetensors(const char *folder, struct weights **out);

void weights_close(struct weights *weights);

/* Is there such a parameter, of this shape? Reads no values; synthetic ones are of any. ST_INVALID
 * as weights_fill. */
enum status weights_want(const struct weights *weights, const char *name, int ndim,
                         const int64_t *shape);

/* Names of a checkpoint's parameters, in any order; NULL past the end, and for synthetic ones. */
const char *weights_name_at(const struct weights *weights, int index);

/* The files that the identity is about: configurations, which need not be there, then parameters.
 * NULL past the end, and for synthetic ones. Owned by weights. The first DIT_CONFIG_FILES are those
 * of dit_config's read_from. */
const char *weights_path_at(const struct weights *weights, int index);

/* That file as it was when weights_open_safetensors opened it; what is read of it is read from the
 * same open file. All 0: there is none. Owned by weights; same ends as weights_path_at. */
const struct file_stamp *weights_stamp_at(const struct weights *weights, int index);

/* *out: hex text of the checkpoint's weights and configuration, or "synthetic"; owned by weights.
 * Computed in the first call (every byte is read), which is for one thread. ST_IO, ST_OOM. */
enum status weights_identity(struct weights *weights, const char **out);

/* out (any device, fp32/bf16/fp16, last axis dense) := the slice, converted once. Element count of
 * out = rows * cols. A missing tensor or another shape: ST_INVALID with file, tensor, shape found
 * and wanted. q: of out's device; NULL for fp32 in host memory. Asynchronous on q. */
enum status weights_fill(struct weights *weights, const char *name, int ndim, const int64_t *shape,
                         const struct weights_slice *slice, struct queue *q, struct tensor *out);

#endif
