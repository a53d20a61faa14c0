/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of slices over a stretch of time, one laid over the other. Those of a set may overlap until
 * it is flattened.
 */
#ifndef HARNESS_PROFILE_SLICES_H
#define HARNESS_PROFILE_SLICES_H

#include "harness/profile/breakdown.h"

struct slices {
    int n, room;
    struct share_slice *v; /* [n] */
    bool out_of_memory;    /* something was not added */
};

void slices_release(struct slices *slices);

/* Nothing where it is empty. */
void slices_add(struct slices *slices, const struct share_slice *slice);

/* In order and without overlaps: an instant belongs to the slice that began first, of those that
 * began together to the longest. What is outside [begin, end) goes. */
void slices_flatten(struct slices *slices, int64_t begin, int64_t end);

/* top := itself, and the parts of `below` that it leaves free; both are flat. */
void slices_put_under(struct slices *top, const struct slices *below);

/* out := where both are; both are flat. */
void slices_cross(const struct slices *a, const struct slices *b, struct slices *out);

#endif
