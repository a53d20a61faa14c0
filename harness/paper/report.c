/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader of a reproduced figure must know before believing it. */
#include "harness/paper/report.h"

#include "harness/base/text.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = TEXT_NUMBER };

static const char *number(double value, char text[NUMBER])
{
    return isfinite(value) ? text_number(value, text) : strcpy(text, "-");
}

/* ---- summary ---- */

/* Points of which no row says anything, not even that it failed. */
static int without_row(const struct paper_rows *rows)
{
    int n = 0;
    for (int i = 0; i < rows->n; i++)
        n += rows->v[i].cell && !rows->v[i].record && !rows->v[i].failed;
    return n;
}

static void put_summary(const struct paper_report *r, struct doc *doc)
{
    const int *count = r->rows->count;
    char hardware[PAPER_HARDWARE];
    doc_text(doc, "%s.", r->pack->values->description);
    doc_text(doc, "Of %d points: %d reproduced, %d not reproduced, %d not comparable%s.",
             r->rows->n, count[PAPER_REPRODUCED], count[PAPER_NOT_REPRODUCED],
             count[PAPER_NOT_COMPARABLE],
             count[PAPER_NOT_COMPARABLE] ? " (each with its reason)" : "");
    if (r->rows->stand_in)
        doc_text(doc, "This is a stand-in for tests: tiny models on the CPU took the place of all "
                      "cells. Nothing here may be compared with what was published.");
    else
        doc_text(doc, "Ours are from: %s.",
                 paper_rows_hardware(r->rows, sizeof hardware, hardware));
    if (without_row(r->rows))
        doc_text(doc,
                 "%d point%s no row of ours, so no speed: memory and bytes are then of a bounded "
                 "run with ranks as threads, or of the plan, as each row says.",
                 without_row(r->rows), without_row(r->rows) == 1 ? " has" : "s have");
    if (r->failed)
        doc_text(doc, "%d cell%s failed or %s stopped.", r->failed, r->failed == 1 ? "" : "s",
                 r->failed == 1 ? "was" : "were");
    if (r->pack->order)
        doc_text(doc, "The claim is an order: a point is reproduced when no other value of its "
                      "group, whose published value differs by more than 5%%, stands the other way "
                      "round here or is equal.");
    else
        doc_text(doc, "The claim is a ratio: a point is reproduced when its ratio to the single "
                      "GPU is within 25%% of the published one; a point of one GPU by its ratio to "
                      "the figure's smallest size. Seconds are not compared: the machines differ.");
}

/* ---- protocol ---- */

static void put_line(struct doc *doc, const char *what, const char *theirs, const char *ours)
{
    doc_cell(doc, "%s", what);
    doc_cell(doc, "%s", theirs);
    doc_cell(doc, "%s", ours);
}

/* What every cell of ours has in common, in the words of the table. */
struct ours {
    char steps[60], dtype[60], guidance[60], warmup[60], loops[200];
};

static void say_ours(const struct paper_report *r, struct ours *out)
{
    const struct pack_values *v = r->pack->values;
    const struct paper_cell *c = paper_rows_cell(r->rows);
    const char *repeats = v->repeats ? v->repeats : "5";
    const char *warmup = v->warmup_loops ? v->warmup_loops : "1";
    snprintf(out->dtype, sizeof out->dtype, "%s", c ? c->cell.dtype : "-");
    snprintf(out->guidance, sizeof out->guidance, "%s",
             v->guidance && !r->rows->stand_in ? v->guidance : "the model's own");
    if (r->rows->stand_in && c) {
        snprintf(out->steps, sizeof out->steps, "%d", c->cell.steps);
        snprintf(out->warmup, sizeof out->warmup, "%d loops", c->cell.warmup_loops);
        snprintf(out->loops, sizeof out->loops, "%d, not judged", c->cell.repeats);
    } else {
        snprintf(out->steps, sizeof out->steps, "%s", v->steps);
        snprintf(out->warmup, sizeof out->warmup, "%s loop%s", warmup,
                 strcmp(warmup, "1") == 0 ? "" : "s");
        snprintf(out->loops, sizeof out->loops, "%s loops behind %s to warm up%s", repeats, warmup,
                 v->overrides.n ? "; overrides below" : "");
    }
}

/* Of a stand-in, what the pack says of its real cells would be untrue. */
static void put_differs(const struct paper_report *r, struct doc *doc)
{
    const struct pack_values *v = r->pack->values;
    doc_heading(doc, 3, "Where ours differs");
    if (r->rows->stand_in) {
        doc_item(doc,
                 "In everything: a tiny model of its family stands for each model, at few pixels "
                 "and on at most %d threads of the CPU. What the pack says of its own cells "
                 "(steps, type, loops, overrides) was not run.",
                 PAPER_STAND_IN_RANKS);
        return;
    }
    for (unsigned i = 0; i < v->differs.n; i++)
        doc_item(doc, "%s", v->differs.v[i]);
    for (unsigned i = 0; i < v->overrides.n; i++)
        doc_item(doc, "`%s`", v->overrides.v[i]);
}

