/* SPDX-License-Identifier: Apache-2.0 */
/* The section "How to repeat it": the builds, the commands that make each file again
 * (report_again.c), and one command for each cell. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/report/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_option(FILE *out, const char *option, const char *word)
{
    fprintf(out, " --%s ", option);
    text_put_word(out, word);
}

static bool same_argv(const struct record *a, const struct record *b)
{
    if (a->argv.n != b->argv.n)
        return false;
    for (int i = 0; i < a->argv.n; i++)
        if (strcmp(a->argv.v[i], b->argv.v[i]) != 0)
            return false;
    return true;
}

/* Each command line of the file's rows once, in their order. */
static void put_argv(FILE *out, const struct record_rounds *rows)
{
    for (int i = 0; i < rows->n; i++) {
        const struct record *r = rows->v[i];
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = same_argv(r, rows->v[k]);
        for (int k = 0; k < r->argv.n && !again; k++) {
            fputs(k ? " " : "", out);
            text_put_word(out, r->argv.v[k]);
        }
        fputs(again || r->argv.n == 0 ? "" : "\n", out);
    }
}

static void put_cell(FILE *out, const struct record_cell *c)
{
    fputs("build/ditbench run", out);
    put_option(out, "model", c->model);
    if (c->height == c->width)
        fprintf(out, " --size %d", c->width);
    else
        fprintf(out, " --size %dx%d", c->width, c->height);
    if (c->frames > 1)
        fprintf(out, " --frames %d", c->frames);
    fprintf(out, " --steps %d", c->steps);
    if (!isnan(c->guidance))
        fprintf(out, " --guidance %g", c->guidance);
    fprintf(out, " --requests %d --seed %" PRIu64, c->requests, c->seed);
    put_option(out, "dtype", c->dtype);
    put_option(out, "backend", c->backend);
    put_option(out, "transport", c->transport);
    put_option(out, "strategy", c->strategy);
    if (c->threads > 0) // older rows: 0, all cores
        fprintf(out, " --threads %d", c->threads);
    fprintf(out, " --warmup-loops %d", c->warmup_loops);
    if (strcmp(c->exchange, "auto") != 0)
        put_option(out, "exchange", c->exchange);
    if (c->graph == RECORD_NO)
        fputs(" --graph off", out);
    if (c->repeats >= 0)
        fprintf(out, " --repeats %d\n", c->repeats);
    else
        fprintf(out,
                " --repeats auto --min-loops %d --min-seconds %g --max-seconds %g --max-noise %g\n",
                c->stop.min_loops, c->stop.min_seconds, c->stop.max_seconds, c->stop.max_noise);
}

static void put_report(FILE *out, struct report *report)
{
    fputs("build/ditbench report", out);
    for (int f = 0; f < report->files->n; f++) {
        fputc(' ', out);
        text_put_word(out, report->paths[f]);
    }
    fputc('\n', out);
}

/* ---- the section ---- */

/* Commands in the making. */
struct block {
    FILE *out;
    char *text;
    size_t size;
};

static enum status block_begin(struct block *b)
{
    *b = (struct block){0};
    b->out = open_memstream(&b->text, &b->size);
    return b->out ? ST_OK : fail(ST_OOM, "report: no memory for commands");
}

/* Adds it to the document, where there is something in it. */
static enum status block_end(struct report *report, struct block *b)
{
    bool written = fclose(b->out) == 0;
    if (written && b->size > 0)
        doc_code(report->doc, b->text);
    free(b->text);
    return written ? ST_OK : fail(ST_OOM, "report: no memory for commands");
}

/* "again-NAME" for the k-th file: of files with one name the later ones have a number. */
static void name_again(const struct report *report, int f, char text[REPORT_TEXT])
{
    int before = 0;
    char *name = files_name(report->paths[f]), number[32] = "";
    for (int k = 0; k < f && name; k++) {
        char *other = files_name(report->paths[k]);
        before += other && strcmp(name, other) == 0;
        free(other);
    }
    if (before > 0)
        snprintf(number, sizeof number, "-%d", before + 1);
    if (report->files->n > 1)
        snprintf(text, REPORT_TEXT, "again-%.900s%s.jsonl", name ? name : "", number);
    else
        snprintf(text, REPORT_TEXT, "again.jsonl");
    free(name);
}

