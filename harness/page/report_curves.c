/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Curves": the charts of `plot`, drawn twice, for wide screens and for narrow ones. */
#include "harness/page/report.h"
#include "harness/page/report_part.h"
#include "harness/plot/chart.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
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
    {"latency-vs-size", "Latency of a loop against the size of the image, a curve a strategy",
     "Lower is better."},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The file of a chart that may be there. */
static char *place(const struct report *report, const char *folder, const struct sheet_row *of,
                   int kind, char path[PATH_MAX])
{
    char name[PLOT_NAME];
    plot_text_name(&report->selection, of, kinds[kind].name, kind < KINDS - 1, name);
    snprintf(path, PATH_MAX, "%.3000s%s/%s.svg", report->charts, folder, name);
    return path;
}

/* No chart of an earlier call stays. */
static void remove_old(const struct report *report)
{
    char path[PATH_MAX];
    for (int i = 0; i < report->selection.n; i++) {
        const struct plot_setting *s = &report->selection.setting[i];
        for (int g = 0; g < s->n; g++)
            for (int kind = 0; kind < KINDS; kind++) {
                unlink(place(report, "", s->group[g].first, kind, path));
                unlink(place(report, "/narrow", s->group[g].first, kind, path));
            }
    }
}

static enum status draw(struct report *report, double width_cm, const char *folder)
{
    char path[PATH_MAX];
    const struct plot_options options = {.formats = PLOT_SVG, .width_cm = width_cm};
    snprintf(path, sizeof path, "%.3000s%s", report->charts, folder);
    struct plot_job job = {.options = &options,
                           .sheet = report->sheet,
                           .selection = report->selection, // borrowed
                           .folder = path,
                           .quiet = true};
    TRY(plot_charts_draw(&job));
    report->gnuplot_missing = job.gnuplot_missing;
    return ST_OK;
}

static void put_chart(struct report *report, const struct sheet_row *of, int kind)
{
    char wide[PATH_MAX], narrow[PATH_MAX], alt[2 * REPORT_TEXT], size[REPORT_TEXT];
    if (access(place(report, "", of, kind, wide), R_OK) != 0)
        return;
    snprintf(alt, sizeof alt, "%s; %.500s%s%s", kinds[kind].alt, of->record->cell.model,
             kind < KINDS - 1 ? ", " : "",
             kind < KINDS - 1 ? report_size(&of->record->cell, size) : "");
    doc_figure(report->doc, wide, alt, kinds[kind].caption);
    if (access(place(report, "/narrow", of, kind, narrow), R_OK) == 0)
        doc_figure_narrow(report->doc, narrow);
}

static void put_setting(struct report *report, const struct plot_setting *setting)
{
    char size[REPORT_TEXT], model[REPORT_TEXT];
    for (int g = 0; g < setting->n; g++) {
        const struct sheet_row *of = setting->group[g].first;
        doc_heading(report->doc, 3, "%s, %s%s%s", report_model(&of->record->cell, model),
                    report_size(&of->record->cell, size), of->run ? ", run " : "",
                    of->run ? of->run : "");
        put_chart(report, of, 0);
        put_chart(report, of, 1);
        doc_fold(report->doc, "Bytes and memory, %s", size);
        put_chart(report, of, 2);
        put_chart(report, of, 3);
        doc_unfold(report->doc);
    }
    put_chart(report, setting->group[0].first, KINDS - 1);
}

static int groups(const struct plot_selection *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->setting[i].n;
    return n;
}

enum status report_curves(struct report *report)
{
    const struct plot_selection *s = &report->selection;
    doc_heading(report->doc, 2, "Curves");
    if (s->n == 0) {
        doc_text(report->doc, "No row can be drawn.");
        return ST_OK;
    }
    if (groups(s) > REPORT_PICTURES) {
        doc_text(report->doc,
                 "%d sizes and settings are more than %d, and so none is drawn here: `ditbench "
                 "plot` draws them, and `--strategies` and `sweep --filter` choose.",
                 groups(s), REPORT_PICTURES);
        return ST_OK;
    }
    remove_old(report);
    TRY(draw(report, 0, ""));
    if (!report->gnuplot_missing)
        TRY(draw(report, narrow_cm, "/narrow"));
    if (report->gnuplot_missing) {
        doc_text(report->doc, "gnuplot was not installed where this page was made, so it has no "
                              "curves; the tables have all numbers.");
        return ST_OK;
    }
    doc_text(report->doc, "Bars reach from the 10th to the 90th percentile of the loops. A "
                          "strategy has one colour and symbol in all charts.");
    for (int i = 0; i < s->n; i++)
        put_setting(report, &s->setting[i]);
    return ST_OK;
}
