/* SPDX-License-Identifier: Apache-2.0 */
/* Reading published figures and relating each of their numbers to its own single GPU. */
#include "harness/plot/published.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct published_row {
    const struct published_line *line; /* borrowed */
    char *way;                         /* owned: words of config that are no degrees */
    char *remark; /* owned: what config says in brackets or behind a semicolon */
    char *label;  /* owned: of its curve */
};

void plot_published_close(struct plot_published *published)
{
    for (int i = 0; i < published->n; i++) {
        free(published->v[i].way);
        free(published->v[i].remark);
        free(published->v[i].label);
    }
    free(published->v);
    published_file_release(&published->file);
    *published = (struct plot_published){0};
}

/* ---- config ---- */

/* A word that says no more than how many ranks: one with a number at its end ("pp8"), but for those
 * of a variant
 * ("warmup1"), or what names a single GPU. */
static bool is_degree(const char *word, size_t length)
{
    static const char *const variants[] = {"warmup", "patches"};
    static const char *const single[] = {"1", "GPU", "1gpu", "original"};
    size_t letters = 0;
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (strlen(single[i]) == length && strncmp(word, single[i], length) == 0)
            return true;
    while (letters < length && isalpha((unsigned char)word[letters]))
        letters++;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (strlen(variants[i]) == letters && strncmp(word, variants[i], letters) == 0)
            return false;
    return letters > 0 && letters < length &&
           strspn(word + letters, "0123456789") >= length - letters;
}

/* Splits config into `way` and `remark`, both with room for all of it. */
static void split_config(const char *config, char *way, char *remark)
{
    bool aside = false;
    way[0] = remark[0] = '\0';
    for (const char *word = config; *word;) {
        word += strspn(word, " ;()");
        size_t length = strcspn(word, " ;()");
        char *to = aside ? remark : way;
        if (length > 0 && (aside || !is_degree(word, length)))
            sprintf(to + strlen(to), "%s%.*s", *to ? " " : "", (int)length, word);
        word += length;
        size_t between = strspn(word, " ;()");
        aside = memchr(word, '(', between) || memchr(word, ';', between) ||
                (aside && !memchr(word, ')', between));
        if (!*word)
            break;
    }
}

static enum status describe(struct published_row *row)
{
    const char *config = row->line->field[PUBLISHED_CONFIG];
    row->way = malloc(strlen(config) + 1);
    row->remark = malloc(strlen(config) + 1);
    if (!row->way || !row->remark)
        return fail(ST_OOM, "a published row");
    split_config(config, row->way, row->remark);
    if (asprintf(&row->label, "%s%s%s, %s", row->line->field[PUBLISHED_STRATEGY],
                 *row->way ? " " : "", row->way, row->line->field[PUBLISHED_HARDWARE]) < 0) {
        row->label = NULL;
        return fail(ST_OOM, "a published row");
    }
    return ST_OK;
}

/* ---- reading ---- */

/* Rows that are no latency of a GPU are not drawn. */
static bool is_latency(const struct published_line *line)
{
    const char *metric = line->field[PUBLISHED_METRIC];
    return (strcmp(metric, "latency") == 0 || strcmp(metric, "latency_per_step") == 0) &&
           line->value > 0 && line->gpus >= 1;
}

enum status plot_published_open(int n, const char *const *paths, struct plot_published *out)
{
    *out = (struct plot_published){0};
    for (int i = 0; i < n; i++)
        TRY(published_file_read(paths[i], &out->file));
    out->v = calloc((size_t)out->file.n + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "published rows: no host memory");
    for (int i = 0; i < out->file.n; i++) {
        if (!is_latency(&out->file.v[i]))
            continue;
        out->v[out->n].line = &out->file.v[i];
        TRY(describe(&out->v[out->n++]));
    }
    return ST_OK;
}

/* ---- panels ---- */

static bool same_panel(const struct published_row *a, const struct published_row *b)
{
    for (int f = 0; f <= PUBLISHED_METRIC; f++)
        if (strcmp(a->line->field[f], b->line->field[f]) != 0)
            return false;
    return true;
}

