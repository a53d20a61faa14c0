/* SPDX-License-Identifier: Apache-2.0 */
/* The section: the table as published, then each model and size, numbers first, sentences below. */
#include "harness/page/cost.h"

#include "harness/page/cost_words.h"
#include "models/dit_config_quarter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- cells ---- */

static void put_bytes(struct doc *doc, double bytes)
{
    if (isnan(bytes))
        doc_cell(doc, "-");
    else
        doc_cell(doc, "%.*f", bytes < 1e6 ? 4 : bytes < 1e8 ? 2 : 1, 1e-6 * bytes);
}

static void put_ratio(struct doc *doc, double ratio)
{
    if (isfinite(ratio))
        doc_cell(doc, ratio < 10 ? "%.2f" : "%.0f", ratio);
    else
        doc_cell(doc, "-");
}

static void put_header(struct doc *doc, int columns, const char *const *titles, int texts)
{
    enum doc_align align[16] = {DOC_LEFT};
    for (int i = 0; i < columns; i++)
        align[i] = i < texts ? DOC_LEFT : DOC_RIGHT;
    doc_table(doc, columns, align);
    for (int i = 0; i < columns; i++)
        doc_cell(doc, "%s", titles[i]);
}

/* ---- as published ---- */

static void put_published(struct doc *doc)
{
    static const char *const titles[] = {"strategy",   "K, V",        "communication",  "overlap",
                                         "parameters", "activations", "extra KV buffer"};
    put_header(doc, 7, titles, 7);
    for (int i = 0; strategy_at(i); i++) {
        const struct published_cost *row = published_cost_find(strategy_at(i));
        if (!row)
            continue;
        doc_cell(doc, "`%s`", row->strategy);
        doc_cell(doc, "%s", row->keys);
        doc_cell(doc, "%s", row->term[PUBLISHED_COMM].text);
        doc_cell(doc, "%s", row->overlap);
        doc_cell(doc, "%s", row->term[PUBLISHED_WEIGHTS].text);
        doc_cell(doc, "%s", row->term[PUBLISHED_ACTIVATIONS].text);
        doc_cell(doc, "%s", row->term[PUBLISHED_KEYS].text);
    }
    doc_text(doc, "Source: %s.", published_source);
}

static bool says(const struct published_cost *row, const struct published_why *what)
{
    for (const struct published_why *why = row->why; why->text; why++)
        if (why->term == what->term && strcmp(why->text, what->text) == 0)
            return true;
    return false;
}

/* One remark, with all strategies that share it, where strategy `i` is the first of them. */
static void put_remark(struct doc *doc, int i, const struct published_why *what)
{
    char names[SPEC_TEXT] = "";
    for (int k = 0; strategy_at(k); k++) {
        const struct published_cost *row = published_cost_find(strategy_at(k));
        size_t used = strlen(names);
        if (!row || !says(row, what))
            continue;
        if (k < i)
            return;
        snprintf(names + used, sizeof names - used, "%s`%s`", used ? ", " : "", row->strategy);
    }
    doc_item(doc, "%s, %s: %s.", names, published_term_name(what->term), what->text);
}

/* What has no number, and is said once for all models. */
static void put_remarks(struct doc *doc)
{
    doc_text(doc, "What the table leaves out in every model alike, and no factor below tells:");
    for (int i = 0; strategy_at(i); i++) {
        const struct published_cost *row = published_cost_find(strategy_at(i));
        for (const struct published_why *why = row ? row->why : NULL; why && why->text; why++)
            if (!why->factor)
                put_remark(doc, i, why);
    }
}

/* ---- one model and size ---- */

static void put_heading(struct doc *doc, const struct cost_row *row)
{
    const struct record_cell *c = &row->row->record->cell;
    const struct dit_config *config = &row->config;
    doc_heading(doc, 3, "%s, %d x %d px%s%s", c->model, c->width, c->height,
                row->row->run ? ", run " : "", row->row->run ? row->row->run : "");
    if (dit_config_is_quarter(c->model))
        doc_text(doc, "The model with a quarter of its layers: what grows with L is about a "
                      "quarter of the whole one's, and the ratios stand for it.");
    doc_text(doc,
             "%d layers, %d channels, p = %d image tokens%s, %d %s, %s, %d step%s on %s over %s; "
             "P = %.1f MB.",
             config->layers, dit_channels(config),
             problem_tokens(&row->problem) * row->problem.frames,
             row->problem.frames > 1 ? " of all frames" : "",
             row->problem.requests * problem_branches(&row->problem),
             row->problem.requests * problem_branches(&row->problem) == 1 ? "lane" : "lanes",
             c->dtype, c->steps, c->steps == 1 ? "" : "s", c->backend, c->transport,
             1e-6 * (double)dit_config_parameters(config) * (double)dtype_size(row->problem.dtype));
}

