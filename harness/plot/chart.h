/* SPDX-License-Identifier: Apache-2.0 */
/* One chart: its prelude is opened, filled by plot_lines.c or plot_bars.c, closed and drawn. */
#ifndef HARNESS_PLOT_CHART_H
#define HARNESS_PLOT_CHART_H

#include "harness/plot/select.h"

#include <stdio.h>

/* What all charts of one call share. */
struct plot_job {
    int n; /* all rows, drawn or not */
    const struct record *const *all;
    struct plot_rows rows; /* those that are drawn */
    const char *folder;    /* where charts go; their preludes go to folder/data */
    const char *share;     /* templates; NULL: only preludes are written */
    bool gnuplot_missing;  /* found out at the first chart; the others are then only written as data
                            */
    int charts;            /* drawn so far */
};

struct plot_chart {
    struct plot_job *job;
    const char *template_name; /* static */
    char name[PLOT_NAME];      /* of its files, without the ending */
    FILE *out;                 /* the prelude */
    int begin, end;            /* its rows, for titles and notes */
    int notes;                 /* lines below the picture */
};

/*
 * Opens the prelude of chart "TEMPLATE.MODEL[.SIZE]" over rows begin..end-1, and writes title
 * ("WHAT, MODEL, SIZE px"), subtitle and machine. ST_IO.
 */
enum status plot_chart_open(struct plot_job *job, const char *template_name, const char *what,
                            int begin, int end, bool size, struct plot_chart *chart);

/* Adds a line below the picture; all of them go through here. */
void plot_chart_note(struct plot_chart *chart, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The curves of n sorted points as the number `curves` and the arrays family[], label[] and
 * variant[] (1, 2, ... within a family); `columns`: of the longest label. */
void plot_chart_legend(FILE *out, int n, const struct plot_point *points);

/* A line of a block of points: x, median, p10, p90, 1; scaled. */
void plot_chart_latency(FILE *out, double x, const struct record *row, double scale);

/* Writes what is left, closes the prelude and draws it. Prints the names of the files on standard
 * output. */
enum status plot_chart_draw(struct plot_chart *chart);

/* A unit that keeps the largest number of a chart between 1 and 10000. */
struct plot_unit {
    const char *name;
    double scale; /* times this */
};
struct plot_unit plot_unit_time(double largest_ms);
struct plot_unit plot_unit_bytes(double largest);

/* ---- the charts; rows begin..end-1 are one group, for plot_sizes_draw one setting ---- */
enum status plot_lines_ranks(struct plot_job *job, int begin, int end);
enum status plot_lines_speedup(struct plot_job *job, int begin, int end);
enum status plot_sizes_draw(struct plot_job *job, int begin, int end);
enum status plot_bars_bytes(struct plot_job *job, int begin, int end);
enum status plot_bars_memory(struct plot_job *job, int begin, int end);

#endif
