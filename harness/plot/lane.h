/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes on a line of a timeline, thinned out to what can be seen. Times in nanoseconds. Knows
 * nothing of what the boxes stand for but a number of their kind.
 */
#ifndef HARNESS_PLOT_LANE_H
#define HARNESS_PLOT_LANE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct lane_box {
    int64_t begin, end;
    int kind;
};

/* Begins as {0}. */
struct lane {
    int n;
    struct lane_box *v; /* [n] */
    bool out_of_memory; /* something could not be added */
};

/* Adds what of a box lies between the ends of a window; nothing where that is empty. */
void lane_add(struct lane *lane, struct lane_box box, int64_t from, int64_t to);
void lane_release(struct lane *lane);

/* Sorts by begin and joins each box with the one before it where both are of one kind and less than
 * `nearer` apart, or overlap. */
void lane_merge(struct lane *lane, int64_t nearer);

/* Divides time from `from` on into cells and gives each to the kind (0 .. kinds-1, at most 8) that
 * takes most of it, or to none where more of it is empty; equal kinds are joined. Boxes do not
 * overlap. */
void lane_coarsen(struct lane *lane, int kinds, int64_t from, int64_t cell);

#endif
