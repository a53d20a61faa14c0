/* SPDX-License-Identifier: Apache-2.0 */
/* The loop over cells, its results file and what it tells. One cell is outcome.c's business. */
#include "harness/sweep/sweep.h"

#include "harness/base/folder.h"
#include "harness/base/interrupt.h"
#include "harness/cell/filter.h"
#include "harness/launch/scratch.h"
#include "harness/measure/outcome.h"
#include "harness/record/file.h"
#include "harness/report/progress.h"
#include "harness/sweep/sweep_claim.h"
#include "harness/sweep/sweep_list.h"
#include "harness/sweep/sweep_profile.h"
#include "harness/sweep/sweep_steps.h"
#include "harness/sweep/sweep_summary.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sweep {
    const struct experiment *experiment;
    const struct sweep_options *options;
    char results[PATH_MAX];
    char logs[PATH_MAX]; /* folder of the logs of cells that failed */
    struct sweep_list list;
    struct sweep_claim claim;
    struct sweep_profile profile;
    struct record_file *file;
    struct progress progress;
};

/* ---- names ---- */

static enum status name_files(struct sweep *s)
{
    const char *asked = s->options->results;
    int n = asked ? snprintf(s->results, sizeof s->results, "%s", asked)
                  : snprintf(s->results, sizeof s->results, "results/%s.jsonl",
                             experiment_name(s->experiment));
    if (n <= 0 || n >= PATH_MAX - 40)
        return fail(ST_INVALID, "the name of the results file has %d characters; wanted 1 to %d", n,
                    PATH_MAX - 41);
    snprintf(s->logs, sizeof s->logs, "%.*s.logs", PATH_MAX - 40, s->results);
    return ST_OK;
}

