/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Is it noise?": how well medians are known, and which rows carry a warning. */
#include "harness/base/stats.h"
#include "harness/base/text.h"
#include "harness/page/report_part.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a flag means, for those who see it. */
static const struct {
    const char *flag, *meaning;
} flags[] = {
    {RECORD_NOISY, "the slow loops (90th percentile) took over 1.25 times as long as the fast ones "
                   "(10th), or the median was not known well enough when the time was up: "
                   "differences within its interval mean nothing"},
    {RECORD_DRIFT, "the last third of the loops took longer or shorter than the first: the machine "
                   "changed meanwhile, such as by heat or by other work"},
    {RECORD_OUTLIERS, "some loops lie far from all others of the cell: something came between; the "
                      "median hardly sees them"},
    {RECORD_THROTTLED,
     "the device was held back by power or heat while it was measured: its speed is "
     "that of the limit"},
    {RECORD_SHARED_GPU, "ranks took turns on a GPU: the time is nobody's latency"},
};

enum { FLAGS = sizeof flags / sizeof flags[0] };

static int count_flag(const struct sheet *sheet, const char *flag)
{
    int n = 0;
    for (int i = 0; i < sheet->n; i++)
        n += !sheet_distrusts(sheet->v[i].record) && record_has_flag(sheet->v[i].record, flag);
    return n;
}

/* How far the loops, or the interval of their median, go from the median to the farther side, in
 * percent of it. */
static double reach_of(const struct record *r, bool *range)
{
    struct report_interval i = report_interval_of(r);
    double median = r->latency_ms.median;
    *range = i.range;
    return 100 * fmax(i.high - median, median - i.low) / median;
}

/* "30" of 29.88: two digits, rounded up, so that nothing goes farther. */
static const char *bound(double percent, char text[TEXT_NUMBER])
{
    double unit = percent > 0 ? pow(10, floor(log10(percent)) - 1) : 1;
    double up = ceil(percent / unit * (1 - 1e-12)) * unit; // 5.000000000000001 is 5
    snprintf(text, TEXT_NUMBER, up < 100 ? "%.2g" : "%.0f", up);
    return text;
}

/* Which rows: ours, or other programs'; with an interval, or (ranges) with too few loops for one.
 */
struct which {
    bool peers, ranges;
};

/* Of these rows: how many, and that which goes farthest. */
struct widths {
    int n;
    const struct sheet_row *farthest;
    double most; /* percent */
};

static struct widths widths_of(const struct sheet *sheet, struct which which)
{
    struct widths w = {0, NULL, -1};
    for (int i = 0; i < sheet->n; i++) {
        bool range;
        const struct sheet_row *row = &sheet->v[i];
        double reach = row->left_out ? NAN : reach_of(row->record, &range);
        if (!isfinite(reach) || range != which.ranges || sheet_peer(row->record) != which.peers)
            continue;
        w.n++;
        if (reach > w.most) {
            w.most = reach;
            w.farthest = row;
        }
    }
    return w;
}

static const char *whose(struct which which)
{
    return which.peers ? " of other programs" : "";
}

static void put_widths(struct report *report, struct which which)
{
    char name[REPORT_TEXT], model[REPORT_TEXT], size[REPORT_TEXT], number[TEXT_NUMBER];
    struct widths w = widths_of(report->sheet, which);
    if (w.n == 0)
        return;
    const struct record *r = w.farthest->record;
    bound(w.most, number);
    if (which.ranges)
        doc_text(
            report->doc,
            "%d row%s%s %s fewer than 6 loops, too few for an interval of the median. Farthest "
            "from it lie the loops of %s of %s at %s on %d rank%s: \u00b1%s\u00a0%%. Smaller "
            "differences than the loops of a cell show among themselves are not to be trusted.",
            w.n, report_plural(w.n), whose(which), w.n == 1 ? "has" : "have",
            report_strategy(r, name), report_model(&r->cell, model), report_size(&r->cell, size),
            r->cell.ranks, report_plural(r->cell.ranks), number);
    else
        doc_text(
            report->doc,
            "%d row%s%s %s a 95 %% interval of the median. It goes farthest from it for %s of %s "
            "at %s on %d rank%s: \u00b1%s\u00a0%%; the others of these are known better.",
            w.n, report_plural(w.n), whose(which), w.n == 1 ? "has" : "have",
            report_strategy(r, name), report_model(&r->cell, model), report_size(&r->cell, size),
            r->cell.ranks, report_plural(r->cell.ranks), number);
}

