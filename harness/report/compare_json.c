/* SPDX-License-Identifier: Apache-2.0 */
/* Two results files side by side for machines: an element a cell, and a last one that counts. */
#include "harness/report/compare.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* null for NAN. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static enum status cell_json(const struct record_cell *cell, json_t **out)
{
    char *text;
    size_t size;
    TRY(record_cell_write(cell, &text, &size));
    *out = json_loadb(text, size, 0, NULL);
    free(text);
    return *out ? ST_OK : fail(ST_OOM, "compare: no host memory for a cell's JSON");
}

static json_t *side_json(const struct compare_side *side)
{
    return json_pack("{s:o, s:i, s:s, s:i, s:o, s:s?, s:s?}", "median", number(side->median), "n",
                     side->n, "status", ending_name(side->status), "rounds", side->rounds,
                     "rounds_spread", number(side->spread), "id", side->record->id, "cohort",
                     side->record->cohort);
}

/* null where not both were profiled. */
static json_t *shares_json(const struct compare_pair *pair)
{
    json_t *all = json_object();
    for (int i = 0; i < pair->shares; i++)
        json_object_set_new(
            all, pair->share[i].name,
            json_pack("[o, o]", number(pair->share[i].a), number(pair->share[i].b)));
    if (pair->shares > 0)
        return all;
    json_decref(all);
    return json_null();
}

static enum status pair_json(const struct compare_pair *pair, json_t *list)
{
    const struct record *record = pair->side[0]->record;
    json_t *cell;
    TRY(cell_json(&record->cell, &cell));
    json_t *item = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:[o, o], s:o, s:b, s:o}", "recipe", record->recipe, "cell",
        cell, "a", side_json(pair->side[0]), "b", side_json(pair->side[1]), "ratio",
        number(pair->ratio), "interval", number(pair->low), number(pair->high), "verdict",
        pair->verdict == COMPARE_NOT_OK ? json_null()
                                        : json_string(compare_verdict_name(pair->verdict)),
        "forced", pair->forced, "shares", shares_json(pair));
    return json_array_append_new(list, item) == 0
               ? ST_OK
               : fail(ST_OOM, "compare: no host memory for a cell's JSON");
}

/* A cell without a ratio, with a status; NULL: it has none. */
static enum status add_status(const struct compare_side *side, const char *status, json_t *list)
{
    json_t *cell;
    TRY(cell_json(&side->record->cell, &cell));
    json_t *item = json_pack("{s:s, s:o, s:s?}", "recipe", side->record->recipe, "cell", cell,
                             "status", status);
    return json_array_append_new(list, item) == 0
               ? ST_OK
               : fail(ST_OOM, "compare: no host memory for a cell's JSON");
}

static enum status alone_json(const struct compare_file *file, json_t *list)
{
    for (int i = 0; i < file->alone; i++)
        TRY(add_status(file->only[i], ending_name(file->only[i]->status), list));
    return ST_OK;
}

static enum status lost_json(const struct compare *compare, json_t *list)
{
    const struct compare_file *a = &compare->file[0];
    for (int i = 0; i < compare->pairs; i++) {
        const struct compare_side *b = compare->pair[i].side[1];
        if (compare_lost(&compare->pair[i]))
            TRY(add_status(b, ending_name(b->status), list));
    }
    for (int i = 0; i < a->alone; i++)
        if (a->only[i]->status == ENDING_OK)
            TRY(add_status(a->only[i], NULL, list));
    return ST_OK;
}

static json_t *counts_json(const struct compare *compare)
{
    const char *const left_out[2] = {"left_out_a", "left_out_b"};
    json_t *counts = json_object();
    for (enum compare_verdict v = COMPARE_SLOWER; v < COMPARE_NOT_OK; v++)
        json_object_set_new(counts, compare_verdict_name(v), json_integer(compare->count[v]));
    json_object_set_new(counts, "not_ok", json_integer(compare->count[COMPARE_NOT_OK]));
    json_object_set_new(counts, "lost", json_integer(compare->lost));
    json_object_set_new(counts, "only_a", json_integer(compare->file[0].alone));
    json_object_set_new(counts, "only_b", json_integer(compare->file[1].alone));
    for (int f = 0; f < 2; f++) {
        int rows = compare->file[f].list.again;
        for (int i = 0; i < compare->file[f].cells; i++)
            rows += compare->file[f].cell[i].left_out;
        json_object_set_new(counts, left_out[f], json_integer(rows));
    }
    return counts;
}

static enum status fill(const struct compare *compare, json_t *all)
{
    json_t *a = json_array(), *b = json_array(), *lost = json_array();
    json_t *last =
        json_pack("{s:o, s:o, s:o, s:o, s:f}", "only_a", a, "only_b", b, "lost", lost, "counts",
                  counts_json(compare), "threshold", compare->options.threshold);
    enum status st = last ? ST_OK : fail(ST_OOM, "compare: no host memory for its JSON");
    for (int i = 0; i < compare->pairs && st == ST_OK; i++)
        st = pair_json(&compare->pair[i], all);
    if (st == ST_OK)
        st = alone_json(&compare->file[0], a);
    if (st == ST_OK)
        st = alone_json(&compare->file[1], b);
    if (st == ST_OK)
        st = lost_json(compare, lost);
    json_array_append_new(all, last);
    return st;
}

enum status compare_json(const struct compare *compare, FILE *out)
{
    json_t *all = json_array();
    enum status st = fill(compare, all);
    char *text = st == ST_OK ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(all);
    TRY(st);
    if (!text)
        return fail(ST_OOM, "compare: no host memory for its JSON");
    bool good = fprintf(out, "%s\n", text) >= 0;
    free(text);
    return good ? ST_OK : fail(ST_IO, "compare: JSON cannot be written: %s", strerror(errno));
}
