/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of operation, as the pictures of a profile colour them. */
#ifndef HARNESS_PLOT_KIND_H
#define HARNESS_PLOT_KIND_H

#include "harness/profile/recording.h"

enum kind {
    KIND_ATTENTION,
    KIND_PRODUCT,
    KIND_ROWS,  /* norms, gates, sums: element-wise or by rows */
    KIND_OTHER, /* copies, fills, what belongs to no operation */
    KINDS
};

/* As the names of data blocks have it: "attention", "product", "rows", "other". */
const char *kind_name(enum kind kind);

/* Of what an item computes: by the operation of the backend that it is of, else by that of the
 * model. */
enum kind kind_of_item(const struct recorded_rank *rank, const struct recorded_item *item);

/* The same from names alone: of a kernel (or an operation of the backend), and of the operation of
 * the model in which it ran. */
enum kind kind_of_names(const char *kernel, const char *operation);

#endif
