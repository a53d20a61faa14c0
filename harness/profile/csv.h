/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV files of a profile, read strictly (RFC 4180): the header that was asked for, the same number
 * of cells in each line, every line ended. Messages say file:line:column, what was found and what
 * is wanted; columns count bytes from 1.
 */
#ifndef HARNESS_PROFILE_CSV_H
#define HARNESS_PROFILE_CSV_H

#include "kernels/base/status.h"

#include <stdint.h>

struct csv_cell {
    const char *text;
    int line, column; /* where it begins */
};

struct csv {
    char *path, *text;       /* cells are in text */
    int columns, rows;       /* rows: without the header */
    const char *const *name; /* [columns] borrowed */
    struct csv_cell *cell;   /* [rows][columns] */
};

/* names [columns]: those of the header, in this order. ST_INVALID, ST_IO, ST_OOM. */
enum status csv_open(const char *path, int columns, const char *const *names, struct csv *out);
void csv_release(struct csv *csv);

const char *csv_text(const struct csv *csv, int row, int column);

/* ST_INVALID: it is none, or not from min to max. */
enum status csv_whole(const struct csv *csv, int row, int column, int64_t min, int64_t max,
                      int64_t *out);
enum status csv_number(const struct csv *csv, int row, int column, double min, double max,
                       double *out);

/* The same; NAN for an empty cell. */
enum status csv_optional(const struct csv *csv, int row, int column, double min, double max,
                         double *out);

/* Puts the cell's place in front of the sentence. Returns `st`. */
enum status csv_at(const struct csv *csv, int row, int column, enum status st);

#endif
