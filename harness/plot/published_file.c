/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the CSV files of results/published. None of their cells has a comma or a quote in it. */
#include "harness/plot/published_file.h"

#include "harness/base/number.h"
#include "kernels/base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const field_names[PUBLISHED_FIELDS] = {
    [PUBLISHED_SOURCE] = "source",
    [PUBLISHED_FIGURE] = "figure",
    [PUBLISHED_MODEL] = "model",
    [PUBLISHED_HARDWARE] = "hardware",
    [PUBLISHED_INTERCONNECT] = "interconnect",
    [PUBLISHED_HEIGHT] = "height",
    [PUBLISHED_WIDTH] = "width",
    [PUBLISHED_FRAMES] = "frames",
    [PUBLISHED_STEPS] = "steps",
    [PUBLISHED_METRIC] = "metric",
    [PUBLISHED_GPUS] = "gpus",
    [PUBLISHED_STRATEGY] = "strategy",
    [PUBLISHED_CONFIG] = "config",
    [PUBLISHED_VALUE] = "value",
    [PUBLISHED_METHOD] = "method",
    [PUBLISHED_UNCERTAINTY] = "uncertainty",
    [PUBLISHED_UNIT] = "unit",
    [PUBLISHED_FLAG] = "flag",
};

enum { MOST_CELLS = 64 };

void published_file_release(struct published_file *file)
{
    for (int i = 0; i < file->n; i++)
        free(file->v[i].text);
    free(file->v);
    *file = (struct published_file){0};
}

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

/* Which column holds each field, from the first line; -1: none. */
static enum status read_header(char *line, int column[PUBLISHED_FIELDS], int *columns)
{
    char *cell[MOST_CELLS];
    *columns = split(line, cell);
    for (int f = 0; f < PUBLISHED_FIELDS; f++) {
        column[f] = -1;
        for (int i = 0; i < *columns && i < MOST_CELLS; i++)
            if (strcmp(cell[i], field_names[f]) == 0)
                column[f] = i;
        if (column[f] < 0 && f < PUBLISHED_REQUIRED)
            return fail(ST_INVALID,
                        "line 1: no column \"%s\"; wanted a file as in results/published",
                        field_names[f]);
    }
    return ST_OK;
}

/* An empty cell is something the figure does not state: 0. */
static enum status read_count(const struct published_line *line, enum published_field f, int *out)
{
    const char *text = line->field[f];
    *out = 0;
    return *text ? number_int(field_names[f], text, 1, 1 << 30, out) : ST_OK;
}

static enum status read_real(const struct published_line *line, enum published_field f,
                             double least, double *out)
{
    const char *text = line->field[f];
    *out = 0;
    return *text ? number_real(field_names[f], text, least, 1e12, out) : ST_OK;
}

static enum status read_numbers(struct published_line *line)
{
    TRY(read_count(line, PUBLISHED_GPUS, &line->gpus));
    TRY(read_count(line, PUBLISHED_HEIGHT, &line->height));
    TRY(read_count(line, PUBLISHED_WIDTH, &line->width));
    TRY(read_count(line, PUBLISHED_FRAMES, &line->frames));
    TRY(read_real(line, PUBLISHED_VALUE, 1e-9, &line->value));
    return read_real(line, PUBLISHED_UNCERTAINTY, 0, &line->uncertainty);
}

/* Takes `text`. */
static enum status add_line(char *text, int number, const int column[PUBLISHED_FIELDS], int columns,
                            struct published_file *out)
{
    char *cell[MOST_CELLS];
    struct published_line line = {.text = text, .number = number};
    int n = split(text, cell);
    struct published_line *v = realloc(out->v, ((size_t)out->n + 1) * sizeof *v);
    if (!v || n != columns) {
        free(text);
        out->v = v ? v : out->v;
        return v ? fail(ST_INVALID, "line %d: %d cells, wanted %d", number, n, columns)
                 : fail(ST_OOM, "line %d", number);
    }
    out->v = v;
    for (int f = 0; f < PUBLISHED_FIELDS; f++)
        line.field[f] = column[f] < 0 ? "" : cell[column[f]];
    enum status st = read_numbers(&line);
    v[out->n++] = line;
    return st ? fail_prefix(st, "line %d", number) : ST_OK;
}

static enum status read_lines(FILE *in, struct published_file *out)
{
    char *text = NULL;
    size_t room = 0;
    int column[PUBLISHED_FIELDS];
    int columns = 0;
    enum status st = getline(&text, &room, in) < 0 ? fail(ST_INVALID, "no line")
                                                   : read_header(text, column, &columns);
    for (int number = 2; st == ST_OK && getline(&text, &room, in) >= 0; number++) {
        st = add_line(text, number, column, columns, out);
        text = NULL;
        room = 0;
    }
    free(text);
    return st;
}

enum status published_file_read(const char *path, struct published_file *out)
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
