/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing settings by their number of rows, and opening their groups. */
#include "harness/plot/select.h"

#include <stdlib.h>

/* ---- which settings ---- */

/* What rows are until a group says otherwise. */
static void leave_out(struct plot_setting *s, const struct sheet *sheet)
{
    for (int i = s->begin; i < s->end; i++) {
        struct sheet_row *row = sheet->sorted[i];
        bool ok = row->record->status == ENDING_OK;
        row->left_out = ok ? "of a further setting (--settings)" : ending_name(row->record->status);
        s->ok += ok;
    }
}

static int by_rows(const void *a, const void *b)
{
    const struct plot_setting *x = a, *y = b;
    return x->ok == y->ok ? (x->begin > y->begin) - (x->begin < y->begin)
                          : (x->ok < y->ok) - (x->ok > y->ok);
}

static int by_place(const void *a, const void *b)
{
    const struct plot_setting *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* All settings with a row that is ok; then those that are drawn alone. */
static enum status choose(struct sheet *sheet, int asked, struct plot_selection *out)
{
    int room = 0;
    for (int i = 0; i < sheet->n; i = sheet_setting_end(sheet, i))
        room++;
    out->setting = calloc((size_t)room + 1, sizeof *out->setting);
    if (!out->setting)
        return fail(ST_OOM, "plot: %d settings", room);
    for (int i = 0, end; i < sheet->n; i = end) {
        struct plot_setting *s = &out->setting[out->n];
        end = sheet_setting_end(sheet, i);
        *s = (struct plot_setting){.begin = i, .end = end, .of = sheet->sorted[i]};
        leave_out(s, sheet);
        out->n += s->ok > 0;
    }
    out->settings = out->n;
    int most = asked > 0 ? asked : out->n > PLOT_SETTINGS ? PLOT_FEW : out->n;
    qsort(out->setting, (size_t)out->n, sizeof *out->setting, by_rows);
    out->n = out->n < most ? out->n : most;
    qsort(out->setting, (size_t)out->n, sizeof *out->setting, by_place);
    return ST_OK;
}

/* ---- their groups ---- */

static enum status open_groups(const struct sheet *sheet, const regex_t *wanted,
                               struct plot_setting *s)
{
    int room = 0;
    for (int i = s->begin; i < s->end; i = sheet_size_end(sheet, i))
        room++;
    s->group = calloc((size_t)room, sizeof *s->group);
    if (!s->group)
        return fail(ST_OOM, "plot: %d sizes", room);
    for (int i = s->begin, end; i < s->end; i = end) {
        end = sheet_size_end(sheet, i);
        TRY(plot_group_open(sheet, i, end, wanted, &s->group[s->n++]));
        if (!s->group[s->n - 1].first)
            plot_group_close(&s->group[--s->n]);
    }
    return ST_OK;
}

static enum status compile(const char *expression, regex_t *out)
{
    char why[200];
    int error = regcomp(out, expression, REG_EXTENDED | REG_NOSUB);
    if (error == 0)
        return ST_OK;
    regerror(error, out, why, sizeof why);
    return fail(ST_INVALID, "--strategies: \"%s\": %s", expression, why);
}

enum status plot_selection_open(struct sheet *sheet, const struct plot_options *options,
                                struct plot_selection *out)
{
    regex_t wanted;
    *out = (struct plot_selection){0};
    if (options->strategies)
        TRY(compile(options->strategies, &wanted));
    enum status st = choose(sheet, options->settings, out);
    for (int i = 0; i < out->n && st == ST_OK; i++)
        st = open_groups(sheet, options->strategies ? &wanted : NULL, &out->setting[i]);
    if (options->strategies)
        regfree(&wanted);
    return st;
}

void plot_selection_close(struct plot_selection *selection)
{
    for (int i = 0; i < selection->n; i++) {
        for (int k = 0; k < selection->setting[i].n; k++)
            plot_group_close(&selection->setting[i].group[k]);
        free(selection->setting[i].group);
    }
    free(selection->setting);
    *selection = (struct plot_selection){0};
}
