/* SPDX-License-Identifier: Apache-2.0 */
/* Two results files side by side for readers: a table, and what is to be known of it. */
#include "harness/base/fold.h"
#include "harness/base/text.h"
#include "harness/host/env.h"
#include "harness/report/compare.h"
#include "harness/report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NAME, A, B, RATIO, INTERVAL, LOOPS, VERDICT, COLUMNS };
enum {
    BETWEEN = 2,    /* blanks between columns */
    NARROWEST = 64, /* of names */
    INDENT = 4      /* of what belongs to the line above */
};

#define NOTABLE 0.01 /* of a step: shares that changed by more are shown */

static const char *const title[COLUMNS] = {"cell",         "A ms",      "B ms",   "B/A",
                                           "95% interval", "A/B loops", "verdict"};

struct line {
    char text[COLUMNS][COMPARE_NAME];
};

struct page {
    const struct compare *compare;
    bool markdown, colour;
    FILE *out;
};

/* ---- what a line says ---- */

static void __attribute__((format(printf, 2, 3))) add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, COMPARE_NAME - used, format, args);
    va_end(args);
}

static void say_number(double value, char *text)
{
    char number[TEXT_NUMBER];
    add(text, "%s", isnan(value) ? "-" : text_number(value, number));
}

/* ", A noisy", or of several rounds ", A noisy in 2 of 5 rounds". */
static void add_flags(char which, const struct compare_side *side, char *text)
{
    for (int i = 0; i < side->rounds; i++) {
        for (int k = 0; k < side->row[i]->flags.n; k++) {
            const char *flag = side->row[i]->flags.v[k];
            int earlier = 0, n = compare_side_flagged(side, flag);
            for (int j = 0; j < i; j++)
                earlier += record_has_flag(side->row[j], flag);
            if (earlier)
                continue;
            add(text, ", %c %s", which, flag);
            if (side->rounds > 1)
                add(text, " in %d of %d rounds", n, side->rounds);
        }
    }
}

/* What a reader must know before trusting the verdict. */
static void add_notes(const struct compare_pair *pair, char *text)
{
    const struct compare_side *a = pair->side[0], *b = pair->side[1];
    bool few = a->n < COMPARE_LEAST || b->n < COMPARE_LEAST;
    double spread = fmax(a->spread, b->spread); /* of the two the one that is not NAN */
    if (pair->forced)
        add(text, ", forced: other cohort");
    if (pair->verdict == COMPARE_NOT_OK)
        return;
    if (few)
        add(text, ", fewer than %d loops", COMPARE_LEAST);
    add_flags('A', a, text);
    add_flags('B', b, text);
    if (!isnan(spread))
        add(text, ", %d and %d rounds within %.*f%%", a->rounds, b->rounds, spread < 0.1 ? 1 : 0,
            100 * spread);
}

static void fill(const struct page *page, const struct compare_pair *pair, struct line *line)
{
    const struct compare_side *a = pair->side[0], *b = pair->side[1];
    char low[TEXT_NUMBER], high[TEXT_NUMBER];
    memset(line, 0, sizeof *line);
    compare_name(page->compare, &a->record->cell, line->text[NAME]);
    say_number(a->median, line->text[A]);
    say_number(b->median, line->text[B]);
    say_number(pair->ratio, line->text[RATIO]);
    if (isnan(pair->low))
        add(line->text[INTERVAL], "-");
    else
        add(line->text[INTERVAL], "%s to %s", text_number(pair->low, low),
            text_number(pair->high, high));
    if (pair->verdict == COMPARE_NOT_OK) {
        add(line->text[LOOPS], "-");
        add(line->text[VERDICT], "A %s, B %s", ending_name(a->status), ending_name(b->status));
    } else {
        add(line->text[LOOPS], "%d/%d", a->n, b->n);
        add(line->text[VERDICT], "%s", compare_verdict_name(pair->verdict));
    }
    add_notes(pair, line->text[VERDICT]);
}

/* "of a step, 10.2 to 12.4 ms: exposed_comm_ms +2.1": what changed by more than NOTABLE of it. */
static char *say_shares(const struct compare_pair *pair, char *text)
{
    char was[TEXT_NUMBER], is[TEXT_NUMBER];
    const struct compare_share *whole = &pair->share[0];
    int n = 0;
    snprintf(text, COMPARE_NAME, "of a step, %s to %s ms:", text_number(whole->a, was),
             text_number(whole->b, is));
    for (int i = 1; i < pair->shares; i++) {
        double change = pair->share[i].b - pair->share[i].a;
        if (fabs(change) > NOTABLE * whole->a)
            add(text, "%s %s %s%s", n++ ? "," : "", pair->share[i].name, change > 0 ? "+" : "",
                text_number(change, was));
    }
    if (n == 0)
        add(text, " no share changed by more than %g%% of it", 100 * NOTABLE);
    return text;
}

