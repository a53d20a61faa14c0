/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a profile, from its cell. Makes none. */
#include "harness/profile/profile_place.h"

#include "strategies/model.h"

#include <stdio.h>

char *profile_place(const struct cell *cell, const char *root, char folder[PATH_MAX])
{
    char name[MODEL_FILE_NAME];
    char sides[40];
    if (cell->width == cell->height)
        snprintf(sides, sizeof sides, "%d", cell->width);
    else
        snprintf(sides, sizeof sides, "%dx%d", cell->width, cell->height);
    snprintf(folder, PATH_MAX, "%.2000s/%s.%s.%.500s.%d", root, model_file_name(cell->model, name),
             sides, cell->strategy, cell->ranks);
    return folder;
}
