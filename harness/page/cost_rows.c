/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the problem and the plan of a row again, and counts what its record says. */
#include "harness/page/cost_rows.h"

#include "harness/report/memory.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- verdicts ---- */

enum cost_verdict cost_verdict_of(double ratio)
{
    double off = fabs(ratio - 1);
    return isnan(ratio)  ? COST_UNKNOWN
           : off <= 0.05 ? COST_RIGHT
           : off <= 0.30 ? COST_ROUGH
                         : COST_WRONG;
}

const char *cost_verdict_name(enum cost_verdict verdict)
{
    static const char *const name[COST_VERDICTS] = {
        [COST_RIGHT] = "right",
        [COST_ROUGH] = "rough",
        [COST_WRONG] = "wrong",
        [COST_UNKNOWN] = "not measured",
    };
    return name[verdict];
}

/* ---- what was asked ---- */

static enum status make_problem(const struct record_cell *cell, struct cost_row *out)
{
    char folder[PATH_MAX];
    TRY(dit_config_load(cell->model, &out->config, folder, sizeof folder));
    out->problem = (struct problem){
        .kind = &kind_transformer,
        .config = &out->config,
        .width = cell->width,
        .height = cell->height,
        .frames = cell->frames,
        .steps = cell->steps,
        .requests = cell->requests,
        .guided = problem_guides(&out->config, cell->guidance),
        .text_tokens = out->config.text_tokens,
    };
    if (!dtype_find(cell->dtype, &out->problem.dtype))
        return fail(ST_INVALID, "dtype \"%s\" is unknown", cell->dtype);
    return problem_check(&out->problem);
}

/* ---- what came out ---- */

static double most_of(const struct record_counts *list)
{
    double most = list->n > 0 ? 0 : NAN;
    for (int i = 0; i < list->n; i++)
        most = fmax(most, (double)list->v[i]);
    return most;
}

/* Bytes that a rank put on the wire in its steady steps, all together. */
static double sent_by(const struct record *r, int rank)
{
    double sent = 0;
    for (int i = 0; i < r->comm.n; i++)
        if (r->comm.v[i].rank == rank && strcmp(r->comm.v[i].when, comm_when_name(COMM_STEP)) == 0)
            sent += (double)r->comm.v[i].wire_bytes;
    return sent;
}

/* The same in one such step, of the rank that sends most. A rank's plan knows its steady steps. */
static enum status count_sent(const struct record *r, const struct spec *spec, struct cost_row *out)
{
    double most = NAN;
    for (int rank = 0; rank < r->cell.ranks; rank++) {
        struct plan *plan;
        TRY(plan_build(&out->problem, spec, r->cell.ranks, rank, &plan));
        int steps = plan_steps_of(plan, 0, COMM_STEP);
        out->asked.patches = plan->n_patches;
        plan_close(plan);
        if (steps > 0 && r->comm.n > 0)
            most = fmax(most, sent_by(r, rank) / steps); // NaN is no number to fmax
    }
    out->term[PUBLISHED_COMM].measured = most;
    return ST_OK;
}

static void take_memory(const struct record *r, struct cost_row *out)
{
    const struct record_memory *m = &r->memory_bytes;
    out->term[PUBLISHED_WEIGHTS].measured = most_of(&m->weights);
    out->term[PUBLISHED_ACTIVATIONS].measured = most_of(&m->activations);
    out->term[PUBLISHED_KEYS].measured =
        most_of(out->published->keeps_keys ? &m->kv_store : &m->buffers);
    out->peak = memory_fullest(m).own;
}

/* Threads on one GPU have no serial run in the sheet, which is about times; memory has. */
static double serial_peak(const struct sheet *sheet, const struct sheet_row *row)
{
    double peak = NAN;
    for (int i = 0; i < sheet->n; i++) {
        const struct record *r = sheet->v[i].record;
        if (r->status == ENDING_OK && r->cell.ranks == 1 &&
            strcmp(r->cell.strategy, "serial") == 0 && sheet_by_work(&sheet->v[i], row) == 0 &&
            sheet_by_size(&sheet->v[i], row) == 0)
            peak = memory_fullest(&r->memory_bytes).own;
    }
    return peak;
}

/* ---- one row ---- */

