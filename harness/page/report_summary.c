/* SPDX-License-Identifier: Apache-2.0 */
/* The section "In short": the fastest strategy of each size and rank count, and what it costs, in
 * sentences. Its first ones are report_answers.c, its tables report_fastest.c. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/plot/text.h"
#include "harness/record/record.h"
#include "harness/report/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCES = 4096 };

static void __attribute__((format(printf, 2, 3))) say(char text[SENTENCES], const char *format, ...)
{
    size_t n = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, SENTENCES - n, format, args);
    va_end(args);
}

static double median(const struct sheet_row *row)
{
    return row->record->latency_ms.median;
}

/* "1.14"; what is nearer to 1 with more digits. */
static const char *times(double ratio, char text[TEXT_NUMBER])
{
    snprintf(text, TEXT_NUMBER, fabs(ratio - 1) < 0.0995 ? "%.3f" : "%.2f", ratio);
    return text;
}

/* ---- sentences ---- */

static void say_time(char *text, const struct sheet_row *row)
{
    char loop[REPORT_TEXT], step[REPORT_TEXT], flags[REPORT_TEXT];
    const struct record *r = row->record;
    say(text, "%s", report_time(median(row), loop));
    if (r->cell.steps > 1)
        say(text, " a loop (%s a step)", report_time(median(row) / r->cell.steps, step));
    if (*report_flags(r, flags))
        say(text, " [%s]", flags);
}

static void say_costs(char *text, const struct sheet_row *row)
{
    char held[REPORT_TEXT], serial[REPORT_TEXT], sent[REPORT_TEXT];
    double own = memory_fullest(&row->record->memory_bytes).total;
    double alone = row->serial && row->serial != row->record
                       ? memory_fullest(&row->serial->memory_bytes).total
                       : NAN;
    double bytes = report_sent(row->record);
    bool several = row->record->cell.ranks > 1;
    if (report_allocator(row->record))
        say(text, " %s alone takes %s",
            several ? "The allocator of its fullest rank" : "Its allocator",
            report_bytes(own, held));
    else if (isfinite(own))
        say(text, " %s %s", several ? "Its fullest rank holds" : "It holds",
            report_bytes(own, held));
    if (isfinite(own) && isfinite(alone))
        say(text, " (`serial`: %s)", report_bytes(alone, serial));
    if (isfinite(bytes) && several)
        say(text, "%s sends at most %s a step", isfinite(own) ? ", and a rank" : " A rank",
            report_bytes(bytes, sent));
    if (isfinite(own) || (isfinite(bytes) && several))
        say(text, ".");
}

static void say_speedup(char *text, const struct sheet_row *row)
{
    char number[TEXT_NUMBER];
    if (!row->serial) {
        say(text, "; no `serial` run to compare it with");
        return;
    }
    double ratio = row->serial->latency_ms.median / median(row);
    if (ratio >= 1)
        say(text, ", %s times as fast as `serial` (efficiency %.0f\u00a0%%)", times(ratio, number),
            100 * ratio / row->record->cell.ranks);
    else
        say(text, ", which is slower than `serial`: %s times as long", times(1 / ratio, number));
}

static void say_ties(char *text, const struct report_rank *rank)
{
    char name[REPORT_TEXT], number[TEXT_NUMBER];
    for (int i = 1; i <= rank->tied; i++)
        say(text, "%s%s (%s times as long)", i == 1 ? " Within noise of it: " : ", ",
            report_strategy(rank->v[i]->record, name),
            times(median(rank->v[i]) / median(rank->v[0]), number));
    if (rank->tied > 0)
        say(text, ".");
}

/* "Next is `ring=2`, 1.2 times as long." */
static void say_other(char *text, const char *what, const struct sheet_row *row,
                      const struct sheet_row *fastest)
{
    char name[REPORT_TEXT], number[TEXT_NUMBER];
    say(text, " %s %s, %s times as long.", what, report_strategy(row->record, name),
        times(median(row) / median(fastest), number));
}

static void say_deviation(char *text, const struct record *r)
{
    char number[TEXT_NUMBER];
    if (!report_stale(r))
        return;
    say(text, " After its warm-up it takes keys of the step before");
    if (r->deviation.against && isfinite(r->deviation.rel_l2)) {
        say(text, ": its latent differs from that of `serial` by %.2g (relative L2",
            r->deviation.rel_l2);
        if (isfinite(r->deviation.psnr_db))
            say(text, "; PSNR %s\u00a0dB", text_number(r->deviation.psnr_db, number));
        say(text, ")");
    }
    say(text, ".");
}

