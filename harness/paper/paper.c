/* SPDX-License-Identifier: Apache-2.0 */
/* The order of things: cells, runs, verdicts, files. */
#include "harness/paper/paper.h"

#include "harness/base/folder.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/paper/figure.h"
#include "harness/paper/report.h"
#include "harness/paper/run.h"
#include "harness/paper/verdicts.h"
#include "harness/record/file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct paper {
    const struct paper_options *options;
    struct pack *pack;
    struct paper_cells cells;
    char folder[PATH_MAX], results[PATH_MAX];
    int failed;
};

static enum status name_files(struct paper *p)
{
    const struct paper_options *o = p->options;
    int n = o->folder
                ? snprintf(p->folder, sizeof p->folder, "%s", o->folder)
                : snprintf(p->folder, sizeof p->folder, "results/paper/%s", p->pack->values->name);
    int m = o->results ? snprintf(p->results, sizeof p->results, "%s", o->results)
                       : snprintf(p->results, sizeof p->results, "%.*s/results.jsonl",
                                  PATH_MAX - 100, p->folder);
    if (n <= 0 || m <= 0 || n > PATH_MAX - 100 || m > PATH_MAX - 100)
        return fail(ST_INVALID, "--out, --results: a path is empty or longer than %d characters",
                    PATH_MAX - 100);
    return ST_OK;
}

/* ---- the verdicts in words ---- */

static void print_value(const char *what, const struct paper_value *v, const char *unit)
{
    if (!isfinite(v->value))
        printf("%s -", what);
    else if (isfinite(v->ratio))
        printf("%s %.4g %s (x %.3g)", what, v->value, unit, v->ratio);
    else
        printf("%s %.4g %s", what, v->value, unit);
}

static void print_rows(const struct paper *p, const struct paper_rows *rows)
{
    const char *unit = p->pack->memory ? "GB" : "s";
    for (int i = 0; i < rows->n; i++) {
        const struct paper_row *row = &rows->v[i];
        const char *flag = row->point->line ? row->point->line->field[PUBLISHED_FLAG] : "";
        bool flagged = flag[0] && !strstr(row->why, flag);
        if (row->point->left_out)
            continue;
        printf("%-15s  %s: ", paper_verdict_name(row->verdict), row->label);
        print_value("published", &row->published, unit);
        print_value(", ours", &row->ours, unit);
        printf("; %s%s%s\n", row->why, flagged ? "; flag: " : "", flagged ? flag : "");
    }
    printf("%d points: %d reproduced, %d not reproduced, %d not comparable; %s\n", rows->n,
           rows->count[PAPER_REPRODUCED], rows->count[PAPER_NOT_REPRODUCED],
           rows->count[PAPER_NOT_COMPARABLE], p->folder);
}

/* ---- files ---- */

static char *in_folder(const struct paper *p, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 60, p->folder, name);
    return path;
}

static enum status write_page(const struct paper *p, const struct paper_report *report)
{
    char path[PATH_MAX];
    struct doc *doc = doc_open();
    if (!doc)
        return fail(ST_OOM, "the page: no host memory");
    paper_report_fill(report, doc);
    enum status st = doc_status(doc);
    if (st == ST_OK)
        st = html_write(doc, in_folder(p, "index.html", path));
    if (st == ST_OK)
        st = markdown_write(doc, in_folder(p, "report.md", path));
    doc_close(doc);
    return st;
}

/* Twice, for wide screens and for narrow ones. */
static enum status draw(const struct paper *p, const struct paper_rows *rows, bool normalised,
                        bool *drawn)
{
    char path[PATH_MAX];
    TRY(figure_draw(p->pack, rows, p->folder, normalised, 0, drawn));
    return *drawn ? figure_draw(p->pack, rows, in_folder(p, PAPER_NARROW, path), normalised,
                                FIGURE_NARROW_CM, drawn)
                  : ST_OK;
}

static enum status write_files(const struct paper *p, const struct paper_rows *rows)
{
    char path[PATH_MAX];
    struct paper_report report = {.pack = p->pack,
                                  .given = p->options->pack,
                                  .rows = rows,
                                  .folder = p->folder,
                                  .results = p->results,
                                  .failed = p->failed};
    TRY(folder_make(p->folder));
    TRY(paper_rows_write(rows, in_folder(p, "verdicts.csv", path)));
    TRY(draw(p, rows, false, &report.figure));
    TRY(draw(p, rows, true, &report.normalised));
    return write_page(p, &report);
}

static enum status judge(const struct paper *p)
{
    struct record_list records;
    struct paper_rows rows = {.n = 0};
    enum status st = record_file_read(p->results, &records, NULL);
    if (st == ST_OK)
        st = paper_rows_make(p->pack, &p->options->machine, &p->cells, &records, &rows);
    if (st == ST_OK)
        st = write_files(p, &rows);
    if (st == ST_OK)
        print_rows(p, &rows);
    paper_rows_release(&rows);
    record_list_release(&records);
    return st;
}

/* ---- all of it ---- */

static enum status choose(struct paper *p)
{
    struct filter filter;
    TRY(filter_init(&filter, p->options->filter));
    int n = paper_cells_choose(&p->cells, &filter);
    filter_release(&filter);
    return n == 0 && p->options->filter ? filter_takes_none(p->pack->path, p->options->filter)
                                        : ST_OK;
}

static enum status reproduce(struct paper *p)
{
    TRY(name_files(p));
    TRY(paper_cells_make(p->pack, &p->options->machine, &p->cells));
    TRY(choose(p));
    if (p->options->dry_run)
        return paper_cells_print(p->pack, &p->cells);
    const struct paper_run run = {.pack = p->pack,
                                  .cells = &p->cells,
                                  .results = p->results,
                                  .argc = p->options->argc,
                                  .argv = p->options->argv};
    TRY(paper_run_cells(&run, &p->failed));
    TRY(judge(p));
    return p->failed ? fail(ST_COMM, "%d cell%s failed; %s has the reasons", p->failed,
                            p->failed == 1 ? "" : "s", p->results)
                     : ST_OK;
}

enum status paper_reproduce(const char *path, const struct paper_options *options)
{
    struct paper paper = {.options = options};
    TRY(pack_open(path, &paper.pack));
    enum status st = reproduce(&paper);
    paper_cells_release(&paper.cells);
    pack_close(paper.pack);
    return st;
}
