/* SPDX-License-Identifier: Apache-2.0 */
/* Reads results, writes tables, draws each chart that the rows have data for. */
#include "harness/plot/plot.h"

#include "harness/base/folder.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"
#include "harness/record/file.h"
#include "harness/record/rounds.h"
#include "harness/report/page.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- files ---- */

/* "NAME" for some/where/NAME.jsonl. Allocated; NULL: no memory. */
static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

static char *default_folder(const char *path)
{
    char *folder = NULL, *name = name_of(path);
    int n = name ? asprintf(&folder, "plots/%s", name) : -1;
    free(name);
    return n < 0 ? NULL : folder;
}

/* What is read: the files' records, and the name of its run beside each. */
struct files {
    int n;
    struct record_list *list;
    struct record_rounds *rounds; /* of each, what is left when rounds are joined */
    char **run;                   /* the file's name; its path where two have one name */
    int rows, again;
    const struct record **record;
    const char **run_of;
};

static void files_close(struct files *f)
{
    for (int i = 0; i < f->n; i++) {
        if (f->rounds)
            record_rounds_release(&f->rounds[i]);
        if (f->list)
            record_list_release(&f->list[i]);
        if (f->run)
            free(f->run[i]);
    }
    free(f->rounds);
    free(f->list);
    free(f->run);
    free(f->record);
    free(f->run_of);
}

static enum status refuse_twice(int n, const char *const *paths)
{
    struct stat a, b;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (stat(paths[i], &a) == 0 && stat(paths[k], &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino)
                return fail(ST_INVALID, "%s and %s are one file", paths[k], paths[i]);
    return ST_OK;
}

static enum status name_runs(struct files *f, const char *const *paths)
{
    for (int i = 0; i < f->n; i++) {
        f->run[i] = name_of(paths[i]);
        for (int k = 0; f->run[i] && k < f->n; k++) {
            char *other = k == i ? NULL : name_of(paths[k]);
            if (other && strcmp(other, f->run[i]) == 0) {
                free(f->run[i]);
                f->run[i] = strdup(paths[i]);
            }
            free(other);
        }
        if (!f->run[i])
            return fail(ST_OOM, "plot: the name of %s", paths[i]);
    }
    return ST_OK;
}

static enum status read_all(struct files *f, const char *const *paths)
{
    for (int i = 0; i < f->n; i++) {
        bool torn = false;
        TRY(record_file_read(paths[i], &f->list[i], &torn));
        if (torn)
            fprintf(stderr, "%s: its torn last line is left out\n", paths[i]);
        TRY(record_rounds_join(f->list[i].n, (const struct record *const *)f->list[i].v,
                               &f->rounds[i]));
        f->rows += f->rounds[i].n;
        f->again += f->list[i].again;
    }
    return ST_OK;
}

static enum status files_open(int n, const char *const *paths, struct files *f)
{
    *f = (struct files){.n = n};
    f->list = calloc((size_t)n, sizeof *f->list);
    f->rounds = calloc((size_t)n, sizeof *f->rounds);
    f->run = calloc((size_t)n, sizeof *f->run);
    if (!f->list || !f->rounds || !f->run)
        return fail(ST_OOM, "plot: no memory for %d files", n);
    TRY(refuse_twice(n, paths));
    TRY(name_runs(f, paths));
    TRY(read_all(f, paths));
    f->record = calloc((size_t)f->rows + 1, sizeof *f->record);
    f->run_of = calloc((size_t)f->rows + 1, sizeof *f->run_of);
    if (!f->record || !f->run_of)
        return fail(ST_OOM, "plot: no memory for %d records", f->rows);
    for (int i = 0, k = 0; i < n; i++) {
        for (int row = 0; row < f->rounds[i].n; row++, k++) {
            f->record[k] = f->rounds[i].v[row];
            f->run_of[k] = f->run[i];
        }
    }
    return ST_OK;
}

/* ---- charts ---- */

static enum status draw_setting(struct plot_job *job, const struct plot_setting *setting)
{
    for (int i = 0; i < setting->n; i++) {
        TRY(plot_lines_ranks(job, &setting->group[i]));
        TRY(plot_lines_speedup(job, &setting->group[i]));
        TRY(plot_bars_bytes(job, &setting->group[i]));
        TRY(plot_bars_memory(job, &setting->group[i]));
        TRY(plot_bars_peers(job, &setting->group[i]));
    }
    return plot_sizes_draw(job, setting);
}

static enum status draw_charts(struct plot_job *job)
{
    char *data = NULL, *share = NULL;
    if (asprintf(&data, "%s/data", job->folder) < 0)
        return fail(ST_OOM, "plot: no memory for a folder's name");
    enum status st = folder_make(data);
    free(data);
    if (st == ST_OK)
        st = plot_gnuplot_share(&share);
    job->share = share;
    for (int i = 0; i < job->selection.n && st == ST_OK; i++)
        st = draw_setting(job, &job->selection.setting[i]);
    free(share);
    if (st == ST_OK && job->gnuplot_missing)
        st = fail(ST_IO,
                  "plot: gnuplot is not installed, so only tables and data were written to %s; "
                  "`apt-get install gnuplot-nox` or `make deps`, then plot again",
                  job->folder);
    return st;
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
    TRY(page_write(job->folder, sheet));
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
    TRY(sheet_open(files->rows, files->record, files->n > 1 ? files->run_of : NULL, &sheet));
    sheet.again = files->again;
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
