/* SPDX-License-Identifier: Apache-2.0 */
/* Latency against image size. */
#include "harness/plot/axis.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/panels.h"

/* From here on a linear axis would hide the small sizes. */
static const double LOGARITHMIC = 12;

static enum status sizes_open(const struct plot_setting *setting, struct plot_panels *s)
{
    size_t room = 0;
    for (int i = 0; i < setting->n; i++)
        room += (size_t)setting->group[i].n;
    TRY(plot_panels_open(room, s));
    for (int i = 0; i < setting->n; i++) {
        int n = plot_points_of(&setting->group[i], s->points + s->n);
        for (int k = s->n; k < s->n + n; k++)
            s->points[k].x = i + 1;
        plot_panels_add(s, n);
    }
    return plot_panels_find(s, false);
}

static void put_sizes(FILE *out, const struct plot_setting *setting)
{
    char text[PLOT_NAME];
    plot_gnuplot_number(out, "sizes", setting->n);
    plot_gnuplot_array(out, "size_label", setting->n);
    for (int i = 0; i < setting->n; i++)
        plot_gnuplot_element(out, "size_label", i + 1,
                             plot_text_size(&setting->group[i].first->record->cell, text));
}

static enum status fill(struct plot_chart *chart, const struct plot_setting *setting,
                        struct plot_panels *s)
{
    double scale = plot_chart_unit(chart->out, s->largest);
    struct plot_axis axis = plot_axis_values(s->smallest * scale, s->largest * scale, LOGARITHMIC);
    plot_points_scale(s->n, s->points, scale);
    plot_axis_put(chart->out, "y", &axis);
    put_sizes(chart->out, setting);
    TRY(plot_panels_put(chart->out, s, &axis));
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

static enum status draw(struct plot_job *job, const struct plot_setting *setting,
                        struct plot_panels *s)
{
    struct plot_chart chart;
    TRY(plot_chart_open(job, "latency-vs-size", "Latency against size", setting->group[0].first,
                        false, &chart));
    return plot_chart_end(&chart, fill(&chart, setting, s));
}

enum status plot_sizes_draw(struct plot_job *job, const struct plot_setting *setting)
{
    struct plot_panels s;
    if (setting->n < 2)
        return ST_OK; // one size is no curve
    enum status st = sizes_open(setting, &s);
    if (st == ST_OK)
        st = draw(job, setting, &s);
    plot_panels_close(&s);
    return st;
}
