/* SPDX-License-Identifier: Apache-2.0 */
/* Points of curves: measured cells, and published numbers. Not how they are drawn. */
#ifndef HARNESS_PLOT_POINT_H
#define HARNESS_PLOT_POINT_H

#include "harness/plot/axis.h"
#include "harness/plot/group.h"

/* Borrows its texts. */
struct plot_point {
    const char *family, *label;
    int place;      /* of the label in a legend */
    bool several;   /* the label stands for several strategies */
    bool peer;      /* of another program: hollow */
    bool planned;   /* by the plan: it did not fit */
    bool published; /* not measured here: behind all others, and hollow */
    double x;       /* ranks, or place of a size */
    double latency; /* by which the fastest of one place is chosen; any unit */
    double y, low, high;
    double aside;                /* places that it moves so as not to cover another of its x */
    const struct record *record; /* NULL: published */
    const struct record *serial; /* what it is compared with; NULL: nothing */
};

/* The points of a group's drawn cells at x = ranks, y = median, low and high = p10 and p90 in ms.
 * `points` has room for group->n. How many. */
int plot_points_of(const struct plot_group *group, struct plot_point *points);

/* Multiplies y, low and high. */
void plot_points_scale(int n, struct plot_point *points, double by);

/* Sorts points into curves (place, label, x) and keeps the fastest of each x of a curve. How many
 * are left. */
int plot_points_sort(int n, struct plot_point *points);

/* Sets `aside` of sorted points on an axis that is `pixels` high: those of one x whose bars overlap
 * stand side by side, a place apart. The serial run never moves. Returns the largest. */
double plot_points_spread(int n, struct plot_point *points, const struct plot_axis *axis,
                          double pixels);

/* Place after the last point of the curve that begins at `begin`; how many curves there are. */
int plot_points_end(int n, const struct plot_point *points, int begin);
int plot_points_curves(int n, const struct plot_point *points);

#endif
