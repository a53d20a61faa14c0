/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture as a PNG file: 8 bits a channel, out of floats as a decoder leaves them. Not a reader,
 * and no colour management.
 *
 * A value x becomes the level round(127.5 (x + 1)), clamped: exactly, and a tie (x = 0) to the even
 * 128. diffusers' VaeImageProcessor computes 255 (x / 2 + 1/2) in the tensor's type, whose rounding
 * can lead to the level beside it.
 *
 * The same picture and texts make the same bytes with the same libpng and zlib.
 */
#ifndef HARNESS_IMAGE_PNG_H
#define HARNESS_IMAGE_PNG_H

#include "kernels/base/status.h"

struct png_picture {
    int channels; /* 1: grey, 3: red, green, blue */
    int height, width;
    const float *pixels; /* [channels, height, width], about -1 to 1; clamped */
    int n_texts;
    const char *const (*text)[2]; /* [n_texts] keyword (1 to 79 ASCII characters) and value; a NULL
                                     value is left out. Beside "Software", which is always there */
};

/* Writes a temporary file beside `path`, then renames it: `path` is whole or as it was. Takes
 * memory for a row, and what libpng takes, which grows with the width only. ST_WRONG: a value is
 * NaN or infinite, nothing is written; ST_IO, ST_OOM. */
enum status png_write(const char *path, const struct png_picture *picture);

#endif
