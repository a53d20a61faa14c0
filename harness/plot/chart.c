/* SPDX-License-Identifier: Apache-2.0 */
/* The frame that all charts share: names, titles, notes, the legend. */
#include "harness/plot/chart.h"

#include "harness/base/text.h"
#include "harness/plot/gnuplot.h"
#include "strategies/model.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

enum { NOTE_LINES = 96, HEAD_LINES = 16, LEGEND_COLUMNS = 44 };

/* ---- opening ---- */

static const char *title_text(const struct plot_options *options, const char *what,
                              const struct record_cell *cell, bool size, char buffer[PLOT_TEXT])
{
    char model[PLOT_TEXT], frames[32] = "";
    if (options->title)
        return options->title;
    text_shorten(model_short(cell->model), 60, sizeof model, model);
    if (cell->frames > 1)
        snprintf(frames, sizeof frames, ", %d frames", cell->frames);
    if (size)
        snprintf(buffer, PLOT_TEXT, "%s: %s, %d\u00a0×\u00a0%d\u00a0px%s", what, model, cell->width,
                 cell->height, frames);
    else
        snprintf(buffer, PLOT_TEXT, "%s: %s", what, model);
    return buffer;
}

static void put_head(struct plot_chart *chart, const char *title, const struct sheet_row *of)
{
    const struct plot_options *options = chart->job->options;
    char text[PLOT_TEXT];
    fprintf(chart->out, "array title_line[%d]\narray head_line[%d]\narray note[%d]\n", HEAD_LINES,
            HEAD_LINES, NOTE_LINES);
    int lines = plot_gnuplot_folded(chart->out, "title_line", 0, HEAD_LINES, title,
                                    plot_gnuplot_columns(options->width_cm, true));
    plot_gnuplot_number(chart->out, "title_lines", lines);
    lines = plot_gnuplot_folded(chart->out, "head_line", 0, HEAD_LINES, plot_text_setting(of, text),
                                chart->columns);
    lines = plot_gnuplot_folded(chart->out, "head_line", lines, HEAD_LINES,
                                plot_text_machine(of, text), chart->columns);
    plot_gnuplot_number(chart->out, "head_lines", lines);
}

enum status plot_chart_open(struct plot_job *job, const char *template_name, const char *what,
                            const struct sheet_row *of, bool size, struct plot_chart *chart)
{
    char path[PATH_MAX], text[PLOT_TEXT];
    *chart = (struct plot_chart){.job = job,
                                 .template_name = template_name,
                                 .columns = plot_gnuplot_columns(job->options->width_cm, false)};
    plot_text_name(&job->selection, of, template_name, size, chart->name);
    snprintf(path, sizeof path, "%s/data/%s.gp", job->folder, chart->name);
    chart->out = fopen(path, "we");
    if (!chart->out)
        return fail(ST_IO, "plot: %s cannot be written: %s", path, strerror(errno));
    fprintf(chart->out,
            "# The data of one chart. To draw it again, in the folder above:\n"
            "#   gnuplot -d -e \"format='svg'\" data/%s.gp PLOTS/style.gp PLOTS/%s.gp\n"
            "# with ditbench's folder plots/ for PLOTS; svg, png or pdf.\n",
            chart->name, template_name);
    plot_gnuplot_text(chart->out, "name", chart->name);
    plot_gnuplot_number(chart->out, "wanted_px", plot_gnuplot_pixels(job->options->width_cm));
    put_head(chart, title_text(job->options, what, &of->record->cell, size, text), of);
    return ST_OK;
}

void plot_chart_note(struct plot_chart *chart, const char *format, ...)
{
    char text[4 * PLOT_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    chart->notes =
        plot_gnuplot_folded(chart->out, "note", chart->notes, NOTE_LINES, text, chart->columns);
}

/* ---- curves ---- */

/* Counts the curves of one family up to the one that begins at `begin`. */
static int variant_of(int n, const struct plot_point *points, int begin)
{
    int variant = 0;
    for (int i = 0; i <= begin; i = plot_points_end(n, points, i))
        variant += strcmp(points[i].family, points[begin].family) == 0 &&
                   points[i].peer == points[begin].peer &&
                   points[i].published == points[begin].published;
    return variant;
}

void plot_chart_legend(FILE *out, int n, const struct plot_point *points)
{
    static const char *const array[] = {"family", "label", "variant", "hollow"};
    char text[PLOT_TEXT];
    int curve = 0, columns = 0;
    plot_gnuplot_number(out, "curves", plot_points_curves(n, points));
    for (size_t i = 0; i < sizeof array / sizeof array[0]; i++)
        plot_gnuplot_array(out, array[i], plot_points_curves(n, points));
    for (int i = 0; i < n; i = plot_points_end(n, points, i)) {
        plot_gnuplot_element(out, "family", ++curve, points[i].family);
        text_shorten(points[i].label, LEGEND_COLUMNS, sizeof text, text);
        plot_gnuplot_element(out, "label", curve, text);
        fprintf(out, "variant[%d] = %d\nhollow[%d] = %d\n", curve, variant_of(n, points, i), curve,
                points[i].peer ? 2 : points[i].published);
        columns = text_columns(text) > columns ? text_columns(text) : columns;
    }
    plot_gnuplot_number(out, "columns", columns);
}

double plot_chart_unit(FILE *out, double largest_ms)
{
    bool seconds = largest_ms >= 10000;
    plot_gnuplot_text(out, "unit", seconds ? "s" : "ms");
    return seconds ? 1e-3 : 1;
}

void plot_chart_point(FILE *out, const struct plot_point *point)
{
    bool noisy = point->record && record_has_flag(point->record, RECORD_NOISY);
    fprintf(out, "%g %.6g %.6g %.6g %d %d %g\n", point->x, point->y, point->low, point->high,
            !point->planned, noisy, point->aside);
}

/* ---- drawing ---- */

enum status plot_chart_end(struct plot_chart *chart, enum status st)
{
    struct plot_job *job = chart->job;
    plot_gnuplot_number(chart->out, "notes", chart->notes);
    bool broken = ferror(chart->out) != 0;
    if (fclose(chart->out) != 0 || broken)
        return fail(ST_IO, "plot: %s/data/%s.gp could not be written", job->folder, chart->name);
    if (st != ST_OK || job->gnuplot_missing)
        return st;
    struct plot_drawing drawing = {.share = job->share,
                                   .template_name = chart->template_name,
                                   .folder = job->folder,
                                   .name = chart->name,
                                   .width_cm = job->options->width_cm,
                                   .quiet = job->quiet};
    st = plot_gnuplot_draw(&drawing, job->options->formats, &job->gnuplot_missing);
    if (job->gnuplot_missing)
        return ST_OK; // said once, at the end
    job->charts += st == ST_OK;
    return st;
}