/* Whether the table says something about it; then `spec` is what ran. */
static bool is_published(const struct record *r, struct spec *spec)
{
    bool single = r->status == ENDING_OK && !sheet_distrusts(r) && r->cell.ranks > 1 &&
                  spec_parse(r->cell.strategy, spec) == ST_OK && spec->n == 1 &&
                  published_cost_find(spec->item[0].ops);
    status_clear();
    return single;
}

/* "pipefusion=8:patches=4" without "=8". */
static void name_variant(const struct spec *spec, const char *strategy, struct cost_row *out)
{
    const char *options = strchr(strategy, ':');
    snprintf(out->variant, sizeof out->variant, "%s%s", spec->item[0].ops->name,
             options ? options : "");
}

static enum status fill(const struct sheet *sheet, const struct sheet_row *row,
                        const struct spec *spec, struct cost_row *out)
{
    const struct record *r = row->record;
    out->row = row;
    out->published = published_cost_find(spec->item[0].ops);
    out->order = strategy_order(spec->item[0].ops);
    name_variant(spec, r->cell.strategy, out);
    TRY(make_problem(&r->cell, out));
    out->asked = (struct published_case){&out->problem, r->cell.ranks, 1};
    TRY(count_sent(r, spec, out));
    take_memory(r, out);
    out->serial_peak = serial_peak(sheet, row);
    for (int t = 0; t < PUBLISHED_TERMS; t++) {
        struct cost_term *term = &out->term[t];
        term->formula = published_cost_bytes(out->published, (enum published_term)t, &out->asked);
        term->corrected = term->formula * published_cost_corrected(
                                              out->published, (enum published_term)t, &out->asked);
        term->ratio = term->measured / term->formula;
    }
    return ST_OK;
}

/* ---- order ---- */

#define RETURN_UNLESS_EQUAL(order)                                                                 \
    do {                                                                                           \
        int order_ = (order);                                                                      \
        if (order_)                                                                                \
            return order_;                                                                         \
    } while (0)

static int by_size(const struct cost_row *a, const struct cost_row *b)
{
    RETURN_UNLESS_EQUAL(sheet_by_work(a->row, b->row)); // threads change no bytes
    return sheet_by_size(a->row, b->row);
}

static int by_variant(const struct cost_row *a, const struct cost_row *b)
{
    RETURN_UNLESS_EQUAL(by_size(a, b));
    RETURN_UNLESS_EQUAL(a->order - b->order);
    return strverscmp(a->variant, b->variant);
}

static int by_all(const void *a, const void *b)
{
    const struct cost_row *x = *(struct cost_row *const *)a, *y = *(struct cost_row *const *)b;
    RETURN_UNLESS_EQUAL(by_variant(x, y));
    RETURN_UNLESS_EQUAL(x->asked.ranks - y->asked.ranks);
    return (x > y) - (x < y);
}

int cost_rows_size_end(const struct cost_rows *rows, int begin)
{
    int end = begin + 1;
    while (end < rows->n && by_size(rows->v[begin], rows->v[end]) == 0)
        end++;
    return end;
}

int cost_rows_variant_end(const struct cost_rows *rows, int begin)
{
    int end = begin + 1;
    while (end < rows->n && by_variant(rows->v[begin], rows->v[end]) == 0)
        end++;
    return end;
}

/* ---- opening ---- */

enum status cost_rows_open(const struct sheet *sheet, struct cost_rows *out)
{
    *out = (struct cost_rows){0};
    out->own = calloc((size_t)sheet->n + 1, sizeof *out->own);
    out->v = calloc((size_t)sheet->n + 1, sizeof *out->v);
    if (!out->own || !out->v) {
        cost_rows_close(out);
        return fail(ST_OOM, "costs: no memory for %d rows", sheet->n);
    }
    for (int i = 0; i < sheet->n; i++) {
        struct spec spec;
        if (!is_published(sheet->v[i].record, &spec))
            continue;
        if (fill(sheet, &sheet->v[i], &spec, &out->own[i]) == ST_OK)
            out->v[out->n++] = &out->own[i];
        else
            out->unread++;
        status_clear();
    }
    qsort(out->v, (size_t)out->n, sizeof *out->v, by_all);
    return ST_OK;
}

void cost_rows_close(struct cost_rows *rows)
{
    free(rows->v);
    free(rows->own);
    *rows = (struct cost_rows){0};
}
