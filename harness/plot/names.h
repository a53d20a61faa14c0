/* SPDX-License-Identifier: Apache-2.0 */
/* Where names of points stand so that they cover neither each other nor points and lines, as far as
 * there is room. Lengths in pixels from the frame's left bottom. */
#ifndef HARNESS_PLOT_NAMES_H
#define HARNESS_PLOT_NAMES_H

#include <stdbool.h>

enum { NAMES_MOST = 5 };

struct names_box {
    double left, right, bottom, top;
};

struct names_point {
    double x, y, radius;
    double width, height;  /* of its name */
    struct names_box name; /* out */
    double end_x, end_y;   /* out: where a line from the point meets its name */
    bool far;              /* out: so far off that such a line is wanted */
};

/* Places the names of n points (NAMES_MOST at most) in a frame of width x height. Tries all orders;
 * the same input gives the same places. */
void names_place(double width, double height, int boxes, const struct names_box *box, int n,
                 struct names_point *point);

#endif
