/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Curves": the charts of `plot`, drawn twice, for wide screens and for narrow ones. A
 * size with one cell has none: a table says as much. */
#include "harness/page/report.h"
#include "harness/page/report_part.h"
#include "harness/plot/chart.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a telephone held upright, less the page's margins. */
static const double narrow_cm = 9.6;

static const struct kind {
    const char *name, *alt;
    const char *caption; /* what the picture's own notes do not say */
} kinds[] = {
    {"latency-vs-ranks", "Latency of a loop against the number of ranks, a curve a strategy",
     "Lower is better. The table of the same size has the numbers."},
    {"speedup", "Speed-up over the serial run, and efficiency, a curve a strategy",
     "Higher is better."},
    {"bytes", "Bytes sent in one loop by strategy: counted, and by closed form",
     "Counted above, predicted below; they must agree."},
    {"memory", "Memory of the fullest rank by strategy and purpose", NULL},
    {"peers", "A step of ditbench and of other programs, a bar a strategy", "Lower is better."},
    {"latency-vs-size", "Latency of a loop against the size of the image, a curve a strategy",
     "Lower is better."},
    {"memory-vs-size",
     "Memory of the fullest rank against the size of the image, a curve a strategy",
     "Lower is better."},
};

enum {
    KINDS = sizeof kinds / sizeof kinds[0],
    PEERS = 4,
    OVER_SIZES /* from here on one for all sizes */
};

/* What is drawn of the selection. */
struct curves {
    struct report *report;
    struct plot_selection drawn; /* its arrays are own, their groups are borrowed */
};

/* The file of a chart that may be there. */
static char *place(const struct curves *c, const char *folder, const struct sheet_row *of, int kind,
                   char path[PATH_MAX])
{
    char name[PLOT_NAME];
    plot_text_name(&c->drawn, of, kinds[kind].name, kind < OVER_SIZES, name);
    snprintf(path, PATH_MAX, "%.3000s%s/%s.svg", c->report->charts, folder, name);
    return path;
}

/* No chart of an earlier call stays. */
static void remove_old(const struct curves *c)
{
    char path[PATH_MAX];
    for (int i = 0; i < c->drawn.n; i++) {
        const struct plot_setting *s = &c->drawn.setting[i];
        for (int g = 0; g < s->n; g++)
            for (int kind = 0; kind < KINDS; kind++) {
                unlink(place(c, "", s->group[g].first, kind, path));
                unlink(place(c, "/narrow", s->group[g].first, kind, path));
            }
    }
}

static enum status draw(struct curves *c, double width_cm, const char *folder)
{
    char path[PATH_MAX];
    const struct plot_options options = {.formats = PLOT_SVG, .width_cm = width_cm};
    snprintf(path, sizeof path, "%.3000s%s", c->report->charts, folder);
    struct plot_job job = {.options = &options,
                           .sheet = c->report->sheet,
                           .selection = c->drawn, // borrowed
                           .folder = path,
                           .quiet = true};
    TRY(plot_charts_draw(&job));
    c->report->gnuplot_missing = job.gnuplot_missing;
    return ST_OK;
}

static void put_chart(struct curves *c, const struct sheet_row *of, int kind)
{
    char wide[PATH_MAX], narrow[PATH_MAX], alt[2 * REPORT_TEXT], size[REPORT_TEXT],
        model[REPORT_TEXT];
    if (access(place(c, "", of, kind, wide), R_OK) != 0)
        return;
    snprintf(alt, sizeof alt, "%s; %.500s%s%s", kinds[kind].alt,
             report_plain(of->record->cell.model, model), kind < OVER_SIZES ? ", " : "",
             kind < OVER_SIZES ? report_size(&of->record->cell, size) : "");
    doc_figure(c->report->doc, wide, alt, kinds[kind].caption);
    if (access(place(c, "/narrow", of, kind, narrow), R_OK) == 0)
        doc_figure_narrow(c->report->doc, narrow);
}

