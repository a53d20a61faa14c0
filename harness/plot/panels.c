/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts points into panels and curves. */
#include "harness/plot/panels.h"

#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void plot_panels_close(struct plot_panels *s)
{
    free(s->points);
    free(s->sorted);
    free(s->drawn);
}

enum status plot_panels_open(size_t room, struct plot_panels *out)
{
    *out = (struct plot_panels){.largest = 0, .smallest = INFINITY};
    out->points = calloc(room + 1, sizeof *out->points);
    out->sorted = calloc(room + 1, sizeof *out->sorted);
    out->drawn = calloc(room + 1, sizeof *out->drawn);
    if (!out->points || !out->sorted || !out->drawn)
        return fail(ST_OOM, "plot: %zu points", room);
    return ST_OK;
}

void plot_panels_add(struct plot_panels *s, int more)
{
    for (int i = s->n; i < s->n + more; i++) {
        s->largest = fmax(s->largest, s->points[i].high);
        s->smallest = fmin(s->smallest, s->points[i].low);
    }
    s->n += more;
}

/* ---- which panels ---- */

static int ranks_of(const struct plot_point *point)
{
    return point->record->cell.ranks;
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

enum status plot_panels_find(struct plot_panels *s, bool alone)
{
    int n = 0;
    int *ranks = calloc((size_t)s->n + 1, sizeof *ranks);
    if (!ranks)
        return fail(ST_OOM, "plot: %d rank counts", s->n);
    for (int i = 0; i < s->n; i++)
        if (ranks_of(&s->points[i]) > 1 || (alone && s->points[i].place >= 0))
            ranks[n++] = ranks_of(&s->points[i]);
    if (n == 0)
        ranks[n++] = 1;
    qsort(ranks, (size_t)n, sizeof *ranks, by_value);
    for (int i = 0; i < n; i++) {
        if (i > 0 && ranks[i] == ranks[i - 1])
            continue;
        if (s->panels < PLOT_PANELS)
            s->ranks[s->panels++] = ranks[i];
        else
            s->more++;
    }
    free(ranks);
    return ST_OK;
}

/* ---- what is in them ---- */

/* Fills s->sorted with the curves of one panel, the serial one always among them; ranks 0: of all
 * panels together. Returns how many points. */
static int sort_panel(struct plot_panels *s, int ranks, int *slower)
{
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        bool wanted =
            ranks ? ranks_of(&s->points[i]) == ranks : ranks_of(&s->points[i]) >= s->ranks[0];
        if (wanted || s->points[i].place < 0)
            s->sorted[n++] = s->points[i];
    }
    int kept = plot_points_sort(n, s->sorted);
    *slower = n - kept;
    return kept;
}

/* The points of a label among n sorted ones as one block of $points. Lines break over sizes that
 * the curve lacks. */
static void put_block(FILE *out, int n, const struct plot_point *sorted, const char *label)
{
    double last = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(sorted[i].label, label) != 0)
            continue;
        if (last > 0 && sorted[i].x > last + 1)
            fputc('\n', out);
        plot_chart_point(out, &sorted[i]);
        last = sorted[i].x;
    }
    fputs(last > 0 ? "\n\n" : "NaN NaN NaN NaN 0 0 0\n\n\n", out);
}

/* Adds n sorted points of panel p to what is drawn. */
static void keep_drawn(struct plot_panels *s, int p, int n)
{
    s->begin[p + 1] = s->begin[p];
    for (int i = 0; i < n; i++)
        if (p == 0 || s->sorted[i].place >= 0)
            s->drawn[s->begin[p + 1]++] = s->sorted[i];
}

static void put_ranks(FILE *out, const struct plot_panels *s)
{
    plot_gnuplot_number(out, "panels", s->panels);
    fprintf(out, "array ranks[%d]\n", s->panels);
    for (int p = 0; p < s->panels; p++)
        fprintf(out, "ranks[%d] = %d\n", p + 1, s->ranks[p]);
}

enum status plot_panels_put(FILE *out, struct plot_panels *s, const struct plot_axis *axis)
{
    int slower, n = sort_panel(s, 0, &slower);
    struct plot_point *legend = calloc((size_t)n + 1, sizeof *legend);
    if (!legend)
        return fail(ST_OOM, "plot: a legend of %d points", n);
    memcpy(legend, s->sorted, (size_t)n * sizeof *legend);
    put_ranks(out, s);
    plot_chart_legend(out, n, legend);
    fputs("$points << EOD\n", out);
    for (int p = 0; p < s->panels; p++) {
        int m = sort_panel(s, s->ranks[p], &slower);
        s->slower += slower;
        s->places = fmax(s->places, plot_points_spread(m, s->sorted, axis, PLOT_PANEL_HEIGHT));
        for (int i = 0; i < n; i = plot_points_end(n, legend, i))
            put_block(out, m, s->sorted, legend[i].label);
        keep_drawn(s, p, m);
    }
    fputs("EOD\n", out);
    free(legend);
    return ST_OK;
}
