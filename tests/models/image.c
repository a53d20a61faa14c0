/* SPDX-License-Identifier: Apache-2.0 */
/* Lays out safetensors files in memory. Fails the test that asks for too much. */
#include "tests/models/image.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void image_put(struct image *image, const char *name, const char *type, const char *shape,
               const void *data, size_t size)
{
    size_t length = strlen(image->header);

    cr_assert(image->used + size <= sizeof(image->data), "%s: no room", name);
    snprintf(image->header + length, sizeof(image->header) - length,
             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
             length ? "," : "", name, type, shape, image->used, image->used + size);
    memcpy(image->data + image->used, data, size);
    image->used += size;
}

struct safetensors *image_open(struct image *image)
{
    struct safetensors *file = NULL;
    size_t length = strlen(image->header) + 2;
    uint64_t prefix = length;

    memcpy(image->bytes, &prefix, sizeof(prefix));
    snprintf((char *)image->bytes + 8, sizeof(image->bytes) - 8, "{%s}", image->header);
    memcpy(image->bytes + 8 + length, image->data, image->used);
    cr_assert_eq(
        safetensors_open_memory("cond.safetensors", image->bytes, 8 + length + image->used, &file),
        ST_OK, "%s", status_message());
    return file;
}
