/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a profile, from its cell. Makes none. */
#include "harness/profile/profile_place.h"

#include <stdio.h>
#include <string.h>

/* A checkpoint's folder may end in slashes. */
static const char *last_part(const char *model, int *size)
{
    size_t end = strlen(model);
    while (end > 1 && model[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && model[begin - 1] != '/')
        begin--;
    *size = (int)(end - begin);
    return model + begin;
}

char *profile_place(const struct cell *cell, const char *root, char folder[PATH_MAX])
{
    int size;
    const char *name = last_part(cell->model, &size);
    char sides[40];
    if (cell->width == cell->height)
        snprintf(sides, sizeof sides, "%d", cell->width);
    else
        snprintf(sides, sizeof sides, "%dx%d", cell->width, cell->height);
    snprintf(folder, PATH_MAX, "%.2000s/%.*s.%s.%.500s.%d", root, size, name, sides, cell->strategy,
             cell->ranks);
    return folder;
}
