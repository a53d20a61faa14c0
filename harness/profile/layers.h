/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of slices over a stretch of time, where the upper one counts. Slices of a layer may
 * overlap until it is flattened.
 */
#ifndef HARNESS_PROFILE_LAYERS_H
#define HARNESS_PROFILE_LAYERS_H

#include "harness/profile/breakdown.h"

struct layer {
    int n, room;
    struct share_slice *v; /* [n] */
    bool out_of_memory;    /* something was not added */
};

void layers_release(struct layer *layer);

/* Nothing where it is empty. */
void layers_add(struct layer *layer, const struct share_slice *slice);

/* In order and without overlaps: an instant belongs to the slice that began first, of those that
 * began together to the longest. What is outside [begin, end) goes. */
void layers_flatten(struct layer *layer, int64_t begin, int64_t end);

/* top := itself, and the parts of `below` that it leaves free; both are flat. */
void layers_put_under(struct layer *top, const struct layer *below);

/* out := where both are; of flat layers. */
void layers_cross(const struct layer *a, const struct layer *b, struct layer *out);

#endif
