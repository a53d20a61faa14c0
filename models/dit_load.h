/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a checkpoint into tensors of an arena: whole, or the rows or columns of a shard.
 * Over a measuring arena nothing is read, and with `names` only the names are collected, and shapes
 * compared. For models/dit*.c and models/vae_load.c only. */
#ifndef MODELS_DIT_LOAD_H
#define MODELS_DIT_LOAD_H

#include "models/dit_internal.h"

/* Names that a model asks for. */
struct load_names {
    int n;
    int room;
    char (*name)[128];
};

struct loader {
    struct weights *weights;
    struct queue *q;
    struct arena *arena;
    enum dtype dtype;         /* of the tensors allocated next */
    struct load_names *names; /* not NULL: only collects names, compares shapes */
};

/* A name joined of two parts with a dot, or the second alone where the first is "". */
struct load_name {
    char text[160];
};
struct load_name load_join(const char *prefix, const char *name);

/* Allocates [rows, cols], or [cols] when rows is 0. */
enum status load_alloc(struct loader *ld, int64_t rows, int64_t cols, struct tensor *out);

/* A parameter that a checkpoint has and the model does not read. */
enum status load_nothing(struct loader *ld, const char *name);

/* Where names are collected: one that the model reads, and that the weights must have. */
enum status load_named(struct loader *ld, const char *name, int ndim, const int64_t *shape);

/* dst := rows and columns of parameter `name` of shape [rows, cols] (rows 0: a vector). */
enum status load_slice(struct loader *ld, struct tensor dst, const char *name, int64_t rows,
                       int64_t cols, struct weights_slice slice);

/* dst := a slice of a parameter of any shape. */
enum status load_shaped(struct loader *ld, struct tensor dst, const char *name, int ndim,
                        const int64_t *shape, struct weights_slice slice);

enum status load_matrix(struct loader *ld, const char *name, int64_t rows, int64_t cols,
                        struct tensor *out);
enum status load_vector(struct loader *ld, const char *name, int64_t count, struct tensor *out);

/* "<prefix>.weight" [rows, cols] and, where `bias`, "<prefix>.bias" [rows]. */
enum status load_linear(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                        bool bias, struct dit_linear *out);

/* Memory of a linear layer whose rows are then loaded part by part. */
enum status load_room(struct loader *ld, int64_t rows, int64_t cols, bool bias,
                      struct dit_linear *out);

/* Rows of a linear layer [rows, cols], and the first row of ours that they become. */
struct load_part {
    int64_t begin, count, at;
};
enum status load_rows(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                      struct load_part part, struct dit_linear *to);

/* The columns [begin, begin + count) of a linear layer from our column `at` on, without its bias.
 */
enum status load_columns(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                         struct load_part part, struct dit_linear *to);
enum status load_bias(struct loader *ld, const char *prefix, int64_t rows, struct dit_linear *to);

/* "<prefix>.linear_1" [mid, in] and "<prefix>.linear_2" [out, mid]. */
enum status load_mlp(struct loader *ld, const char *prefix, int64_t in, int64_t mid, int64_t out,
                     struct dit_mlp *mlp);

/* "<prefix>.weight" and, where `bias`, "<prefix>.bias", [count] each, fp32. */
enum status load_affine(struct loader *ld, const char *prefix, int64_t count, struct tensor *weight,
                        struct tensor *bias);

/* models/dit_weights_block.c: block l of the shard, 0-based; the table of blocks is there. */
enum status dit_load_block(struct loader *ld, struct dit *dit, int l);

#endif
