/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Is it right?": latents against the run that they must equal, bytes against closed
 * forms, and how far stale strategies lead away. Rows whose ranks shared a GPU count here. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/report/memory.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

struct counts {
    int checked, passed, compared, agree, stale;
    double nearest, widest;        /* of stale strategies from serial, relative L2 */
    int fewest, most;              /* steps of these */
    const struct record *farthest; /* of those that passed, by the share of the tolerance */
};

static bool is_checked(const struct record *r)
{
    return r->check.against && r->check.pass != RECORD_UNKNOWN;
}

static double share(const struct record *r)
{
    return r->check.rel_l2 / r->check.tolerance;
}

static bool has_deviation(const struct record *r)
{
    return report_stale(r) && r->deviation.against && isfinite(r->deviation.rel_l2);
}

static struct counts count(const struct sheet *sheet)
{
    struct counts c = {.nearest = INFINITY, .widest = -INFINITY, .fewest = INT_MAX};
    for (int i = 0; i < sheet->n; i++) {
        const struct record *r = sheet->v[i].record;
        c.checked += is_checked(r);
        c.passed += is_checked(r) && r->check.pass == RECORD_YES;
        c.compared += r->comm_match != RECORD_UNKNOWN && r->comm.n > 0;
        c.agree += r->comm_match == RECORD_YES && r->comm.n > 0;
        c.stale += has_deviation(r);
        if (has_deviation(r)) {
            c.nearest = fmin(c.nearest, r->deviation.rel_l2);
            c.widest = fmax(c.widest, r->deviation.rel_l2);
            c.fewest = r->cell.steps < c.fewest ? r->cell.steps : c.fewest;
            c.most = r->cell.steps > c.most ? r->cell.steps : c.most;
        }
        if (is_checked(r) && r->check.pass == RECORD_YES && isfinite(share(r)) &&
            (!c.farthest || share(r) > share(c.farthest)))
            c.farthest = r;
    }
    return c;
}

/* Why the others were not. */
static void put_unchecked(struct report *report)
{
    int failed = 0, peers = 0, off = 0;
    for (int i = 0; i < report->sheet->n; i++) {
        const struct record *r = report->sheet->v[i].record;
        bool ok = r->status == ENDING_OK;
        failed += !is_checked(r) && !ok;
        peers += !is_checked(r) && ok && sheet_peer(r);
        off += !is_checked(r) && ok && !sheet_peer(r);
    }
    if (failed + peers + off > 0)
        doc_text(report->doc,
                 "Not checked: %d without a latent, for they failed; %d of other programs; %d that "
                 "were measured without a check (`--check off`).",
                 failed, peers, off);
}

static void put_sentences(struct report *report, const struct counts *c)
{
    char name[REPORT_TEXT], model[REPORT_TEXT], size[REPORT_TEXT];
    struct doc *doc = report->doc;
    if (c->checked == 0)
        doc_text(doc, "No row was checked against another run.");
    else
        doc_text(doc,
                 "%d of %d row%s checked, each against the one-rank run that it must equal: %d "
                 "within tolerance, %d not.",
                 c->checked, report->sheet->n, report->sheet->n == 1 ? " was" : "s were", c->passed,
                 c->checked - c->passed);
    put_unchecked(report);
    if (c->farthest && c->farthest->check.rel_l2 > 0)
        doc_text(doc,
                 "Nearest to its tolerance is %s of %s at %s on %d rank%s: %.2g of %.2g (relative "
                 "L2 of the final latent).",
                 report_strategy(c->farthest, name), report_model(&c->farthest->cell, model),
                 report_size(&c->farthest->cell, size), c->farthest->cell.ranks,
                 report_plural(c->farthest->cell.ranks), c->farthest->check.rel_l2,
                 c->farthest->check.tolerance);
    if (c->compared > 0)
        doc_text(doc,
                 "The bytes that were counted equal those of the closed form in %d of %d rows "
                 "that sent any.",
                 c->agree, c->compared);
}

/* ---- tables ---- */

static void put_number(struct doc *doc, const char *format, double value)
{
    char text[TEXT_NUMBER];
    snprintf(text, sizeof text, format[0] == 'e' ? "%.2e" : "%.1f", value);
    doc_cell(doc, "%s", isfinite(value) ? text : "-");
}