static bool of_size(const struct published_row *row, const struct record_cell *cell)
{
    const struct published_line *line = row->line;
    return line->width == cell->width && line->height == cell->height &&
           (line->frames ? line->frames : 1) == cell->frames;
}

/* The single GPU that a row is measured by; NULL: the panel does not say. */
static const struct published_row *single_gpu(const struct plot_published *p,
                                              const struct published_row *row)
{
    const struct published_row *found = NULL;
    bool alike = false, several = false;
    for (int i = 0; i < p->n; i++) {
        const struct published_row *r = &p->v[i];
        bool same_way = strcmp(r->way, row->way) == 0;
        if (r->line->gpus != 1 || !same_panel(r, row) || (alike && !same_way))
            continue;
        several |= found && found->line->value != r->line->value && alike == same_way;
        if (!found || (same_way && !alike)) {
            found = r;
            several = false;
        }
        alike |= same_way;
    }
    return several ? NULL : found;
}

int plot_published_points(const struct plot_published *published, const struct record_cell *cell,
                          struct plot_point *points)
{
    int n = 0;
    for (int i = 0; i < published->n; i++) {
        const struct published_row *row = &published->v[i];
        const struct published_row *one =
            row->line->gpus > 1 && of_size(row, cell) ? single_gpu(published, row) : NULL;
        if (!one)
            continue;
        points[n++] = (struct plot_point){
            .family = row->line->field[PUBLISHED_STRATEGY],
            .label = row->label,
            .published = true,
            .x = row->line->gpus,
            .latency = row->line->value,
            .y = one->line->value / row->line->value,
            .low = fmax(one->line->value - one->line->uncertainty, 0) /
                   (row->line->value + row->line->uncertainty),
            .high = (one->line->value + one->line->uncertainty) /
                    fmax(row->line->value - row->line->uncertainty, 0.5 * row->line->value)};
    }
    return n;
}

/* ---- what is said of them ---- */

/* Appends to a list what is not in it yet. */
static void add_once(char *list, size_t size, const char *text)
{
    size_t length = strlen(list);
    if (*text && !strstr(list, text))
        snprintf(list + length, size - length, "%s%s", length ? ", " : "", text);
}

static bool first_of_panel(const struct plot_published *p, int row)
{
    for (int i = 0; i < row; i++)
        if (same_panel(&p->v[i], &p->v[row]))
            return false;
    return true;
}

int plot_published_panel(const struct plot_published *p, const struct record_cell *cell, int from,
                         size_t size, char *text)
{
    char methods[200] = "", remarks[1000] = "";
    text[0] = '\0';
    while (from < p->n && !(of_size(&p->v[from], cell) && first_of_panel(p, from)))
        from++;
    if (from == p->n)
        return 0;
    const struct published_row *panel = &p->v[from];
    for (int i = from; i < p->n; i++) {
        if (!same_panel(&p->v[i], panel))
            continue;
        add_once(methods, sizeof methods, p->v[i].line->field[PUBLISHED_METHOD]);
        if (p->v[i].line->gpus > 1)
            add_once(remarks, sizeof remarks, p->v[i].remark);
        add_once(remarks, sizeof remarks, p->v[i].line->field[PUBLISHED_FLAG]);
    }
    const char *const *field = panel->line->field;
    snprintf(
        text, size,
        "hollow: published, %s (%s): %s on %s%s%s, %s%s; whole images, each over its own single "
        "GPU; bars: how exactly it was read (%s)%s%s",
        field[PUBLISHED_FIGURE], field[PUBLISHED_SOURCE], field[PUBLISHED_MODEL],
        field[PUBLISHED_HARDWARE], *field[PUBLISHED_INTERCONNECT] ? ", " : "",
        field[PUBLISHED_INTERCONNECT], *field[PUBLISHED_STEPS] ? field[PUBLISHED_STEPS] : "steps",
        *field[PUBLISHED_STEPS] ? " steps" : " not stated", methods, *remarks ? "; " : "", remarks);
    return from + 1;
}
