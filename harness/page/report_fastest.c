/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of "In short": the fastest cell of each size and rank count, serial runs by model and
 * size, other programs beside ours. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/plot/text.h"
#include "harness/report/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 8 /* columns of the table by size at most */ };

static double step_ms(const struct sheet_row *row)
{
    return row->record->latency_ms.median / row->record->cell.steps;
}

/* ---- the fastest ---- */

static const struct report_column columns[] = {
    {"steps", DOC_RIGHT},
    {"ranks", DOC_RIGHT},
    {"fastest", DOC_LEFT},

    {"a step", DOC_RIGHT},
    {"speed-up", DOC_RIGHT},
    {"memory", DOC_RIGHT},
    {"sent by a rank a step", DOC_RIGHT},
    {"within noise of it", DOC_LEFT},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* Model and run stand there only where there are several. */
static void put_head(struct report *report)
{
    struct report_column all[COLUMNS + 3];
    enum doc_align align[COLUMNS + 3] = {DOC_LEFT};
    int n = 0;
    if (report->several_models)
        all[n++] = (struct report_column){"model", DOC_LEFT};
    if (report->several_runs)
        all[n++] = (struct report_column){"run", DOC_LEFT};
    all[n++] = (struct report_column){"size", DOC_LEFT};
    memcpy(all + n, columns, sizeof columns);
    n += COLUMNS;
    for (int i = 0; i < n; i++)
        align[i] = all[i].align;
    doc_table(report->doc, n, align);
    doc_fit(report->doc);
    doc_caption(report->doc,
                "The fastest cell of each size and rank count. Speed-up: over `serial` on one "
                "rank. Memory: of the fullest rank.");
    for (int i = 0; i < n; i++)
        doc_cell(report->doc, "%s", all[i].title);
}

static void put_place(struct report *report, const struct sheet_row *row)
{
    char text[REPORT_TEXT];
    if (report->several_models)
        doc_cell(report->doc, "%s", report_model(&row->record->cell, text));
    if (report->several_runs)
        doc_cell(report->doc, "%s", report_run_name(report, row, text));
    doc_cell(report->doc, "%s", report_size(&row->record->cell, text));
}

static void put_ties(struct doc *doc, const struct report_rank *rank)
{
    char ties[4 * REPORT_TEXT] = "", text[REPORT_TEXT];
    size_t n = 0;
    for (int i = 1; i <= rank->tied && n < sizeof ties; i++)
        n += (size_t)snprintf(ties + n, sizeof ties - n, "%s%s", i > 1 ? ", " : "",
                              report_strategy(rank->v[i]->record, text));
    doc_cell(doc, "%s", rank->n == 1 ? "(the only one)" : *ties ? ties : "nothing");
}

static void put_line(struct report *report, const struct report_rank *rank)
{
    struct doc *doc = report->doc;
    const struct sheet_row *row = rank->v[0];
    const struct record *r = row->record;
    char text[REPORT_TEXT];
    put_place(report, row);
    doc_cell(doc, "%d", r->cell.steps);
    doc_cell(doc, "%d", rank->ranks);
    doc_cell(doc, "%s", report_strategy(r, text));
    doc_cell(doc, "%s", report_time(step_ms(row), text));
    if (row->serial)
        doc_cell(doc, "%.2f", row->serial->latency_ms.median / r->latency_ms.median);
    else
        doc_cell(doc, "-");
    doc_cell(doc, "%s", report_bytes(memory_fullest(&r->memory_bytes).total, text));
    doc_cell(doc, "%s", rank->ranks > 1 ? report_bytes(report_sent(r), text) : "-");
    put_ties(doc, rank);
}

static void put_fastest(struct report *report)
{
    bool any = false, allocator = false;
    for (int i = 0; i < report->ranks.n; i++) {
        if (report_rank_alone(&report->ranks.v[i]))
            continue;
        if (!any)
            put_head(report);
        any = true;
        put_line(report, &report->ranks.v[i]);
        allocator |= report_allocator(report->ranks.v[i].v[0]->record);
    }
    if (allocator)
        report_allocator_note(report);
}

/* ---- serial runs ---- */

/* A line of the table: a model in one file and setting. */
struct line {
    const struct sheet_row *at[SIZES]; /* by column; NULL: not measured */
    const struct sheet_row *of;
};

struct grid {
    int sizes, lines;
    const struct record_cell *size[SIZES]; /* images before videos, ascending */
    struct line *line;                     /* as many as there may be */
    int steps;                             /* those of most loops */
};

static bool same_size(const struct record_cell *a, const struct record_cell *b)
{
    return a->width == b->width && a->height == b->height && a->frames == b->frames;
}

static bool size_above(const struct record_cell *a, const struct record_cell *b)
{
    int x = a->width * a->height, y = b->width * b->height;
    return a->frames != b->frames ? a->frames > b->frames : x != y ? x > y : a->width > b->width;
}

/* The column of a size, made where it is new; -1: there are too many. */
static int grid_column(struct grid *grid, const struct record_cell *size)
{
    int place = 0;
    for (int i = 0; i < grid->sizes; i++)
        if (same_size(grid->size[i], size))
            return i;
    if (grid->sizes == SIZES)
        return -1;
    while (place < grid->sizes && size_above(size, grid->size[place]))
        place++;
    memmove(grid->size + place + 1, grid->size + place,
            (size_t)(grid->sizes - place) * sizeof *grid->size);
    grid->size[place] = size;
    grid->sizes++;
    return place;
}

/* All but size and steps. */
static bool same_line(const struct sheet_row *a, const struct sheet_row *b)
{
    const struct record_cell *x = &a->record->cell, *y = &b->record->cell;
    return text_same(x->model, y->model) && text_same(a->run, b->run) &&
           x->guidance == y->guidance && x->requests == y->requests &&
           text_same(x->dtype, y->dtype) && text_same(x->backend, y->backend) &&
           text_same(x->transport, y->transport) && x->threads == y->threads &&
           text_same(a->record->env.commit, b->record->env.commit) &&
           text_same(a->record->env.host, b->record->env.host);
}

/* The first line that it fits in, or a new one. */
static void grid_add(struct grid *grid, const struct sheet_row *row)
{
    int column = grid_column(grid, &row->record->cell), i = 0;
    while (i < grid->lines && (grid->line[i].at[column] || !same_line(grid->line[i].of, row)))
        i++;
    if (i == grid->lines)
        grid->line[grid->lines++].of = row;
    grid->line[i].at[column] = row;
}

/* What other programs are set beside is in the table of these. */
static bool is_serial(const struct report_rank *rank)
{
    return report_rank_alone(rank) && rank->peers == 0;
}

/* The steps that most of the serial runs have; of equally many the most steps. */
static int most_steps(const struct report_ranks *ranks)
{
    int best = 0, steps = 0;
    for (int i = 0; i < ranks->n; i++) {
        int n = 0, own = ranks->v[i].v[0]->record->cell.steps;
        for (int k = 0; k < ranks->n; k++)
            n += is_serial(&ranks->v[k]) && ranks->v[k].v[0]->record->cell.steps == own;
        if (is_serial(&ranks->v[i]) && (n > best || (n == best && own > steps))) {
            best = n;
            steps = own;
        }
    }
    return steps;
}

/* Whether two lines have one model and run, so that their setting has to be told. */
static bool grid_tells_setting(const struct grid *grid)
{
    for (int i = 0; i < grid->lines; i++)
        for (int k = 0; k < i; k++)
            if (text_same(grid->line[i].of->record->cell.model,
                          grid->line[k].of->record->cell.model) &&
                text_same(grid->line[i].of->run, grid->line[k].of->run))
                return true;
    return false;
}

static void put_grid_cell(struct doc *doc, const struct grid *grid, const struct sheet_row *row)
{
    char time[REPORT_TEXT], held[REPORT_TEXT], steps[32] = "";
    if (!row) {
        doc_cell(doc, " ");
        return;
    }
    double memory = memory_fullest(&row->record->memory_bytes).total;
    if (row->record->cell.steps != grid->steps)
        snprintf(steps, sizeof steps, " (%d step%s)", row->record->cell.steps,
                 report_plural(row->record->cell.steps));
    report_time(step_ms(row), time);
    report_bytes(memory, held);
    doc_cell(doc, "%s%s%s%s", time, memory > 0 ? ", " : "", memory > 0 ? held : "", steps);
}

/* "1024 px", "512 px x 16" */
static void put_size(struct doc *doc, const struct record_cell *c)
{
    char text[REPORT_TEXT], frames[32] = "";
    if (c->frames > 1)
        snprintf(frames, sizeof frames, "\u00a0\u00d7\u00a0%d", c->frames);
    if (c->width == c->height)
        doc_cell(doc, "%d\u00a0px%s", c->width, frames);
    else
        doc_cell(doc, "%s", report_size(c, text));
}

static bool grid_tells_commit(const struct grid *grid)
{
    for (int i = 1; i < grid->lines; i++)
        if (!text_same(grid->line[i].of->record->env.commit, grid->line[0].of->record->env.commit))
            return true;
    return false;
}

static void put_grid_head(struct report *report, const struct grid *grid, bool setting, bool commit)
{
    enum doc_align align[SIZES + 4];
    int k = 1 + (report->files->n > 1) + commit + setting;
    for (int i = 0; i < k + grid->sizes; i++)
        align[i] = i < k ? DOC_LEFT : DOC_RIGHT;
    doc_table(report->doc, k + grid->sizes, align);
    doc_caption(report->doc,
                "`serial` on one rank, where nothing else was measured on one: time of a step, and "
                "memory; of squares the side, of videos the frames. Loops of %d step%s where no "
                "other number stands.",
                grid->steps, report_plural(grid->steps));
    doc_cell(report->doc, "model");
    if (report->files->n > 1)
        doc_cell(report->doc, "run");
    if (commit)
        doc_cell(report->doc, "commit");
    if (setting)
        doc_cell(report->doc, "setting");
    for (int i = 0; i < grid->sizes; i++)
        put_size(report->doc, grid->size[i]);
}

static void put_grid(struct report *report, const struct grid *grid)
{
    char text[PLOT_TEXT + REPORT_TEXT];
    bool setting = grid_tells_setting(grid), commit = grid_tells_commit(grid);
    put_grid_head(report, grid, setting, commit);
    for (int i = 0; i < grid->lines; i++) {
        const struct line *line = &grid->line[i];
        doc_cell(report->doc, "%s", report_model(&line->of->record->cell, text));
        if (report->files->n > 1)
            doc_cell(report->doc, "%s", report_plain(line->of->run, text));
        if (commit)
            doc_cell(report->doc, "%.12s",
                     line->of->record->env.commit ? line->of->record->env.commit : "-");
        if (setting)
            doc_cell(report->doc, "%s", plot_text_setting(line->of, text));
        for (int k = 0; k < grid->sizes; k++)
            put_grid_cell(report->doc, grid, line->at[k]);
    }
}

static enum status put_serial(struct report *report)
{
    const struct report_ranks *ranks = &report->ranks;
    struct grid grid = {.steps = most_steps(ranks)};
    int further = 0; // of more sizes than columns
    grid.line = calloc((size_t)ranks->n + 1, sizeof *grid.line);
    if (!grid.line)
        return fail(ST_OOM, "report: %d lines", ranks->n);
    for (int i = 0; i < ranks->n; i++)
        if (is_serial(&ranks->v[i]))
            grid_column(&grid, &ranks->v[i].v[0]->record->cell);
    for (int i = 0; i < ranks->n; i++) {
        if (!is_serial(&ranks->v[i]))
            continue;
        if (grid_column(&grid, &ranks->v[i].v[0]->record->cell) >= 0)
            grid_add(&grid, ranks->v[i].v[0]);
        else
            further++;
    }
    if (grid.lines > 0)
        put_grid(report, &grid);
    if (further > 0)
        doc_text(report->doc, "%d further serial run%s of other sizes: \u201cTables\u201d.",
                 further, report_plural(further));
    free(grid.line);
    return ST_OK;
}

/* ---- other programs ---- */

/* Names the program alone where it ran the strategy that ours did. */
static void put_program(struct doc *doc, const struct record *peer, const struct record *ours)
{
    char text[REPORT_TEXT];
    const char *other = report_deviates(peer) ? ", another result" : "";
    const char *noisy = record_has_flag(peer, RECORD_NOISY) ? ", noisy" : "";
    if (strcmp(peer->cell.strategy, ours->cell.strategy) == 0)
        doc_cell(doc, "%.200s%s%s", peer->cell.backend, other, noisy);
    else
        doc_cell(doc, "%s%s%s", report_strategy(peer, text), other, noisy);
}

static void put_peer(struct report *report, const struct report_rank *rank, int peer)
{
    char text[REPORT_TEXT];
    struct doc *doc = report->doc;
    const struct sheet_row *ours = report_rank_beside(rank, peer), *theirs = rank->v[peer];
    const struct record_cell *c = &ours->record->cell;
    doc_cell(doc, "%s", report_model(c, text));
    if (report->several_runs)
        doc_cell(doc, "%s", report_run_name(report, ours, text));
    doc_cell(doc, "%s", report_size(c, text));
    doc_cell(doc, "%d", rank->ranks);
    doc_cell(doc, "%s", report_strategy(ours->record, text));
    doc_cell(doc, "%.4g", step_ms(ours));
    put_program(doc, theirs->record, ours->record);
    doc_cell(doc, "%.4g", step_ms(theirs));
    doc_cell(doc, "%.2f", step_ms(theirs) / step_ms(ours));
}

/* The run stands there only where there are several. */
static void put_peers_head(struct report *report)
{
    static const struct report_column columns_of[] = {
        {"model", DOC_LEFT},     {"run", DOC_LEFT},        {"size", DOC_LEFT},
        {"ranks", DOC_RIGHT},    {"ditbench", DOC_LEFT},   {"ms a step", DOC_RIGHT},
        {"the other", DOC_LEFT}, {"ms a step", DOC_RIGHT}, {"times as long", DOC_RIGHT}};
    enum { N = sizeof columns_of / sizeof columns_of[0], RUN = 1 };
    enum doc_align align[N];
    int n = 0;
    for (int i = 0; i < N; i++)
        if (i != RUN || report->several_runs)
            align[n++] = columns_of[i].align;
    doc_table(report->doc, n, align);
    doc_fit(report->doc);
    doc_caption(report->doc,
                "Other programs: the same work in the same run, but where another result is "
                "told; ms a step");
    for (int i = 0; i < N; i++)
        if (i != RUN || report->several_runs)
            doc_cell(report->doc, "%s", columns_of[i].title);
}

static void put_peers(struct report *report)
{
    bool any = false;
    for (int i = 0; i < report->ranks.n; i++) {
        const struct report_rank *rank = &report->ranks.v[i];
        if (rank->peers > 0 && !any)
            put_peers_head(report);
        any |= rank->peers > 0;
        for (int k = rank->n; k < rank->n + rank->peers; k++)
            put_peer(report, rank, k);
    }
}

enum status report_fastest(struct report *report)
{
    put_fastest(report);
    TRY(put_serial(report));
    put_peers(report);
    return ST_OK;
}
