/* SPDX-License-Identifier: Apache-2.0 */
/* Filtering, sorting and grouping rows; sorting points into curves. The texts are in plot_text.c.
 */
#include "harness/plot/select.h"
#include "harness/host/env.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static int by_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int by_number(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int by_machine(const struct record_env *a, const struct record_env *b)
{
    char x[PLOT_TITLE], y[PLOT_TITLE];
    int order = by_text(a->host, b->host);
    return order ? order : strcmp(env_hardware(a, x, sizeof x), env_hardware(b, y, sizeof y));
}

#define RETURN_UNLESS_EQUAL(order)                                                                 \
    do {                                                                                           \
        int order_ = (order);                                                                      \
        if (order_)                                                                                \
            return order_;                                                                         \
    } while (0)

static int by_setting(const struct record *a, const struct record *b)
{
    const struct record_cell *x = &a->cell, *y = &b->cell;
    RETURN_UNLESS_EQUAL(by_text(x->model, y->model));
    RETURN_UNLESS_EQUAL(by_text(x->weights, y->weights));
    RETURN_UNLESS_EQUAL(by_number(x->steps, y->steps));
    RETURN_UNLESS_EQUAL(by_number(x->guidance, y->guidance));
    RETURN_UNLESS_EQUAL(by_number(x->requests, y->requests));
    RETURN_UNLESS_EQUAL(by_text(x->dtype, y->dtype));
    RETURN_UNLESS_EQUAL(by_text(x->backend, y->backend));
    RETURN_UNLESS_EQUAL(by_text(x->transport, y->transport));
    RETURN_UNLESS_EQUAL(by_number(x->threads, y->threads));
    return by_machine(&a->env, &b->env);
}

static int by_size(const struct record *a, const struct record *b)
{
    const struct record_cell *x = &a->cell, *y = &b->cell;
    RETURN_UNLESS_EQUAL(by_number((double)x->width * x->height * x->frames,
                                  (double)y->width * y->height * y->frames));
    RETURN_UNLESS_EQUAL(by_number(x->frames, y->frames));
    return by_number(x->width, y->width);
}

struct placed {
    const struct record *row;
    int order;
};

static int by_all(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    RETURN_UNLESS_EQUAL(by_setting(x->row, y->row));
    RETURN_UNLESS_EQUAL(by_size(x->row, y->row));
    RETURN_UNLESS_EQUAL(by_number(x->row->cell.ranks, y->row->cell.ranks));
    RETURN_UNLESS_EQUAL(by_text(x->row->cell.strategy, y->row->cell.strategy));
    return by_number(x->order, y->order);
}

/* ---- rows ---- */

static bool drawable(const struct record *row)
{
    return row->status == ENDING_OK && row->latency_ms.median > 0 && row->cell.ranks > 0;
}

enum status plot_rows_open(int n, const struct record *const *all, struct plot_rows *out)
{
    *out = (struct plot_rows){0};
    struct placed *sorted = calloc((size_t)n + 1, sizeof *sorted);
    out->v = calloc((size_t)n + 1, sizeof *out->v);
    if (!sorted || !out->v) {
        free(sorted);
        plot_rows_close(out);
        return fail(ST_OOM, "plot: a list of %d rows", n);
    }
    for (int i = 0; i < n; i++)
        if (drawable(all[i]))
            sorted[out->n++] = (struct placed){all[i], i};
    qsort(sorted, (size_t)out->n, sizeof *sorted, by_all);
    for (int i = 0; i < out->n; i++)
        out->v[i] = sorted[i].row;
    free(sorted);
    return ST_OK;
}

void plot_rows_close(struct plot_rows *rows)
{
    free(rows->v);
    *rows = (struct plot_rows){0};
}

int plot_rows_setting(const struct plot_rows *rows, int begin)
{
    int end = begin + 1;
    while (end < rows->n && by_setting(rows->v[begin], rows->v[end]) == 0)
        end++;
    return end;
}

