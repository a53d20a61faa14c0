/* SPDX-License-Identifier: Apache-2.0 */
/* How things are called in sentences, and numbers that several sections take of a row. */
#include "harness/base/stats.h"
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/plot/text.h"
#include "strategies/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Backticks become quotes. */
static char *without_ticks(char *text)
{
    for (char *at = strchr(text, '`'); at; at = strchr(at, '`'))
        *at = '\'';
    return text;
}

/* A code span; a backtick in it would end it. */
static char *span(const char *name, const char *more, char *text)
{
    char plain[REPORT_TEXT];
    report_plain(name && *name ? name : "?", plain);
    snprintf(text, REPORT_TEXT, "`%.400s`%.100s", plain, more);
    return text;
}

char *report_strategy(const struct record *record, char *text)
{
    char way[PLOT_WAY], strategy[REPORT_TEXT], program[REPORT_TEXT];
    const struct record_cell *cell = &record->cell;
    if (!sheet_peer(record))
        return span(cell->strategy, plot_group_way(cell, way), text);
    snprintf(text, REPORT_TEXT, "%.402s %.600s", span(cell->backend, "", program),
             span(cell->strategy, plot_group_way(cell, way), strategy));
    return text;
}

char *report_model(const struct record_cell *cell, char *text)
{
    return span(model_short(cell->model), "", text);
}

char *report_size(const struct record_cell *cell, char *text)
{
    int n =
        snprintf(text, REPORT_TEXT, "%d\u00a0\u00d7\u00a0%d\u00a0px", cell->width, cell->height);
    if (cell->frames > 1)
        snprintf(text + n, REPORT_TEXT - (size_t)n, ", %d frames", cell->frames);
    return text;
}

static bool same_heading(const struct sheet_row *a, const struct sheet_row *b)
{
    return strcmp(a->record->cell.model, b->record->cell.model) == 0 &&
           a->record->cell.steps == b->record->cell.steps && text_same(a->run, b->run);
}

char *report_threads(const struct report *report, const struct sheet_row *of, char *text)
{
    int threads = of->record->cell.threads;
    text[0] = '\0';
    for (int i = 0; i < report->selection.n && !*text; i++) {
        const struct sheet_row *other = report->selection.setting[i].of;
        if (same_heading(of, other) && other->record->cell.threads != threads)
            snprintf(text, REPORT_TEXT, ", %d\u00a0thread%s", threads, report_plural(threads));
    }
    return text;
}

char *report_plain(const char *from, char *text)
{
    snprintf(text, REPORT_TEXT, "%s", from ? from : "");
    return without_ticks(text);
}

char *report_run_name(const struct report *report, const struct sheet_row *of, char *text)
{
    char name[REPORT_TEXT], commit[REPORT_TEXT];
    int n = snprintf(text, REPORT_TEXT, "%.900s", report_plain(of->run, name));
    if (report->several_builds)
        snprintf(text + n, REPORT_TEXT - (size_t)n, "%s%.7s", of->run ? " at " : "of ",
                 of->record->env.commit ? report_plain(of->record->env.commit, commit)
                                        : "no commit");
    return text;
}

char *report_run(const struct report *report, const struct sheet_row *of, char *text)
{
    char name[REPORT_TEXT];
    text[0] = '\0';
    if (*report_run_name(report, of, name))
        snprintf(text, REPORT_TEXT, ", run %.1000s", name);
    return text;
}

char *report_time(double ms, char *text)
{
    char number[TEXT_NUMBER];
    bool seconds = ms >= 10000;
    if (!isfinite(ms))
        snprintf(text, REPORT_TEXT, "-");
    else
        snprintf(text, REPORT_TEXT, "%s\u00a0%s", text_number(seconds ? ms / 1000 : ms, number),
                 seconds ? "s" : "ms");
    return text;
}

char *report_bytes(double bytes, char *text)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    char number[TEXT_NUMBER];
    int u = 0;
    if (!isfinite(bytes)) {
        snprintf(text, REPORT_TEXT, "-");
        return text;
    }
    for (; bytes >= 1000 && u < 4; u++)
        bytes /= 1000;
    if (u == 0)
        snprintf(text, REPORT_TEXT, "%.0f\u00a0B", bytes);
    else
        snprintf(text, REPORT_TEXT, "%s\u00a0%s", text_number(bytes, number), unit[u]);
    return text;
}