static void put_protocol(const struct paper_report *r, struct doc *doc)
{
    static const enum doc_align align[3] = {DOC_LEFT, DOC_LEFT, DOC_LEFT};
    const struct pack_values *v = r->pack->values;
    char machine[PAPER_HARDWARE];
    struct ours ours;
    paper_rows_hardware(r->rows, sizeof machine, machine);
    say_ours(r, &ours);
    doc_heading(doc, 2, "Protocol");
    doc_table(doc, 3, align);
    put_line(doc, "", "published", "ours");
    put_line(doc, "hardware", v->hardware, r->rows->stand_in ? "CPU, a stand-in" : machine);
    put_line(doc, "steps", v->published_steps, ours.steps);
    put_line(doc, "sampler", v->published_sampler, "the model's own (`ditbench list models`)");
    put_line(doc, "type", v->published_dtype, ours.dtype);
    put_line(doc, "guidance", v->published_guidance, ours.guidance);
    put_line(doc, "warm-up", v->published_warmup, ours.warmup);
    put_line(doc, "timed", v->published_timed,
             "the denoising loop alone, barrier to final latent, slowest rank");
    put_line(doc, "loops", v->published_loops, ours.loops);
    put_differs(r, doc);
}

/* ---- pictures ---- */

static void put_picture(const struct paper_report *r, const char *name, const char *alt,
                        const char *caption, struct doc *doc)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.svg", r->folder, name);
    doc_figure(doc, path, alt, caption);
    snprintf(path, sizeof path, "%.*s/%s/%s.svg", PATH_MAX - 100, r->folder, PAPER_NARROW, name);
    doc_figure_narrow(doc, path);
}

static void put_pictures(const struct paper_report *r, struct doc *doc)
{
    if (!r->figure && !r->normalised)
        return;
    doc_heading(doc, 2, "Ours beside theirs");
    if (r->figure)
        put_picture(r, "figure", "published and our values, a line for each point",
                    r->pack->memory ? "GB of the rank that holds most."
                                    : "Seconds of a whole image or video: other machines, so other "
                                      "seconds.",
                    doc);
    if (r->normalised)
        put_picture(r, "normalised", "published and our ratios, a line for each point",
                    "Each over its own single GPU.", doc);
}

/* ---- points ---- */

static void put_head(struct doc *doc, int n, const char *const *title)
{
    for (int i = 0; i < n; i++)
        doc_cell(doc, "%s", title[i]);
}

static void put_point(const struct paper_row *row, struct doc *doc)
{
    const struct published_line *line = row->point->line;
    const char *flag = line ? line->field[PUBLISHED_FLAG] : "";
    bool flagged = flag[0] && !strstr(row->why, flag);
    char text[4][NUMBER];
    doc_cell(doc, "%s%s", row->name, row->point->assumed ? " (assumed)" : "");
    doc_cell(doc, "%d", row->point->gpus);
    doc_cell(doc, "%s", number(row->published.value, text[0]));
    doc_cell(doc, "%s", number(row->published.ratio, text[1]));
    if (isfinite(row->ours.low) && row->ours.low < row->ours.high)
        doc_cell(doc, "%s (%.3g to %.3g)", number(row->ours.value, text[2]), row->ours.low,
                 row->ours.high);
    else
        doc_cell(doc, "%s", number(row->ours.value, text[2]));
    doc_cell(doc, "%s", number(row->ours.ratio, text[3]));
    doc_cell(doc, "%s", paper_verdict_name(row->verdict));
    doc_cell(doc, "%s%s%s%s%s", row->why, row->source[0] ? "; ours: " : "", row->source,
             flagged ? "; flag: " : "", flagged ? flag : "");
}

/* Of one model and size: what is compared with each other. */
static bool together(const struct paper_row *a, const struct paper_row *b)
{
    return strcmp(a->point->model, b->point->model) == 0 && a->point->height == b->point->height &&
           a->point->width == b->point->width;
}

static bool first_of_group(const struct paper_rows *rows, int at)
{
    for (int i = 0; i < at; i++)
        if (!rows->v[i].point->left_out && together(&rows->v[i], &rows->v[at]))
            return false;
    return true;
}

static void put_group(const struct paper_report *r, int first, struct doc *doc)
{
    static const enum doc_align align[8] = {DOC_LEFT,  DOC_RIGHT, DOC_RIGHT, DOC_RIGHT,
                                            DOC_RIGHT, DOC_RIGHT, DOC_LEFT,  DOC_LEFT};
    const struct paper_row *head = &r->rows->v[first];
    const char *unit = r->pack->memory ? "GB" : "s";
    char title[2][60];
    snprintf(title[0], sizeof title[0], "published (%s)", unit);
    snprintf(title[1], sizeof title[1], "ours (%s)", unit);
    const char *const titles[8] = {"point",  "GPUs",  title[0],  "ratio",
                                   title[1], "ratio", "verdict", "why"};
    doc_heading(doc, 3, "%s, %d px", head->point->model, head->point->height);
    doc_table(doc, 8, align);
    doc_fit(doc);
    put_head(doc, 8, titles);
    for (int i = first; i < r->rows->n; i++)
        if (!r->rows->v[i].point->left_out && together(head, &r->rows->v[i]))
            put_point(&r->rows->v[i], doc);
}

