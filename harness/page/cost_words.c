/* SPDX-License-Identifier: Apache-2.0 */
/* Where the table is right, rough or wrong, and why, by rule. */
#include "harness/page/cost_words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- verdicts ---- */

/* "0.50" or, of what is far off, "12". */
static void put_ratio(FILE *out, double ratio)
{
    fprintf(out, ratio < 10 ? "%.2f" : "%.0f", ratio);
}

/* The i-th of n things in a sentence. */
static const char *joint(int i, int n)
{
    return i == 0 ? "" : i == n - 1 ? " and " : ", ";
}

/* "wrong at N = 2 and 4 (0.50 and 0.75 times the formula)": the rows of one verdict. */
static void put_verdict(FILE *out, int n, struct cost_row *const *rows, enum published_term term,
                        enum cost_verdict verdict)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += cost_verdict_of(rows[i]->term[term].ratio) == verdict;
    fprintf(out, "%s at N = ", cost_verdict_name(verdict));
    for (int i = 0, k = 0; i < n; i++)
        if (cost_verdict_of(rows[i]->term[term].ratio) == verdict)
            fprintf(out, "%s%d", joint(k++, count), rows[i]->asked.ranks);
    if (verdict == COST_UNKNOWN)
        return;
    fputs(" (", out);
    for (int i = 0, k = 0; i < n; i++)
        if (cost_verdict_of(rows[i]->term[term].ratio) == verdict) {
            fputs(joint(k++, count), out);
            put_ratio(out, rows[i]->term[term].ratio);
        }
    fputs(" times the formula)", out);
}

/* In the order in which verdicts come with growing ranks. True: all are right. */
static bool put_verdicts(FILE *out, int n, struct cost_row *const *rows, enum published_term term)
{
    bool said[COST_VERDICTS] = {false};
    int kinds = 0;
    for (int i = 0; i < n; i++) {
        enum cost_verdict verdict = cost_verdict_of(rows[i]->term[term].ratio);
        if (said[verdict])
            continue;
        said[verdict] = true;
        fputs(kinds++ ? ", " : "", out);
        put_verdict(out, n, rows, term, verdict);
    }
    return !said[COST_ROUGH] && !said[COST_WRONG];
}

/* ---- reasons ---- */

static bool same_in_all(int n, struct cost_row *const *rows, const struct published_why *why)
{
    for (int i = 1; i < n; i++)
        if (fabs(why->factor(&rows[i]->asked) - why->factor(&rows[0]->asked)) > 0.005)
            return false;
    return true;
}

static bool matters(int n, struct cost_row *const *rows, const struct published_why *why)
{
    bool any = false;
    for (int i = 0; i < n && why->factor; i++)
        any |= fabs(why->factor(&rows[i]->asked) - 1) > 0.005;
    return any;
}

/* "text is part of the sequence (x 1.13)" */
static void put_reason(FILE *out, int n, struct cost_row *const *rows,
                       const struct published_why *why)
{
    fprintf(out, "%s (x ", why->text);
    int shown = same_in_all(n, rows, why) ? 1 : n;
    for (int i = 0; i < shown; i++) {
        fputs(joint(i, shown), out);
        put_ratio(out, why->factor(&rows[i]->asked));
    }
    fputc(')', out);
}

/* How much is left when the formula is multiplied by all factors, in percent of what was measured:
 * the worst of the rows. */
static double left_over(int n, struct cost_row *const *rows, enum published_term term)
{
    double worst = 0;
    for (int i = 0; i < n; i++) {
        const struct cost_term *t = &rows[i]->term[term];
        worst = fmax(worst, 100 * fabs(t->corrected / t->measured - 1));
    }
    return worst;
}

static void put_reasons(FILE *out, int n, struct cost_row *const *rows, enum published_term term)
{
    int said = 0;
    for (const struct published_why *why = rows[0]->published->why; why->text; why++) {
        if (why->term != term || !matters(n, rows, why))
            continue;
        fputs(said++ ? "; " : ", because ", out);
        put_reason(out, n, rows, why);
    }
    double left = left_over(n, rows, term);
    if (said > 0 && left <= 5)
        fprintf(out, "; with %s the formula holds within %.1f %%", said > 1 ? "these" : "this",
                fmax(left, 0.1));
    else if (said > 0)
        fprintf(out, "; that leaves up to %.0f %% unexplained", left);
}

/* ---- one strategy ---- */

char *cost_words_variant(int n, struct cost_row *const *rows)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "`%s`", rows[0]->variant);
    for (int t = 0; t < PUBLISHED_TERMS; t++) {
        fprintf(out, "%s %s: ", t ? "." : ":", published_term_name((enum published_term)t));
        if (!put_verdicts(out, n, rows, (enum published_term)t))
            put_reasons(out, n, rows, (enum published_term)t);
    }
    fputc('.', out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
