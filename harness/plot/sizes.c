/* SPDX-License-Identifier: Apache-2.0 */
/* Latency against image size: one panel for each rank count, one curve for each strategy. */
#include "harness/plot/axis.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PANELS = 24, HEIGHT = 280 /* of a panel in pixels, about */ };

/* From here on a linear axis would hide the small sizes. */
static const double LOGARITHMIC = 12;

/* The drawn points of a setting; x is the place of their size, from 1. */
struct sizes {
    int n;
    int slower;                /* points that are not drawn */
    double largest, smallest;  /* ms */
    struct plot_point *points; /* in the order of the sizes */
    struct plot_point *sorted; /* room for as many */
    struct plot_point *drawn;  /* what is drawn, panel by panel; the serial run in the first only */
    int begin[MOST_PANELS + 1]; /* of each panel's, in `drawn` */
    double places;              /* the largest that a point moves aside */
    int panels, more;           /* rank counts that have one, and that found no room */
    int ranks[MOST_PANELS];     /* rising */
};

static void sizes_close(struct sizes *s)
{
    free(s->points);
    free(s->sorted);
    free(s->drawn);
}

static int ranks_of(const struct plot_point *point)
{
    return point->record->cell.ranks;
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Rank counts above 1 have a panel, or 1 where there is no other. */
static enum status find_panels(struct sizes *s)
{
    int n = 0;
    int *ranks = calloc((size_t)s->n + 1, sizeof *ranks);
    if (!ranks)
        return fail(ST_OOM, "plot: %d rank counts", s->n);
    for (int i = 0; i < s->n; i++)
        if (ranks_of(&s->points[i]) > 1)
            ranks[n++] = ranks_of(&s->points[i]);
    if (n == 0)
        ranks[n++] = 1;
    qsort(ranks, (size_t)n, sizeof *ranks, by_value);
    for (int i = 0; i < n; i++) {
        if (i > 0 && ranks[i] == ranks[i - 1])
            continue;
        if (s->panels < MOST_PANELS)
            s->ranks[s->panels++] = ranks[i];
        else
            s->more++;
    }
    free(ranks);
    return ST_OK;
}

static enum status sizes_open(const struct plot_setting *setting, struct sizes *s)
{
    size_t room = 1;
    *s = (struct sizes){.largest = 0, .smallest = INFINITY};
    for (int i = 0; i < setting->n; i++)
        room += (size_t)setting->group[i].n;
    s->points = calloc(room, sizeof *s->points);
    s->sorted = calloc(room, sizeof *s->sorted);
    s->drawn = calloc(room, sizeof *s->drawn);
    if (!s->points || !s->sorted || !s->drawn)
        return fail(ST_OOM, "plot: %zu points", room);
    for (int i = 0; i < setting->n; i++) {
        int n = plot_points_of(&setting->group[i], s->points + s->n);
        for (int k = s->n; k < s->n + n; k++) {
            s->points[k].x = i + 1;
            s->largest = fmax(s->largest, s->points[k].high);
            s->smallest = fmin(s->smallest, s->points[k].low);
        }
        s->n += n;
    }
    return find_panels(s);
}

/* Fills s->sorted with the curves of one panel, the serial one always among them; ranks 0: of all
 * panels together. Returns how many points. */
static int sort_panel(struct sizes *s, int ranks, int *slower)
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
static void keep_drawn(struct sizes *s, int p, int n)
{
    s->begin[p + 1] = s->begin[p];
    for (int i = 0; i < n; i++)
        if (p == 0 || s->sorted[i].place >= 0)
            s->drawn[s->begin[p + 1]++] = s->sorted[i];
}

/* Blocks in the order panel, curve of the legend. */
static enum status put_panels(FILE *out, struct sizes *s, const struct plot_axis *axis)
{
    int slower, n = sort_panel(s, 0, &slower);
    struct plot_point *legend = calloc((size_t)n + 1, sizeof *legend);
    if (!legend)
        return fail(ST_OOM, "plot: a legend of %d points", n);
    memcpy(legend, s->sorted, (size_t)n * sizeof *legend);
    plot_chart_legend(out, n, legend);
    fputs("$points << EOD\n", out);
    for (int p = 0; p < s->panels; p++) {
        int m = sort_panel(s, s->ranks[p], &slower);
        s->slower += slower;
        s->places = fmax(s->places, plot_points_spread(m, s->sorted, axis, HEIGHT));
        for (int i = 0; i < n; i = plot_points_end(n, legend, i))
            put_block(out, m, s->sorted, legend[i].label);
        keep_drawn(s, p, m);
    }
    fputs("EOD\n", out);
    free(legend);
    return ST_OK;
}

static void put_axes(FILE *out, const struct plot_setting *setting, const struct sizes *s,
                     const struct plot_axis *axis)
{
    char text[PLOT_NAME];
    plot_axis_put(out, "y", axis);
    plot_gnuplot_number(out, "panels", s->panels);
    fprintf(out, "array ranks[%d]\n", s->panels);
    for (int p = 0; p < s->panels; p++)
        fprintf(out, "ranks[%d] = %d\n", p + 1, s->ranks[p]);
    plot_gnuplot_number(out, "sizes", setting->n);
    plot_gnuplot_array(out, "size_label", setting->n);
    for (int i = 0; i < setting->n; i++)
        plot_gnuplot_element(out, "size_label", i + 1,
                             plot_text_size(&setting->group[i].first->record->cell, text));
}

static enum status fill(struct plot_chart *chart, const struct plot_setting *setting,
                        struct sizes *s)
{
    double scale = plot_chart_unit(chart->out, s->largest);
    struct plot_axis axis = plot_axis_values(s->smallest * scale, s->largest * scale, LOGARITHMIC);
    plot_points_scale(s->n, s->points, scale);
    put_axes(chart->out, setting, s, &axis);
    TRY(put_panels(chart->out, s, &axis));
    int n = s->begin[s->panels];
    plot_note_loops(chart, n, s->drawn, "p10 to p90");
    plot_note_places(chart, s->places);
    for (int p = 0; p < s->panels; p++)
        plot_note_several(chart, s->begin[p + 1] - s->begin[p], s->drawn + s->begin[p], false);
    plot_note_noisy(chart, n, s->drawn, true);
    if (s->more > 0)
        plot_chart_note(chart, "%d further rank counts have no panel", s->more);
    plot_note_left_out(chart, setting->begin, setting->end, s->slower);
    return ST_OK;
}

static enum status draw(struct plot_job *job, const struct plot_setting *setting, struct sizes *s)
{
    struct plot_chart chart;
    TRY(plot_chart_open(job, "latency-vs-size", "Latency against size", setting->group[0].first,
                        false, &chart));
    return plot_chart_end(&chart, fill(&chart, setting, s));
}

enum status plot_sizes_draw(struct plot_job *job, const struct plot_setting *setting)
{
    struct sizes s;
    if (setting->n < 2)
        return ST_OK; // one size is no curve
    enum status st = sizes_open(setting, &s);
    if (st == ST_OK)
        st = draw(job, setting, &s);
    sizes_close(&s);
    return st;
}
