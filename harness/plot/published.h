/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures that others published, as speed-ups: CSV files as in results/published. Each curve is
 * relative to its own single GPU: the row of one GPU in the same panel (source, figure, model,
 * hardware, size, frames, steps) that was made in the same way (torch.compile, warmup1), or the
 * panel's only one. A curve without one is not drawn.
 */
#ifndef HARNESS_PLOT_PUBLISHED_H
#define HARNESS_PLOT_PUBLISHED_H

#include "harness/plot/point.h"
#include "harness/plot/published_file.h"

struct published_row;

struct plot_published {
    int n;
    struct published_row *v;
    struct published_file file; /* private: what the rows borrow from */
};

/* Reads n files. ST_IO; ST_INVALID "FILE: line N: ..."; ST_OOM. */
enum status plot_published_open(int n, const char *const *paths, struct plot_published *out);
void plot_published_close(struct plot_published *published);

/* Adds the speed-ups at the size of `cell` to `points`, which has room for published->n more.
 * Returns how many. */
int plot_published_points(const struct plot_published *published, const struct record_cell *cell,
                          struct plot_point *points);

/* The next panel at that size, from row `from` on: what it is and what its rows are flagged with,
 * for a caption. Returns where to go on; 0: there is none, and text is "". */
int plot_published_panel(const struct plot_published *published, const struct record_cell *cell,
                         int from, size_t size, char *text);

#endif
