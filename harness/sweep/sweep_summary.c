/* SPDX-License-Identifier: Apache-2.0 */
/* The lines at the end of a sweep, and what they mean for its exit status. */
#include "harness/sweep/sweep_summary.h"

#include "harness/base/text.h"
#include "harness/record/rounds.h"
#include "harness/report/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status print_table(int n, const struct record *const *records)
{
    struct sheet sheet;
    char *text = NULL;
    TRY(sheet_open(n, records, NULL, &sheet));
    enum status st = table_text(n, sheet.v, &text);
    if (text)
        fputs(text, stdout);
    free(text);
    sheet_close(&sheet);
    return st;
}

enum status sweep_summary_table(const struct sweep_list *list, const struct record_list *all)
{
    int n = 0;
    const struct record **chosen = calloc((size_t)list->n + 1, sizeof *chosen);
    if (!chosen)
        return fail(ST_OOM, "table of %d rows: no host memory", list->n);
    for (int i = 0; i < list->n; i++) {
        const struct record *row = record_list_find(all, list->v[i].id);
        if (row)
            chosen[n++] = row;
    }
    struct record_rounds rows;
    enum status st = record_rounds_join(n, chosen, &rows);
    if (st == ST_OK && n > 0)
        st = print_table(rows.n, rows.v);
    record_rounds_release(&rows);
    free(chosen);
    return st;
}

/* How many cells have a row of each status; returns how many have one. */
static int count(const struct sweep_list *list, int by_status[ENDINGS])
{
    int rows = 0;
    memset(by_status, 0, ENDINGS * sizeof *by_status);
    for (int i = 0; i < list->n; i++) {
        if (!list->v[i].has_row)
            continue;
        by_status[list->v[i].status]++;
        rows++;
    }
    return rows;
}

/* ---- the command to run again ---- */

static void print_word(const char *word)
{
    putchar(' ');
    text_put_word(stdout, word);
}

/* Words of the command line that are a --retry: 0, 1, or 2 with its value. Options may be shortened
 * as long as no other begins so. */
static int retry_words(const char *word)
{
    static const char option[] = "--retry";
    size_t n = strcspn(word, "=");
    if (n < strlen("--ret") || n >= sizeof option || strncmp(word, option, n) != 0)
        return 0;
    return word[n] == '=' ? 1 : 2;
}

void sweep_summary_retry(const struct sweep_list *list, int argc, char *const *argv)
{
    static const enum ending again[] = {ENDING_TIMEOUT, ENDING_CRASH, ENDING_ERROR};
    int by_status[ENDINGS];
    const char *before = " --retry ";
    count(list, by_status);
    if (by_status[ENDING_TIMEOUT] + by_status[ENDING_CRASH] + by_status[ENDING_ERROR] == 0)
        return;
    printf("to run again what timed out, crashed or failed:");
    print_word(program_invocation_name);
    print_word(argv[0]);
    for (size_t k = 0; k < sizeof again / sizeof again[0]; k++) {
        if (by_status[again[k]] == 0)
            continue;
        printf("%s%s", before, ending_name(again[k]));
        before = ",";
    }
    for (int i = 1; i < argc; i++) {
        int skip = retry_words(argv[i]);
        if (skip == 0)
            print_word(argv[i]);
        i += skip == 2;
    }
    printf("\n");
}

/* ---- the last line ---- */

void sweep_summary_counts(const struct sweep_list *list, const char *results)
{
    int by_status[ENDINGS];
    int rows = count(list, by_status);
    if (list->rounds > 1)
        printf("%s: %d of %d rows (%d cells in %d rounds) are there:", results, rows, list->n,
               list->n / list->rounds, list->rounds);
    else
        printf("%s: %d of %d cells have a row:", results, rows, list->n);
    for (int k = 0; k < ENDINGS; k++)
        if (by_status[k] > 0)
            printf(" %d %s", by_status[k], ending_name((enum ending)k));
    printf("\n");
}

enum status sweep_summary_judge(const struct sweep_list *list, const char *results, bool strict)
{
    int by_status[ENDINGS];
    int without = list->n - count(list, by_status);
    int bad = by_status[ENDING_WRONG] + by_status[ENDING_CRASH] + by_status[ENDING_TIMEOUT] +
              by_status[ENDING_ERROR];
    if (without > 0)
        return fail(ST_IO, "%s: lost the rows of %d cell%s; the same command goes on from here",
                    results, without, without == 1 ? "" : "s");
    if (strict && bad > 0)
        return fail(ST_WRONG, "%d row%s wrong, crashed, timed out or failed", bad,
                    bad == 1 ? " is" : "s are");
    return ST_OK;
}
