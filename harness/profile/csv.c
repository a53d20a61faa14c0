/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a file into cells, in place. */
#include "harness/profile/csv.h"

#include "harness/base/number.h"
#include "kernels/base/file.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20, SHOWN = 40 /* characters of a cell in a message */ };

struct reader {
    struct csv *csv;
    char *at;         /* the next byte */
    const char *end;  /* of the file */
    const char *line; /* where this line begins */
    int number;       /* of this line */
    size_t cells, room;
};

static enum status refuse(const struct reader *r, const char *at, enum status st)
{
    return fail_prefix(st, "%s:%d:%d", r->csv->path, r->number, (int)(at - r->line) + 1);
}

/* ---- one cell ---- */

static enum status add_cell(struct reader *r, const char *text, int line, int column)
{
    struct csv *csv = r->csv;
    if (r->cells == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct csv_cell *more = realloc(csv->cell, room * sizeof *more);
        if (!more)
            return fail(ST_OOM, "%s: no host memory for %zu cells", csv->path, room);
        csv->cell = more;
        r->room = room;
    }
    csv->cell[r->cells++] = (struct csv_cell){text, line, column};
    return ST_OK;
}

/* Where a cell in quotes ends: the byte behind its closing one. Doubled quotes become single, and
 * the text is ended by a 0. */
static enum status read_quoted(struct reader *r)
{
    const struct reader start = *r;
    char *to = r->at;
    for (r->at++; r->at < r->end; r->at++) {
        if (*r->at == '"' && r->at[1] != '"')
            break;
        if (*r->at == '\n') {
            r->number++;
            r->line = r->at + 1;
        }
        r->at += *r->at == '"';
        *to++ = *r->at;
    }
    if (r->at >= r->end)
        return refuse(&start, start.at,
                      fail(ST_INVALID, "a quote that is never closed; was the file cut off?"));
    *to = '\0';
    r->at++;
    return ST_OK;
}

static enum status read_plain(struct reader *r)
{
    char *from = r->at;
    r->at += strcspn(r->at, ",\r\n\"");
    if (r->at < r->end && *r->at == '"')
        return refuse(r, r->at,
                      fail(ST_INVALID,
                           "found a quote within '%.*s', wanted the whole cell in quotes",
                           r->at - from < SHOWN ? (int)(r->at - from) : SHOWN, from));
    return ST_OK;
}

/* One cell and what ends it; *last: a line's end. */
static enum status read_cell(struct reader *r, bool *last)
{
    char *text = r->at;
    int line = r->number, column = (int)(r->at - r->line) + 1;
    TRY(*r->at == '"' ? read_quoted(r) : read_plain(r));
    char *end = r->at;
    if (*end == '\r' && end[1] == '\n')
        r->at++;
    if (r->at >= r->end)
        return refuse(r, end, fail(ST_INVALID, "the last line has no end; was the file cut off?"));
    if (*r->at != ',' && *r->at != '\n')
        return refuse(r, r->at,
                      fail(ST_INVALID,
                           "found byte 0x%02x behind a cell, wanted a comma or a line's "
                           "end",
                           (unsigned char)*r->at));
    *last = *r->at == '\n';
    *end = '\0';
    r->at++;
    return add_cell(r, text, line, column);
}

/* ---- lines ---- */

/* Appends the cells of a line. */
static enum status read_line(struct reader *r)
{
    bool last = false;
    int n = 0, columns = r->csv->columns;
    for (; !last; n++) {
        if (n == columns)
            return refuse(r, r->at,
                          fail(ST_INVALID, "found a cell more than the %d wanted", columns));
        TRY(read_cell(r, &last));
    }
    if (n < columns)
        return refuse(
            r, r->at - 1,
            fail(ST_INVALID, "found %d cell%s, wanted %d", n, n == 1 ? "" : "s", columns));
    r->number++;
    r->line = r->at;
    return ST_OK;
}

static enum status check_header(const struct reader *r)
{
    const struct csv *csv = r->csv;
    for (int i = 0; i < csv->columns; i++)
        if (strcmp(csv->cell[i].text, csv->name[i]) != 0)
            return fail(ST_INVALID,
                        "%s:%d:%d: found column '%.*s', wanted '%s'; was it written by "
                        "another version of this program?",
                        csv->path, csv->cell[i].line, csv->cell[i].column, SHOWN, csv->cell[i].text,
                        csv->name[i]);
    return ST_OK;
}

static enum status read_all(struct csv *csv, size_t size)
{
    struct reader r = {
        .csv = csv, .at = csv->text, .end = csv->text + size, .line = csv->text, .number = 1};
    const char *zero = memchr(csv->text, 0, size);
    if (zero)
        return fail(ST_INVALID, "%s: a zero byte at byte %zu; wanted a CSV file, which is text",
                    csv->path, (size_t)(zero - csv->text) + 1);
    if (size == 0)
        return fail(ST_INVALID, "%s:1:1: nothing in it, wanted a header of %d columns", csv->path,
                    csv->columns);
    TRY(read_line(&r));
    TRY(check_header(&r));
    while (r.at < r.end)
        TRY(read_line(&r));
    csv->rows = (int)(r.cells / (size_t)csv->columns) - 1;
    return ST_OK;
}

enum status csv_open(const char *path, int columns, const char *const *names, struct csv *out)
{
    size_t size;
    *out = (struct csv){.columns = columns, .name = names};
    out->path = strdup(path);
    if (!out->path)
        return fail(ST_OOM, "%s: no host memory", path);
    enum status st = file_read_text(path, MOST_BYTES, &out->text, &size, NULL);
    if (st == ST_OK)
        st = read_all(out, size);
    if (st)
        csv_release(out);
    return st;
}

void csv_release(struct csv *csv)
{
    free(csv->path);
    free(csv->text);
    free(csv->cell);
    *csv = (struct csv){.rows = 0};
}

/* ---- asking ---- */

static const struct csv_cell *cell_of(const struct csv *csv, int row, int column)
{
    return &csv->cell[((size_t)row + 1) * (size_t)csv->columns + (size_t)column];
}

const char *csv_text(const struct csv *csv, int row, int column)
{
    return cell_of(csv, row, column)->text;
}

enum status csv_at(const struct csv *csv, int row, int column, enum status st)
{
    const struct csv_cell *cell = cell_of(csv, row, column);
    return st ? fail_prefix(st, "%s:%d:%d", csv->path, cell->line, cell->column) : ST_OK;
}

enum status csv_whole(const struct csv *csv, int row, int column, int64_t min, int64_t max,
                      int64_t *out)
{
    return csv_at(csv, row, column,
                  number_whole(csv->name[column], csv_text(csv, row, column), min, max, out));
}

enum status csv_number(const struct csv *csv, int row, int column, double min, double max,
                       double *out)
{
    return csv_at(csv, row, column,
                  number_real(csv->name[column], csv_text(csv, row, column), min, max, out));
}

enum status csv_optional(const struct csv *csv, int row, int column, double min, double max,
                         double *out)
{
    *out = (double)NAN;
    return *csv_text(csv, row, column) ? csv_number(csv, row, column, min, max, out) : ST_OK;
}