static void put_stale(struct report *report, int n)
{
    static const struct report_column columns[] = {
        {"steps", DOC_RIGHT}, {"relative L2", DOC_RIGHT}, {"PSNR, dB", DOC_RIGHT}};
    doc_heading(report->doc, 3, "How far stale strategies lead away");
    doc_text(report->doc,
             "Against the serial run of the same noise, over the whole latent. This is "
             "what the strategy does, not a fault: each of them equals its own "
             "one-rank run.");
    if (n > REPORT_FOLD)
        doc_fold(report->doc, "All %d rows of stale strategies", n);
    report_table(report, "Final latent of stale strategies against serial", 3, columns);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        if (!has_deviation(row->record))
            continue;
        report_cell(report, row);
        doc_cell(report->doc, "%d", row->record->cell.steps);
        put_number(report->doc, "e", row->record->deviation.rel_l2);
        put_number(report->doc, "f", row->record->deviation.psnr_db);
    }
    if (n > REPORT_FOLD)
        doc_unfold(report->doc);
}

static const char *yes_no(int answer, const char *yes, const char *no)
{
    return answer == RECORD_YES ? yes : answer == RECORD_NO ? no : "-";
}

static void put_checks(struct report *report, int checked)
{
    static const struct report_column columns[] = {
        {"relative L2", DOC_RIGHT}, {"tolerance", DOC_RIGHT},  {"verdict", DOC_LEFT},
        {"bytes", DOC_LEFT},        {"memory, MB", DOC_RIGHT}, {"against", DOC_LEFT}};
    struct doc *doc = report->doc;
    if (checked > REPORT_FOLD)
        doc_fold(doc, "All %d checks", checked);
    report_table(report, "Each row against the one-rank run that it must equal", 6, columns);
    for (int i = 0; i < report->sheet->n; i++) {
        char memory[TEXT_NUMBER];
        const struct sheet_row *row = report->sheet->sorted[i];
        const struct record *r = row->record;
        if (!is_checked(r))
            continue;
        double held = memory_fullest(&r->memory_bytes).total / 1e6;
        report_cell(report, row);
        put_number(doc, "e", r->check.rel_l2);
        if (isfinite(r->check.tolerance))
            doc_cell(doc, "%.0e", r->check.tolerance);
        else
            doc_cell(doc, "-");
        doc_cell(doc, "%s", yes_no(r->check.pass, "right", "wrong"));
        doc_cell(doc, "%s", yes_no(r->comm_match, "as predicted", "differ"));
        doc_cell(doc, "%s", isfinite(held) ? text_number(held, memory) : "-");
        doc_cell(doc, "`%.200s`", r->check.against);
    }
    if (checked > REPORT_FOLD)
        doc_unfold(doc);
}

void report_right(struct report *report)
{
    struct counts c = count(report->sheet);
    doc_heading(report->doc, 2, "Is it right?");
    put_sentences(report, &c);
    if (c.stale > 0)
        put_stale(report, c.stale);
    if (c.checked > 0)
        put_checks(report, c.checked);
}

/* " Latents of the 55 rows of stale strategies lie 0.0034 to 0.49 (relative L2) from serial's, over
 * 4 to 50 steps." */
static void say_stale(const struct counts *c, size_t size, char *text)
{
    char few[32] = "";
    if (c->fewest < c->most)
        snprintf(few, sizeof few, "%d to ", c->fewest);
    snprintf(text, size,
             " Latents of the %d row%s of stale strategies lie %.2g to %.2g (relative L2) from "
             "serial's, over %s%d step%s.",
             c->stale, report_plural(c->stale), c->nearest, c->widest, few, c->most,
             report_plural(c->most));
}

/* "175 of 192 rows were checked against the one-rank run that they must equal, and none is wrong."
 */
char *report_right_words(const struct report *report, char *text)
{
    struct counts c = count(report->sheet);
    int n;
    if (c.checked == 0)
        n = snprintf(text, REPORT_TEXT, "no row was checked against another run.");
    else
        n = snprintf(text, REPORT_TEXT,
                     "%d of %d row%s checked against the one-rank run that %s must equal; %d %s "
                     "wrong.",
                     c.checked, report->sheet->n, report->sheet->n == 1 ? " was" : "s were",
                     c.checked == 1 ? "it" : "they", c.checked - c.passed,
                     c.checked - c.passed == 1 ? "is" : "are");
    if (c.compared > 0)
        n += snprintf(text + n, REPORT_TEXT - (size_t)n,
                      " Counted bytes equal their closed form in %d of %d that sent any.", c.agree,
                      c.compared);
    if (c.stale > 0)
        say_stale(&c, REPORT_TEXT - (size_t)n, text + n);
    return text;
}
