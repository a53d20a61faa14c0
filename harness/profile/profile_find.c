/* SPDX-License-Identifier: Apache-2.0 */
/* Looks into the two folders in which a row's profile can be. */
#include "harness/profile/profile_find.h"

#include "harness/profile/profile_place.h"
#include "kernels/base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 16 << 20 };

/* Whether profile.json of a folder says that it is of this row. One that cannot be read is of none.
 */
static bool holds(const char *folder, const struct record *record)
{
    char path[PATH_MAX], *text;
    size_t size;
    snprintf(path, sizeof path, "%.4000s/profile.json", folder);
    if (file_read_text(path, MOST_BYTES, &text, &size, NULL) != ST_OK) {
        status_clear();
        return false;
    }
    json_t *about = json_loadb(text, size, 0, NULL);
    const char *id = json_string_value(json_object_get(json_object_get(about, "record"), "id"));
    bool same = id && strcmp(id, record->id) == 0;
    json_decref(about);
    free(text);
    return same;
}

bool profile_find(const char *results, const struct record *record, char folder[PATH_MAX])
{
    static const char ending[] = ".jsonl";
    char root[PATH_MAX];
    struct cell cell;
    size_t n = strlen(results), drop = sizeof ending - 1;
    if (n > drop && results[n - drop - 1] != '/' && strcmp(results + n - drop, ending) == 0)
        n -= drop;
    snprintf(root, sizeof root, "%.*s.profiles", (int)n, results);
    cell_init(&cell);
    snprintf(cell.model, sizeof cell.model, "%s", record->cell.model);
    snprintf(cell.strategy, sizeof cell.strategy, "%s", record->cell.strategy);
    cell.width = record->cell.width;
    cell.height = record->cell.height;
    cell.ranks = record->cell.ranks;
    profile_place(&cell, root, folder);
    if (holds(folder, record))
        return true;
    n = strlen(folder);
    snprintf(folder + n, PATH_MAX - n, ".%s", record->id);
    return holds(folder, record);
}
