/* SPDX-License-Identifier: Apache-2.0 */
/* libpng's simple interface. */
#include "tests/harness/png_pixels.h"

#include <criterion/criterion.h>
#include <png.h>
#include <stdlib.h>

struct png_pixels png_pixels_read(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_file(&image, path), "%s: %s", path, image.message);
    image.format = PNG_FORMAT_RGB;
    unsigned char *level = malloc(PNG_IMAGE_SIZE(image));
    cr_assert(level && png_image_finish_read(&image, NULL, level, 0, NULL), "%s: %s", path,
              image.message);
    return (struct png_pixels){(int)image.width, (int)image.height, level};
}