static void put_sent(struct doc *doc, int n, struct cost_row *const *rows)
{
    static const char *const titles[] = {
        "strategy", "table is", "N", "formula MB", "sent MB", "of formula", "with reasons MB"};
    put_header(doc, 7, titles, 2);
    for (int i = 0; i < n; i++) {
        const struct cost_term *term = &rows[i]->term[PUBLISHED_COMM];
        doc_cell(doc, "`%s`", rows[i]->variant);
        doc_cell(doc, "%s", cost_verdict_name(cost_verdict_of(term->ratio)));
        doc_cell(doc, "%d", rows[i]->asked.ranks);
        put_bytes(doc, term->formula);
        put_bytes(doc, term->measured);
        put_ratio(doc, term->ratio);
        put_bytes(doc, term->corrected);
    }
}

static void put_memory(struct doc *doc, int n, struct cost_row *const *rows)
{
    static const char *const titles[] = {"strategy",    "N",          "P formula MB",
                                         "weights MB",  "of formula", "activations formula MB",
                                         "measured MB", "of formula", "KV formula MB",
                                         "measured MB", "of formula", "peak MB",
                                         "of serial's"};
    put_header(doc, 13, titles, 1);
    for (int i = 0; i < n; i++) {
        doc_cell(doc, "`%s`", rows[i]->variant);
        doc_cell(doc, "%d", rows[i]->asked.ranks);
        for (int t = PUBLISHED_WEIGHTS; t < PUBLISHED_TERMS; t++) {
            put_bytes(doc, rows[i]->term[t].formula);
            put_bytes(doc, rows[i]->term[t].measured);
            put_ratio(doc, rows[i]->term[t].ratio);
        }
        put_bytes(doc, rows[i]->peak);
        put_ratio(doc, rows[i]->peak / rows[i]->serial_peak);
    }
}

static enum status put_words(struct doc *doc, const struct cost_rows *rows, int begin, int end)
{
    for (int next; begin < end; begin = next) {
        next = cost_rows_variant_end(rows, begin);
        char *text = cost_words_variant(next - begin, rows->v + begin);
        if (!text)
            return fail(ST_OOM, "costs: no memory for a sentence");
        doc_item(doc, "%s", text);
        free(text);
    }
    return ST_OK;
}

/* ---- the section ---- */

static void put_introduction(struct doc *doc, const struct cost_rows *rows)
{
    doc_heading(doc, 2, "What strategies cost: as published, and as counted");
    put_published(doc);
    doc_text(doc, "N ranks, M patches, L layers, hs channels, P bytes of all parameters, A bytes "
                  "of p x hs elements of all lanes. p is taken as image tokens, which the table "
                  "calls pixels.");
    doc_text(doc,
             "Sent: bytes on the wire in one steady step, of the rank that sends most, "
             "counted at its messages. Memory: of the rank that holds most, by what it is for. "
             "The extra KV buffer is the key store of a strategy that keeps one, else its "
             "exchange buffers. Peak: the fullest rank without what libraries take. Right: "
             "within 5 %%; rough: within 30 %%; wrong: beyond. MB is 1e6 bytes.");
    put_remarks(doc);
    if (rows->unread > 0)
        doc_text(doc,
                 "%d row%s left out: the model is no preset and its folder is not here, or "
                 "its plan cannot be made.",
                 rows->unread, rows->unread == 1 ? " is" : "s are");
}

static enum status put_all(struct doc *doc, const struct cost_rows *rows)
{
    enum status st = ST_OK;
    put_introduction(doc, rows);
    for (int begin = 0, end; begin < rows->n && st == ST_OK; begin = end) {
        end = cost_rows_size_end(rows, begin);
        put_heading(doc, rows->v[begin]);
        put_sent(doc, end - begin, rows->v + begin);
        put_memory(doc, end - begin, rows->v + begin);
        st = put_words(doc, rows, begin, end);
    }
    return st ? st : doc_status(doc);
}

bool cost_has(const struct sheet *sheet)
{
    struct cost_rows rows;
    if (cost_rows_open(sheet, &rows) != ST_OK)
        return false;
    bool any = rows.n > 0;
    cost_rows_close(&rows);
    return any;
}

enum status cost_add(struct doc *doc, const struct sheet *sheet)
{
    struct cost_rows rows;
    TRY(cost_rows_open(sheet, &rows));
    enum status st = rows.n > 0 ? put_all(doc, &rows) : ST_OK;
    cost_rows_close(&rows);
    return st;
}

enum status cost_page(struct doc *doc, const struct sheet *sheet)
{
    if (!cost_has(sheet))
        return fail(ST_INVALID,
                    "of %d rows none is ok, has several ranks and a strategy of the "
                    "published table alone; experiments/cost-table.yaml makes such rows",
                    sheet->n);
    doc_heading(doc, 1, "Costs of strategies");
    return cost_add(doc, sheet);
}
