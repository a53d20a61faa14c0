/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to gnuplot. A chart is a template (plots/CHART.gp, meant to be edited) and a prelude:
 * variables and numbers that are written beside the picture, so that anybody can draw it again.
 * Texts come from users and go into the prelude as single-quoted strings only, where gnuplot
 * expands nothing.
 */
#ifndef HARNESS_PLOT_GNUPLOT_H
#define HARNESS_PLOT_GNUPLOT_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * The folder that holds the templates: $DITBENCH_SHARE, else plots/ of self_share. Allocated.
 * ST_IO.
 */
enum status plot_gnuplot_share(char **folder);

/* ---- the prelude ---- */
void plot_gnuplot_number(FILE *out, const char *name, double value);
void plot_gnuplot_text(FILE *out, const char *name, const char *text);

/* `array name[n]`, with `key[i]` as the elements; i counts from 1. Nothing for n = 0. */
void plot_gnuplot_array(FILE *out, const char *name, int n);
void plot_gnuplot_element(FILE *out, const char *name, int i, const char *text);

/* Adds a text, folded to `columns` characters, as elements n + 1 ... `most` of an array. Returns
 * the new n. */
int plot_gnuplot_folded(FILE *out, const char *array, int n, int most, const char *text,
                        int columns);

/* Pixels of 1/96 inch. */
double plot_gnuplot_pixels(double width_cm);

/* Characters that find room in a line of a picture so wide (0: as the template likes), of its title
 * or of what is smaller. */
int plot_gnuplot_columns(double width_cm, bool title);

/* ---- the picture ---- */

struct plot_drawing {
    const char *share;         /* holds the templates */
    const char *template_name; /* share/TEMPLATE.gp */
    const char *folder, *name; /* folder/data/NAME.gp is drawn as folder/NAME.svg, ... */
    double width_cm;           /* of the picture; 0: what the template makes it */
    bool quiet;                /* the files' names are not printed */
};

/* Draws in each of `formats` (PLOT_ bits of plot.h) and prints the files' names. ST_IO: gnuplot is
 * missing (*missing: true), or failed, with its last words. */
enum status plot_gnuplot_draw(const struct plot_drawing *drawing, unsigned formats, bool *missing);

#endif
