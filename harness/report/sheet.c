/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts rows by what was asked, and finds each one's serial run among its neighbours. */
#include "harness/report/sheet.h"

#include "harness/cell/cell.h"
#include "harness/host/env.h"
#include "kernels/backend.h"
#include "kernels/base/hash.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- peers ---- */

bool sheet_peer(const struct record *record)
{
    return !backend_known(record->cell.backend);
}

/* The backend beside whose rows a row stands. */
static const char *backend_beside(const struct record *record)
{
    if (!sheet_peer(record))
        return record->cell.backend;
    return record->env.gpus.n > 0 ? "cuda" : "cpu";
}

/* ---- order ---- */

static int by_text(const char *a, const char *b)
{
    return strverscmp(a ? a : "", b ? b : "");
}

static int by_number(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

#define RETURN_UNLESS_EQUAL(order)                                                                 \
    do {                                                                                           \
        int order_ = (order);                                                                      \
        if (order_)                                                                                \
            return order_;                                                                         \
    } while (0)

/* The part of a setting that says what is computed, on which kind of device. */
static int by_problem(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_cell *x = &a->record->cell, *y = &b->record->cell;
    RETURN_UNLESS_EQUAL(by_text(x->model, y->model));
    RETURN_UNLESS_EQUAL(by_text(x->weights, y->weights));
    RETURN_UNLESS_EQUAL(by_number(x->steps, y->steps));
    RETURN_UNLESS_EQUAL(by_number(x->guidance, y->guidance));
    RETURN_UNLESS_EQUAL(by_number(x->requests, y->requests));
    RETURN_UNLESS_EQUAL(by_text(x->dtype, y->dtype));
    RETURN_UNLESS_EQUAL(by_text(backend_beside(a->record), backend_beside(b->record)));
    return by_text(x->transport, y->transport);
}

/* Whose run it is, with which build. */
static int by_origin(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_env *on = &a->record->env, *with = &b->record->env;
    RETURN_UNLESS_EQUAL(by_number((double)a->record->cell.seed, (double)b->record->cell.seed));
    RETURN_UNLESS_EQUAL(by_text(a->run, b->run));
    RETURN_UNLESS_EQUAL(by_text(on->host, with->host));
    RETURN_UNLESS_EQUAL(by_text(on->commit, with->commit));
    return by_number(on->dirty, with->dirty);
}

int sheet_by_setting(const struct sheet_row *a, const struct sheet_row *b)
{
    if (a->setting == b->setting)
        return 0;
    RETURN_UNLESS_EQUAL(by_problem(a, b));
    RETURN_UNLESS_EQUAL(by_number(a->record->cell.threads, b->record->cell.threads));
    RETURN_UNLESS_EQUAL(by_origin(a, b));
    return a->setting < b->setting ? -1 : 1; // other hardware
}

int sheet_by_work(const struct sheet_row *a, const struct sheet_row *b)
{
    char on[256], with[256];
    if (a->setting == b->setting)
        return 0;
    RETURN_UNLESS_EQUAL(by_problem(a, b));
    RETURN_UNLESS_EQUAL(by_origin(a, b));
    return strcmp(env_hardware(&a->record->env, on, sizeof on),
                  env_hardware(&b->record->env, with, sizeof with));
}

int sheet_by_size(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_cell *x = &a->record->cell, *y = &b->record->cell;
    RETURN_UNLESS_EQUAL(by_number((double)x->width * x->height * x->frames,
                                  (double)y->width * y->height * y->frames));
    RETURN_UNLESS_EQUAL(by_number(x->frames, y->frames));
    return by_number(x->width, y->width);
}

/* By whom and how it was run, apart from the strategy. */
static int by_way(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_cell *x = &a->record->cell, *y = &b->record->cell;
    RETURN_UNLESS_EQUAL(sheet_peer(a->record) - sheet_peer(b->record));
    RETURN_UNLESS_EQUAL(by_text(x->backend, y->backend));
    RETURN_UNLESS_EQUAL(by_text(x->exchange, y->exchange));
    return by_number(x->graph, y->graph);
}

int sheet_by_cell(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_cell *x = &a->record->cell, *y = &b->record->cell;
    RETURN_UNLESS_EQUAL(by_way(a, b));
    RETURN_UNLESS_EQUAL(by_number(x->ranks, y->ranks));
    return by_text(x->strategy, y->strategy);
}

static int by_all(const void *a, const void *b)
{
    const struct sheet_row *x = *(struct sheet_row *const *)a, *y = *(struct sheet_row *const *)b;
    RETURN_UNLESS_EQUAL(sheet_by_setting(x, y));
    RETURN_UNLESS_EQUAL(sheet_by_size(x, y));
    RETURN_UNLESS_EQUAL(sheet_by_cell(x, y));
    return (x > y) - (x < y);
}

/* ---- ends ---- */

int sheet_setting_end(const struct sheet *sheet, int begin)
{
    int end = begin + 1;
    while (end < sheet->n && sheet_by_setting(sheet->sorted[begin], sheet->sorted[end]) == 0)
        end++;
    return end;
}

int sheet_size_end(const struct sheet *sheet, int begin)
{
    int end = begin + 1;
    while (end < sheet->n && sheet_by_setting(sheet->sorted[begin], sheet->sorted[end]) == 0 &&
           sheet_by_size(sheet->sorted[begin], sheet->sorted[end]) == 0)
        end++;
    return end;
}

int sheet_cell_end(const struct sheet *sheet, int begin, int end)
{
    int next = begin + 1;
    while (next < end && sheet_by_cell(sheet->sorted[begin], sheet->sorted[next]) == 0)
        next++;
    return next;
}

/* ---- what is in no chart ---- */

/* Without samples they are as the line has them. */
static bool wrong_statistics(const struct record_latency *t)
{
    double low = isnan(t->p10) ? t->median : t->p10, high = isnan(t->p90) ? t->median : t->p90;
    return t->samples.n == 0 && !isnan(t->median) &&
           !(record_is_time(low) && low <= t->median && t->median <= high && record_is_time(high));
}

const char *sheet_distrusts(const struct record *record)
{
    static_assert(CELL_MAX_RANKS == 65536, "the text below tells it");
    if (record->cell.ranks > CELL_MAX_RANKS)
        return "with more ranks than 65536";
    if (record->cell.ranks < 1 || record->cell.steps < 1)
        return "without ranks or steps";
    if (wrong_statistics(&record->latency_ms))
        return "with statistics that are no times";
    return record_wrong_sample(record) < 0 ? NULL : "with samples that are no times";
}

char *sheet_left_out(int n, struct sheet_row *const *rows, size_t size, char *buffer)
{
    enum { REASONS = 32 };
    const char *reason[REASONS];
    int count[REASONS], reasons = 0;
    size_t length = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (rows[i]->left_out && k < reasons && strcmp(reason[k], rows[i]->left_out) != 0)
            k++;
        if (!rows[i]->left_out || k == REASONS)
            continue;
        if (k == reasons) {
            reason[reasons] = rows[i]->left_out;
            count[reasons++] = 0;
        }
        count[k]++;
    }
    buffer[0] = '\0';
    for (int k = 0; k < reasons && length < size; k++)
        length += (size_t)snprintf(buffer + length, size - length, "%s%d %s", k ? ", " : "",
                                   count[k], reason[k]);
    return buffer;
}

