/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small table of texts and numbers: aligned columns for a terminal, or Markdown. Filled cell by
 * cell, row after row. Not of records: harness/report/table.h.
 */
#ifndef HARNESS_PROFILE_GRID_H
#define HARNESS_PROFILE_GRID_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdio.h>

struct grid {
    int columns, texts;       /* the first `texts` columns are texts, the others numbers */
    const char *const *title; /* [columns] borrowed */
    int cells, room;
    char **cell; /* [cells] */
    bool out_of_memory;
};

void grid_init(struct grid *grid, int columns, int texts, const char *const *title);
void grid_release(struct grid *grid);

/* Control characters become blanks; "" is "-". */
void grid_text(struct grid *grid, const char *text);
/* Four digits or all before the point; "-" for NAN. */
void grid_number(struct grid *grid, double value);
/* The same with its sign, "+" too. */
void grid_change(struct grid *grid, double value);

/* Aligned: texts are shortened so that lines fit 100 columns, if they can. ST_OOM where a cell was
 * lost. */
enum status grid_print(const struct grid *grid, bool markdown, FILE *out);

#endif