/* Before anything is made beside it. */
static enum status check_results(const struct sweep *s)
{
    struct stat info;
    if (stat(s->results, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(ST_INVALID, "%s: is no regular file; --results names the file for the rows",
                    s->results);
    return ST_OK;
}

static char *describe(const struct cell *c, char *text, size_t size)
{
    char round[40] = "";
    if (c->rounds > 0)
        snprintf(round, sizeof round, " round=%d", c->round);
    snprintf(text, size, "%s %dx%d %s ranks=%d steps=%d requests=%d %s%s", c->model, c->width,
             c->height, c->strategy, c->ranks, c->steps, c->requests, c->dtype, round);
    return text;
}

/* ---- rows that are there ---- */

/* Marks the cells that have a row; skips those whose row stands. */
static int take_rows(struct sweep *s, const struct record_list *rows)
{
    int skipped = 0;
    for (int i = 0; i < s->list.n; i++) {
        struct sweep_entry *e = &s->list.v[i];
        const struct record *row = record_list_find(rows, e->id);
        e->has_row = row != NULL;
        if (!row)
            continue;
        e->status = row->status;
        e->skip = ending_final(row->status) && !s->options->retry[row->status];
        skipped += e->skip;
    }
    return skipped;
}

/* A cell that is not to be run, but for its profile. */
static bool lacks_profile(const struct sweep *s, const struct sweep_entry *e)
{
    return s->options->profile && e->skip && e->status == ENDING_OK &&
           sweep_profile_missing(&s->profile, e);
}

static enum status read_rows(struct sweep *s, int *skipped)
{
    struct record_list rows;
    enum status st = record_file_read(s->results, &rows, NULL);
    if (st == ST_OK)
        *skipped = take_rows(s, &rows);
    record_list_release(&rows);
    return st;
}

/* ---- the preview ---- */

static enum status foresee(const struct cell *cell)
{
    struct setup *setup;
    TRY(setup_open(cell, NULL, &setup));
    uint64_t *predicted = calloc((size_t)setup->cell.ranks, sizeof *predicted);
    enum status st =
        predicted ? outcome_foresee(setup, predicted) : fail(ST_OOM, "a cell: no host memory");
    free(predicted);
    setup_close(setup);
    return st;
}

static enum status dry_run(struct sweep *s)
{
    char text[CELL_LINE];
    int skipped = 0;
    int starts = 0;
    if (access(s->results, F_OK) == 0)
        TRY(read_rows(s, &skipped));
    for (int i = 0; i < s->list.n && !interrupt_signal(); i++) {
        const struct sweep_entry *e = &s->list.v[i];
        cell_text(&e->cell, text);
        if (e->skip) {
            printf("skip         %s: has a row: %s%s\n", text, ending_name(e->status),
                   lacks_profile(s, e) ? "; its profile would be made" : "");
            continue;
        }
        enum status st = foresee(&e->cell);
        starts += st == ST_OK;
        if (st == ST_OK)
            printf("run          %s\n", text);
        else
            printf("%-12s %s: %s\n", ending_name(ending_of(st)), text, status_message());
    }
    status_clear();
    printf("%d cell%s: %d would run, %d have rows in %s\n", s->list.n, s->list.n == 1 ? "" : "s",
           starts, skipped, s->results);
    return ST_OK;
}

/* ---- running ---- */

static void tell(struct sweep *s, const struct sweep_entry *e, const struct record *record)
{
    char cell[700];
    char text[3000];
    describe(&e->cell, cell, sizeof cell);
    if (record->status == ENDING_OK)
        snprintf(text, sizeof text, "%s: %.2f ms (p10 %.2f, p90 %.2f)", cell,
                 record->latency_ms.median, record->latency_ms.p10, record->latency_ms.p90);
    else
        snprintf(text, sizeof text, "%s: %s", cell, record->reason ? record->reason : "");
    progress_done(&s->progress, ending_name(record->status), record->status == ENDING_OK, text);
}

/* What others did to the file, if they did something. */
static void tell_notice(struct sweep *s)
{
    char line[PATH_MAX + 600];
    const char *text = record_file_notice(s->file);
    snprintf(line, sizeof line, "ditbench sweep: %s", text ? text : "");
    if (text)
        progress_say(&s->progress, line);
}

/* How the ranks of a cell are run; log: the file for what they say. */
static struct outcome_options run_options(struct sweep *s, const struct sweep_entry *e,
                                          const char *log)
{
    return (struct outcome_options){
        .experiment = experiment_name(s->experiment),
        .argc = s->options->argc,
        .argv = s->options->argv,
        .identity = e->identity,
        .pins = e->pins,
        .log = log,
        .on_progress = progress_step,
        .on_progress_self = &s->progress,
    };
}

/* ---- profiles ---- */

/* "profile, measure" */
static void profile_step(void *self, const char *phase, long done, long total)
{
    char text[60];
    snprintf(text, sizeof text, "profile, %s", phase);
    progress_step(self, text, done, total);
}

struct made {
    char folder[PATH_MAX];
    char fault[PATH_MAX + 4000]; /* a line for the user; "": none, or a signal came */
};

/* A signal is seen by the loop over the cells. */
static void make_profile(struct sweep *s, const struct sweep_entry *e, const struct setup *setup,
                         const struct record *row, struct made *out)
{
    char log[PATH_MAX + 32];
    char cell[700];
    out->fault[0] = '\0';
    snprintf(log, sizeof log, "%s/%s.profile.log", s->logs, e->id);
    struct outcome_options run = run_options(s, e, log);
    run.on_progress = profile_step;
    enum status st = sweep_profile_make(&s->profile, e, setup, &run, row, out->folder);
    if (st != ST_OK && st != ST_INTERRUPTED)
        snprintf(out->fault, sizeof out->fault, "ditbench sweep: profile of %s: %s",
                 describe(&e->cell, cell, sizeof cell), status_message());
    status_clear();
}

/* Of a row that is in the file already. */
static void profile_row(struct sweep *s, const struct sweep_entry *e, const struct setup *setup,
                        const struct record *row)
{
    struct made made;
    char cell[700];
    char text[PATH_MAX + 800];
    make_profile(s, e, setup, row, &made);
    if (interrupt_signal())
        return;
    snprintf(text, sizeof text, "%s: %s", describe(&e->cell, cell, sizeof cell), made.folder);
    progress_done(&s->progress, "profile", !made.fault[0], text);
    if (made.fault[0])
        progress_say(&s->progress, made.fault);
}

static enum status profile_entry(struct sweep *s, const struct sweep_entry *e)
{
    char text[700];
    struct record_list rows;
    struct setup *setup = NULL;
    progress_cell(&s->progress, describe(&e->cell, text, sizeof text));
    enum status st = record_file_read(s->results, &rows, NULL);
    const struct record *row = st == ST_OK ? record_list_find(&rows, e->id) : NULL;
    if (row)
        st = setup_open(&e->cell, NULL, &setup);
    if (setup)
        profile_row(s, e, setup, row);
    setup_close(setup);
    record_list_release(&rows);
    return st;
}

/* ---- rows ---- */

/* The row is in the file before its profile is made; both are told when both are there. */
static enum status keep(struct sweep *s, const struct sweep_entry *e, const struct setup *setup,
                        const struct record *record)
{
    struct made made = {.fault = ""};
    enum status st = record_file_append(s->file, record);
    tell_notice(s);
    TRY(st);
    if (s->options->profile && record->status == ENDING_OK && !interrupt_signal())
        make_profile(s, e, setup, record, &made);
    tell(s, e, record);
    if (made.fault[0])
        progress_say(&s->progress, made.fault);
    return ST_OK;
}

/* setup NULL: the cell was good when the list was made, and is no more: st, whose message says why.
 */
static enum status run_setup(struct sweep *s, const struct sweep_entry *e,
                             const struct setup *setup, enum status st)
{
    char log[PATH_MAX + 32];
    struct record *record;
    enum status code;
    const struct setup cell_alone = {.cell = e->cell};
    snprintf(log, sizeof log, "%s/%s.log", s->logs, e->id);
    const struct outcome_options options = run_options(s, e, log);
    TRY(folder_make(s->logs)); /* somebody may have removed it */
    TRY(setup ? outcome_run(setup, &options, &record, &code)
              : outcome_failed(&cell_alone, &options, st, &record));
    st = keep(s, e, setup, record);
    record_close(record);
    return st;
}

static enum status run_entry(struct sweep *s, const struct sweep_entry *e)
{
    char text[700];
    struct setup *setup;
    progress_cell(&s->progress, describe(&e->cell, text, sizeof text));
    enum status st = setup_open(&e->cell, NULL, &setup);
    st = run_setup(s, e, setup, st);
    setup_close(setup);
    return st;
}

static enum status run_entries(struct sweep *s)
{
    for (int i = 0; i < s->list.n; i++) {
        const struct sweep_entry *e = &s->list.v[i];
        bool profile = lacks_profile(s, e);
        if (e->skip && !profile)
            continue;
        if (!interrupt_signal())
            TRY(profile ? profile_entry(s, e) : run_entry(s, e));
        if (interrupt_signal())
            return fail(ST_INTERRUPTED, "stopped by signal %d; the same command goes on from here",
                        interrupt_signal());
    }
    return ST_OK;
}

/* ---- the end ---- */

static void draw_steps(struct sweep *s)
{
    if (!s->options->profile || sweep_steps_draw(&s->profile) == ST_OK)
        return;
    if (!s->profile.no_gnuplot)
        fprintf(stderr, "ditbench sweep: profiles side by side: %s\n", status_message());
    status_clear();
}

/* By what is in the file now. */
static enum status summarise(struct sweep *s, bool table)
{
    struct record_list rows;
    enum status st = record_file_read(s->results, &rows, NULL);
    if (st == ST_OK) {
        take_rows(s, &rows);
        if (table)
            st = sweep_summary_table(&s->list, &rows);
    }
    if (st == ST_OK) {
        sweep_summary_retry(&s->list, s->options->argc, s->options->argv);
        sweep_summary_counts(&s->list, s->results);
    }
    record_list_release(&rows);
    return st;
}

/* ---- the sweep ---- */

static enum status prepare(struct sweep *s)
{
    size_t cut = 0;
    int skipped = 0;
    int refused = 0;
    int profiles = 0;
    scratch_remove_orphans(); /* of sweeps that were killed */
    TRY(record_file_repair(s->file, &cut));
    if (cut > 0)
        fprintf(stderr, "ditbench sweep: %s: cut off a torn last line of %zu bytes\n", s->results,
                cut);
    TRY(read_rows(s, &skipped));
    for (int i = 0; i < s->list.n && !interrupt_signal(); i++) {
        refused += !s->list.v[i].skip && foresee(&s->list.v[i].cell) != ST_OK;
        profiles += lacks_profile(s, &s->list.v[i]);
    }
    status_clear();
    fprintf(stderr,
            "%s: %d cell%s, %d with a row in %s, %d refused by their plan or too large, %d to run",
            experiment_name(s->experiment), s->list.n, s->list.n == 1 ? "" : "s", skipped,
            s->results, refused, s->list.n - skipped - refused);
    if (profiles > 0)
        fprintf(stderr, ", %d profile%s of rows to make", profiles, profiles == 1 ? "" : "s");
    fputc('\n', stderr);
    TRY(folder_make(s->logs));
    progress_start(&s->progress, s->list.n, skipped - profiles);
    return ST_OK;
}

/* The summary follows whatever the end was; the first failure is the one that is told. */
static enum status finish(struct sweep *s, enum status st)
{
    char why[5000];
    snprintf(why, sizeof why, "%s", status_message());
    bool stopped = st != ST_OK && st != ST_INTERRUPTED;
    enum status end = stopped ? ST_OK : record_file_settle(s->file);
    tell_notice(s);
    if (end == ST_OK)
        end = summarise(s, st == ST_OK);
    return st ? fail(st, "%s", why) : end;
}

static enum status work(struct sweep *s)
{
    TRY(prepare(s));
    enum status st = run_entries(s);
    progress_finish(&s->progress);
    if (st == ST_OK)
        draw_steps(s);
    TRY(finish(s, st));
    return sweep_summary_judge(&s->list, s->results, s->options->strict);
}

/* With the file's name claimed. */
static enum status open_and_work(struct sweep *s)
{
    TRY(record_file_open(s->results, &s->file));
    enum status st = work(s);
    record_file_close(s->file);
    return st;
}

/* As the command line says, else the experiment. */
static enum status find_rounds(const struct sweep *s, struct sweep_rounds *out)
{
    TRY(experiment_rounds(s->experiment, &out->n, &out->shuffle));
    if (s->options->rounds > 0)
        out->n = s->options->rounds;
    if (s->options->shuffle >= 0)
        out->shuffle = s->options->shuffle;
    return ST_OK;
}

static enum status sweep(struct sweep *s)
{
    struct sweep_rounds rounds;
    TRY(name_files(s));
    TRY(find_rounds(s, &rounds));
    TRY(sweep_list_make(s->experiment, s->options->filter, &rounds, &s->list));
    for (int i = 0; i < s->list.n; i++)
        s->list.v[i].cell.nvtx = s->options->nvtx;
    if (s->list.n == 0 && s->options->filter)
        return filter_takes_none(experiment_path(s->experiment), s->options->filter);
    if (s->list.n == 0)
        return fail(ST_INVALID, "%s: no cell is left; see its exclude",
                    experiment_path(s->experiment));
    sweep_profile_init(s->results, &s->list, &s->profile);
    interrupt_catch();
    TRY(check_results(s));
    if (s->options->dry_run)
        return dry_run(s);
    TRY(sweep_claim_open(s->logs, s->results, &s->claim));
    enum status st = open_and_work(s);
    sweep_claim_close(&s->claim);
    return st;
}

enum status sweep_run(const struct experiment *experiment, const struct sweep_options *options)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        return fail(ST_OOM, "sweep: no host memory");
    s->experiment = experiment;
    s->options = options;
    enum status st = sweep(s);
    sweep_list_release(&s->list);
    free(s);
    return st;
}
