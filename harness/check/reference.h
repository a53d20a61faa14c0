/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Final latents of a one-rank run: what a cell is checked against. Computed once for each (problem,
 * specification, conditions, weights, build) and kept in the cache (reference_cache.h), unless the
 * cell is without it. What is kept is kept under a hash of the bytes that it was computed from.
 */
#ifndef HARNESS_CHECK_REFERENCE_H
#define HARNESS_CHECK_REFERENCE_H

#include "harness/cell/pins.h"

struct reference {
    const struct setup *setup;
    struct weights *weights;
    const char *identity;    /* of the weights, as somebody hashed them; checked where it counts */
    const struct pins *pins; /* the files behind it */
    const struct prompt *prompt;
    int device;                            /* the GPU that it runs on */
    void (*on_step)(void *self, int step); /* (optional) while it computes */
    void *on_step_self;
};

/* out [requests, C, h, w], of videos [requests, C, frames, h, w]. A cache that cannot be read or
 * written costs a warning on standard error, never the result. ST_INVALID: the weights are not, or
 * no more, those of the identity. */
enum status reference_latents(const struct reference *reference, const struct spec *spec,
                              float *out);

#endif
