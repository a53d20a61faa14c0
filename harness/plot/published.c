/* SPDX-License-Identifier: Apache-2.0 */
/* Reading published figures and relating each of their numbers to its own single GPU. */
#include "harness/plot/published.h"

#include "kernels/base/file.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum field {
    SOURCE,
    FIGURE,
    MODEL,
    HARDWARE,
    INTERCONNECT,
    HEIGHT,
    WIDTH,
    FRAMES,
    STEPS,
    METRIC, // up to here: a panel
    GPUS,
    STRATEGY,
    CONFIG,
    VALUE,
    METHOD,
    UNCERTAINTY,
    FIELDS,
};

static const char *const field_names[FIELDS] = {
    [SOURCE] = "source",
    [FIGURE] = "figure",
    [MODEL] = "model",
    [HARDWARE] = "hardware",
    [INTERCONNECT] = "interconnect",
    [HEIGHT] = "height",
    [WIDTH] = "width",
    [FRAMES] = "frames",
    [STEPS] = "steps",
    [METRIC] = "metric",
    [GPUS] = "gpus",
    [STRATEGY] = "strategy",
    [CONFIG] = "config",
    [VALUE] = "value",
    [METHOD] = "method",
    [UNCERTAINTY] = "uncertainty",
};

struct published_row {
    char *line;                /* owned; the fields are in it */
    const char *field[FIELDS]; /* never NULL */
    char *way;                 /* owned: words of config that are no degrees: "torch.compile" */
    char *remark;              /* owned: what config says in brackets or behind a semicolon */
    char *label;               /* owned: of its curve */
    int gpus;
    double value, uncertainty;
};

void plot_published_close(struct plot_published *published)
{
    for (int i = 0; i < published->n; i++) {
        free(published->v[i].line);
        free(published->v[i].way);
        free(published->v[i].remark);
        free(published->v[i].label);
    }
    free(published->v);
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
    const char *config = row->field[CONFIG];
    row->way = malloc(strlen(config) + 1);
    row->remark = malloc(strlen(config) + 1);
    if (!row->way || !row->remark)
        return fail(ST_OOM, "a published row");
    split_config(config, row->way, row->remark);
    if (asprintf(&row->label, "%s%s%s, %s", row->field[STRATEGY], *row->way ? " " : "", row->way,
                 row->field[HARDWARE]) < 0) {
        row->label = NULL;
        return fail(ST_OOM, "a published row");
    }
    return ST_OK;
}

/* ---- reading ---- */

enum { MOST_CELLS = 64 };