/* ---- a text ---- */

static const char *colour_of(enum compare_verdict verdict)
{
    static const char *const colour[COMPARE_VERDICTS] = {
        [COMPARE_SLOWER] = "\033[31m",    /* red */
        [COMPARE_FASTER] = "\033[32m",    /* green */
        [COMPARE_AMBIGUOUS] = "\033[33m", /* yellow */
    };
    return colour[verdict];
}

/* A text in lines of FOLD_WIDTH at most, the first one from column `indent` on. */
static void print_folded(FILE *out, int indent, const char *text)
{
    for (const char *at = text, *next; *at; at = next, indent = INDENT) {
        int bytes = text_fold(at, FOLD_WIDTH - indent, &next);
        fprintf(out, "%*s%.*s\n", indent, "", bytes, at);
    }
}

/* The verdict's own word alone is coloured. */
static void print_verdict(const struct page *page, const struct compare_pair *pair,
                          const char *text)
{
    const char *colour = page->colour ? colour_of(pair->verdict) : NULL;
    if (colour)
        fprintf(page->out, "%s%.*s\033[0m%s\n", colour, (int)strcspn(text, ","), text,
                text + strcspn(text, ","));
    else
        fprintf(page->out, "%s\n", text);
}

/* Names are shortened so that lines fit FOLD_WIDTH, if they can. */
static void find_widths(int n, const struct line *lines, int width[COLUMNS])
{
    int all = BETWEEN * (COLUMNS - 1);
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = text_columns(title[c]);
        for (int i = 0; i < n; i++) {
            int wanted = text_columns(lines[i].text[c]);
            width[c] = wanted > width[c] ? wanted : width[c];
        }
        all += width[c];
    }
    int names = width[NAME] - (all > FOLD_WIDTH ? all - FOLD_WIDTH : 0);
    width[NAME] = names > NARROWEST ? names : width[NAME] < NARROWEST ? width[NAME] : NARROWEST;
}

static void print_columns(const struct page *page, const char *const *text,
                          const int width[COLUMNS])
{
    char name[COMPARE_NAME];
    text_shorten(text[NAME], width[NAME], sizeof name, name);
    fprintf(page->out, "%s%*s", name, width[NAME] - text_columns(name) + BETWEEN, "");
    for (int c = NAME + 1; c < VERDICT; c++)
        fprintf(page->out, "%*s%s%*s", width[c] - text_columns(text[c]), "", text[c], BETWEEN, "");
}

static void print_text(const struct page *page, const struct line *lines)
{
    const struct compare *compare = page->compare;
    char shares[COMPARE_NAME];
    int width[COLUMNS];
    find_widths(compare->pairs, lines, width);
    print_columns(page, title, width);
    fprintf(page->out, "%s\n", title[VERDICT]);
    for (int i = 0; i < compare->pairs; i++) {
        const struct compare_pair *pair = &compare->pair[i];
        const char *text[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            text[c] = lines[i].text[c];
        print_columns(page, text, width);
        print_verdict(page, pair, text[VERDICT]);
        if (pair->shares > 0)
            print_folded(page->out, INDENT, say_shares(pair, shares));
    }
}

/* ---- Markdown ---- */

static void print_markdown(const struct page *page, const struct line *lines)
{
    const struct compare *compare = page->compare;
    char shares[COMPARE_NAME];
    for (int c = 0; c < COLUMNS; c++)
        fprintf(page->out, "%s%s", c ? " | " : "| ", title[c]);
    fputs(" |\n", page->out);
    for (int c = 0; c < COLUMNS; c++)
        fputs(c == NAME || c == VERDICT ? "| --- " : "| ---: ", page->out);
    fputs("|\n", page->out);
    for (int i = 0; i < compare->pairs; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            fputs(c ? " | " : "| ", page->out);
            table_markdown_text(page->out, lines[i].text[c]);
        }
        fputs(" |\n", page->out);
    }
    for (int i = 0, n = 0; i < compare->pairs; i++) {
        if (compare->pair[i].shares == 0)
            continue;
        fputs(n++ ? "- " : "\n- ", page->out);
        table_markdown_text(page->out, lines[i].text[NAME]);
        fputs(", ", page->out);
        table_markdown_text(page->out, say_shares(&compare->pair[i], shares));
        fputc('\n', page->out);
    }
}

/* ---- above and below ---- */

/* A line of its own, folded; in Markdown an item of a list. What files say is in it: only what can
 * be shown is. */
