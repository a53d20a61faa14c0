/* SPDX-License-Identifier: Apache-2.0 */
/* One chart: its prelude is opened, filled by lines.c, sizes.c or bars.c, closed and drawn. */
#ifndef HARNESS_PLOT_CHART_H
#define HARNESS_PLOT_CHART_H

#include "harness/plot/point.h"
#include "harness/plot/published.h"
#include "harness/plot/select.h"
#include "harness/plot/text.h"

#include <stdio.h>

/* What all charts of one call share. */
struct plot_job {
    const struct plot_options *options;
    const struct sheet *sheet;
    struct plot_selection selection;
    struct plot_published published;
    int published_drawn;  /* points of it in any chart */
    const char *folder;   /* where charts go; their preludes go to folder/data */
    const char *share;    /* templates */
    bool gnuplot_missing; /* found out at the first chart; the others are then only written as data
                           */
    int charts;           /* drawn so far */
    bool quiet;           /* the files' names are not printed */
};

struct plot_chart {
    struct plot_job *job;
    const char *template_name; /* static */
    char name[PLOT_NAME];      /* of its files, without the ending */
    FILE *out;                 /* the prelude */
    int columns;               /* characters of a note's line */
    int notes;                 /* lines below the picture */
};

/* Opens the prelude of chart "TEMPLATE.MODEL[.SIZE]" and writes title ("WHAT: MODEL, SIZE px"),
 * setting and machine of a row. ST_IO. */
enum status plot_chart_open(struct plot_job *job, const char *template_name, const char *what,
                            const struct sheet_row *of, bool size, struct plot_chart *chart);

/* Adds a text below the picture, folded. */
void plot_chart_note(struct plot_chart *chart, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The curves of n sorted points as the number `curves` and arrays: family[], label[], variant[] (1,
 * 2, ... within a family) and hollow[] (1: published, 2: a peer's); `columns`: of the longest
 * label.
 */
void plot_chart_legend(FILE *out, int n, const struct plot_point *points);

/* Writes `unit`, in which the largest latency (given in ms) is below 10000; returns what ms are
 * multiplied with. */
double plot_chart_unit(FILE *out, double largest_ms);

/* A line of a block of points: x, y, low, high, measured, noisy, places aside. */
void plot_chart_point(FILE *out, const struct plot_point *point);

/* Writes what is left, closes the prelude and, where filling it ended well (st), draws it. Prints
 * the names of the files on standard output. */
enum status plot_chart_end(struct plot_chart *chart, enum status st);

/* ---- notes that several charts have ---- */

/* "points: median of 5 loops; bars: ..." */
void plot_note_loops(struct plot_chart *chart, int n, const struct plot_point *points,
                     const char *bars);

/* That points stand aside, and the number `places` for the template. */
void plot_note_places(struct plot_chart *chart, double places);

/* Which rows are noisy, and the number `noisy` for the template. */
void plot_note_noisy(struct plot_chart *chart, int n, const struct plot_point *points,
                     bool with_size);

/* Which strategy each point of a label with several stands for; `of` begins the text: "best hybrid
 * of 4 ranks: ...", else of each size. */
void plot_note_several(struct plot_chart *chart, int n, const struct plot_point *points,
                       bool by_ranks);

/* What is not drawn of rows begin..end-1 in the sheet's order, and how many points were slower than
 * others of their place. */
void plot_note_left_out(struct plot_chart *chart, int begin, int end, int slower);

/* ---- the charts ---- */
enum status plot_lines_ranks(struct plot_job *job, const struct plot_group *group);
enum status plot_lines_speedup(struct plot_job *job, const struct plot_group *group);
enum status plot_sizes_draw(struct plot_job *job, const struct plot_setting *setting);
enum status plot_growth_draw(struct plot_job *job, const struct plot_setting *setting);
enum status plot_bars_bytes(struct plot_job *job, const struct plot_group *group);
enum status plot_bars_memory(struct plot_job *job, const struct plot_group *group);
enum status plot_bars_peers(struct plot_job *job, const struct plot_group *group);

/* All of the job's selection, into its folder, which is created; `share` is found here. Where
 * gnuplot is missing, only the preludes, and gnuplot_missing says so. ST_IO, ST_OOM. */
enum status plot_charts_draw(struct plot_job *job);

#endif
