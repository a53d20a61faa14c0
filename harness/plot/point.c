/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting points into curves. */
#include "harness/plot/point.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int plot_points_of(const struct plot_group *group, struct plot_point *points)
{
    int n = 0;
    for (int i = 0; i < group->n; i++) {
        const struct plot_cell *c = &group->cell[i];
        if (!c->row)
            continue;
        const struct record_latency *t = &c->row->record->latency_ms;
        points[n++] = (struct plot_point){.family = c->family.name,
                                          .label = c->family.label,
                                          .place = c->family.place,
                                          .several = c->family.several,
                                          .peer = c->peer,
                                          .x = c->asked->ranks,
                                          .latency = t->median,
                                          .y = t->median,
                                          .low = t->p10,
                                          .high = t->p90,
                                          .record = c->row->record,
                                          .serial = c->row->serial};
    }
    return n;
}

void plot_points_scale(int n, struct plot_point *points, double by)
{
    for (int i = 0; i < n; i++) {
        points[i].y *= by;
        points[i].low *= by;
        points[i].high *= by;
    }
}

static int by_number(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_label(const struct plot_point *x, const struct plot_point *y)
{
    if (x->published != y->published)
        return x->published - y->published;
    if (x->peer != y->peer)
        return x->peer - y->peer;
    return x->place != y->place ? x->place - y->place : strverscmp(x->label, y->label);
}

static int by_curve(const void *a, const void *b)
{
    const struct plot_point *x = a, *y = b;
    int order = by_label(x, y);
    order = order ? order : by_number(x->x, y->x);
    return order ? order : by_number(x->latency, y->latency);
}

int plot_points_sort(int n, struct plot_point *points)
{
    int kept = 0;
    qsort(points, (size_t)n, sizeof *points, by_curve);
    for (int i = 0; i < n; i++)
        if (kept == 0 || by_label(&points[kept - 1], &points[i]) != 0 ||
            points[kept - 1].x != points[i].x)
            points[kept++] = points[i];
    return kept;
}

/* ---- side by side ---- */

enum { SYMBOL = 9 }; /* its height in pixels */

/* By x; the serial run first, then as in the legend, so that a curve keeps its side. */
static int by_x(const void *a, const void *b)
{
    const struct plot_point *x = *(struct plot_point *const *)a,
                            *y = *(struct plot_point *const *)b;
    int order = by_number(x->x, y->x);
    order = order ? order : (y->place < 0) - (x->place < 0);
    return order ? order : (x > y) - (x < y);
}

/* Whether two symbols with their bars touch on an axis of so many pixels. */
static bool touch(const struct plot_point *a, const struct plot_point *b,
                  const struct plot_axis *axis, double pixels)
{
    const struct plot_point *upper = a->high > b->high ? a : b, *lower = upper == a ? b : a;
    double from = plot_axis_share(axis, fmin(upper->low, upper->y));
    double to = plot_axis_share(axis, fmax(lower->high, lower->y));
    return pixels * (from - to) < SYMBOL;
}

/* Puts p[k] at the place nearest to its x, 0, 1, -1, 2, ..., where it touches none before it. */
static double place(struct plot_point *const *p, int k, const struct plot_axis *axis, double pixels)
{
    for (int i = 0;; i++) {
        bool is_free = true;
        p[k]->aside = i % 2 ? (i + 1) / 2 : -i / 2;
        for (int other = 0; other < k && is_free; other++)
            is_free = p[other]->aside != p[k]->aside || !touch(p[other], p[k], axis, pixels);
        if (is_free)
            return fabs(p[k]->aside);
    }
}

double plot_points_spread(int n, struct plot_point *points, const struct plot_axis *axis,
                          double pixels)
{
    double largest = 0;
    struct plot_point **sorted = calloc((size_t)n + 1, sizeof *sorted);
    for (int i = 0; sorted && i < n; i++)
        sorted[i] = &points[i];
    if (sorted)
        qsort(sorted, (size_t)n, sizeof *sorted, by_x);
    for (int i = 0, begin = 0; sorted && i < n; i++) {
        begin = sorted[i]->x == sorted[begin]->x ? begin : i;
        largest = fmax(largest, place(sorted + begin, i - begin, axis, pixels));
    }
    free(sorted);
    return largest;
}

/* ---- curves ---- */

int plot_points_end(int n, const struct plot_point *points, int begin)
{
    int end = begin + 1;
    while (end < n && by_label(&points[begin], &points[end]) == 0)
        end++;
    return end;
}

int plot_points_curves(int n, const struct plot_point *points)
{
    int curves = 0;
    for (int i = 0; i < n; i = plot_points_end(n, points, i))
        curves++;
    return curves;
}