static bool has_bounded(const struct paper_rows *rows)
{
    for (int i = 0; i < rows->n; i++)
        if (rows->v[i].cell && rows->v[i].cell->bounded)
            return true;
    return false;
}

static void put_points(const struct paper_report *r, struct doc *doc)
{
    doc_heading(doc, 2, "Points");
    doc_text(doc,
             "Ratio: of several GPUs how many times faster than one%s; of one GPU how many "
             "times the figure's smallest size. Behind ours: p10 to p90%s. Assumed: the figure "
             "does not state all degrees.",
             r->pack->memory ? " (of memory: the rank's over the single GPU's)" : "",
             has_bounded(r->rows)
                 ? "; of a bounded run, by its shortest and its longest steady step"
                 : "");
    for (int i = 0; i < r->rows->n; i++)
        if (!r->rows->v[i].point->left_out && first_of_group(r->rows, i))
            put_group(r, i, doc);
}

static void put_left_out(const struct paper_report *r, struct doc *doc)
{
    int n = 0;
    for (int i = 0; i < r->rows->n; i++)
        n += r->rows->v[i].point->left_out != NULL;
    if (n == 0)
        return;
    doc_fold(doc, "%d rows of the figure are left out", n);
    for (int i = 0; i < r->rows->n; i++) {
        const struct paper_row *row = &r->rows->v[i];
        if (row->point->left_out)
            doc_item(doc, "%s (line %d of %s): %s", row->label, row->point->line->number,
                     row->point->source, row->point->left_out);
    }
    doc_unfold(doc);
}

/* ---- memory and bytes ---- */

static bool seen(const struct paper_rows *rows, int at)
{
    for (int i = 0; i < at; i++)
        if (rows->v[i].cell == rows->v[at].cell)
            return true;
    return false;
}

static void put_memory(const struct paper_report *r, struct doc *doc)
{
    static const enum doc_align align[5] = {DOC_LEFT, DOC_LEFT, DOC_RIGHT, DOC_RIGHT, DOC_LEFT};
    static const char *const head[5] = {"cell", "strategy", "GB of the fullest rank",
                                        "MB it sends in a loop", "from"};
    char text[2][NUMBER];
    doc_heading(doc, 2, "Memory and bytes");
    doc_text(doc,
             "Of the denoising model alone: no text encoder, no decoder. MB sent: of the rank "
             "that sends most, in a loop of all %.0f steps.",
             paper_rows_cell(r->rows) ? paper_rows_cell(r->rows)->steps : r->pack->steps);
    doc_table(doc, 5, align);
    doc_fit(doc);
    put_head(doc, 5, head);
    for (int i = 0; i < r->rows->n; i++) {
        const struct paper_row *row = &r->rows->v[i];
        if (!row->cell || seen(r->rows, i))
            continue;
        doc_cell(doc, "%s, %d px", row->cell->cell.model, row->cell->cell.height);
        doc_cell(doc, "%s", row->cell->cell.strategy);
        doc_cell(doc, "%s", number(row->memory_gb, text[0]));
        doc_cell(doc, "%s", number(row->wire_mb, text[1]));
        doc_cell(doc, "%s", row->memory_source[0] ? row->memory_source : row->cell->text);
    }
}

/* ---- again ---- */

/* The command that makes this page of these rows; the page is not what it is without them. */
static void put_command(const struct paper_report *r, struct doc *doc)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    fputs("build/ditbench reproduce ", out);
    text_put_word(out, r->given);
    fputs(" --results ", out);
    text_put_word(out, r->results);
    fputs(" --out ", out);
    text_put_word(out, r->folder);
    fputs(r->rows->stand_in ? " --tiny" : "", out);
    if (fclose(out) == 0)
        doc_code(doc, text);
    free(text);
}

static void put_again(const struct paper_report *r, struct doc *doc)
{
    doc_heading(doc, 2, "Again");
    put_command(r, doc);
    doc_text(doc, "Rows: `%s`. Published values:", r->results);
    for (unsigned i = 0; i < r->pack->values->sources.n; i++)
        doc_item(doc, "`%s`", r->pack->source[i]);
}

void paper_report_fill(const struct paper_report *r, struct doc *doc)
{
    doc_heading(doc, 1, "%s: published and reproduced", r->pack->values->name);
    put_summary(r, doc);
    put_pictures(r, doc);
    put_points(r, doc);
    put_left_out(r, doc);
    put_memory(r, doc);
    put_protocol(r, doc);
    put_again(r, doc);
}
