/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs the cells of two files and judges each pair. Joins no rows and prints nothing. */
#include "harness/report/compare.h"

#include "harness/base/bootstrap.h"
#include "harness/record/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- verdicts ---- */

const char *compare_verdict_name(enum compare_verdict verdict)
{
    static const char *const name[COMPARE_VERDICTS] = {
        [COMPARE_SLOWER] = "SLOWER",       [COMPARE_FASTER] = "FASTER", [COMPARE_SAME] = "SAME",
        [COMPARE_AMBIGUOUS] = "AMBIGUOUS", [COMPARE_NOT_OK] = "not ok",
    };
    BUG_ON((unsigned)verdict >= COMPARE_VERDICTS, "verdict %d does not exist", (int)verdict);
    return name[verdict];
}

enum compare_verdict compare_judge(int n_a, int n_b, double ratio, double low, double high,
                                   double threshold)
{
    if (n_a < COMPARE_LEAST || n_b < COMPARE_LEAST)
        return COMPARE_AMBIGUOUS;
    if (low > 1 && ratio > 1 + threshold)
        return COMPARE_SLOWER;
    if (high < 1 && ratio < 1 - threshold)
        return COMPARE_FASTER;
    if (low >= 1 - threshold && high <= 1 + threshold)
        return COMPARE_SAME;
    return COMPARE_AMBIGUOUS;
}

/* ---- one pair ---- */

static struct bootstrap_samples samples_of(const struct compare_side *side)
{
    return (struct bootstrap_samples){.rounds = side->rounds, .end = side->end, .v = side->sample};
}

/* A cell that is not ok may not have loaded the libraries that count in a cohort; nothing is
 * divided there either. */
static bool both_ok(const struct compare_pair *pair)
{
    return pair->side[0]->status == ENDING_OK && pair->side[1]->status == ENDING_OK;
}

bool compare_lost(const struct compare_pair *pair)
{
    return pair->side[0]->status == ENDING_OK && pair->side[1]->status != ENDING_OK;
}

static bool other_cohort(const struct compare_pair *pair)
{
    return both_ok(pair) && !compare_cohort_same(pair->side[0]->record, pair->side[1]->record);
}

static enum status judge(const struct compare_options *options, struct compare_pair *pair)
{
    const struct compare_side *a = pair->side[0], *b = pair->side[1];
    pair->ratio = pair->low = pair->high = NAN;
    pair->forced = other_cohort(pair);
    pair->verdict = COMPARE_NOT_OK;
    if (!both_ok(pair))
        return ST_OK;
    if (a->n > 0 && b->n > 0)
        pair->ratio = b->median / a->median;
    if (a->n > 1 && b->n > 1) {
        const struct bootstrap_samples of_a = samples_of(a), of_b = samples_of(b);
        struct bootstrap_interval interval;
        TRY(bootstrap_ratio(&of_a, &of_b, &interval));
        pair->low = interval.low;
        pair->high = interval.high;
    }
    pair->verdict =
        compare_judge(a->n, b->n, pair->ratio, pair->low, pair->high, options->threshold);
    if (compare_side_flagged(a, RECORD_SHARED_GPU) || compare_side_flagged(b, RECORD_SHARED_GPU))
        pair->verdict = COMPARE_AMBIGUOUS;
    return ST_OK;
}

/* ---- pairs ---- */

static int by_recipe(const void *a, const void *b)
{
    const struct compare_side *const *x = a, *const *y = b;
    return strcmp((*x)->record->recipe, (*y)->record->recipe);
}

/* The cells of a file by recipe, allocated; NULL: no memory. */
static const struct compare_side **sorted(const struct compare_file *file)
{
    const struct compare_side **v = malloc(((size_t)file->cells + 1) * sizeof *v);
    for (int i = 0; i < file->cells && v; i++)
        v[i] = &file->cell[i];
    if (v)
        qsort(v, (size_t)file->cells, sizeof *v, by_recipe);
    return v;
}

