/* SPDX-License-Identifier: Apache-2.0 */
/* Running what runs, and as threads what is only counted. */
#include "harness/paper/run.h"

#include "harness/base/folder.h"
#include "harness/base/interrupt.h"
#include "harness/launch/scratch.h"
#include "harness/measure/outcome.h"
#include "harness/record/file.h"
#include "harness/report/progress.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One cell to run. */
struct job {
    const struct cell *cell;
    const char *id;
};

enum { FEW = 2 };

/* Of a cell that is wanted: itself where it runs, its threads where they are only counted. How
 * many. */
static int jobs_of(const struct paper_cell *c, struct job out[FEW])
{
    int n = 0;
    if (c->wanted && c->fate == PAPER_RUNS)
        out[n++] = (struct job){&c->cell, c->id};
    if (c->wanted && c->count)
        out[n++] = (struct job){&c->counted, c->counted_id};
    return n;
}

static bool stands(const struct record_list *rows, const char *id)
{
    const struct record *row = record_list_find(rows, id);
    return row && (row->status == ENDING_OK || row->status == ENDING_UNSUPPORTED);
}

static int count_jobs(const struct paper_run *run, const struct record_list *rows, int *standing)
{
    struct job job[FEW];
    int n = 0;
    *standing = 0;
    for (int i = 0; i < run->cells->n; i++)
        for (int k = jobs_of(&run->cells->v[i], job); k-- > 0; n++)
            *standing += stands(rows, job[k].id);
    return n;
}

/* Rows of cells and of their threads that are no jobs here, but are judged all the same. */
static int count_others(const struct paper_run *run, const struct record_list *rows)
{
    struct job job[FEW];
    int n = 0;
    for (int i = 0; i < run->cells->n; i++) {
        const struct paper_cell *c = &run->cells->v[i];
        n += record_list_find(rows, c->id) != NULL;
        n += c->counted_id[0] && record_list_find(rows, c->counted_id);
        for (int k = jobs_of(c, job); k-- > 0;)
            n -= record_list_find(rows, job[k].id) != NULL;
    }
    return n;
}

static void print_start(const struct paper_run *run, const struct record_list *rows, int n,
                        int standing)
{
    int others = count_others(run, rows);
    fprintf(stderr, "%s: %d cell%s to run here, %d with a row in %s", run->pack->values->name, n,
            n == 1 ? "" : "s", standing, run->results);
    if (others)
        fprintf(stderr, "; %d other row%s there %s of its cells", others, others == 1 ? "" : "s",
                others == 1 ? "is" : "are");
    fputc('\n', stderr);
}

static void describe(const struct cell *c, size_t size, char *text)
{
    snprintf(text, size, "%s %dx%d %s ranks=%d steps=%d %s", c->model, c->width, c->height,
             c->strategy, c->ranks, c->steps, c->transport);
}

static void tell(struct progress *progress, const struct cell *cell, const struct record *record)
{
    char name[700];
    char text[3000];
    describe(cell, sizeof name, name);
    if (record->status == ENDING_OK)
        snprintf(text, sizeof text, "%s: %.2f ms (p10 %.2f, p90 %.2f)", name,
                 record->latency_ms.median, record->latency_ms.p10, record->latency_ms.p90);
    else
        snprintf(text, sizeof text, "%s: %s", name, record->reason ? record->reason : "");
    progress_done(progress, ending_name(record->status), record->status == ENDING_OK, text);
}

static enum status run_setup(const struct paper_run *run, const struct job *job,
                             const struct setup *setup, struct record_file *file,
                             struct progress *progress)
{
    char log[PATH_MAX];
    struct record *record;
    enum status code;
    snprintf(log, sizeof log, "%.*s.logs/%s.log", PATH_MAX - 64, run->results, job->id);
    const struct outcome_options options = {.experiment = run->pack->values->name,
                                            .argc = run->argc,
                                            .argv = run->argv,
                                            .identity = "synthetic",
                                            .log = log,
                                            .on_progress = progress_step,
                                            .on_progress_self = progress};
    TRY(folder_make_above(log));
    TRY(outcome_run(setup, &options, &record, &code));
    enum status st = record_file_append(file, record);
    tell(progress, job->cell, record);
    record_close(record);
    return st;
}

static enum status run_job(const struct paper_run *run, const struct job *job,
                           struct record_file *file, struct progress *progress)
{
    char text[700];
    struct setup *setup;
    describe(job->cell, sizeof text, text);
    progress_cell(progress, text);
    TRY(setup_open(job->cell, NULL, &setup));
    enum status st = run_setup(run, job, setup, file, progress);
    setup_close(setup);
    return st;
}

static enum status run_all(const struct paper_run *run, const struct record_list *rows,
                           struct record_file *file, struct progress *progress)
{
    struct job job[FEW];
    for (int i = 0; i < run->cells->n; i++) {
        int n = jobs_of(&run->cells->v[i], job);
        for (int k = 0; k < n; k++) {
            if (stands(rows, job[k].id))
                continue;
            if (!interrupt_signal())
                TRY(run_job(run, &job[k], file, progress));
            if (interrupt_signal())
                return fail(ST_INTERRUPTED,
                            "stopped by signal %d; the same command goes on from here",
                            interrupt_signal());
        }
    }
    return ST_OK;
}

static enum status run_file(const struct paper_run *run, struct record_file *file)
{
    struct record_list rows;
    struct progress progress;
    size_t cut = 0;
    int standing;
    TRY(record_file_repair(file, &cut));
    enum status st = record_file_read(run->results, &rows, NULL);
    if (st == ST_OK) {
        int n = count_jobs(run, &rows, &standing);
        print_start(run, &rows, n, standing);
        progress_start(&progress, n, standing);
        st = run_all(run, &rows, file, &progress);
        progress_finish(&progress);
    }
    record_list_release(&rows);
    return st;
}

static enum status count_failed(const struct paper_run *run, int *failed)
{
    struct record_list rows;
    struct job job[FEW];
    *failed = 0;
    enum status st = record_file_read(run->results, &rows, NULL);
    for (int i = 0; i < run->cells->n && st == ST_OK; i++) {
        const struct paper_cell *c = &run->cells->v[i];
        for (int k = jobs_of(c, job); k-- > 0;)
            *failed += !stands(&rows, job[k].id);
        if (c->wanted && c->fate != PAPER_RUNS) // its row is of another machine
            *failed += record_list_find(&rows, c->id) && !stands(&rows, c->id);
    }
    record_list_release(&rows);
    return st;
}

enum status paper_run_cells(const struct paper_run *run, int *failed)
{
    struct record_file *file;
    char logs[PATH_MAX];
    interrupt_catch();
    scratch_remove_orphans();
    TRY(record_file_open(run->results, &file));
    enum status st = run_file(run, file);
    if (st == ST_OK)
        st = record_file_settle(file);
    record_file_close(file);
    snprintf(logs, sizeof logs, "%.*s.logs", PATH_MAX - 64, run->results);
    rmdir(logs); /* where no cell left a log */
    return st ? st : count_failed(run, failed);
}
