/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an axis is logarithmic, its range and its labelled ticks: at least three on a logarithmic
 * one, and a factor under PLOT_AXIS_LINEAR is never drawn so. */
#ifndef HARNESS_PLOT_AXIS_H
#define HARNESS_PLOT_AXIS_H

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_AXIS_LINEAR = 4, PLOT_AXIS_TICKS = 24 };

struct plot_axis {
    bool logarithmic;
    double low, high; /* of the frame */
    int n;            /* ticks; 0: gnuplot's own, which a linear axis may have */
    double tick[PLOT_AXIS_TICKS];
};

/* For values from low to high, above 0: logarithmic where high >= factor x low, else from 0. */
struct plot_axis plot_axis_values(double low, double high, double factor);

/* For rank counts [n], rising: ticks are the counts, and powers of two between them on a
 * logarithmic axis. Of too many, powers of two alone. */
struct plot_axis plot_axis_ranks(int n, const int *ranks);

/* Where a value stands between the frame's ends, 0 to 1. */
double plot_axis_share(const struct plot_axis *axis, double value);

/* Writes NAME_log, NAME_low, NAME_high, NAME_tics and `array NAME_tic`. */
void plot_axis_put(FILE *out, const char *name, const struct plot_axis *axis);

#endif
