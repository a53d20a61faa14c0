/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Final latents of a one-rank run: what a cell is checked against. Computed once for each (problem,
 * specification, conditions, weights, build) and kept in a cache folder: $DITBENCH_CACHE, else
 * $XDG_CACHE_HOME/ditbench, else
 * ~/.cache/ditbench. An entry holds the whole key and a hash of its numbers; what does not match is
 * computed again.
 */
#ifndef HARNESS_CHECK_REFERENCE_H
#define HARNESS_CHECK_REFERENCE_H

#include "harness/cell/setup.h"

struct reference {
    const struct setup *setup;
    struct weights *weights;
    const char *identity; /* of the weights */
    const struct prompt *prompt;
    int device;                            /* the GPU that it runs on */
    void (*on_step)(void *self, int step); /* (optional) while it computes */
    void *on_step_self;
};

/* out [requests, C, h, w]. A cache that cannot be read or written costs a warning on standard
 * error, never the result. */
enum status reference_latents(const struct reference *reference, const struct spec *spec,
                              float *out);

/* The folder of the cache, "" where no variable names one. buffer of `size` bytes; returns it. */
char *reference_folder(char *buffer, size_t size);

/* Elements of all requests' latents. */
size_t reference_count(const struct problem *problem);

#endif
