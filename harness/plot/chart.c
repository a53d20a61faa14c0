/* SPDX-License-Identifier: Apache-2.0 */
/* The frame that all charts share: names, titles, notes, units. */
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

enum { NOTE_COLUMNS = 130, LEGEND_COLUMNS = 34 };

enum status plot_chart_open(struct plot_job *job, const char *template_name, const char *what,
                            int begin, int end, bool size, struct plot_chart *chart)
{
    const struct record *of = job->rows.v[begin];
    char path[PATH_MAX], text[2 * PLOT_TITLE], model[PLOT_TITLE], machine[PLOT_TITLE];
    *chart =
        (struct plot_chart){.job = job, .template_name = template_name, .begin = begin, .end = end};
    plot_name(&job->rows, of, template_name, size, chart->name);
    snprintf(path, sizeof path, "%s/data/%s.gp", job->folder, chart->name);
    chart->out = fopen(path, "we");
    if (!chart->out)
        return fail(ST_IO, "plot: %s cannot be written: %s", path, strerror(errno));
    fprintf(chart->out,
            "# The data of one chart. To draw it again, in the folder above:\n"
            "#   gnuplot -d -e \"format='svg'\" data/%s.gp PLOTS/style.gp PLOTS/%s.gp\n"
            "# with ditbench's folder plots/ for PLOTS; svg or png.\n",
            chart->name, template_name);
    plot_gnuplot_text(chart->out, "name", chart->name);
    plot_short_text(plot_model_text(of->cell.model), 40, model);
    if (size && of->cell.frames > 1)
        snprintf(text, sizeof text, "%s: %s, %d × %d px, %d frames", what, model, of->cell.width,
                 of->cell.height, of->cell.frames);
    else if (size)
        snprintf(text, sizeof text, "%s: %s, %d × %d px", what, model, of->cell.width,
                 of->cell.height);
    else
        snprintf(text, sizeof text, "%s: %s", what, model);
    plot_gnuplot_text(chart->out, "title", text);
    plot_gnuplot_text(chart->out, "subtitle", plot_setting_text(of, text));
    plot_machine_text(&job->rows, begin, end, machine);
    plot_gnuplot_text(chart->out, "machine", plot_short_text(machine, NOTE_COLUMNS, text));
    fputs("array note[64]\n", chart->out);
    return ST_OK;
}

void plot_chart_note(struct plot_chart *chart, const char *format, ...)
{
    char text[2 * PLOT_TITLE], fits[PLOT_TITLE];
    va_list args;
    if (chart->notes == 64)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    plot_short_text(text, NOTE_COLUMNS, fits);
    plot_gnuplot_element(chart->out, "note", ++chart->notes, fits);
}

static int count_curves(int n, const struct plot_point *points)
{
    int curves = 0;
    for (int i = 0; i < n; i = plot_points_curve(n, points, i))
        curves++;
    return curves;
}

void plot_chart_legend(FILE *out, int n, const struct plot_point *points)
{
    char text[PLOT_TITLE];
    const char *family = "";
    int curve = 0, columns = 0, variant = 0;
    plot_gnuplot_number(out, "curves", count_curves(n, points));
    plot_gnuplot_array(out, "family", count_curves(n, points));
    plot_gnuplot_array(out, "label", count_curves(n, points));
    plot_gnuplot_array(out, "variant", count_curves(n, points));
    for (int i = 0; i < n; i = plot_points_curve(n, points, i)) {
        plot_gnuplot_element(out, "family", ++curve, points[i].family.name);
        plot_short_text(points[i].family.label, LEGEND_COLUMNS, text);
        plot_gnuplot_element(out, "label", curve, text);
        variant = strcmp(points[i].family.name, family) == 0 ? variant + 1 : 1;
        family = points[i].family.name;
        fprintf(out, "variant[%d] = %d\n", curve, variant);
        columns = (int)strlen(text) > columns ? (int)strlen(text) : columns;
    }
    plot_gnuplot_number(out, "columns", columns);
}

void plot_chart_latency(FILE *out, double x, const struct record *row, double scale)
{
    const struct record_latency *t = &row->latency_ms;
    fprintf(out, "%g %.6g %.6g %.6g 1\n", x, t->median * scale, t->p10 * scale, t->p90 * scale);
}

enum status plot_chart_draw(struct plot_chart *chart)
{
    struct plot_job *job = chart->job;
    plot_gnuplot_number(chart->out, "notes", chart->notes);
    bool broken = ferror(chart->out) != 0;
    if (fclose(chart->out) != 0 || broken)
        return fail(ST_IO, "plot: %s/data/%s.gp could not be written", job->folder, chart->name);
    if (job->gnuplot_missing || !job->share)
        return ST_OK;
    enum status st = plot_gnuplot_draw(job->share, chart->template_name, job->folder, chart->name,
                                       &job->gnuplot_missing);
    if (job->gnuplot_missing)
        return ST_OK; // said once, at the end
    TRY(st);
    job->charts++;
    printf("%s/%s.svg\n%s/%s.png\n", job->folder, chart->name, job->folder, chart->name);
    return ST_OK;
}

struct plot_unit plot_unit_time(double largest_ms)
{
    if (largest_ms >= 10000)
        return (struct plot_unit){"s", 1e-3};
    if (largest_ms >= 1)
        return (struct plot_unit){"ms", 1};
    return (struct plot_unit){"µs", 1e3};
}

struct plot_unit plot_unit_bytes(double largest)
{
    if (largest >= 10e9)
        return (struct plot_unit){"GB", 1e-9};
    if (largest >= 1e6)
        return (struct plot_unit){"MB", 1e-6};
    if (largest >= 1e3)
        return (struct plot_unit){"kB", 1e-3};
    return (struct plot_unit){"B", 1};
}
