/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows are drawn, and which of them belong into one chart. Rows that are not ok are never
 * drawn. Rows of one chart answer the same question on the same machine; only strategy and ranks
 * differ (and seed and repeats, which change no latency on purpose). Everything is sorted, so that
 * equal input gives equal charts.
 */
#ifndef HARNESS_PLOT_SELECT_H
#define HARNESS_PLOT_SELECT_H

#include "harness/plot/family.h"
#include "harness/record/record.h"

enum { PLOT_NAME = 160, PLOT_TITLE = 256 };

/* Borrowed records. */
struct plot_rows {
    int n;
    const struct record **v;
};

/* The rows with a latency whose status is ok, sorted by setting, size, ranks, strategy and place in
 * `all`. ST_OOM. */
enum status plot_rows_open(int n, const struct record *const *all, struct plot_rows *out);
void plot_rows_close(struct plot_rows *rows);

/* Place after the last row that shares with row `begin` the setting (all but size, strategy,
 * ranks), or setting and size. */
int plot_rows_setting(const struct plot_rows *rows, int begin);
int plot_rows_group(const struct plot_rows *rows, int begin);

/* The one-rank run of a group: latest row with strategy "serial"; NULL: none. */
const struct record *plot_rows_serial(const struct plot_rows *rows, int begin, int end);

/* "1 oom, 2 wrong" among the rows of `all` that would belong to the group of `of` but are not
 * drawn; "" for none. */
char *plot_rows_left_out(int n, const struct record *const *all, const struct record *of,
                         char buffer[PLOT_TITLE]);

/* Whether the curve `label` has a row between two rank counts (both exclusive) that was run and did
 * not end well: a line must not hide it. */
bool plot_rows_gap(int n, const struct record *const *all, const struct record *of,
                   const char *label, double from, double to);

/* ---- texts, all into caller's buffers, which are returned ---- */

/* "256" for a square, "256x384", "512-16f" for 16 frames: as --size takes it. */
char *plot_size_text(const struct record_cell *cell, char buffer[PLOT_NAME]);

/*
 * "CHART.MODEL.SIZE", clean for file systems; size NULL: without it. What else differs between the
 * settings of `rows` is appended (".bf16.50steps"), so that each chart has its own name.
 */
char *plot_name(const struct plot_rows *rows, const struct record *of, const char *chart, bool size,
                char buffer[PLOT_NAME]);

/* "20 steps, guidance 4.5, fp32, ...": the setting in words; and the machine and build that made
 * it. */
char *plot_setting_text(const struct record *of, char buffer[PLOT_TITLE]);
char *plot_machine_text(const struct plot_rows *rows, int begin, int end, char buffer[PLOT_TITLE]);

/* Last part of a model's path, for titles. Borrowed from `model`. */
const char *plot_model_text(const char *model);

/* At most `columns` characters of a text, with "..." for what is left out in its middle. */
char *plot_short_text(const char *text, int columns, char buffer[PLOT_TITLE]);

/* ---- curves ---- */

/* A row at a place on the x axis. */
struct plot_point {
    struct plot_family family;
    double x;
    const struct record *row;
    int order; /* of the row, for ties */
};

/*
 * Sorts points into curves: by place in the legend, label, x. Where several rows fall on one x of
 * one label, the latest of each strategy text counts, and of those the fastest. Returns how many
 * points are left.
 */
int plot_points_sort(int n, struct plot_point *points);

/* Place after the last point of the curve that begins at `begin`. */
int plot_points_curve(int n, const struct plot_point *points, int begin);

#endif
