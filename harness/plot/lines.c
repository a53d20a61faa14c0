/* SPDX-License-Identifier: Apache-2.0 */
/* Curves over rank counts: latency, speed-up, efficiency. */
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Points of rows begin..end-1; x is the rank count. */
static enum status points_open(const struct plot_rows *rows, int begin, int end, int *n,
                               struct plot_point **out)
{
    struct plot_point *points = calloc((size_t)(end - begin) + 1, sizeof *points);
    *out = points;
    *n = 0;
    if (!points)
        return fail(ST_OOM, "plot: %d points", end - begin);
    for (int i = begin; i < end; i++) {
        struct plot_point *p = &points[(*n)++];
        *p = (struct plot_point){.x = rows->v[i]->cell.ranks, .row = rows->v[i], .order = i};
        plot_family_of(rows->v[i]->cell.strategy, &p->family);
    }
    return ST_OK;
}

static double largest_median(const struct plot_rows *rows, int begin, int end)
{
    double largest = 0;
    for (int i = begin; i < end; i++)
        largest = fmax(largest, rows->v[i]->latency_ms.median);
    return largest;
}

/* The rank counts of the rows, rising, as `array tic[tics]`. */
static void put_ranks(FILE *out, const struct plot_rows *rows, int begin, int end)
{
    int tics = 0;
    fputs("array tic[4096]\n", out);
    for (int i = begin; i < end && tics < 4096; i++)
        if (i == begin || rows->v[i]->cell.ranks != rows->v[i - 1]->cell.ranks)
            fprintf(out, "tic[%d] = %d\n", ++tics, rows->v[i]->cell.ranks);
    plot_gnuplot_number(out, "tics", tics);
}

/*
 * One block for each curve: x, y, low, high, own. A curve begins at the serial run where it has no
 * point of one rank; that point is not its own. An empty line, which breaks the drawn line, stands
 * where a row in between failed.
 */
static void put_curves(struct plot_chart *chart, int n, const struct plot_point *points,
                       double serial,
                       void (*put)(FILE *out, const struct plot_point *point, double by), double by)
{
    const struct plot_job *job = chart->job;
    const struct record *of = job->rows.v[chart->begin];
    fputs("$points << EOD\n", chart->out);
    for (int i = 0, end; i < n; i = end) {
        double last = points[i].x;
        end = plot_points_curve(n, points, i);
        if (isfinite(serial) && points[i].x > 1) {
            fprintf(chart->out, "1 %.6g NaN NaN 0\n", serial);
            last = 1;
        }
        for (int k = i; k < end; k++) {
            if (plot_rows_gap(job->n, job->all, of, points[i].family.label, last, points[k].x))
                fputc('\n', chart->out);
            put(chart->out, &points[k], by);
            last = points[k].x;
        }
        fputs("\n\n", chart->out);
    }
    fputs("EOD\n", chart->out);
}

static void put_latency(FILE *out, const struct plot_point *point, double scale)
{
    plot_chart_latency(out, point->x, point->row, scale);
}

static void put_speedup(FILE *out, const struct plot_point *point, double serial_ms)
{
    const struct record_latency *t = &point->row->latency_ms;
    fprintf(out, "%g %.6g %.6g %.6g 1\n", point->x, serial_ms / t->median, serial_ms / t->p90,
            serial_ms / t->p10);
}

static void note_hybrids(struct plot_chart *chart, int n, const struct plot_point *points)
{
    for (int i = 0; i < n; i++)
        if (points[i].family.place > 0)
            plot_chart_note(chart, "best hybrid of %g ranks: %s", points[i].x,
                            points[i].row->cell.strategy);
}

static void note_left_out(struct plot_chart *chart)
{
    const struct plot_job *job = chart->job;
    char text[PLOT_TITLE];
    plot_rows_left_out(job->n, job->all, job->rows.v[chart->begin], text);
    if (text[0])
        plot_chart_note(chart, "not drawn: %s (see table.md)", text);
}

enum status plot_lines_ranks(struct plot_job *job, int begin, int end)
{
    struct plot_chart chart;
    struct plot_point *points;
    struct plot_unit unit = plot_unit_time(largest_median(&job->rows, begin, end));
    int n;
    TRY(points_open(&job->rows, begin, end, &n, &points));
    n = plot_points_sort(n, points);
    enum status st = plot_chart_open(job, "latency-vs-ranks", "Latency", begin, end, true, &chart);
    if (st == ST_OK) {
        plot_gnuplot_text(chart.out, "unit", unit.name);
        put_ranks(chart.out, &job->rows, begin, end);
        plot_chart_legend(chart.out, n, points);
        const struct record *serial = plot_rows_serial(&job->rows, begin, end);
        put_curves(&chart, n, points, serial ? serial->latency_ms.median * unit.scale : NAN,
                   put_latency, unit.scale);
        plot_chart_note(&chart, "points: median of the measured loops; bars: p10 to p90");
        note_hybrids(&chart, n, points);
        note_left_out(&chart);
        st = plot_chart_draw(&chart);
    }
    free(points);
    return st;
}

enum status plot_lines_speedup(struct plot_job *job, int begin, int end)
{
    struct plot_chart chart;
    struct plot_point *points;
    const struct record *serial = plot_rows_serial(&job->rows, begin, end);
    int n;
    if (!serial || job->rows.v[end - 1]->cell.ranks == 1)
        return ST_OK; // nothing to compare
    TRY(points_open(&job->rows, begin, end, &n, &points));
    n = plot_points_sort(n, points);
    enum status st =
        plot_chart_open(job, "speedup", "Speed-up over the serial run", begin, end, true, &chart);
    if (st == ST_OK) {
        put_ranks(chart.out, &job->rows, begin, end);
        plot_chart_legend(chart.out, n, points);
        put_curves(&chart, n, points, 1, put_speedup, serial->latency_ms.median);
        plot_chart_note(&chart,
                        "points: serial median / median; bars: serial median / p90 and p10");
        if (serial->env.gpus.n == 0)
            plot_chart_note(&chart,
                            "all ranks share the same %d threads: more ranks are not more hardware",
                            serial->cell.threads);
        note_hybrids(&chart, n, points);
        note_left_out(&chart);
        st = plot_chart_draw(&chart);
    }
    free(points);
    return st;
}
