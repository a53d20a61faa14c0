/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the fullest rank against image size, beyond the sizes that fit: there it is the plan's
 * prediction. Ranks that share a GPU are among the points, for what a rank holds does not depend on
 * its peers. */
#include "harness/plot/axis.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/panels.h"
#include "harness/report/memory.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE = 3 }; /* sizes that make a curve where all of them fit */

static const double MB = 1e-6, GB = 1e-9;

struct growth {
    struct plot_panels panels;
    struct plot_family *family; /* [panels.n] of each point */
    int sizes;
    const struct sheet_row **size_of; /* [sizes] a row of each */
    int planned, shared;              /* points by the plan; with ranks that share a GPU */
    double limit;                     /* bytes of the smallest GPU that is known; infinite: none */
    regex_t wanted;
    bool chosen; /* `wanted` is what is asked for */
};

static void growth_close(struct growth *g)
{
    for (int i = 0; g->family && i < g->panels.n; i++)
        plot_family_close(&g->family[i]);
    free(g->family);
    free(g->size_of);
    plot_panels_close(&g->panels);
    if (g->chosen)
        regfree(&g->wanted);
}

/* NaN: nothing is known. */
static double memory_of(const struct record *record)
{
    const struct record_counts *predicted = &record->memory_bytes.predicted;
    double most = NAN;
    if (record->status == ENDING_OK)
        return sheet_distrusts(record) ? NAN : memory_fullest(&record->memory_bytes).total;
    for (int r = 0; record->status == ENDING_OOM && r < predicted->n; r++)
        most = fmax(most, (double)predicted->v[r]);
    return most;
}

/* The row of a cell, rows begin..end-1, that says most: the latest that was measured, or else the
 * latest that did not fit. */
static const struct record *row_of(const struct sheet *sheet, int begin, int end)
{
    const struct record *best = NULL;
    for (int i = begin; i < end; i++) {
        const struct record *record = sheet->sorted[i]->record;
        bool better = !best || best->status != ENDING_OK || record->status == ENDING_OK;
        if (better && memory_of(record) > 0)
            best = record;
    }
    return best && sheet_peer(best) ? NULL : best;
}

static bool is_wanted(const struct growth *g, const char *strategy)
{
    return !g->chosen || strcmp(strategy, "serial") == 0 ||
           regexec(&g->wanted, strategy, 0, NULL, 0) == 0;
}

static void note_limit(struct growth *g, const struct record *record)
{
    for (int i = 0; i < record->env.gpus.n; i++)
        if (record->env.gpus.v[i].memory_bytes > 0)
            g->limit = fmin(g->limit, record->env.gpus.v[i].memory_bytes);
}

/* The next point, at the place of its size. */
static enum status add(struct growth *g, const struct record *record)
{
    char way[PLOT_WAY];
    int k = g->panels.n;
    double bytes = memory_of(record);
    struct plot_family *f = &g->family[k];
    TRY(plot_family_open("", record->cell.strategy, g->chosen, plot_group_way(&record->cell, way),
                         f));
    g->panels.points[k] = (struct plot_point){.family = f->name,
                                              .label = f->label,
                                              .place = f->place,
                                              .several = f->several,
                                              .planned = record->status != ENDING_OK,
                                              .x = g->sizes,
                                              .latency = bytes,
                                              .y = bytes,
                                              .low = bytes,
                                              .high = bytes,
                                              .record = record};
    plot_panels_add(&g->panels, 1);
    g->planned += record->status != ENDING_OK;
    g->shared += record_shares_gpu(record);
    note_limit(g, record);
    return ST_OK;
}

/* Rows begin..end-1 of one size. */
static enum status add_size(struct growth *g, const struct sheet *sheet, int begin, int end)
{
    bool any = false;
    for (int i = begin, next; i < end; i = next) {
        next = sheet_cell_end(sheet, i, end);
        const struct record *record = row_of(sheet, i, next);
        if (!record || !is_wanted(g, record->cell.strategy))
            continue;
        if (!any)
            g->size_of[g->sizes++] = sheet->sorted[i];
        any = true;
        TRY(add(g, record));
    }
    return ST_OK;
}

