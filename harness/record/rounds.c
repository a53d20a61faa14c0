/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting rows into measurements, and appending their samples. */
#include "harness/record/rounds.h"

#include "harness/base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which ---- */

/* A row and where it was. */
struct place {
    const struct record *record;
    int at;
};

static int by_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int by_number(double a, double b)
{
    return (a > b) - (a < b);
}

/* How they ended, and why. */
static int by_ending(const struct record *a, const struct record *b)
{
    int order = by_number(a->status, b->status);
    return order ? order : by_text(a->reason, b->reason);
}

/* 0: they may be rounds of one measurement. */
static int by_measurement(const struct record *a, const struct record *b)
{
    const struct record_cell *x = &a->cell, *y = &b->cell;
    int order = by_text(a->recipe, b->recipe);
    order = order ? order : by_text(a->cohort, b->cohort);
    order = order ? order : by_text(a->env.commit, b->env.commit);
    order = order ? order : by_number(a->env.dirty, b->env.dirty);
    order = order ? order : by_number(x->warmup_loops, y->warmup_loops);
    order = order ? order : by_number(x->repeats, y->repeats);
    order = order ? order : by_number(x->stop.min_loops, y->stop.min_loops);
    order = order ? order : by_number(x->stop.min_seconds, y->stop.min_seconds);
    order = order ? order : by_number(x->stop.max_seconds, y->stop.max_seconds);
    order = order ? order : by_number(x->stop.max_noise, y->stop.max_noise);
    return order ? order : by_ending(a, b);
}

static int by_round(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = by_measurement(x->record, y->record);
    order = order ? order : by_number(x->record->cell.round, y->record->cell.round);
    return order ? order : by_number(x->at, y->at);
}

/* ---- joining ---- */

/* Rows that failed may have none. */
static void append_samples(struct record *out, int n, const struct place *rows)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += rows[i].record->latency_ms.samples.n;
    double *all = record_array(out, (size_t)count, sizeof *all);
    double *medians = record_array(out, (size_t)n, sizeof *medians);
    if (!medians || (count > 0 && !all))
        return;
    count = 0;
    for (int i = 0; i < n; i++) {
        const struct record_latency *t = &rows[i].record->latency_ms;
        if (t->samples.n > 0)
            memcpy(all + count, t->samples.v, (size_t)t->samples.n * sizeof *all);
        count += t->samples.n;
        medians[i] = t->median;
    }
    out->latency_ms.samples = (struct record_numbers){count, all};
    out->rounds = (struct record_numbers){n, medians};
}

/* The row that has the loop of the (lower) median. */
static const struct record *median_row(struct record *out, int n, const struct place *rows)
{
    int count = out->latency_ms.samples.n;
    double *sorted = record_array(out, (size_t)count, sizeof *sorted);
    if (!sorted)
        return rows[0].record;
    memcpy(sorted, out->latency_ms.samples.v, (size_t)count * sizeof *sorted);
    stats_sort(count, sorted);
    for (int i = 0; i < n; i++) {
        const struct record_numbers *samples = &rows[i].record->latency_ms.samples;
        for (int k = 0; k < samples->n; k++)
            if (samples->v[k] == sorted[(count - 1) / 2])
                return rows[i].record;
    }
    return rows[0].record;
}

static void take_worst_check(struct record *out, int n, const struct place *rows)
{
    for (int i = 0; i < n; i++) {
        if (!(rows[i].record->check.rel_l2 > out->check.rel_l2))
            continue;
        out->check = rows[i].record->check;
        out->deviation = rows[i].record->deviation;
    }
}

/* The machine of the round that was throttled most, else the one given. */
static void take_worst_machine(struct record *out, int n, const struct place *rows)
{
    for (int i = 0; i < n; i++)
        if (record_throttled_share(rows[i].record) > record_throttled_share(out))
            out->machine = rows[i].record->machine;
}

static bool of_samples(const char *flag)
{
    return strcmp(flag, RECORD_NOISY) == 0 || strcmp(flag, RECORD_DRIFT) == 0 ||
           strcmp(flag, RECORD_OUTLIERS) == 0;
}