static void put_setting(struct curves *c, const struct plot_setting *setting)
{
    char size[REPORT_TEXT], model[REPORT_TEXT], run[REPORT_TEXT], threads[REPORT_TEXT];
    struct doc *doc = c->report->doc;
    for (int g = 0; g < setting->n; g++) {
        const struct sheet_row *of = setting->group[g].first;
        doc_heading(doc, 3, "%s, %s%s%s", report_model(&of->record->cell, model),
                    report_size(&of->record->cell, size), report_threads(c->report, of, threads),
                    report_run(c->report, of, run));
        put_chart(c, of, 0);
        put_chart(c, of, 1);
        put_chart(c, of, PEERS);
        doc_fold(doc, "Bytes and memory, %s", size);
        put_chart(c, of, 2);
        put_chart(c, of, 3);
        doc_unfold(doc);
    }
    for (int kind = OVER_SIZES; kind < KINDS; kind++)
        put_chart(c, setting->group[0].first, kind);
}

/* ---- what is drawn ---- */

static bool is_worth(const struct report *report, const struct plot_group *group)
{
    int own = 0;
    for (int i = 0; i < report->ranks.n; i++)
        if (report->ranks.v[i].group == group)
            own += report->ranks.v[i].n;
    return own > 1;
}

/* Of a setting's groups those that are worth a chart; with none it is taken back. */
static enum status take_setting(struct curves *c, const struct plot_setting *setting)
{
    struct plot_setting *s = &c->drawn.setting[c->drawn.n];
    *s = *setting;
    s->n = 0;
    s->group = calloc((size_t)setting->n + 1, sizeof *s->group);
    if (!s->group)
        return fail(ST_OOM, "report: %d sizes", setting->n);
    for (int g = 0; g < setting->n; g++)
        if (is_worth(c->report, &setting->group[g]))
            s->group[s->n++] = setting->group[g];
    if (s->n == 0)
        free(s->group);
    c->drawn.n += s->n > 0;
    return ST_OK;
}

static enum status curves_open(struct report *report, struct curves *c)
{
    const struct plot_selection *all = &report->selection;
    *c = (struct curves){.report = report};
    c->drawn.setting = calloc((size_t)all->n + 1, sizeof *c->drawn.setting);
    if (!c->drawn.setting)
        return fail(ST_OOM, "report: %d settings", all->n);
    for (int i = 0; i < all->n; i++)
        TRY(take_setting(c, &all->setting[i]));
    return ST_OK;
}

static void curves_close(struct curves *c)
{
    for (int i = 0; i < c->drawn.n; i++)
        free(c->drawn.setting[i].group);
    free(c->drawn.setting);
}

/* ---- the section ---- */

static int groups(const struct plot_selection *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->setting[i].n;
    return n;
}

static enum status put_all(struct curves *c)
{
    struct report *report = c->report;
    remove_old(c);
    TRY(draw(c, 0, ""));
    if (!report->gnuplot_missing)
        TRY(draw(c, narrow_cm, "/narrow"));
    if (report->gnuplot_missing) {
        doc_text(report->doc, "gnuplot was not installed where this page was made, so it has no "
                              "curves; the tables have all numbers.");
        return ST_OK;
    }
    doc_text(report->doc, "Bars reach from the 10th to the 90th percentile of the loops. A "
                          "strategy has one colour and symbol in all charts. Sizes with one cell "
                          "are in the tables alone.");
    for (int i = 0; i < c->drawn.n; i++)
        put_setting(c, &c->drawn.setting[i]);
    return ST_OK;
}

enum status report_curves(struct report *report)
{
    struct curves c;
    doc_heading(report->doc, 2, "Curves");
    enum status st = curves_open(report, &c);
    int n = st == ST_OK ? groups(&c.drawn) : 0;
    if (st == ST_OK && n > REPORT_PICTURES)
        doc_text(report->doc,
                 "%d sizes and settings are more than %d, and so none is drawn here: `ditbench "
                 "plot` draws them, and `--strategies` and `sweep --filter` choose.",
                 n, REPORT_PICTURES);
    else if (st == ST_OK && n == 0)
        doc_text(report->doc, report->selection.n > 0
                                  ? "No size has more than one cell, so there is no curve."
                                  : "No row can be drawn.");
    else if (st == ST_OK)
        st = put_all(&c);
    curves_close(&c);
    return st;
}
