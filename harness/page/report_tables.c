/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Tables": every cell that is drawn, the fastest of each rank count first. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/report/memory.h"

#include <math.h>
#include <stdio.h>

static void put_number(struct doc *doc, double value)
{
    char text[TEXT_NUMBER];
    doc_cell(doc, "%s", isfinite(value) ? text_number(value, text) : "-");
}

static void put_interval(struct doc *doc, const struct record *r)
{
    char low[TEXT_NUMBER], high[TEXT_NUMBER];
    struct report_interval i = report_interval_of(r);
    if (!isfinite(i.low) || !isfinite(i.high))
        doc_cell(doc, "-");
    else
        doc_cell(doc, "%s%s to %s%s", i.range ? "(" : "", text_number(i.low, low),
                 text_number(i.high, high), i.range ? ")" : "");
}

static void put_row(struct doc *doc, const struct sheet_row *row)
{
    const struct record *r = row->record;
    char text[REPORT_TEXT];
    double speedup = row->serial ? row->serial->latency_ms.median / r->latency_ms.median : NAN;
    doc_cell(doc, "%s", report_strategy(r, text));
    doc_cell(doc, "%d", r->cell.ranks);
    put_number(doc, r->latency_ms.median);
    put_interval(doc, r);
    doc_cell(doc, "%d", r->latency_ms.samples.n);
    put_number(doc, r->latency_ms.median / r->cell.steps);
    put_number(doc, speedup);
    put_number(doc, 100 * speedup / r->cell.ranks);
    put_number(doc, memory_fullest(&r->memory_bytes).total / 1e6);
    put_number(doc, report_sent(r) / 1e6);
    doc_cell(doc, "%s", *report_flags(r, text) ? text : "-");
}

static enum status put_group(struct report *report, const struct plot_group *group)
{
    static const enum doc_align align[] = {DOC_LEFT,  DOC_RIGHT, DOC_RIGHT, DOC_RIGHT,
                                           DOC_RIGHT, DOC_RIGHT, DOC_RIGHT, DOC_RIGHT,
                                           DOC_RIGHT, DOC_RIGHT, DOC_LEFT};
    static const char *const title[] = {
        "strategy",  "ranks",    "ms a loop",     "95 % interval", "loops",
        "ms a step", "speed-up", "efficiency, %", "memory, MB",    "sent a rank and step, MB",
        "flags"};
    enum status st = ST_OK;
    bool allocator = false;
    const struct sheet_row *of = group->first;
    char model[REPORT_TEXT], size[REPORT_TEXT], run[REPORT_TEXT], threads[REPORT_TEXT];
    struct doc *doc = report->doc;
    doc_table(doc, 11, align);
    doc_fit(doc);
    doc_caption(doc, "%s, %s%s%s. In brackets: fastest and slowest loop, of fewer than 6.",
                report_model(&of->record->cell, model), report_size(&of->record->cell, size),
                report_threads(report, of, threads), report_run(report, of, run));
    for (int i = 0; i < 11; i++)
        doc_cell(doc, "%s", title[i]);
    for (int ranks = report_rank_next(group, 0); ranks > 0 && st == ST_OK;
         ranks = report_rank_next(group, ranks)) {
        struct report_rank rank;
        st = report_rank_open(group, ranks, &rank);
        for (int i = 0; i < rank.n + rank.peers; i++) {
            put_row(doc, rank.v[i]);
            allocator |= report_allocator(rank.v[i]->record);
        }
        report_rank_close(&rank);
    }
    if (allocator)
        report_allocator_note(report);
    return st;
}

/* ---- cells that stand alone: one table for all ---- */

static bool is_alone(const struct report *report, const struct plot_group *group)
{
    for (int i = 0; i < report->ranks.n; i++)
        if (report->ranks.v[i].group == group && !report_rank_alone(&report->ranks.v[i]))
            return false;
    return true;
}

static void put_alone_row(struct report *report, const struct sheet_row *row)
{
    struct doc *doc = report->doc;
    const struct record *r = row->record;
    char text[REPORT_TEXT];
    report_cell(report, row);
    put_number(doc, r->latency_ms.median);
    put_interval(doc, r);
    doc_cell(doc, "%d", r->latency_ms.samples.n);
    doc_cell(doc, "%d", r->cell.steps);
    put_number(doc, r->latency_ms.median / r->cell.steps);
    put_number(doc, memory_fullest(&r->memory_bytes).total / 1e6);
    doc_cell(doc, "%s", *report_flags(r, text) ? text : "-");
}

static void put_alone(struct report *report)
{
    static const struct report_column columns[] = {
        {"ms a loop", DOC_RIGHT}, {"95 % interval", DOC_RIGHT}, {"loops", DOC_RIGHT},
        {"steps", DOC_RIGHT},     {"ms a step", DOC_RIGHT},     {"memory, MB", DOC_RIGHT},
        {"flags", DOC_LEFT}};
    bool any = false, allocator = false;
    for (int i = 0; i < report->ranks.n; i++) {
        const struct report_rank *rank = &report->ranks.v[i];
        if (!is_alone(report, rank->group))
            continue;
        if (!any)
            report_table(report,
                         "One rank, where nothing else of ours was measured. In brackets: fastest "
                         "and slowest loop, of fewer than 6",
                         7, columns);
        any = true;
        for (int k = 0; k < rank->n + rank->peers; k++) {
            put_alone_row(report, rank->v[k]);
            allocator |= report_allocator(rank->v[k]->record);
        }
    }
    if (allocator)
        report_allocator_note(report);
}

enum status report_tables(struct report *report)
{
    const struct plot_selection *s = &report->selection;
    char text[REPORT_TEXT];
    doc_heading(report->doc, 2, "Tables");
    for (int i = 0; i < s->n; i++)
        for (int g = 0; g < s->setting[i].n; g++)
            if (!is_alone(report, &s->setting[i].group[g]))
                TRY(put_group(report, &s->setting[i].group[g]));
    put_alone(report);
    if (*sheet_left_out(report->sheet->n, report->sheet->sorted, sizeof text, text))
        doc_text(report->doc, "Of %d row%s not in these tables, nor in a curve: %s.",
                 report->sheet->n, report_plural(report->sheet->n), text);
    doc_text(report->doc, "`ditbench plot` writes these and all further columns as CSV.");
    return ST_OK;
}
