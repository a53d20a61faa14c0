/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing groups by their number of rows, and opening them. */
#include "harness/plot/select.h"

#include <stdlib.h>

/* ---- which ---- */

/* Rows of one setting and size. */
struct candidate {
    int begin, end; /* places in the sheet's order */
    int ok;         /* rows that can be drawn */
    bool chosen;
};

/* Says of all rows that they are not drawn, until a group says otherwise. */
static struct candidate candidate_of(const struct sheet *sheet, int begin)
{
    struct candidate c = {.begin = begin, .end = sheet_size_end(sheet, begin)};
    for (int i = begin; i < c.end; i++) {
        struct sheet_row *row = sheet->sorted[i];
        const char *why = plot_group_refuses(row->record);
        row->left_out = why ? why : "of a further setting (--settings)";
        c.ok += why == NULL;
    }
    return c;
}

static int by_rows(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->ok == y->ok ? (x->begin > y->begin) - (x->begin < y->begin)
                          : (x->ok < y->ok) - (x->ok > y->ok);
}

static int by_place(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Chooses among n candidates; `asked` as in the options. */
static void choose(int n, struct candidate *c, int asked, struct plot_selection *out)
{
    qsort(c, (size_t)n, sizeof *c, by_rows);
    while (out->groups < n && c[out->groups].ok > 0)
        out->groups++;
    int most = asked > 0 ? asked : out->groups > PLOT_SETTINGS ? PLOT_FEW : out->groups;
    out->chosen = most < out->groups ? most : out->groups;
    for (int i = 0; i < out->chosen; i++)
        c[i].chosen = true;
    qsort(c, (size_t)n, sizeof *c, by_place);
}

/* ---- groups ---- */

/* Opens the chosen ones among n candidates of one setting. */
static enum status open_setting(const struct sheet *sheet, int n, const struct candidate *c,
                                const regex_t *wanted, struct plot_setting *s)
{
    *s = (struct plot_setting){
        .begin = c[0].begin, .end = c[n - 1].end, .of = sheet->sorted[c[0].begin]};
    s->group = calloc((size_t)n, sizeof *s->group);
    if (!s->group)
        return fail(ST_OOM, "plot: %d sizes", n);
    for (int i = 0; i < n; i++) {
        if (!c[i].chosen)
            continue;
        TRY(plot_group_open(sheet, c[i].begin, c[i].end, wanted, &s->group[s->n++]));
        if (!s->group[s->n - 1].first)
            plot_group_close(&s->group[--s->n]);
    }
    return ST_OK;
}

static void close_setting(struct plot_setting *s)
{
    for (int i = 0; i < s->n; i++)
        plot_group_close(&s->group[i]);
    free(s->group);
}

static enum status open_settings(const struct sheet *sheet, int n, const struct candidate *c,
                                 const regex_t *wanted, struct plot_selection *out)
{
    out->setting = calloc((size_t)out->chosen + 1, sizeof *out->setting);
    if (!out->setting)
        return fail(ST_OOM, "plot: %d settings", out->chosen);
    for (int i = 0, end; i < n; i = end) {
        bool any = false;
        for (end = i; end < n &&
                      sheet_by_setting(sheet->sorted[c[i].begin], sheet->sorted[c[end].begin]) == 0;
             end++)
            any |= c[end].chosen;
        if (!any)
            continue;
        TRY(open_setting(sheet, end - i, c + i, wanted, &out->setting[out->n++]));
        if (out->setting[out->n - 1].n == 0)
            close_setting(&out->setting[--out->n]);
    }
    return ST_OK;
}

static enum status select_rows(const struct sheet *sheet, int asked, const regex_t *wanted,
                               struct plot_selection *out)
{
    int n = 0;
    struct candidate *c = calloc((size_t)sheet->n + 1, sizeof *c);
    if (!c)
        return fail(ST_OOM, "plot: %d rows", sheet->n);
    for (int i = 0; i < sheet->n; i = c[n++].end)
        c[n] = candidate_of(sheet, i);
    choose(n, c, asked, out);
    enum status st = open_settings(sheet, n, c, wanted, out);
    free(c);
    return st;
}

enum status plot_selection_open(struct sheet *sheet, const struct plot_options *options,
                                struct plot_selection *out)
{
    regex_t wanted;
    char why[200];
    *out = (struct plot_selection){0};
    if (!options->strategies)
        return select_rows(sheet, options->settings, NULL, out);
    int error = regcomp(&wanted, options->strategies, REG_EXTENDED | REG_NOSUB);
    if (error != 0) {
        regerror(error, &wanted, why, sizeof why);
        return fail(ST_INVALID, "--strategies '%.200s': %s", options->strategies, why);
    }
    enum status st = select_rows(sheet, options->settings, &wanted, out);
    regfree(&wanted);
    return st;
}

void plot_selection_close(struct plot_selection *selection)
{
    for (int i = 0; i < selection->n; i++)
        close_setting(&selection->setting[i]);
    free(selection->setting);
    *selection = (struct plot_selection){0};
}
