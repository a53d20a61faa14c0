/* SPDX-License-Identifier: Apache-2.0 */
/* The section "What did not work": every row that is not ok, with its reason. */
#include "harness/page/report_part.h"

static const char *const meaning[ENDINGS] = {
    [ENDING_WRONG] = "it ran, and its latent or its bytes are not what they must be",
    [ENDING_UNSUPPORTED] = "refused by its plan: this strategy cannot split this model so",
    [ENDING_OOM] = "it needs more memory than there is",
    [ENDING_TIMEOUT] = "it took longer than it was given",
    [ENDING_CRASH] = "a rank died of a signal",
    [ENDING_ERROR] = "a rank ended with another failure",
    [ENDING_INTERRUPTED] = "somebody stopped it",
};

static void put_table(struct report *report, int n)
{
    static const enum doc_align align[] = {DOC_LEFT, DOC_LEFT, DOC_RIGHT,
                                           DOC_LEFT, DOC_LEFT, DOC_LEFT};
    static const char *const title[] = {"model", "size", "ranks", "strategy", "status", "reason"};
    struct doc *doc = report->doc;
    if (n > REPORT_FOLD)
        doc_fold(doc, "All %d rows that are not ok", n);
    doc_table(doc, 6, align);
    doc_caption(doc, "Rows without a number, or with one that must not be used");
    for (int i = 0; i < 6; i++)
        doc_cell(doc, "%s", title[i]);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        const struct record *r = row->record;
        char text[REPORT_TEXT];
        if (r->status == ENDING_OK)
            continue;
        doc_cell(doc, "%s%s%s", report_model(&r->cell, text), row->run ? ", " : "",
                 row->run ? row->run : "");
        doc_cell(doc, "%s", report_size(&r->cell, text));
        doc_cell(doc, "%d", r->cell.ranks);
        doc_cell(doc, "%s", report_strategy(&r->cell, text));
        doc_cell(doc, "%s", ending_name(r->status));
        doc_cell(doc, "%s", r->reason ? r->reason : "-");
    }
    if (n > REPORT_FOLD)
        doc_unfold(doc);
}

void report_failed(struct report *report)
{
    int count[ENDINGS] = {0}, failed = 0;
    for (int i = 0; i < report->sheet->n; i++)
        count[report->sheet->v[i].record->status]++;
    doc_heading(report->doc, 2, "What did not work");
    for (int s = 0; s < ENDINGS; s++) {
        if (s == ENDING_OK || count[s] == 0)
            continue;
        failed += count[s];
        doc_item(report->doc, "%d row%s `%s`: %s.", count[s], report_plural(count[s]),
                 ending_name((enum ending)s), meaning[s]);
    }
    if (failed > 0)
        put_table(report, failed);
    else
        doc_text(report->doc, "All %d row%s ok.", report->sheet->n,
                 report->sheet->n == 1 ? " is" : "s are");
}