/* `compare` has no verdict on few loops, which the same commands give again. */
static void put_verdicts(struct report *report, int f)
{
    const struct record_rounds *rows = &report->files->rounds[f];
    int ok = 0, few = 0;
    for (int i = 0; i < rows->n; i++) {
        ok += rows->v[i]->status == ENDING_OK;
        few += rows->v[i]->status == ENDING_OK && rows->v[i]->latency_ms.samples.n < COMPARE_LEAST;
    }
    if (few > 0)
        doc_text(
            report->doc,
            "%d of its %d cell%s %s fewer than %d loops: `compare` shows the medians of these, "
            "and has no verdict but AMBIGUOUS.",
            few, ok, report_plural(ok), few == 1 ? "has" : "have", COMPARE_LEAST);
}

static enum status put_again(struct report *report, int f)
{
    struct block b;
    char again[REPORT_TEXT];
    name_again(report, f, again);
    TRY(block_begin(&b));
    enum status st = report_put_again(b.out, &report->files->list[f], again);
    fputs("build/ditbench compare ", b.out);
    text_put_word(b.out, report->paths[f]);
    fprintf(b.out, " ");
    text_put_word(b.out, again);
    fputc('\n', b.out);
    TRY(block_end(report, &b));
    TRY(st);
    put_verdicts(report, f);
    return ST_OK;
}

static enum status put_builds(struct report *report)
{
    struct block b;
    int rows, unbuilt = report_count_unbuilt(report->files, &rows);
    const char *where = "On the same kind of machine, in a clone of ditbench.";
    if (unbuilt == 0)
        doc_text(report->doc,
                 "%s First the builds that made the rows, each in a tree of its own:", where);
    else if (unbuilt == rows)
        doc_text(report->doc,
                 "%s Which commit made the rows they do not tell, so that what differs may be the "
                 "build's. First the build of this tree:",
                 where);
    else
        doc_text(report->doc,
                 "%s First the builds that made the rows, each in a tree of its own. %d of %d rows "
                 "%s not tell %s commit, and take%s the build of this tree, so that what differs "
                 "may be the build's:",
                 where, unbuilt, rows, unbuilt == 1 ? "does" : "do", unbuilt == 1 ? "its" : "their",
                 unbuilt == 1 ? "s" : "");
    TRY(block_begin(&b));
    report_put_builds(b.out, report->files);
    return block_end(report, &b);
}

static enum status put_recorded(struct report *report, int f)
{
    struct block b;
    char path[REPORT_TEXT];
    doc_fold(report->doc, "What made `%s`, as its rows say", report_plain(report->paths[f], path));
    TRY(block_begin(&b));
    put_argv(b.out, &report->files->rounds[f]);
    TRY(block_end(report, &b));
    doc_unfold(report->doc);
    return ST_OK;
}

static enum status put_cells(struct report *report)
{
    struct block b;
    int n = 0;
    TRY(block_begin(&b));
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        if (row->record->status != ENDING_OK || row->left_out || sheet_peer(row->record))
            continue;
        put_cell(b.out, &row->record->cell);
        n++;
    }
    if (n > 0)
        doc_fold(
            report->doc,
            "One command for each of the %d cells of ours in the tables, by the build of this tree",
            n);
    enum status st = block_end(report, &b);
    if (n > 0)
        doc_unfold(report->doc);
    return st;
}

enum status report_repeat(struct report *report)
{
    struct block b;
    char path[REPORT_TEXT];
    doc_heading(report->doc, 2, "How to repeat it");
    TRY(put_builds(report));
    doc_text(report->doc, "Then the same cells, with the files and options of that time, and cell "
                          "by cell whether it is the same again.");
    for (int f = 0; f < report->files->n; f++) {
        if (report->files->n > 1)
            doc_text(report->doc, "`%s`:", report_plain(report->paths[f], path));
        TRY(put_again(report, f));
        TRY(put_recorded(report, f));
    }
    TRY(put_cells(report));
    doc_text(report->doc, "This page:");
    TRY(block_begin(&b));
    put_report(b.out, report);
    return block_end(report, &b);
}
