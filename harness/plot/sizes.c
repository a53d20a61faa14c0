/* SPDX-License-Identifier: Apache-2.0 */
/* Latency against image size: one panel for each rank count, one curve for each strategy. */
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows begin..end-1 of one setting as points whose x is the place of their size, from 1. */
struct sizes {
    int n, sizes;
    double largest, smallest;  /* median, ms */
    struct plot_point *points; /* in the order of the rows */
    struct plot_point *sorted; /* room for as many */
    int panels, *ranks;        /* rank counts, rising */
};

static void sizes_close(struct sizes *s)
{
    free(s->points);
    free(s->sorted);
    free(s->ranks);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Sorted rank counts that have a panel: those above 1, or 1 where there is no other. */
static void find_panels(struct sizes *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->points[i].row->cell.ranks > 1)
            s->ranks[n++] = s->points[i].row->cell.ranks;
    if (n == 0)
        s->ranks[n++] = 1;
    qsort(s->ranks, (size_t)n, sizeof *s->ranks, compare_ints);
    for (int i = 0; i < n; i++)
        if (i == 0 || s->ranks[i] != s->ranks[i - 1])
            s->ranks[s->panels++] = s->ranks[i];
}

static enum status sizes_open(const struct plot_rows *rows, int begin, int end, struct sizes *s)
{
    size_t room = (size_t)(end - begin) + 1;
    *s = (struct sizes){.largest = 0, .smallest = INFINITY};
    s->points = calloc(room, sizeof *s->points);
    s->sorted = calloc(room, sizeof *s->sorted);
    s->ranks = calloc(room, sizeof *s->ranks);
    if (!s->points || !s->sorted || !s->ranks) {
        sizes_close(s);
        return fail(ST_OOM, "plot: %zu points", room);
    }
    for (int group = begin; group < end;) {
        int next = plot_rows_group(rows, group);
        s->sizes++;
        for (; group < next; group++) {
            struct plot_point *p = &s->points[s->n++];
            *p = (struct plot_point){.x = s->sizes, .row = rows->v[group], .order = group};
            plot_family_of(p->row->cell.strategy, &p->family);
            s->largest = fmax(s->largest, p->row->latency_ms.median);
            s->smallest = fmin(s->smallest, p->row->latency_ms.median);
        }
    }
    find_panels(s);
    return ST_OK;
}

/* Fills s->sorted with the curves of one panel, the serial one always among them; ranks 0: of all
 * panels together. Returns how many points. */
static int sort_panel(struct sizes *s, int ranks)
{
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        int of = s->points[i].row->cell.ranks;
        bool wanted = ranks ? of == ranks : of >= s->ranks[0];
        if (wanted || s->points[i].family.place < 0)
            s->sorted[n++] = s->points[i];
    }
    return plot_points_sort(n, s->sorted);
}

/* The points of a label among n sorted ones as one block of $points; a gap where a panel lacks the
 * curve. */
static void put_block(FILE *out, int n, const struct plot_point *sorted, const char *label,
                      double scale)
{
    int written = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(sorted[i].family.label, label) != 0)
            continue;
        plot_chart_latency(out, sorted[i].x, sorted[i].row, scale);
        written++;
    }
    fputs(written ? "\n\n" : "NaN NaN NaN NaN 0\n\n\n", out);
}

/* Blocks in the order panel, curve of the legend. */
static enum status put_panels(FILE *out, struct sizes *s, double scale)
{
    int n = sort_panel(s, 0);
    struct plot_point *legend = calloc((size_t)n + 1, sizeof *legend);
    if (!legend)
        return fail(ST_OOM, "plot: a legend of %d points", n);
    memcpy(legend, s->sorted, (size_t)n * sizeof *legend);
    plot_chart_legend(out, n, legend);
    fputs("$points << EOD\n", out);
    for (int p = 0; p < s->panels; p++) {
        int m = sort_panel(s, s->ranks[p]);
        for (int i = 0; i < n; i = plot_points_curve(n, legend, i))
            put_block(out, m, s->sorted, legend[i].family.label, scale);
    }
    fputs("EOD\n", out);
    free(legend);
    return ST_OK;
}

static void put_axes(FILE *out, const struct plot_rows *rows, int begin, int end,
                     const struct sizes *s)
{
    char text[PLOT_NAME];
    int place = 0;
    plot_gnuplot_number(out, "panels", s->panels);
    fprintf(out, "array ranks[%d]\n", s->panels);
    for (int p = 0; p < s->panels; p++)
        fprintf(out, "ranks[%d] = %d\n", p + 1, s->ranks[p]);
    plot_gnuplot_number(out, "sizes", s->sizes);
    plot_gnuplot_array(out, "size_label", s->sizes);
    for (int i = begin; i < end; i = plot_rows_group(rows, i))
        plot_gnuplot_element(out, "size_label", ++place, plot_size_text(&rows->v[i]->cell, text));
}

enum status plot_sizes_draw(struct plot_job *job, int begin, int end)
{
    struct plot_chart chart;
    struct sizes s;
    if (plot_rows_group(&job->rows, begin) == end)
        return ST_OK; // one size is no curve
    TRY(sizes_open(&job->rows, begin, end, &s));
    enum status st =
        plot_chart_open(job, "latency-vs-size", "Latency against size", begin, end, false, &chart);
    if (st == ST_OK) {
        struct plot_unit unit = plot_unit_time(s.largest);
        plot_gnuplot_text(chart.out, "unit", unit.name);
        plot_gnuplot_number(chart.out, "low", s.smallest * unit.scale);
        plot_gnuplot_number(chart.out, "high", s.largest * unit.scale);
        plot_gnuplot_number(chart.out, "ratio", s.largest / s.smallest);
        put_axes(chart.out, &job->rows, begin, end, &s);
        st = put_panels(chart.out, &s, unit.scale);
        if (st == ST_OK)
            st = plot_chart_draw(&chart);
        else
            fclose(chart.out);
    }
    sizes_close(&s);
    return st;
}