static enum status growth_open(const struct plot_job *job, const struct plot_setting *setting,
                               struct growth *g)
{
    size_t room = (size_t)(setting->end - setting->begin);
    const char *wanted = job->options->strategies;
    *g = (struct growth){.limit = INFINITY};
    g->chosen = wanted && regcomp(&g->wanted, wanted, REG_EXTENDED | REG_NOSUB) == 0;
    TRY(plot_panels_open(room, &g->panels));
    g->family = calloc(room + 1, sizeof *g->family);
    g->size_of = calloc(room + 1, sizeof *g->size_of);
    if (!g->family || !g->size_of)
        return fail(ST_OOM, "plot: %zu points", room);
    for (int i = setting->begin, end; i < setting->end; i = end) {
        end = sheet_size_end(job->sheet, i);
        TRY(add_size(g, job->sheet, i, end));
    }
    return plot_panels_find(&g->panels, true);
}

static void put_sizes(FILE *out, const struct growth *g)
{
    char text[PLOT_NAME];
    plot_gnuplot_number(out, "sizes", g->sizes);
    plot_gnuplot_array(out, "size_label", g->sizes);
    for (int i = 0; i < g->sizes; i++)
        plot_gnuplot_element(out, "size_label", i + 1,
                             plot_text_size(&g->size_of[i]->record->cell, text));
}

static enum status fill(struct plot_chart *chart, struct growth *g)
{
    struct plot_panels *p = &g->panels;
    double most = isfinite(g->limit) ? fmax(p->largest, g->limit) : p->largest;
    double least = isfinite(g->limit) ? fmin(p->smallest, g->limit) : p->smallest;
    double scale = most >= 1e10 ? GB : MB;
    struct plot_axis axis = plot_axis_values(least * scale, most * scale, PLOT_AXIS_LINEAR);
    plot_points_scale(p->n, p->points, scale);
    plot_gnuplot_text(chart->out, "unit", scale == GB ? "GB" : "MB");
    plot_axis_put(chart->out, "y", &axis);
    plot_gnuplot_number(chart->out, "planned", g->planned);
    plot_gnuplot_number(chart->out, "limit", isfinite(g->limit) ? g->limit * scale : 0);
    put_sizes(chart->out, g);
    TRY(plot_panels_put(chart->out, p, &axis));
    if (g->planned > 0)
        plot_chart_note(chart, "hollow, dashed: did not fit; by the plan, without libraries");
    plot_note_places(chart, p->places);
    for (int i = 0; i < p->panels; i++)
        plot_note_several(chart, p->begin[i + 1] - p->begin[i], p->drawn + p->begin[i], false);
    if (g->shared > 0)
        plot_chart_note(chart, "ranks of %d cell%s shared a GPU, which must hold all of them",
                        g->shared, g->shared == 1 ? "" : "s");
    if (p->more > 0)
        plot_chart_note(chart, "%d further rank counts have no panel", p->more);
    return ST_OK;
}

static enum status draw(struct plot_job *job, const struct plot_setting *setting, struct growth *g)
{
    struct plot_chart chart;
    if (g->sizes < (g->planned > 0 ? 2 : CURVE))
        return ST_OK; // the bars tell it
    TRY(plot_chart_open(job, "memory-vs-size", "Memory of the fullest rank against size",
                        setting->group[0].first, false, &chart));
    return plot_chart_end(&chart, fill(&chart, g));
}

enum status plot_growth_draw(struct plot_job *job, const struct plot_setting *setting)
{
    struct growth g;
    enum status st = growth_open(job, setting, &g);
    if (st == ST_OK)
        st = draw(job, setting, &g);
    growth_close(&g);
    return st;
}
