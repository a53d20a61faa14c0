/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank's ranges as its device saw them: for each, from the begin of its first item to the end of
 * its last, those of ranges within it counted too. A range whose items ran on several tracks has an
 * interval on each. A range that was captured has one for every launch of its graph, and lies
 * within the range that launched it. Nothing is drawn or summed here.
 */
#ifndef HARNESS_PROFILE_PROJECTION_H
#define HARNESS_PROFILE_PROJECTION_H

#include "harness/profile/recording.h"

struct projected {
    int64_t begin, end; /* ns */
    int track, range;
    int launch; /* of a captured range: the range that launched it; or RECORDED_NONE */
    int step;   /* that all its items work for; RECORDED_NONE: of several, or before the first */
    int depth;  /* ranges around it */
    int items;
};

struct projection {
    int rank, n;
    struct projected *v; /* [n] by track, begin, end falling, depth: outer ranges come first */
};

/* ST_OOM. */
enum status projection_open(const struct recording *recording, int rank, struct projection *out);
void projection_release(struct projection *projection);

#endif
