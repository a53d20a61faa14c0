/* SPDX-License-Identifier: Apache-2.0 */
/* Cells chosen by their text, as `--filter` takes them. */
#ifndef HARNESS_CELL_FILTER_H
#define HARNESS_CELL_FILTER_H

#include "harness/cell/cell.h"

#include <regex.h>

struct filter {
    bool all;
    regex_t expression;
};

/* expression: POSIX extended, or NULL: every cell. ST_INVALID: it is none; then nothing is to be
 * released. */
enum status filter_init(struct filter *filter, const char *expression);
void filter_release(struct filter *filter);

/* The error of an expression that takes no cell of a file: ST_INVALID. */
enum status filter_takes_none(const char *path, const char *expression);

/* It matches some part of cell_text(). */
bool filter_takes(const struct filter *filter, const struct cell *cell);

#endif