char *report_flags(const struct record *record, char *text)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < record->flags.n && n < REPORT_TEXT; i++)
        n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%s", i ? ", " : "", record->flags.v[i]);
    return without_ticks(text);
}

char *report_ranks(int ranks, char *text)
{
    snprintf(text, REPORT_TEXT, "%d\u00a0rank%s", ranks, report_plural(ranks));
    return text;
}

const char *report_plural(double n)
{
    return n == 1 ? "" : "s";
}

/* ---- tables ---- */

void report_table(struct report *report, const char *caption, int n,
                  const struct report_column *columns)
{
    static const struct report_column model = {"model", DOC_LEFT}, run = {"run", DOC_LEFT},
                                      cell[] = {{"size", DOC_LEFT},
                                                {"ranks", DOC_RIGHT},
                                                {"strategy", DOC_LEFT}};
    struct report_column all[REPORT_COLUMNS + 5];
    enum doc_align align[REPORT_COLUMNS + 5] = {DOC_LEFT};
    int k = 0;
    BUG_ON(n > REPORT_COLUMNS, "%d columns", n);
    if (report->several_models)
        all[k++] = model;
    if (report->several_runs)
        all[k++] = run;
    memcpy(all + k, cell, sizeof cell);
    k += 3;
    memcpy(all + k, columns, (size_t)n * sizeof *columns);
    k += n;
    for (int i = 0; i < k; i++)
        align[i] = all[i].align;
    doc_table(report->doc, k, align);
    doc_caption(report->doc, "%s", caption);
    for (int i = 0; i < k; i++)
        doc_cell(report->doc, "%s", all[i].title);
}

void report_cell(struct report *report, const struct sheet_row *row)
{
    char text[REPORT_TEXT];
    const struct record_cell *c = &row->record->cell;
    if (report->several_models)
        doc_cell(report->doc, "%s", report_model(c, text));
    if (report->several_runs)
        doc_cell(report->doc, "%s", report_run_name(report, row, text));
    doc_cell(report->doc, "%s", report_size(c, text));
    doc_cell(report->doc, "%d", c->ranks);
    doc_cell(report->doc, "%s", report_strategy(row->record, text));
}

void report_allocator_note(struct report *report)
{
    doc_text(report->doc,
             "Rows that name another program before the strategy: their memory is the peak of its "
             "own allocator, weights included, without CUDA and libraries. Ours has these in it: "
             "the two do not compare.");
}

/* ---- numbers ---- */

double report_sent(const struct record *record)
{
    double most = 0;
    if (record->comm.n == 0)
        return record->cell.ranks == 1 && !sheet_peer(record) ? 0 : NAN; // nobody counts a peer's
    for (int i = 0; i < record->comm.n; i++) {
        double sum = 0; // of the rank that line i is of
        for (int k = 0; k < record->comm.n; k++)
            if (record->comm.v[k].rank == record->comm.v[i].rank)
                sum += (double)record->comm.v[k].wire_bytes;
        most = fmax(most, sum);
    }
    return most / record->cell.steps;
}

bool report_allocator(const struct record *record)
{
    return sheet_peer(record) && record->memory_bytes.peak.n > 0;
}

bool report_stale(const struct record *record)
{
    return record->check.against && strcmp(record->check.against, "serial") != 0;
}

bool report_distrusts(const struct record *record)
{
    return record->status == ENDING_OK && sheet_distrusts(record);
}

int report_distrusted(const struct sheet *sheet)
{
    int n = 0;
    for (int i = 0; i < sheet->n; i++)
        n += report_distrusts(sheet->v[i].record);
    return n;
}

bool report_deviates(const struct record *record)
{
    return sheet_peer(record) && record->deviation.against && record->deviation.rel_l2 > 0;
}

struct report_interval report_interval_of(const struct record *record)
{
    const struct record_numbers *samples = &record->latency_ms.samples;
    struct report_interval few = {record->latency_ms.min, record->latency_ms.max, true};
    double *sorted =
        samples->n >= STATS_LEAST_INTERVAL ? malloc((size_t)samples->n * sizeof *sorted) : NULL;
    if (!sorted)
        return few;
    memcpy(sorted, samples->v, (size_t)samples->n * sizeof *sorted);
    stats_sort(samples->n, sorted);
    struct stats_interval interval = stats_median_interval(samples->n, sorted);
    free(sorted);
    return (struct report_interval){interval.low, interval.high, false};
}
