/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of one results file: which rows of a recipe count, and their loops together. */
#include "harness/base/stats.h"
#include "harness/report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row and what decides whether it is joined with others of its recipe. */
struct row {
    const struct record *record;
    int place;                 /* in the file's list */
    char cell[RECORD_ID_SIZE]; /* the id that its cell has without the round */
};

/* ---- order ---- */

/* The cell of a row, as if it had been measured in one round. */
static struct record_cell without_round(const struct record_cell *cell)
{
    struct record_cell same = *cell;
    same.round = 0;
    return same;
}

static int by_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* By recipe, then as they stand in the file. */
static int by_recipe(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->record->recipe, y->record->recipe);
    return order ? order
                 : (x->record->line > y->record->line) - (x->record->line < y->record->line);
}

static int by_place(const void *a, const void *b)
{
    const struct compare_side *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static bool joined(const struct row *row, const struct row *last)
{
    const struct record *a = row->record, *b = last->record;
    bool ok = a->status == ENDING_OK && b->status == ENDING_OK; // else a cohort may lack libraries
    return strcmp(row->cell, last->cell) == 0 && (!ok || by_text(a->cohort, b->cohort) == 0) &&
           by_text(a->env.commit, b->env.commit) == 0 && a->env.dirty == b->env.dirty;
}

/* ---- one cell ---- */

static enum status check_samples(const struct record *record)
{
    char text[120];
    int i = record_wrong_sample(record);
    if (i < 0)
        return ST_OK;
    return fail(ST_INVALID, "row %s, which is ok: %s; measure the cell again, or take the row out",
                record->id, record_wrong_sample_text(record, i, sizeof text, text));
}

/* Adds the loops of a row that is ok, as a round; ones without loops add none. */
static void add_round(struct compare_side *side, const struct record *record)
{
    const struct record_numbers *samples = &record->latency_ms.samples;
    if (samples->n == 0)
        return;
    memcpy(side->sample + side->n, samples->v, (size_t)samples->n * sizeof *samples->v);
    side->n += samples->n;
    side->row[side->rounds] = record;
    side->end[side->rounds++] = side->n;
}

/* Median of all, and how far those of rounds lie apart. scratch [n]. */
static void summarise(struct compare_side *side, double *scratch)
{
    double low = INFINITY, high = -INFINITY;
    side->median = stats_of(side->n, side->sample, scratch).median;
    for (int i = 0, begin = 0; i < side->rounds; begin = side->end[i++]) {
        double median = stats_of(side->end[i] - begin, side->sample + begin, scratch).median;
        low = fmin(low, median);
        high = fmax(high, median);
    }
    if (side->rounds > 1)
        side->spread = (high - low) / side->median;
}

/* Joins the loops of rows [n] that count; scratch has room for all. */
static enum status join(int n, const struct row *rows, struct compare_side *side, double *scratch)
{
    for (int i = 0; i < n; i++) {
        if (!joined(&rows[i], &rows[n - 1]))
            continue;
        TRY(check_samples(rows[i].record));
        add_round(side, rows[i].record);
    }
    summarise(side, scratch);
    return ST_OK;
}

/* rows [n] of one recipe, the last of which counts. */
static enum status make_side(int n, const struct row *rows, struct compare_side *side)
{
    size_t samples = 0;
    *side = (struct compare_side){
        .record = rows[n - 1].record, .median = NAN, .spread = NAN, .place = rows[n - 1].place};
    for (int i = 0; i < n; i++) {
        side->place = rows[i].place < side->place ? rows[i].place : side->place;
        if (!joined(&rows[i], &rows[n - 1])) {
            side->left_out++;
            continue;
        }
        if (side->status == ENDING_OK)
            side->status = rows[i].record->status;
        samples += (size_t)rows[i].record->latency_ms.samples.n;
    }
    if (side->status != ENDING_OK)
        return ST_OK;
    double *scratch = malloc((samples + 1) * sizeof *scratch);
    side->row = malloc((size_t)n * sizeof *side->row);
    side->end = malloc((size_t)n * sizeof *side->end);
    side->sample = malloc((samples + 1) * sizeof *side->sample);
    enum status st = side->row && side->end && side->sample && scratch
                         ? join(n, rows, side, scratch)
                         : fail(ST_OOM, "no host memory for %zu loops", samples);
    free(scratch);
    return st;
}

int compare_side_flagged(const struct compare_side *side, const char *flag)
{
    int n = 0;
    for (int i = 0; i < side->rounds; i++)
        n += record_has_flag(side->row[i], flag);
    return n;
}

/* ---- a file ---- */

static enum status make_rows(const struct record_list *list, struct row *rows)
{
    for (int i = 0; i < list->n; i++) {
        const struct record_cell cell = without_round(&list->v[i]->cell);
        rows[i] = (struct row){.record = list->v[i], .place = i};
        TRY(record_cell_id(&cell, rows[i].cell));
    }
    qsort(rows, (size_t)list->n, sizeof *rows, by_recipe);
    return ST_OK;
}

static enum status make_sides(struct compare_file *file, struct row *rows)
{
    int n = file->list.n;
    TRY(make_rows(&file->list, rows));
    for (int begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n; end++)
            if (strcmp(rows[begin].record->recipe, rows[end].record->recipe) != 0)
                break;
        TRY(make_side(end - begin, &rows[begin], &file->cell[file->cells++]));
    }
    qsort(file->cell, (size_t)file->cells, sizeof *file->cell, by_place);
    return ST_OK;
}

enum status compare_sides(struct compare_file *file)
{
    struct row *rows = calloc((size_t)file->list.n + 1, sizeof *rows);
    file->cell = calloc((size_t)file->list.n + 1, sizeof *file->cell);
    enum status st = rows && file->cell ? make_sides(file, rows)
                                        : fail(ST_OOM, "no host memory for %d rows", file->list.n);
    free(rows);
    return st;
}

void compare_sides_release(struct compare_file *file)
{
    for (int i = 0; i < file->cells; i++) {
        free(file->cell[i].row);
        free(file->cell[i].end);
        free(file->cell[i].sample);
    }
    free(file->cell);
    file->cell = NULL;
    file->cells = 0;
}