int plot_rows_group(const struct plot_rows *rows, int begin)
{
    int end = begin + 1;
    while (end < rows->n && by_setting(rows->v[begin], rows->v[end]) == 0 &&
           by_size(rows->v[begin], rows->v[end]) == 0)
        end++;
    return end;
}

const struct record *plot_rows_serial(const struct plot_rows *rows, int begin, int end)
{
    const struct record *serial = NULL;
    for (int i = begin; i < end; i++)
        if (rows->v[i]->cell.ranks == 1 && strcmp(rows->v[i]->cell.strategy, "serial") == 0)
            serial = rows->v[i];
    return serial;
}

char *plot_rows_left_out(int n, const struct record *const *all, const struct record *of,
                         char buffer[PLOT_TITLE])
{
    int count[ENDINGS] = {0};
    size_t length = 0;
    buffer[0] = '\0';
    for (int i = 0; i < n; i++)
        if (!drawable(all[i]) && by_setting(all[i], of) == 0 && by_size(all[i], of) == 0)
            count[all[i]->status]++;
    for (int s = 0; s < ENDINGS; s++)
        if (count[s] > 0 && length < PLOT_TITLE)
            length += (size_t)snprintf(buffer + length, PLOT_TITLE - length, "%s%d %s",
                                       length ? ", " : "", count[s], ending_name(s));
    return buffer;
}

bool plot_rows_gap(int n, const struct record *const *all, const struct record *of,
                   const char *label, double from, double to)
{
    for (int i = 0; i < n; i++) {
        const struct record *r = all[i];
        struct plot_family family;
        if (drawable(r) || r->status == ENDING_UNSUPPORTED || r->cell.ranks <= from ||
            r->cell.ranks >= to || by_setting(r, of) != 0 || by_size(r, of) != 0)
            continue;
        plot_family_of(r->cell.strategy, &family);
        if (strcmp(family.label, label) == 0)
            return true;
    }
    return false;
}

/* ---- points ---- */

static int by_label(const struct plot_point *x, const struct plot_point *y)
{
    RETURN_UNLESS_EQUAL(by_number(x->family.place, y->family.place));
    return strverscmp(x->family.label, y->family.label); /* patches=4 before patches=16 */
}

static int by_curve(const void *a, const void *b)
{
    const struct plot_point *x = a, *y = b;
    RETURN_UNLESS_EQUAL(by_label(x, y));
    RETURN_UNLESS_EQUAL(by_number(x->x, y->x));
    RETURN_UNLESS_EQUAL(by_text(x->row->cell.strategy, y->row->cell.strategy));
    return by_number(x->order, y->order);
}

static bool same_place(const struct plot_point *x, const struct plot_point *y)
{
    return by_label(x, y) == 0 && x->x == y->x;
}

int plot_points_sort(int n, struct plot_point *points)
{
    int kept = 0;
    qsort(points, (size_t)n, sizeof *points, by_curve);
    for (int i = 0; i < n; i++) { // the latest of each text
        bool again =
            kept > 0 && same_place(&points[kept - 1], &points[i]) &&
            by_text(points[kept - 1].row->cell.strategy, points[i].row->cell.strategy) == 0;
        kept += !again;
        points[kept - 1] = points[i];
    }
    n = kept;
    kept = 0;
    for (int i = 0; i < n; i++) { // the fastest of each place
        if (kept == 0 || !same_place(&points[kept - 1], &points[i]))
            points[kept++] = points[i];
        else if (points[i].row->latency_ms.median < points[kept - 1].row->latency_ms.median)
            points[kept - 1] = points[i];
    }
    return kept;
}

int plot_points_curve(int n, const struct plot_point *points, int begin)
{
    int end = begin + 1;
    while (end < n && by_label(&points[begin], &points[end]) == 0)
        end++;
    return end;
}
