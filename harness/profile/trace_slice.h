/* SPDX-License-Identifier: Apache-2.0 */
/* One slice of a timeline as JSON: its name, category and arguments, spelled as Kineto does. */
#ifndef HARNESS_PROFILE_TRACE_SLICE_H
#define HARNESS_PROFILE_TRACE_SLICE_H

#include "harness/profile/projection.h"
#include "harness/profile/trace_out.h"
#include "harness/profile/trace_track.h"

enum { TRACE_SLICE_NAME = 256 };

/* Of one rank. */
struct trace_scene {
    const struct recording *recording;
    int number;
    const struct recorded_rank *rank;
    struct projection projection;
    int64_t *tid;  /* [tracks] numbers by which the file knows them; of streams at least 1 */
    bool *started; /* [calls] those that an item came of */
};

/* "layer 5", "patch 2", "ring.send", "graph launch", "qkv" */
void trace_slice_name(const struct recorded_range *range, char name[TRACE_SLICE_NAME]);

/* tid: of the track, or of a lane beside it. */
void trace_slice_write(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                       const struct trace_slice *slice);

#endif
