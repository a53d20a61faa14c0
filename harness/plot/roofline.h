/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How close the operations of a profile come to what the device was measured to do: FLOPs a byte
 * against TFLOP/s, both logarithmic, below the ceilings of products, of attention and of traffic.
 */
#ifndef HARNESS_PLOT_ROOFLINE_H
#define HARNESS_PLOT_ROOFLINE_H

#include "harness/plot/picture.h"
#include "harness/profile/hot.h"

enum { ROOFLINE_LABELS = 5 /* points with a name: those of most time */ };

struct roofline_options {
    struct picture_options picture;
};

/* FOLDER/roofline.svg and so on. A point for each row with FLOPs and bytes, its area by the row's
 * time; no row has any: the ceilings alone; neither: nothing is drawn (ST_INVALID). ST_OOM; ST_IO,
 * as picture_close. */
enum status roofline_draw(const struct hot *hot, const struct hot_device *device,
                          const struct roofline_options *options, bool *missing);

#endif
