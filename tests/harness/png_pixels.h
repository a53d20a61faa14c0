/* SPDX-License-Identifier: Apache-2.0 */
/* The pixels of a PNG file. */
#ifndef TESTS_HARNESS_PNG_PIXELS_H
#define TESTS_HARNESS_PNG_PIXELS_H

struct png_pixels {
    int width, height;
    unsigned char *level; /* [height, width, 3] red, green, blue; freed by the caller */
};

/* Fails the test where it cannot be read. */
struct png_pixels png_pixels_read(const char *path);

#endif