/* ---- opening ---- */

static uint64_t hash_number(uint64_t seed, double value)
{
    double same = value == 0 ? 0 : value; // -0 is 0
    return hash_bytes(seed, &same, sizeof same);
}

static uint64_t hash_of(const struct sheet_row *row)
{
    const struct record_cell *c = &row->record->cell;
    const struct record_env *env = &row->record->env;
    char hardware[256];
    env_hardware(env, hardware, sizeof hardware);
    const double numbers[] = {c->steps,   c->guidance,     c->requests,
                              c->threads, (double)c->seed, env->dirty};
    const char *const texts[] = {c->model,     c->weights, c->dtype,  backend_beside(row->record),
                                 c->transport, row->run,   env->host, env->commit,
                                 hardware};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash = hash_number(hash, numbers[i]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash = hash_text(hash, texts[i] ? texts[i] : "");
    return hash;
}

static bool is_serial(const struct record *r)
{
    return r->status == ENDING_OK && r->cell.ranks == 1 &&
           strcmp(r->cell.strategy, "serial") == 0 && !sheet_distrusts(r) &&
           r->latency_ms.median > 0;
}

/* Rows begin..end-1 differ in strategy and ranks only. */
static void find_serial(struct sheet *sheet, int begin, int end)
{
    const struct record *serial = NULL;
    for (int i = begin; i < end; i++)
        if (is_serial(sheet->sorted[i]->record))
            serial = sheet->sorted[i]->record; // the latest is the last
    for (int i = begin; i < end; i++)
        if (!record_shares_gpu(sheet->sorted[i]->record))
            sheet->sorted[i]->serial = serial;
}

static void find_serials(struct sheet *sheet)
{
    struct sheet_row *const *row = sheet->sorted;
    for (int begin = 0, end; begin < sheet->n; begin = end) {
        for (end = begin + 1; end < sheet->n; end++)
            if (sheet_by_setting(row[begin], row[end]) != 0 ||
                sheet_by_size(row[begin], row[end]) != 0 || by_way(row[begin], row[end]) != 0)
                break;
        find_serial(sheet, begin, end);
    }
}

enum status sheet_open(int n, const struct record *const *records, const char *const *runs,
                       struct sheet *out)
{
    *out = (struct sheet){.n = n};
    out->v = calloc((size_t)n + 1, sizeof *out->v);
    out->sorted = calloc((size_t)n + 1, sizeof *out->sorted);
    if (!out->v || !out->sorted) {
        sheet_close(out);
        return fail(ST_OOM, "no memory to sort %d rows", n);
    }
    for (int i = 0; i < n; i++) {
        out->v[i] = (struct sheet_row){.record = records[i], .run = runs ? runs[i] : NULL};
        out->v[i].setting = hash_of(&out->v[i]);
        out->sorted[i] = &out->v[i];
    }
    qsort(out->sorted, (size_t)n, sizeof *out->sorted, by_all);
    find_serials(out);
    return ST_OK;
}

void sheet_close(struct sheet *sheet)
{
    free(sheet->v);
    free(sheet->sorted);
    *sheet = (struct sheet){0};
}
