/* SPDX-License-Identifier: Apache-2.0 */
/* The section "How to repeat it": the build, the commands that made the files, and one command for
 * each cell. */
#include "harness/page/report_part.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words of a shell ---- */

static void put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:=,+@%^-";
    if (*word && word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

static void put_option(FILE *out, const char *option, const char *word)
{
    fprintf(out, " --%s ", option);
    put_word(out, word);
}

/* ---- the commands ---- */

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
            put_word(out, r->argv.v[k]);
        }
        fputs(again || r->argv.n == 0 ? "" : "\n", out);
    }
}

static void put_cell(FILE *out, const struct record_cell *c)
{
    fputs("ditbench run", out);
    put_option(out, "model", c->model);
    if (c->height == c->width)
        fprintf(out, " --size %d", c->width);
    else
        fprintf(out, " --size %dx%d", c->width, c->height);
    if (c->frames > 1)
        fprintf(out, " --frames %d", c->frames);
    fprintf(out, " --steps %d --guidance %g --requests %d --seed %" PRIu64, c->steps, c->guidance,
            c->requests, c->seed);
    put_option(out, "dtype", c->dtype);
    put_option(out, "backend", c->backend);
    put_option(out, "transport", c->transport);
    put_option(out, "strategy", c->strategy);
    fprintf(out, " --threads %d --warmup-loops %d", c->threads, c->warmup_loops);
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

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Each build once. */
static void put_builds(FILE *out, const struct sheet *sheet)
{
    for (int i = 0; i < sheet->n; i++) {
        const struct record_env *env = &sheet->v[i].record->env;
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = same_text(env->commit, sheet->v[k].record->env.commit);
        if (again || !env->commit)
            continue;
        fputs("git checkout ", out);
        put_word(out, env->commit);
        fprintf(out, " && make%s\n",
                env->dirty == RECORD_YES ? "   # and local changes that are not in the commit"
                                         : "");
    }
}

static void put_sweeps(FILE *out, struct report *report)
{
    const struct files *files = report->files;
    for (int f = 0; f < files->n; f++) {
        const char *name = files->rounds[f].n > 0 ? files->rounds[f].v[0]->experiment : NULL;
        if (!name || !*name)
            continue;
        fputs("ditbench sweep ", out);
        put_word(out, name);
        put_option(out, "results", "again.jsonl");
        fputs("\nditbench compare ", out);
        put_word(out, report->paths[f]);
        fputs(" again.jsonl\n", out);
    }
}

static void put_report(FILE *out, struct report *report)
{
    fputs("ditbench report", out);
    for (int f = 0; f < report->files->n; f++) {
        fputc(' ', out);
        put_word(out, report->paths[f]);
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

static enum status put_recorded(struct report *report)
{
    for (int f = 0; f < report->files->n; f++) {
        struct block b;
        TRY(block_begin(&b));
        put_argv(b.out, &report->files->rounds[f]);
        doc_text(report->doc, "`%s` was made by, as its rows say:", report->paths[f]);
        TRY(block_end(report, &b));
    }
    return ST_OK;
}

static enum status put_cells(struct report *report)
{
    struct block b;
    int n = 0;
    TRY(block_begin(&b));
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        if (row->record->status != ENDING_OK || row->left_out)
            continue;
        put_cell(b.out, &row->record->cell);
        n++;
    }
    if (n > 0)
        doc_fold(report->doc, "One command for each of the %d cells in the tables", n);
    enum status st = block_end(report, &b);
    if (n > 0)
        doc_unfold(report->doc);
    return st;
}

enum status report_repeat(struct report *report)
{
    struct block b;
    doc_heading(report->doc, 2, "How to repeat it");
    doc_text(report->doc, "The same build, the same experiments, and cell by cell whether it is "
                          "the same again:");
    TRY(block_begin(&b));
    put_builds(b.out, report->sheet);
    put_sweeps(b.out, report);
    TRY(block_end(report, &b));
    TRY(put_recorded(report));
    TRY(put_cells(report));
    doc_text(report->doc, "This page:");
    TRY(block_begin(&b));
    put_report(b.out, report);
    return block_end(report, &b);
}
