/* SPDX-License-Identifier: Apache-2.0 */
/* Reads results, writes tables, draws each chart that the rows have data for. */
#include "harness/plot/plot.h"
#include "harness/base/folder.h"
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"
#include "harness/record/file.h"
#include "harness/report/page.h"

#include <stdlib.h>
#include <string.h>

/* plots/NAME for some/where/NAME.jsonl. Allocated; NULL: no memory. */
static char *default_folder(const char *path)
{
    char *folder = NULL;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    return asprintf(&folder, "plots/%.*s", length, name) < 0 ? NULL : folder;
}

/* Reads all files into lists [n]; the caller releases them, whatever the status. */
static enum status read_files(const char *const *paths, int n, struct record_list *lists)
{
    for (int i = 0; i < n; i++) {
        bool torn;
        TRY(record_file_read(paths[i], &lists[i], &torn));
        if (torn)
            fprintf(stderr, "%s: its torn last line is left out\n", paths[i]);
    }
    return ST_OK;
}

static enum status draw_groups(struct plot_job *job)
{
    for (int begin = 0, end; begin < job->rows.n; begin = end) {
        end = plot_rows_group(&job->rows, begin);
        TRY(plot_lines_ranks(job, begin, end));
        TRY(plot_lines_speedup(job, begin, end));
        TRY(plot_bars_bytes(job, begin, end));
        TRY(plot_bars_memory(job, begin, end));
    }
    for (int begin = 0, end; begin < job->rows.n; begin = end) {
        end = plot_rows_setting(&job->rows, begin);
        TRY(plot_sizes_draw(job, begin, end));
    }
    return ST_OK;
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
    if (st == ST_OK)
        st = draw_groups(job);
    free(share);
    if (st == ST_OK && job->gnuplot_missing)
        st = fail(ST_IO,
                  "plot: gnuplot is not installed, so only tables and data were written to %s; "
                  "`apt-get install gnuplot-nox` or `make deps`, then plot again",
                  job->folder);
    return st;
}

static enum status plot_records(int n, const struct record *const *records, const char *folder)
{
    struct plot_job job = {.n = n, .all = records, .folder = folder};
    TRY(folder_make(folder));
    TRY(page_write(folder, n, records));
    TRY(plot_rows_open(n, records, &job.rows));
    enum status st = ST_OK;
    if (job.rows.n == 0)
        fprintf(stderr, "plot: no row is ok, so there is no chart; %s/table.md says why\n", folder);
    else
        st = draw_charts(&job);
    plot_rows_close(&job.rows);
    return st;
}

enum status plot_files(const char *const *paths, int n, const char *folder)
{
    if (n < 1)
        return fail(ST_INVALID, "plot: no results file was named");
    int count = 0;
    const struct record **records = NULL;
    char *own = folder ? NULL : default_folder(paths[0]);
    struct record_list *lists = calloc((size_t)n, sizeof *lists);
    enum status st = lists && (folder || own) ? read_files(paths, n, lists)
                                              : fail(ST_OOM, "plot: no memory for %d files", n);
    for (int i = 0; lists && i < n; i++)
        count += lists[i].n;
    if (st == ST_OK && !(records = calloc((size_t)count + 1, sizeof *records)))
        st = fail(ST_OOM, "plot: no memory for %d records", count);
    if (st == ST_OK) {
        int k = 0;
        for (int i = 0; i < n; i++)
            for (int row = 0; row < lists[i].n; row++)
                records[k++] = lists[i].v[row];
        st = plot_records(count, records, folder ? folder : own);
    }
    for (int i = 0; lists && i < n; i++)
        record_list_release(&lists[i]);
    free(lists);
    free(records);
    free(own);
    return st;
}
