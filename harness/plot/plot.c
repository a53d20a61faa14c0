/* SPDX-License-Identifier: Apache-2.0 */
/* Reads results, writes tables, draws each chart that the rows have data for. */
#include "harness/plot/plot.h"

#include "harness/base/folder.h"
#include "harness/plot/chart.h"
#include "harness/report/files.h"
#include "harness/report/table_files.h"

#include <stdlib.h>

/* ---- charts ---- */

static char *default_folder(const char *path)
{
    char *folder = NULL, *name = files_name(path);
    int n = name ? asprintf(&folder, "plots/%s", name) : -1;
    free(name);
    return n < 0 ? NULL : folder;
}

static enum status draw_charts(struct plot_job *job)
{
    TRY(plot_charts_draw(job));
    if (job->gnuplot_missing)
        return fail(ST_IO,
                    "plot: gnuplot is not installed, so only tables and data were written to %s; "
                    "`apt-get install gnuplot-nox` or `make deps`, then plot again",
                    job->folder);
    return ST_OK;
}

/* ---- the whole ---- */

/* What a reader should know who sees only the charts. */
static void say_left_out(const struct plot_job *job)
{
    char text[PLOT_TEXT];
    const struct plot_selection *s = &job->selection;
    if (s->chosen < s->groups)
        fprintf(
            stderr,
            "plot: %d settings (file, host, commit, model, size, ...): charts of the %d with most "
            "rows;\nplot: --settings %d draws all\n",
            s->groups, s->chosen, s->groups);
    if (*sheet_left_out(job->sheet->n, job->sheet->sorted, sizeof text, text))
        fprintf(stderr, "plot: of %d row%s in no chart: %s\n", job->sheet->n,
                job->sheet->n == 1 ? "" : "s", text);
    if (job->sheet->again > 0)
        fprintf(stderr, "plot: left out: %d row%s of cells that were run again later\n",
                job->sheet->again, job->sheet->again == 1 ? "" : "s");
}

static enum status plot_sheet(struct plot_job *job, struct sheet *sheet)
{
    TRY(plot_published_open(job->options->with_n, job->options->with, &job->published));
    TRY(plot_selection_open(sheet, job->options, &job->selection));
    TRY(folder_make(job->folder));
    TRY(table_files_write(job->folder, sheet));
    say_left_out(job);
    if (job->selection.n > 0)
        TRY(draw_charts(job));
    else
        fprintf(stderr, "plot: no row can be drawn, so there is no chart; %s/table.md says why\n",
                job->folder);
    if (job->options->with_n > 0 && job->published_drawn == 0)
        fprintf(
            stderr,
            "plot: --with: no speed-up chart of these rows has a size whose published figures have "
            "their own single GPU\n");
    return ST_OK;
}

static enum status plot_rows(const struct files *files, const char *folder,
                             const struct plot_options *options)
{
    struct sheet sheet;
    struct plot_job job = {.options = options, .sheet = &sheet, .folder = folder};
    TRY(files_sheet(files, &sheet));
    enum status st = plot_sheet(&job, &sheet);
    plot_selection_close(&job.selection);
    plot_published_close(&job.published);
    sheet_close(&sheet);
    return st;
}

enum status plot_files(const char *const *paths, int n, const struct plot_options *options)
{
    struct plot_options with_defaults = *options;
    struct files files;
    char *folder = NULL;
    if (n < 1)
        return fail(ST_INVALID, "plot: no results file was named");
    if (options->formats == 0)
        with_defaults.formats = PLOT_SVG | PLOT_PNG;
    enum status st = files_open(n, paths, &files);
    if (st == ST_OK && !options->folder && !(folder = default_folder(paths[0])))
        st = fail(ST_OOM, "plot: no memory for a folder's name");
    if (st == ST_OK)
        st = plot_rows(&files, options->folder ? options->folder : folder, &with_defaults);
    files_close(&files);
    free(folder);
    return st;
}
