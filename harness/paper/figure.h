/* SPDX-License-Identifier: Apache-2.0 */
/* Ours beside theirs as pictures: absolute, and each over its own single GPU. */
#ifndef HARNESS_PAPER_FIGURE_H
#define HARNESS_PAPER_FIGURE_H

#include "harness/paper/verdicts.h"

/* Of a page on narrow screens. */
#define FIGURE_NARROW_CM 9.6

/* FOLDER/figure.svg and .png, or normalised.svg and .png. *drawn: false where there is nothing to
 * draw, or no gnuplot (then the numbers lie in FOLDER/data all the same). width_cm: as SVG alone,
 * so wide; 0: natural. ST_IO. */
enum status figure_draw(const struct pack *pack, const struct paper_rows *rows, const char *folder,
                        bool normalised, double width_cm, bool *drawn);

#endif
