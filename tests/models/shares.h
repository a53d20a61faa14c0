/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoders whose rows are shared out among the threads of this process: hooks that copy rows, add
 * sums and gather keys through memory that all see. Not a transport: every exchange waits for all.
 */
#ifndef TESTS_MODELS_SHARES_H
#define TESTS_MODELS_SHARES_H

#include "models/vae.h"

/* What is decoded, and what came of it. */
struct shares {
    const struct vae_config *config;
    struct weights *weights;
    int images, height, width; /* of the latent */
    int chunk;
    const float *latent; /* [images, latent_channels, height, width] */
    float *pixels;       /* [images, out_channels, height * scale, width * scale], written */
    /* Of all ranks: bytes of neighbours' rows that they were given; calls of `sums` by each. */
    size_t halo_bytes;
    int sums;
};

/* On n ranks, in n parts as equal as can be; 1: with vae_hooks_serial. Ends the test where memory
 * is not what measuring arenas said, or anything is allocated after vae_open. */
enum status shares_decode(struct shares *shares, int n);

#endif
