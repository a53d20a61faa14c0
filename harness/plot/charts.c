/* SPDX-License-Identifier: Apache-2.0 */
/* All charts of a selection, each where the rows have data for it. */
#include "harness/plot/chart.h"

#include "harness/base/folder.h"
#include "harness/plot/gnuplot.h"

#include <stdlib.h>

static enum status draw_setting(struct plot_job *job, const struct plot_setting *setting)
{
    for (int i = 0; i < setting->n; i++) {
        TRY(plot_lines_ranks(job, &setting->group[i]));
        TRY(plot_lines_speedup(job, &setting->group[i]));
        TRY(plot_bars_bytes(job, &setting->group[i]));
        TRY(plot_bars_memory(job, &setting->group[i]));
        TRY(plot_bars_peers(job, &setting->group[i]));
    }
    TRY(plot_sizes_draw(job, setting));
    return plot_growth_draw(job, setting);
}

enum status plot_charts_draw(struct plot_job *job)
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
    job->share = NULL;
    free(share);
    return st;
}