static void say_others(char *text, const struct report_rank *rank)
{
    const struct sheet_row *first = rank->v[0], *second = report_rank_second(rank);
    const struct sheet_row *exact = report_rank_exact(rank), *single = report_rank_single(rank);
    say_ties(text, rank);
    if (second)
        say_other(text, "Next is", second, first);
    if (exact && exact != first && exact != second)
        say_other(text, "The fastest exact one is", exact, first);
    if (single && single != first && single != second && single != exact)
        say_other(text, "The fastest that is no combination is", single, first);
    if (rank->n > 2 && rank->tied < rank->n - 1 && rank->v[rank->n - 1] != second)
        say_other(text, "Slowest is", rank->v[rank->n - 1], first);
}

/* Each over our row of its strategy, which is named where it is not the fastest. */
static void say_peers(char *text, const struct report_rank *rank)
{
    char name[REPORT_TEXT], ours[REPORT_TEXT], number[TEXT_NUMBER];
    for (int i = rank->n; i < rank->n + rank->peers; i++) {
        const struct sheet_row *beside = report_rank_beside(rank, i);
        say(text, " Another program, %s: %s times as long",
            report_strategy(rank->v[i]->record, name),
            times(median(rank->v[i]) / median(beside), number));
        if (beside != rank->v[0])
            say(text, " as our %s", report_strategy(beside->record, ours));
        say(text, ".");
    }
}

static void put_rank(struct report *report, const struct report_rank *rank)
{
    char text[SENTENCES] = "", name[REPORT_TEXT], size[REPORT_TEXT], ranks[REPORT_TEXT];
    const struct sheet_row *first = rank->v[0];
    const struct record_cell *c = &first->record->cell;
    say(text, "%s on %s: ", report_size(c, size), report_ranks(rank->ranks, ranks));
    report_strategy(first->record, name);
    if (rank->n > 1)
        say(text, "the fastest of %d cells is %s, ", rank->n, name);
    else
        say(text, "%s%s takes ", name,
            strcmp(c->strategy, "serial") == 0 ? "" : ", the only one measured,");
    say_time(text, first);
    if (strcmp(c->strategy, "serial") != 0)
        say_speedup(text, first);
    say(text, ".");
    say_costs(text, first);
    say_deviation(text, first->record);
    say_others(text, rank);
    say_peers(text, rank);
    doc_item(report->doc, "%s", text);
}

/* ---- the section ---- */

/* Settings whose cells all stand alone are told by a table. */
static bool is_told(const struct report *report, const struct plot_setting *setting)
{
    for (int i = 0; i < report->ranks.n; i++)
        for (int k = 0; k < setting->n; k++)
            if (report->ranks.v[i].group == &setting->group[k] &&
                !report_rank_alone(&report->ranks.v[i]))
                return true;
    return false;
}

static void put_setting(struct report *report, const struct plot_setting *setting)
{
    char text[PLOT_TEXT], name[REPORT_TEXT], machine[PLOT_TEXT], run[REPORT_TEXT],
        threads[REPORT_TEXT], plain[2][REPORT_TEXT];
    const struct sheet_row *of = setting->group[0].first;
    doc_heading(report->doc, 3, "%s, %d step%s%s%s", report_model(&of->record->cell, name),
                of->record->cell.steps, report_plural(of->record->cell.steps),
                report_threads(report, of, threads), report_run(report, of, run));
    doc_text(report->doc, "%s; %s.", report_plain(plot_text_setting(of, text), plain[0]),
             report_plain(plot_text_machine(of, machine), plain[1]));
    for (int i = 0; i < report->ranks.n; i++)
        for (int k = 0; k < setting->n; k++)
            if (report->ranks.v[i].group == &setting->group[k])
                put_rank(report, &report->ranks.v[i]);
}

static void put_shared(struct report *report)
{
    int shared = 0;
    for (int i = 0; i < report->sheet->n; i++)
        shared += report->sheet->v[i].record->status == ENDING_OK &&
                  record_shares_gpu(report->sheet->v[i].record);
    if (shared > 0)
        doc_text(report->doc,
                 "%d row%s had more ranks than GPUs: ranks took turns on a GPU. They tell whether "
                 "a strategy is right, what it holds and what it sends, and nothing of its speed. "
                 "They are under \u201cIs it right?\u201d, and in no sentence here.",
                 shared, report_plural(shared));
}

enum status report_summary(struct report *report)
{
    const struct plot_selection *s = &report->selection;
    doc_heading(report->doc, 2, "In short");
    TRY(report_answers(report));
    put_shared(report);
    if (s->n == 0) {
        doc_text(report->doc, "No row has a latency that may be compared, so nothing is said of "
                              "speed.");
        return ST_OK;
    }
    TRY(report_fastest(report));
    for (int i = 0; i < s->n; i++)
        if (is_told(report, &s->setting[i]))
            put_setting(report, &s->setting[i]);
    return ST_OK;
}
