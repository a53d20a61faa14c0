/* SPDX-License-Identifier: Apache-2.0 */
/* The section "What did not work": every row that is not ok, with its reason. */
#include "harness/page/report_part.h"

static const char *const meaning[ENDINGS] = {
    [ENDING_WRONG] = "the latent or the bytes are not what they must be",
    [ENDING_UNSUPPORTED] = "it cannot be done so, for the reason that the row has",
    [ENDING_OOM] = "more memory was needed than there is",
    [ENDING_TIMEOUT] = "the time limit was over",
    [ENDING_CRASH] = "a rank died of a signal",
    [ENDING_ERROR] = "a rank ended with another failure",
    [ENDING_INTERRUPTED] = "somebody stopped it",
};

static bool is_listed(const struct record *r)
{
    return r->status != ENDING_OK || report_distrusts(r);
}

static void put_reason(struct report *report, const struct record *r)
{
    char text[REPORT_TEXT];
    int wrong = record_wrong_sample(r);
    if (!report_distrusts(r))
        doc_cell(report->doc, "%s", r->reason ? r->reason : "-");
    else if (wrong >= 0)
        doc_cell(report->doc, "%s", record_wrong_sample_text(r, wrong, sizeof text, text));
    else
        doc_cell(report->doc, "%s", sheet_distrusts(r));
}

static void put_table(struct report *report, int n)
{
    static const struct report_column columns[] = {{"status", DOC_LEFT}, {"reason", DOC_LEFT}};
    struct doc *doc = report->doc;
    if (n > REPORT_FOLD)
        doc_fold(doc, "All %d rows that are not ok", n);
    report_table(report, "Rows without a number, or with one that must not be used", 2, columns);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        const struct record *r = row->record;
        if (!is_listed(r))
            continue;
        report_cell(report, row);
        doc_cell(doc, "%s", ending_name(r->status));
        put_reason(report, r);
    }
    if (n > REPORT_FOLD)
        doc_unfold(doc);
}

void report_failed(struct report *report)
{
    int count[ENDINGS] = {0}, failed = report_distrusted(report->sheet);
    for (int i = 0; i < report->sheet->n; i++)
        count[report->sheet->v[i].record->status]++;
    doc_heading(report->doc, 2, "What did not work");
    if (failed > 0)
        doc_item(report->doc,
                 "%d row%s `ok` by status, but with numbers that cannot be: no table and no "
                 "sentence is made of such a row.",
                 failed, failed == 1 ? " is" : "s are");
    for (int s = 0; s < ENDINGS; s++) {
        if (s == ENDING_OK || count[s] == 0)
            continue;
        failed += count[s];
        doc_item(report->doc, "%d row%s `%s`: %s.", count[s], count[s] == 1 ? " is" : "s are",
                 ending_name((enum ending)s), meaning[s]);
    }
    if (failed > 0)
        put_table(report, failed);
    else
        doc_text(report->doc, "All %d row%s ok.", report->sheet->n,
                 report->sheet->n == 1 ? " is" : "s are");
}
