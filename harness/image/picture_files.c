/* SPDX-License-Identifier: Apache-2.0 */
/* Names of pictures, and a loop over them. */
#include "harness/image/picture_files.h"

#include "harness/base/writable.h"

#include <stdio.h>
#include <string.h>

static const char ending[] = ".png";

enum { NUMBER = 12 /* "-1023" and the like */, ENDING = sizeof ending - 1 };

char *picture_files_name(const char *path, int i, int n, char name[PATH_MAX])
{
    int stem = (int)strlen(path) - ENDING;
    if (n == 1)
        snprintf(name, PATH_MAX, "%s", path);
    else
        snprintf(name, PATH_MAX, "%.*s-%d%s", stem, path, i, ending);
    return name;
}

enum status picture_files_check(const char *what, const char *path, int n)
{
    char name[PATH_MAX];
    size_t length = strlen(path);
    if (length <= ENDING || strcmp(path + length - ENDING, ending) != 0)
        return fail(ST_INVALID, "%s %s: pictures are PNG files; the name must end in %s", what,
                    path, ending);
    if (length + NUMBER >= PATH_MAX)
        return fail(ST_INVALID, "%s: the name has %zu characters; at most %d are legal", what,
                    length, PATH_MAX - NUMBER - 1);
    for (int i = 0; i < n; i++)
        TRY(writable_file(picture_files_name(path, i, n, name)));
    return ST_OK;
}

enum status picture_files_write(const char *path, int n, const struct png_picture *common,
                                const float *pixels)
{
    char name[PATH_MAX];
    size_t count = (size_t)common->channels * (size_t)common->height * (size_t)common->width;
    for (int i = 0; i < n; i++) {
        struct png_picture picture = *common;
        picture.pixels = pixels + (size_t)i * count;
        TRY(png_write(picture_files_name(path, i, n, name), &picture));
    }
    return ST_OK;
}
