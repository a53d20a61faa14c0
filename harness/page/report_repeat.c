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
    fputs("build/ditbench run", out);
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

/* Where the build of a commit is, and a file in it; here where the commit is unknown. */
static void put_folder(FILE *out, const char *commit, const char *file)
{
    char path[REPORT_TEXT];
    snprintf(path, sizeof path, "%s%.400s%s%s", commit ? "../ditbench-" : "", commit ? commit : "",
             commit && *file ? "/" : "", file);
    put_word(out, path);
}

/* Each build of the file's rows once, beside this tree, whose results stay as they are. */
static void put_builds(FILE *out, const struct record_rounds *rows)
{
    for (int i = 0; i < rows->n; i++) {
        const struct record_env *env = &rows->v[i]->env;
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = same_text(env->commit, rows->v[k]->env.commit);
        if (again || !env->commit)
            continue;
        fputs("git worktree add ", out);
        put_folder(out, env->commit, "");
        fputc(' ', out);
        put_word(out, env->commit);
        fputs(" && make -C ", out);
        put_folder(out, env->commit, "");
        fprintf(out, "%s\n",
                env->dirty == RECORD_YES ? "   # and local changes that are not in the commit"
                                         : "");
    }
}

/* The sweep of a recorded command line, with its options but where rows went; false: none. */
static bool put_sweep(FILE *out, const struct record *r, const char *name, const char *again)
{
    if (r->argv.n < 3 || strcmp(r->argv.v[1], "sweep") != 0 || r->argv.v[2][0] == '-')
        return false;
    put_folder(out, r->env.commit, "build/ditbench");
    fputs(" sweep ", out);
    put_word(out, name);
    for (int k = 3; k < r->argv.n; k++) {
        if (strcmp(r->argv.v[k], "--results") == 0) {
            k++;
            continue;
        }
        fputc(' ', out);
        put_word(out, r->argv.v[k]);
    }
    put_option(out, "results", again);
    fputc('\n', out);
    return true;
}

/* The sides that the scripts for other programs are asked for; false: there is none in these rows.
 */
static bool put_peers(FILE *out, const struct record_rounds *rows, const char *again)
{
    bool any = false;
    for (int i = 0; i < rows->n; i++) {
        const char *program = rows->v[i]->cell.backend;
        bool said = !sheet_peer(rows->v[i]);
        for (int k = 0; k < i && !said; k++)
            said = strcmp(program, rows->v[k]->cell.backend) == 0;
        if (said)
            continue;
        if (!any) {
            fputs("experiments/peers/peers.py", out);
            put_option(out, "out", again);
            fputs(" --ditbench ", out);
            put_folder(out, rows->v[i]->env.commit, "build/ditbench");
            fputs(" --sides ditbench", out);
        }
        any = true;
        fputc(',', out);
        put_word(out, program);
    }
    fputs(any ? "\n" : "", out);
    return any;
}

/* What makes a file's rows again, and compares. */
static void put_file(FILE *out, const char *path, const struct record_rounds *rows,
                     const char *again)
{
    const char *name = rows->n > 0 ? rows->v[0]->experiment : NULL;
    bool any;
    put_builds(out, rows);
    if (!name || !*name)
        return;
    any = put_peers(out, rows, again);
    for (int i = 0; i < rows->n && !sheet_peer(rows->v[0]); i++) {
        bool said = false;
        for (int k = 0; k < i && !said; k++)
            said = same_argv(rows->v[i], rows->v[k]);
        if (!said && !sheet_peer(rows->v[i]))
            any |= put_sweep(out, rows->v[i], rows->v[i]->experiment, again);
    }
    if (!any) {
        put_folder(out, rows->v[0]->env.commit, "build/ditbench");
        fputs(" sweep ", out);
        put_word(out, name);
        put_option(out, "results", again);
        fputc('\n', out);
    }
    fputs("build/ditbench compare ", out);
    put_word(out, path);
    fputc(' ', out);
    put_word(out, again);
    fputc('\n', out);
}

static void put_report(FILE *out, struct report *report)
{
    fputs("build/ditbench report", out);
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

static enum status put_again(struct report *report, int f)
{
    struct block b;
    char again[REPORT_TEXT];
    const char *run = report->files->n > 1 ? report->files->run[f] : "";
    snprintf(again, sizeof again, "again%s%.900s.jsonl", *run ? "-" : "",
             strchr(run, '/') ? strrchr(run, '/') + 1 : run);
    TRY(block_begin(&b));
    put_file(b.out, report->paths[f], &report->files->rounds[f], again);
    return block_end(report, &b);
}

static enum status put_recorded(struct report *report, int f)
{
    struct block b;
    doc_fold(report->doc, "What made `%s`, as its rows say", report->paths[f]);
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
        doc_fold(report->doc, "One command for each of the %d cells of ours in the tables", n);
    enum status st = block_end(report, &b);
    if (n > 0)
        doc_unfold(report->doc);
    return st;
}

enum status report_repeat(struct report *report)
{
    struct block b;
    doc_heading(report->doc, 2, "How to repeat it");
    doc_text(report->doc,
             "On the same kind of machine, in a clone of ditbench: the same build, the "
             "same cells, and cell by cell whether it is the same again.");
    for (int f = 0; f < report->files->n; f++) {
        if (report->files->n > 1)
            doc_text(report->doc, "`%s`:", report->paths[f]);
        TRY(put_again(report, f));
        TRY(put_recorded(report, f));
    }
    TRY(put_cells(report));
    doc_text(report->doc, "This page:");
    TRY(block_begin(&b));
    put_report(b.out, report);
    return block_end(report, &b);
}
