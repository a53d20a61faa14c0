/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file in memory, built tensor by tensor. Starts as all zero. */
#ifndef TESTS_MODELS_IMAGE_H
#define TESTS_MODELS_IMAGE_H

#include "models/safetensors.h"

struct image {
    char header[2048];
    unsigned char data[2048];
    size_t used;
    unsigned char bytes[8192];
};

/* shape: "2,5"; data: size bytes, copied. */
void image_put(struct image *image, const char *name, const char *type, const char *shape,
               const void *data, size_t size);

/* As "cond.safetensors"; lives no longer than the image. */
struct safetensors *image_open(struct image *image);

#endif
