/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slices of one track while it is put together: sorted, and cut so that any two are either
 * apart or one within the other. Where two cross, the one that began later ends with the other;
 * what a device did stays as it was told, and the range around it is made to fit.
 */
#ifndef HARNESS_PROFILE_TRACE_TRACK_H
#define HARNESS_PROFILE_TRACE_TRACK_H

#include "harness/profile/recording.h"

/* What a slice is of, in the order in which slices of one interval enclose each other. */
enum trace_slice_kind {
    TRACE_SLICE_STEP,      /* a step's range once more, by the name that readers of Kineto's files
                              look for */
    TRACE_SLICE_RANGE,     /* of a host thread */
    TRACE_SLICE_PROJECTED, /* a range on a device's track */
    TRACE_SLICE_CALL,
    TRACE_SLICE_ITEM
};

struct trace_slice {
    int64_t begin, end; /* ns */
    enum trace_slice_kind kind;
    int index; /* of the range, call or item in its rank, or in the projection */
    int depth; /* of ranges: how many are around it */
};

struct trace_track {
    int n;
    size_t room;
    struct trace_slice *v; /* [n] after trace_track_nest: outer slices before inner ones */
    uint64_t cut;          /* slices that were shortened */
};

void trace_track_release(struct trace_track *track);

/* ST_OOM. */
enum status trace_track_add(struct trace_track *track, const struct trace_slice *slice);

/* By begin, longer ones first. */
void trace_track_sort(struct trace_track *track);

/* Shortens a range so that neither end lies within a slice of the track; those are sorted and
 * apart. True: it fits as it is. What is then empty is not to be drawn. */
bool trace_track_fit(const struct trace_track *track, struct trace_slice *range);

/* Sorts and cuts. ST_OOM. */
enum status trace_track_nest(struct trace_track *track);

#endif
