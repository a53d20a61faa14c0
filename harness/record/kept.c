/* SPDX-License-Identifier: Apache-2.0 */
/* A list of lines, each with what tells it from older rows of its id. */
#include "harness/record/kept.h"

#include <stdlib.h>
#include <string.h>

static void release_row(struct record_kept_row *row)
{
    free(row->id);
    free(row->time);
    free(row->line);
}

enum status record_kept_add(struct record_kept *kept, const struct record *record)
{
    struct record_kept_row row = {.status = record->status};
    TRY(record_write(record, &row.line, &row.size));
    row.id = strdup(record->id);
    row.time = strdup(record->time ? record->time : "");
    struct record_kept_row *v = realloc(kept->v, ((size_t)kept->n + 1) * sizeof *v);
    if (v)
        kept->v = v;
    if (!v || !row.id || !row.time) {
        release_row(&row);
        return fail(ST_OOM, "results: a list of %d rows", kept->n + 1);
    }
    kept->v[kept->n++] = row;
    return ST_OK;
}

/* Times are whole seconds, in which a cell may have ended twice. */
static bool is_there(const struct record_kept_row *row, const struct record *there)
{
    int order = there && there->time ? strcmp(there->time, row->time) : -1;
    return order > 0 || (order == 0 && there->status == row->status);
}

int record_kept_compare(struct record_kept *kept, const struct record_list *list)
{
    int lost = 0;
    for (int i = 0; i < kept->n; i++) {
        struct record_kept_row *row = &kept->v[i];
        bool has = is_there(row, record_list_find(list, row->id));
        lost += row->stored && !has;
        row->stored = has;
    }
    return lost;
}

int record_kept_missing(const struct record_kept *kept)
{
    int missing = 0;
    for (int i = 0; i < kept->n; i++)
        missing += !kept->v[i].stored;
    return missing;
}

void record_kept_release(struct record_kept *kept)
{
    for (int i = 0; i < kept->n; i++)
        release_row(&kept->v[i]);
    free(kept->v);
}
