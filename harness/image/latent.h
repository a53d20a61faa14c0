/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latents as a decoder takes them, pictures one after the other: out of a safetensors file, or as a
 * loop left them in memory. Not the decoder, and no scaling: values stay as they are.
 *
 * The tensor is the one called "latent" (as `run --output` writes it), "latents" or "sample", of
 * F32, F16 or BF16, in one of these shapes, C being the channels that the caller wants:
 *   [C, h, w]  [n, C, h, w]      images
 *   [n, C, frames, h, w]         videos
 */
#ifndef HARNESS_IMAGE_LATENT_H
#define HARNESS_IMAGE_LATENT_H

#include "kernels/base/status.h"

#include <stdint.h>

struct latent {
    int n;      /* pictures: images, or videos x frames, the frames of a video in order */
    int frames; /* of one video; 1 too where they are images */
    int channels, height, width;
    float *values; /* [n, channels, height, width] */
};

/* `out` is to be released where this is ST_OK; else it is empty. ST_INVALID names the file, the
 * tensor, what it is and what was wanted: another type or shape, no such tensor or several, a
 * value that is NaN or infinite. ST_IO, ST_OOM. */
enum status latent_read(const char *path, int channels, struct latent *out);

/* The same from memory: values [n, C, h, w] (ndim 4) or [n, C, frames, h, w] (ndim 5), copied. What
 * they are is not looked at. `out` is to be released where this is ST_OK; ST_OOM. */
enum status latent_copy(int ndim, const int64_t *dim, const float *values, struct latent *out);

void latent_release(struct latent *latent);

#endif