static void put_rounds(struct report *report)
{
    int n = 0;
    double most = 0;
    const struct record *widest = NULL;
    char name[REPORT_TEXT];
    for (int i = 0; i < report->sheet->n; i++) {
        const struct record *r = report->sheet->v[i].record;
        double spread = record_rounds_spread(r);
        n += isfinite(spread);
        if (isfinite(spread) && spread >= most) {
            most = spread;
            widest = r;
        }
    }
    if (widest)
        doc_text(report->doc,
                 "%d cell%s measured in several rounds, which are joined here. Medians of rounds "
                 "lie %.2g\u00a0%% apart at most (%s).",
                 n, n == 1 ? " was" : "s were", most, report_strategy(widest, name));
}

/* ---- flagged rows ---- */

static bool is_listed(const struct sheet_row *row)
{
    const struct record *r = row->record;
    int shared = record_has_flag(r, RECORD_SHARED_GPU);
    return r->latency_ms.samples.n > 0 && r->flags.n > shared && !sheet_distrusts(r);
}

static void put_flagged(struct report *report, int n)
{
    static const struct report_column columns[] = {
        {"ms a loop", DOC_RIGHT}, {"p10", DOC_RIGHT}, {"p90", DOC_RIGHT}, {"flags", DOC_LEFT}};
    struct doc *doc = report->doc;
    if (n > REPORT_FOLD)
        doc_fold(doc, "All %d flagged rows", n);
    report_table(report, "Rows with a flag; p10 and p90: percentiles of the loops, ms", 4, columns);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        const struct record *r = row->record;
        char text[REPORT_TEXT], number[TEXT_NUMBER];
        if (!is_listed(row))
            continue;
        report_cell(report, row);
        doc_cell(doc, "%s", text_number(r->latency_ms.median, number));
        doc_cell(doc, "%s", text_number(r->latency_ms.p10, number));
        doc_cell(doc, "%s", text_number(r->latency_ms.p90, number));
        doc_cell(doc, "%s", report_flags(r, text));
    }
    if (n > REPORT_FOLD)
        doc_unfold(doc);
}

void report_noise(struct report *report)
{
    int listed = 0;
    doc_heading(report->doc, 2, "Is it noise?");
    for (int i = 0; i < 4; i++)
        put_widths(report, (struct which){.peers = i % 2, .ranges = i / 2});
    put_rounds(report);
    for (int i = 0; i < report->sheet->n; i++)
        listed += is_listed(&report->sheet->v[i]);
    for (int i = 0; i < FLAGS; i++) {
        int n = count_flag(report->sheet, flags[i].flag);
        if (n > 0)
            doc_item(report->doc, "%d of %d row%s %s `%s`: %s.", n, report->sheet->n,
                     report_plural(report->sheet->n), n == 1 ? "is" : "are", flags[i].flag,
                     flags[i].meaning);
    }
    if (listed > 0)
        put_flagged(report, listed);
    else
        doc_text(report->doc, "No row is flagged as noisy, as drifting or as throttled.");
    doc_text(report->doc,
             "What all loops of a run share, such as a warm machine or a slow minute, "
             "no statistics can see: that takes rounds (`sweep --rounds`), or a second "
             "run and `ditbench compare`.");
}

/* A sentence with a blank behind it, or none; `n` bytes are there. The bytes then. */
static int say_widths(const struct report *report, struct which which, int n, char *text)
{
    char number[TEXT_NUMBER];
    struct widths w = widths_of(report->sheet, which);
    if (w.n == 0)
        return n;
    bound(w.most, number);
    if (which.ranges)
        return n + snprintf(text + n, REPORT_TEXT - (size_t)n,
                            "%d row%s%s %s fewer than 6 loops, which lie within \u00b1%s\u00a0%% "
                            "of their median. ",
                            w.n, report_plural(w.n), whose(which), w.n == 1 ? "has" : "have",
                            number);
    return n + snprintf(text + n, REPORT_TEXT - (size_t)n,
                        "%sedians of %d row%s%s are known to \u00b1%s\u00a0%% or better (95 %% "
                        "interval). ",
                        n > 0 ? "M" : "m", w.n, report_plural(w.n), whose(which), number);
}

char *report_noise_words(const struct report *report, char *text)
{
    int flagged = 0, n = 0;
    text[0] = '\0';
    for (int i = 0; i < report->sheet->n; i++)
        flagged += is_listed(&report->sheet->v[i]);
    for (int i = 0; i < 4; i++)
        n = say_widths(report, (struct which){.peers = i % 2, .ranges = i / 2}, n, text);
    if (flagged > 0)
        snprintf(text + n, REPORT_TEXT - (size_t)n,
                 "%d row%s flagged (noisy, drifting, throttled): \u201cIs it noise?\u201d.",
                 flagged, flagged == 1 ? " is" : "s are");
    else
        snprintf(text + n, REPORT_TEXT - (size_t)n, "No row is flagged.");
    return text;
}
