/* SPDX-License-Identifier: Apache-2.0 */
/* Curves over rank counts: latency, speed-up, efficiency. */
#include "harness/plot_chart.h"
#include "harness/plot_gnuplot.h"

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

/* ---- latency against ranks ---- */

/* Every curve begins at the serial run, whose point is not its own: the last column is 0 there. */
static void put_ranks_curves(FILE *out, int n, const struct plot_point *points,
                             const struct record *serial, double scale)
{
    fputs("$points << EOD\n", out);
    for (int i = 0, end; i < n; i = end) {
        end = plot_points_curve(n, points, i);
        if (serial && points[i].x > 1)
            fprintf(out, "1 %.6g NaN NaN 0\n", serial->latency_ms.median * scale);
        for (int k = i; k < end; k++)
            plot_chart_latency(out, points[k].x, points[k].row, scale);
        fputs("\n\n", out);
    }
    fputs("EOD\n", out);
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
    enum status st =
        plot_chart_open(job, "latency-vs-ranks", "Latency", begin, end, true, &chart);
    if (st == ST_OK) {
        plot_gnuplot_text(chart.out, "unit", unit.name);
        put_ranks(chart.out, &job->rows, begin, end);
        plot_chart_legend(chart.out, n, points);
        put_ranks_curves(chart.out, n, points, plot_rows_serial(&job->rows, begin, end), unit.scale);
        note_hybrids(&chart, n, points);
        note_left_out(&chart);
        st = plot_chart_draw(&chart);
    }
    free(points);
    return st;
}

/* ---- speed-up and efficiency ---- */

static void put_speedup_curves(FILE *out, int n, const struct plot_point *points, double serial)
{
    fputs("$points << EOD\n", out);
    for (int i = 0, end; i < n; i = end) {
        end = plot_points_curve(n, points, i);
        if (points[i].x > 1)
            fputs("1 1 NaN NaN 0\n", out);
        for (int k = i; k < end; k++) {
            const struct record_latency *t = &points[k].row->latency_ms;
            fprintf(out, "%g %.6g %.6g %.6g 1\n", points[k].x, serial / t->median, serial / t->p90,
                    serial / t->p10);
        }
        fputs("\n\n", out);
    }
    fputs("EOD\n", out);
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
    enum status st = plot_chart_open(job, "speedup", "Speed-up over the serial run", begin, end, true,
                                     &chart);
    if (st == ST_OK) {
        put_ranks(chart.out, &job->rows, begin, end);
        plot_chart_legend(chart.out, n, points);
        put_speedup_curves(chart.out, n, points, serial->latency_ms.median);
        note_hybrids(&chart, n, points);
        note_left_out(&chart);
        st = plot_chart_draw(&chart);
    }
    free(points);
    return st;
}