/* What samples tell is told from all of them; what else was said of a round holds for all. */
static void join_flags(struct record *out, int n, const struct place *rows)
{
    record_flag(out);
    for (int i = 0; i < n; i++) {
        const struct record_texts *flags = &rows[i].record->flags;
        for (int k = 0; k < flags->n; k++)
            if (!of_samples(flags->v[k]) && !record_has_flag(out, flags->v[k]))
                record_add_text(out, &out->flags, flags->v[k]);
    }
}

/* rows [n] by round; last: the one that came last. */
static enum status join(int n, const struct place *rows, const struct record *last,
                        struct record **out)
{
    TRY(record_open(out));
    struct record *r = *out;
    struct record_block *blocks = r->blocks;
    *r = *last; // borrowed, but for what is replaced below
    r->blocks = blocks;
    r->out_of_memory = false;
    r->cell.round = 0;
    append_samples(r, n, rows);
    const struct record *median = median_row(r, n, rows);
    r->step_ms = median->step_ms;
    r->latency_ms.slowest_rank = median->latency_ms.slowest_rank;
    r->machine = median->machine;
    record_summarise(r);
    take_worst_machine(r, n, rows);
    take_worst_check(r, n, rows);
    join_flags(r, n, rows);
    return r->out_of_memory ? fail(ST_OOM, "a row of %d rounds: no host memory", n) : ST_OK;
}

/* ---- all rows ---- */

/* rows [n] of one measurement, by round; those that are joined leave `row_at`. */
static enum status join_measurement(int n, struct place *rows, const struct record **row_at,
                                    struct record_rounds *out)
{
    int kept = 0;
    for (int i = 0; i < n; i++) // of one round the later, which comes behind
        if (i + 1 == n || rows[i].record->cell.round != rows[i + 1].record->cell.round)
            rows[kept++] = rows[i];
    if (kept < 2)
        return ST_OK;
    int last = 0;
    for (int i = 0; i < kept; i++) {
        last = rows[i].at > rows[last].at ? i : last;
        row_at[rows[i].at] = NULL;
    }
    struct record **joined = &out->own[out->joined++];
    TRY(join(kept, rows, rows[last].record, joined));
    row_at[rows[last].at] = *joined;
    return ST_OK;
}

static enum status join_all(int n, struct place *rows, struct record_rounds *out)
{
    qsort(rows, (size_t)n, sizeof *rows, by_round);
    for (int begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n; end++)
            if (by_measurement(rows[begin].record, rows[end].record) != 0)
                break;
        TRY(join_measurement(end - begin, rows + begin, out->v, out));
    }
    return ST_OK;
}

enum status record_rounds_join(int n, const struct record *const *records,
                               struct record_rounds *out)
{
    int count = 0;
    *out = (struct record_rounds){.n = n};
    struct place *rows = calloc((size_t)n + 1, sizeof *rows);
    out->v = calloc((size_t)n + 1, sizeof *out->v);
    out->own = calloc((size_t)n / 2 + 1, sizeof *out->own);
    if (!rows || !out->v || !out->own) {
        free(rows);
        return fail(ST_OOM, "rounds of %d rows: no host memory", n);
    }
    for (int i = 0; i < n; i++) {
        out->v[i] = records[i];
        if (records[i]->status != ENDING_OK || records[i]->latency_ms.samples.n > 0)
            rows[count++] = (struct place){records[i], i};
    }
    enum status st = join_all(count, rows, out);
    free(rows);
    TRY(st);
    out->n = 0;
    for (int i = 0; i < n; i++)
        if (out->v[i])
            out->v[out->n++] = out->v[i];
    return ST_OK;
}

void record_rounds_release(struct record_rounds *rounds)
{
    for (int i = 0; i < rounds->joined; i++)
        record_close(rounds->own[i]);
    free(rounds->own);
    free(rounds->v);
    *rounds = (struct record_rounds){.n = 0};
}

double record_rounds_spread(const struct record *record)
{
    const struct record_numbers *medians = &record->rounds;
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < medians->n; i++) {
        low = fmin(low, medians->v[i]);
        high = fmax(high, medians->v[i]);
    }
    return medians->n > 0 ? 100 * (high - low) / record->latency_ms.median : NAN;
}
