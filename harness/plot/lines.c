/* SPDX-License-Identifier: Apache-2.0 */
/* Curves over rank counts: latency, speed-up, efficiency. */
#include "harness/plot/axis.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHT = 400 }; /* of a picture in pixels, about */

/* Points of one chart, sorted; `slower` of the group's are not among them. */
struct curves {
    int n, slower;
    struct plot_point *v;
};

static enum status curves_open(const struct plot_group *group, int more, struct curves *out)
{
    *out = (struct curves){0};
    out->v = calloc((size_t)(group->n + more) + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "plot: %d points", group->n + more);
    out->n = plot_points_of(group, out->v);
    return ST_OK;
}

static void curves_sort(struct curves *curves)
{
    int n = curves->n;
    curves->n = plot_points_sort(n, curves->v);
    curves->slower = n - curves->n;
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The axis of the points' rank counts. */
static enum status put_ranks(FILE *out, const struct curves *curves)
{
    int n = 0, kept = 0;
    int *ranks = calloc((size_t)curves->n + 1, sizeof *ranks);
    if (!ranks)
        return fail(ST_OOM, "plot: %d rank counts", curves->n);
    for (int i = 0; i < curves->n; i++)
        ranks[n++] = (int)curves->v[i].x;
    qsort(ranks, (size_t)n, sizeof *ranks, by_value);
    for (int i = 0; i < n; i++)
        if (kept == 0 || ranks[kept - 1] != ranks[i])
            ranks[kept++] = ranks[i];
    struct plot_axis axis = plot_axis_ranks(kept, ranks);
    plot_axis_put(out, "x", &axis);
    double nearest = INFINITY; // counts stand at least so far apart
    for (int i = 1; i < kept; i++)
        nearest = fmin(nearest, axis.logarithmic ? log2((double)ranks[i] / ranks[i - 1])
                                                 : ranks[i] - ranks[i - 1]);
    plot_gnuplot_number(out, "x_gap", isfinite(nearest) ? nearest : 1);
    free(ranks);
    return ST_OK;
}

static bool joins(const struct plot_group *group, const struct plot_point *point, double from)
{
    return point->published ? point->x <= 2 * from
                            : plot_group_joins(group, point->label, from, point->x);
}

/*
 * One block for each curve: x, y, low, high, own, noisy, aside. A curve begins at the serial run
 * where it has no point of one rank; that point is not its own. An empty line, which breaks the
 * drawn line, stands where a line would go over rank counts that nobody ran.
 */
static void put_curves(FILE *out, const struct plot_group *group, const struct curves *curves,
                       bool relative, double scale)
{
    fputs("$points << EOD\n", out);
    for (int i = 0, end; i < curves->n; i = end) {
        const struct plot_point *first = &curves->v[i];
        double last = 0, one = relative        ? 1
                               : first->serial ? first->serial->latency_ms.median * scale
                                               : NAN;
        end = plot_points_end(curves->n, curves->v, i);
        if (isfinite(one) && first->x > 1 && joins(group, first, 1)) {
            fprintf(out, "1 %.6g NaN NaN 0 0 0\n", one);
            last = 1;
        }
        for (int k = i; k < end; k++) {
            if (last > 0 && !joins(group, &curves->v[k], last))
                fputc('\n', out);
            plot_chart_point(out, &curves->v[k]);
            last = curves->v[k].x;
        }
        fputs("\n\n", out);
    }
    fputs("EOD\n", out);
}

/* ---- latency ---- */

static double largest(const struct curves *curves)
{
    double most = 0;
    for (int i = 0; i < curves->n; i++)
        most = fmax(most, curves->v[i].high);
    return most;
}

static enum status fill_latency(struct plot_chart *chart, const struct plot_group *group,
                                struct curves *curves)
{
    double scale = plot_chart_unit(chart->out, largest(curves));
    plot_points_scale(curves->n, curves->v, scale);
    struct plot_axis axis = {.high = largest(curves) * 1.06};
    plot_gnuplot_number(chart->out, "y_high", axis.high);
    double places = plot_points_spread(curves->n, curves->v, &axis, HEIGHT);
    TRY(put_ranks(chart->out, curves));
    plot_chart_legend(chart->out, curves->n, curves->v);
    put_curves(chart->out, group, curves, false, scale);
    plot_note_loops(chart, curves->n, curves->v, "p10 to p90");
    plot_note_places(chart, places);
    plot_note_several(chart, curves->n, curves->v, true);
    plot_note_noisy(chart, curves->n, curves->v, false);
    plot_note_left_out(chart, group->begin, group->end, curves->slower);
    return ST_OK;
}

enum status plot_lines_ranks(struct plot_job *job, const struct plot_group *group)
{
    struct plot_chart chart;
    struct curves curves;
    TRY(curves_open(group, 0, &curves));
    curves_sort(&curves);
    enum status st =
        plot_chart_open(job, "latency-vs-ranks", "Latency", group->first, true, &chart);
    if (st == ST_OK)
        st = plot_chart_end(&chart, fill_latency(&chart, group, &curves));
    free(curves.v);
    return st;
}

/* ---- speed-up ---- */

/* Makes latencies speed-ups, by the spread of both runs; points without a serial run go. How many
 * went. */
static int compare_with_serial(struct curves *curves)
{
    int kept = 0, n = curves->n;
    for (int i = 0; i < n; i++) {
        struct plot_point *p = &curves->v[i];
        if (!p->serial)
            continue;
        const struct record_latency *one = &p->serial->latency_ms, *t = &p->record->latency_ms;
        p->y = one->median / t->median;
        p->low = one->p10 / t->p90;
        p->high = one->p90 / t->p10;
        curves->v[kept++] = *p;
    }
    curves->n = kept;
    return n - kept;
}

/* The axes of speed-up and efficiency. Returns the largest place that a point moves aside. */
static double put_values(FILE *out, struct curves *curves)
{
    double low = 1, high = 1, best = 1;
    for (int i = 0; i < curves->n; i++) {
        const struct plot_point *p = &curves->v[i];
        low = fmin(low, p->low);
        high = fmax(high, p->high);
        best = fmax(best, p->high / p->x);
    }
    struct plot_axis axis = plot_axis_values(low, high, PLOT_AXIS_LINEAR);
    plot_axis_put(out, "y", &axis);
    plot_gnuplot_number(out, "efficiency_high", 100 * best * 1.05);
    return plot_points_spread(curves->n, curves->v, &axis, HEIGHT);
}

/* Ranks on the CPU share its cores. */
static void note_threads(struct plot_chart *chart, const struct plot_group *group)
{
    const struct record *of = group->first->record;
    if (of->env.gpus.n == 0)
        plot_chart_note(
            chart, "all ranks share %d CPU thread%s on %d core%s: more ranks are not more hardware",
            of->cell.threads, of->cell.threads == 1 ? "" : "s", of->env.cores,
            of->env.cores == 1 ? "" : "s");
}

static void note_published(struct plot_chart *chart, const struct plot_group *group, int points)
{
    const struct plot_published *published = &chart->job->published;
    const struct record_cell *cell = &group->first->record->cell;
    char text[3 * PLOT_TEXT];
    for (int at = 0; (at = plot_published_panel(published, cell, at, sizeof text, text)) > 0;)
        plot_chart_note(chart, "%s", text);
    if (published->n > 0 && points == 0)
        plot_chart_note(chart, "published: nothing at this size that has its own single GPU");
}

static enum status fill_speedup(struct plot_chart *chart, const struct plot_group *group,
                                struct curves *curves, int published, int alone)
{
    TRY(put_ranks(chart->out, curves));
    double places = put_values(chart->out, curves);
    plot_chart_legend(chart->out, curves->n, curves->v);
    put_curves(chart->out, group, curves, true, 1);
    plot_note_loops(chart, curves->n, curves->v,
                    "serial p10 / p90 to serial p90 / p10, the spread of both runs");
    plot_note_places(chart, places);
    note_threads(chart, group);
    plot_note_several(chart, curves->n, curves->v, true);
    plot_note_noisy(chart, curves->n, curves->v, false);
    note_published(chart, group, published);
    if (alone > 0)
        plot_chart_note(chart, "%d row%s no serial run of the same exchange and graph", alone,
                        alone == 1 ? " has" : "s have");
    plot_note_left_out(chart, group->begin, group->end, curves->slower);
    return ST_OK;
}

enum status plot_lines_speedup(struct plot_job *job, const struct plot_group *group)
{
    struct plot_chart chart;
    struct curves curves;
    enum status st = ST_OK;
    TRY(curves_open(group, job->published.n, &curves));
    int alone = compare_with_serial(&curves);
    bool compares = false;
    curves_sort(&curves);
    for (int i = 0; i < curves.n; i++)
        compares |= curves.v[i].x > 1;
    int published =
        plot_published_points(&job->published, &group->first->record->cell, curves.v + curves.n);
    if (curves.n > 0 && (compares || published > 0)) {
        curves.n = plot_points_sort(curves.n + published, curves.v);
        job->published_drawn += published;
        st = plot_chart_open(job, "speedup", "Speed-up over the serial run", group->first, true,
                             &chart);
        if (st == ST_OK)
            st = plot_chart_end(&chart, fill_speedup(&chart, group, &curves, published, alone));
    }
    free(curves.v);
    return st;
}
