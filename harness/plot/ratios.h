/* SPDX-License-Identifier: Apache-2.0 */
/* Two results files as one picture: the ratio of each cell with its interval, and the threshold as
 * a band. Compares nothing itself. */
#ifndef HARNESS_PLOT_RATIOS_H
#define HARNESS_PLOT_RATIOS_H

#include "harness/plot/picture.h"
#include "harness/report/compare.h"

enum { RATIOS_MOST = 200 /* cells; further ones find no room, and the picture says so */ };

/* FOLDER/ratios.svg, ... as picture.h has it, of the cells that have a ratio. ST_INVALID: none has;
 * ST_IO; *missing: for want of gnuplot. */
enum status ratios_draw(const struct compare *compare, const struct picture_options *options,
                        bool *missing);

#endif