static const struct compare_side *find(const struct compare_file *file,
                                       const struct compare_side **by,
                                       const struct compare_side *like)
{
    const struct compare_side **found =
        bsearch(&like, by, (size_t)file->cells, sizeof *by, by_recipe);
    return found ? *found : NULL;
}

static void pair_cells(struct compare *c, const struct compare_side **by_a,
                       const struct compare_side **by_b)
{
    for (int i = 0; i < c->file[0].cells; i++) {
        const struct compare_side *a = &c->file[0].cell[i], *b = find(&c->file[1], by_b, a);
        if (b)
            c->pair[c->pairs++] = (struct compare_pair){.side = {a, b}};
        else
            c->file[0].only[c->file[0].alone++] = a;
    }
    for (int i = 0; i < c->file[1].cells; i++)
        if (!find(&c->file[0], by_a, &c->file[1].cell[i]))
            c->file[1].only[c->file[1].alone++] = &c->file[1].cell[i];
}

static enum status pair_files(struct compare *c)
{
    const struct compare_side **by_a = sorted(&c->file[0]), **by_b = sorted(&c->file[1]);
    bool room = by_a && by_b;
    c->pair = calloc((size_t)c->file[0].cells + 1, sizeof *c->pair);
    for (int i = 0; i < 2; i++) {
        c->file[i].only = calloc((size_t)c->file[i].cells + 1, sizeof *c->file[i].only);
        room = room && c->file[i].only;
    }
    room = room && c->pair;
    if (room)
        pair_cells(c, by_a, by_b);
    free(by_a);
    free(by_b);
    return room ? ST_OK : fail(ST_OOM, "compare: no host memory for %d cells", c->file[0].cells);
}

/* ---- cohorts ---- */

static enum status check_cohorts(const struct compare *c)
{
    const struct compare_pair *first = NULL;
    char what[COMPARE_NAME], name[COMPARE_NAME];
    int n = 0;
    for (int i = 0; i < c->pairs; i++) {
        if (other_cohort(&c->pair[i])) {
            first = first ? first : &c->pair[i];
            n++;
        }
    }
    if (n == 0 || c->options.force)
        return ST_OK;
    const struct record *a = first->side[0]->record, *b = first->side[1]->record;
    return fail(ST_INVALID,
                "%s and %s: %d of %d cells ran in another cohort, first %.200s: %s. Their ratios "
                "would compare machines too; --force compares them, and says so on each line",
                c->file[0].path, c->file[1].path, n, c->pairs, compare_name(c, &a->cell, name),
                compare_cohort_text(a, b, sizeof what, what));
}

/* ---- life ---- */

static enum status read_file(struct compare_file *file)
{
    TRY(record_file_read(file->path, &file->list, &file->torn));
    enum status st = compare_sides(file);
    return st ? fail_prefix(st, "%s", file->path) : ST_OK;
}

static enum status compare_all(struct compare *c)
{
    TRY(read_file(&c->file[0]));
    TRY(read_file(&c->file[1]));
    c->varying = compare_name_varying(c);
    TRY(pair_files(c));
    TRY(check_cohorts(c));
    for (int i = 0; i < c->pairs; i++) {
        TRY(judge(&c->options, &c->pair[i]));
        c->count[c->pair[i].verdict]++;
        c->lost += compare_lost(&c->pair[i]);
    }
    for (int i = 0; i < c->file[0].alone; i++)
        c->lost += c->file[0].only[i]->status == ENDING_OK;
    return ST_OK;
}

enum status compare_open(const char *a, const char *b, const struct compare_options *options,
                         struct compare *out)
{
    *out = (struct compare){.options = *options, .file = {{.path = a}, {.path = b}}};
    enum status st = compare_all(out);
    if (st)
        compare_release(out);
    return st;
}

void compare_release(struct compare *compare)
{
    for (int i = 0; i < 2; i++) {
        compare_sides_release(&compare->file[i]);
        free(compare->file[i].only);
        record_list_release(&compare->file[i].list);
    }
    free(compare->pair);
    *compare = (struct compare){.pairs = 0};
}