static void __attribute__((format(printf, 2, 3)))
print_line(const struct page *page, const char *format, ...)
{
    char raw[3 * COMPARE_NAME], text[3 * COMPARE_NAME];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    text_shown(raw, false, sizeof text, text);
    if (!page->markdown) {
        print_folded(page->out, 0, text);
        return;
    }
    fputs("- ", page->out);
    table_markdown_text(page->out, text);
    fputc('\n', page->out);
}

/* Machine and build of the file's first cell, and whether others have another build. */
static void print_file(const struct page *page, int f)
{
    const struct compare_file *file = &page->compare->file[f];
    char machine[256] = "no machine";
    const char *commit = NULL;
    bool several = false;
    for (int i = 0; i < file->cells; i++) {
        const struct record_env *env = &file->cell[i].record->env;
        const char *own = env->commit ? env->commit : "unknown";
        if (!commit)
            env_hardware(env, machine, sizeof machine);
        several |= commit && strcmp(commit, own) != 0;
        commit = commit ? commit : own;
    }
    print_line(page, "%c: %s: %d cell%s, %s, commit %.12s%s", 'A' + f, file->path, file->cells,
               file->cells == 1 ? "" : "s", machine, commit ? commit : "unknown",
               several ? " and others" : "");
}

static void print_left_out(const struct page *page, int f)
{
    const struct compare_file *file = &page->compare->file[f];
    int again = file->list.again, others = 0, joined = 0;
    for (int i = 0; i < file->cells; i++) {
        others += file->cell[i].left_out;
        joined += file->cell[i].rounds > 1;
    }
    if (joined > 0)
        print_line(page, "%c: rounds of %d cell%s are joined", 'A' + f, joined,
                   joined == 1 ? "" : "s");
    if (again > 0)
        print_line(page, "%c: %d earlier row%s of cells that were run again: the last row counts",
                   'A' + f, again, again == 1 ? "" : "s");
    if (others > 0)
        print_line(page,
                   "%c: %d row%s left out: of another cohort, commit or cell (its warm-up loops, "
                   "say) than the last one of the recipe",
                   'A' + f, others, others == 1 ? " is" : "s are");
    if (file->torn)
        print_line(page, "%c: the last line was cut off and is left out", 'A' + f);
}

static void print_lost(const struct page *page)
{
    const struct compare *compare = page->compare;
    char name[COMPARE_NAME];
    for (int i = 0; i < compare->pairs; i++) {
        const struct compare_side *b = compare->pair[i].side[1];
        if (compare_lost(&compare->pair[i]))
            print_line(page, "ok in A, not in B: %s (%s)",
                       compare_name(compare, &b->record->cell, name), ending_name(b->status));
    }
}

static void print_alone(const struct page *page, int f)
{
    const struct compare_file *file = &page->compare->file[f];
    char name[COMPARE_NAME];
    for (int i = 0; i < file->alone; i++)
        print_line(page, "only in %c: %s (%s)", 'A' + f,
                   compare_name(page->compare, &file->only[i]->record->cell, name),
                   ending_name(file->only[i]->status));
}

static void print_counts(const struct page *page)
{
    const struct compare *compare = page->compare;
    char text[COMPARE_NAME] = "";
    for (enum compare_verdict v = COMPARE_SLOWER; v < COMPARE_VERDICTS; v++)
        add(text, "%s%d %s", v ? ", " : "", compare->count[v], compare_verdict_name(v));
    print_line(page, "%s; only in A %d, only in B %d; threshold %g%%", text, compare->file[0].alone,
               compare->file[1].alone, 100 * compare->options.threshold);
}

enum status compare_print(const struct compare *compare, bool markdown, bool colour, FILE *out)
{
    const struct page page = {compare, markdown, colour, out};
    char common[COMPARE_NAME];
    struct line *lines = malloc(((size_t)compare->pairs + 1) * sizeof *lines);
    if (!lines)
        return fail(ST_OOM, "compare: no host memory for %d lines", compare->pairs);
    for (int i = 0; i < compare->pairs; i++)
        fill(&page, &compare->pair[i], &lines[i]);
    print_file(&page, 0);
    print_file(&page, 1);
    if (*compare_name_common(compare, common))
        print_line(&page, "all cells: %s", common);
    fputc('\n', out);
    if (compare->pairs > 0) {
        (markdown ? print_markdown : print_text)(&page, lines);
        fputc('\n', out);
    }
    print_counts(&page);
    print_lost(&page);
    for (int f = 0; f < 2; f++)
        print_left_out(&page, f);
    for (int f = 0; f < 2; f++)
        print_alone(&page, f);
    free(lines);
    return ST_OK;
}
