/* SPDX-License-Identifier: Apache-2.0 */
/* Curves over image sizes, evenly spaced: a panel for each rank count, a curve for each strategy,
 * the serial run's in every panel. What the curves show is their chart's business. */
#ifndef HARNESS_PLOT_PANELS_H
#define HARNESS_PLOT_PANELS_H

#include "harness/plot/axis.h"
#include "harness/plot/point.h"

#include <stdio.h>

enum { PLOT_PANELS = 24 /* in a chart at most */, PLOT_PANEL_HEIGHT = 280 /* pixels, about */ };

/* x of a point is the place of its size, from 1. */
struct plot_panels {
    int n;
    int slower;                /* points that are not drawn, for another of their label */
    double largest, smallest;  /* of high and low */
    struct plot_point *points; /* [n] in the order of the sizes */
    struct plot_point *sorted; /* room for as many */
    struct plot_point *drawn;  /* what is drawn, panel by panel; the serial run in the first only */
    int begin[PLOT_PANELS + 1]; /* of each panel's, in `drawn` */
    double places;              /* the largest that a point moves aside */
    int panels, more;           /* rank counts that have one, and that found no room */
    int ranks[PLOT_PANELS];     /* rising */
};

/* Empty, with room for so many points. ST_OOM; plot_panels_close in any case. */
enum status plot_panels_open(size_t room, struct plot_panels *out);
void plot_panels_close(struct plot_panels *panels);

/* The points n .. n+more-1, which were written behind the others, are among them. */
void plot_panels_add(struct plot_panels *panels, int more);

/* Which rank counts have a panel, once all points are there: those above 1, or 1 where there is no
 * other; alone: 1 also where a strategy other than serial has points there. ST_OOM. */
enum status plot_panels_find(struct plot_panels *panels, bool alone);

/* Writes the number `panels` and ranks[]; the legend; and $points, blocks in the order panel, curve
 * of the legend. Fills drawn, begin, places and slower. ST_OOM. */
enum status plot_panels_put(FILE *out, struct plot_panels *panels, const struct plot_axis *axis);

#endif