/* Cuts a line at its commas. How many cells, or one more than there is room for. */
static int split(char *line, char *cell[MOST_CELLS])
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *at = line; at; n++) {
        if (n == MOST_CELLS)
            return MOST_CELLS + 1;
        cell[n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    return n;
}

/* Which column holds each field, from the first line. */
static enum status read_header(char *line, int column[FIELDS], int *columns)
{
    char *cell[MOST_CELLS];
    *columns = split(line, cell);
    for (int f = 0; f < FIELDS; f++) {
        column[f] = -1;
        for (int i = 0; i < *columns && i < MOST_CELLS; i++)
            if (strcmp(cell[i], field_names[f]) == 0)
                column[f] = i;
        if (column[f] < 0)
            return fail(ST_INVALID,
                        "line 1: no column \"%s\"; wanted a file as in results/published",
                        field_names[f]);
    }
    return ST_OK;
}

static bool is_latency(const struct published_row *row)
{
    return strcmp(row->field[METRIC], "latency") == 0 ||
           strcmp(row->field[METRIC], "latency_per_step") == 0;
}

/* Takes `line`. Rows that are no latency are dropped. */
static enum status add_row(char *line, int number, const int column[FIELDS], int columns,
                           struct plot_published *out)
{
    char *cell[MOST_CELLS];
    struct published_row row = {.line = line};
    int n = split(line, cell);
    struct published_row *v = realloc(out->v, ((size_t)out->n + 1) * sizeof *v);
    if (!v || n != columns) {
        free(line);
        out->v = v ? v : out->v;
        return v ? fail(ST_INVALID, "line %d: %d cells, wanted %d", number, n, columns)
                 : fail(ST_OOM, "line %d", number);
    }
    out->v = v;
    for (int f = 0; f < FIELDS; f++)
        row.field[f] = cell[column[f]];
    row.gpus = atoi(row.field[GPUS]);
    row.value = strtod(row.field[VALUE], NULL);
    row.uncertainty = strtod(row.field[UNCERTAINTY], NULL);
    if (!is_latency(&row) || !(row.value > 0) || !isfinite(row.value) || row.gpus < 1) {
        free(line);
        return ST_OK;
    }
    v[out->n++] = row;
    return describe(&v[out->n - 1]);
}

static enum status read_lines(FILE *in, struct plot_published *out)
{
    char *line = NULL;
    size_t room = 0;
    int column[FIELDS], columns = 0;
    enum status st = getline(&line, &room, in) < 0 ? fail(ST_INVALID, "no line")
                                                   : read_header(line, column, &columns);
    for (int number = 2; st == ST_OK && getline(&line, &room, in) >= 0; number++) {
        st = add_row(line, number, column, columns, out);
        line = NULL;
        room = 0;
    }
    free(line);
    return st;
}

static enum status read_file(const char *path, struct plot_published *out)
{
    int fd;
    TRY(file_open_regular(path, O_RDONLY, &fd, NULL));
    FILE *in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        return fail(ST_OOM, "%s: no host memory", path);
    }
    enum status st = read_lines(in, out);
    if (st == ST_OK && ferror(in))
        st = fail(ST_IO, "reading failed");
    fclose(in);
    return st ? fail_prefix(st, "%s", path) : ST_OK;
}

enum status plot_published_open(int n, const char *const *paths, struct plot_published *out)
{
    *out = (struct plot_published){0};
    for (int i = 0; i < n; i++)
        TRY(read_file(paths[i], out));
    return ST_OK;
}

/* ---- panels ---- */

static bool same_panel(const struct published_row *a, const struct published_row *b)
{
    for (int f = 0; f <= METRIC; f++)
        if (strcmp(a->field[f], b->field[f]) != 0)
            return false;
    return true;
}

static bool of_size(const struct published_row *row, const struct record_cell *cell)
{
    int frames = atoi(row->field[FRAMES]);
    return atoi(row->field[WIDTH]) == cell->width && atoi(row->field[HEIGHT]) == cell->height &&
           (frames > 1 ? frames : 1) == cell->frames;
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
        if (r->gpus != 1 || !same_panel(r, row) || (alike && !same_way))
            continue;
        several |= found && found->value != r->value && alike == same_way;
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
            row->gpus > 1 && of_size(row, cell) ? single_gpu(published, row) : NULL;
        if (!one)
            continue;
        points[n++] = (struct plot_point){
            .family = row->field[STRATEGY],
            .label = row->label,
            .published = true,
            .x = row->gpus,
            .latency = row->value,
            .y = one->value / row->value,
            .low = fmax(one->value - one->uncertainty, 0) / (row->value + row->uncertainty),
            .high = (one->value + one->uncertainty) /
                    fmax(row->value - row->uncertainty, 0.5 * row->value)};
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
        add_once(methods, sizeof methods, p->v[i].field[METHOD]);
        if (p->v[i].gpus > 1)
            add_once(remarks, sizeof remarks, p->v[i].remark);
    }
    const char *const *field = panel->field;
    snprintf(
        text, size,
        "hollow: published, %s (%s): %s on %s%s%s, %s%s; whole images, each over its own single "
        "GPU; bars: how exactly it was read (%s)%s%s",
        field[FIGURE], field[SOURCE], field[MODEL], field[HARDWARE],
        *field[INTERCONNECT] ? ", " : "", field[INTERCONNECT],
        *field[STEPS] ? field[STEPS] : "steps", *field[STEPS] ? " steps" : " not stated", methods,
        *remarks ? "; " : "", remarks);
    return from + 1;
}
