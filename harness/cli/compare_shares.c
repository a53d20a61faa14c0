/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the profiles of both rows, and takes the means of their breakdowns. */
#include "harness/cli/compare_shares.h"

#include "harness/profile/profile_place.h"
#include "harness/profile/profile_read.h"
#include "kernels/base/file.h"

#include <jansson.h>
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

/* The folder of a row's profile; false: it has none. */
static bool find(const char *results, const struct record *record, char folder[PATH_MAX])
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

static enum status read_means(const char *folder, double mean[SIDE_SHARES])
{
    char path[PATH_MAX];
    struct profile_side side = {.steps = 0};
    snprintf(path, sizeof path, "%.4000s/breakdown.csv", folder);
    enum status st = profile_side_breakdown(path, &side);
    memcpy(mean, side.mean, sizeof side.mean);
    profile_side_release(&side);
    return st;
}

static bool in_ms(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "_ms") == 0;
}

static enum status add(const struct compare *compare, struct compare_pair *pair)
{
    char folder[2][PATH_MAX];
    double mean[2][SIDE_SHARES];
    for (int f = 0; f < 2; f++)
        if (!find(compare->file[f].path, pair->side[f]->record, folder[f]))
            return ST_OK;
    for (int f = 0; f < 2; f++)
        TRY(read_means(folder[f], mean[f]));
    for (int s = 0; s < SIDE_SHARES; s++)
        if (in_ms(profile_share(s)))
            pair->share[pair->shares++] =
                (struct compare_share){profile_share(s), mean[0][s], mean[1][s]};
    return ST_OK;
}

enum status compare_shares_find(struct compare *compare)
{
    _Static_assert((int)SIDE_SHARES <= (int)COMPARE_SHARES, "a pair has room for all shares");
    for (int i = 0; i < compare->pairs; i++)
        if (compare->pair[i].verdict == COMPARE_SLOWER ||
            compare->pair[i].verdict == COMPARE_FASTER)
            TRY(add(compare, &compare->pair[i]));
    return ST_OK;
}
