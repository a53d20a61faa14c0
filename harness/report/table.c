/* SPDX-License-Identifier: Apache-2.0 */
/* Rows printed through the list of columns: aligned text, CSV, Markdown. */
#include "harness/report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a row is compared with ---- */

static bool equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_question(const struct record *a, const struct record *b)
{
    const struct record_cell *x = &a->cell, *y = &b->cell;
    return equal(x->model, y->model) && equal(x->weights, y->weights) && x->width == y->width &&
           x->height == y->height && x->frames == y->frames && x->steps == y->steps &&
           x->guidance == y->guidance && x->requests == y->requests && equal(x->dtype, y->dtype) &&
           equal(x->backend, y->backend) && equal(x->transport, y->transport) &&
           x->threads == y->threads && equal(a->env.host, b->env.host);
}

void table_rows(int n, const struct record *const *records, struct table_row *rows)
{
    for (int i = 0; i < n; i++)
        rows[i] = (struct table_row){records[i], NAN};
    for (int s = 0; s < n; s++) {
        const struct record *serial = records[s];
        if (serial->status != ENDING_OK || serial->cell.ranks != 1 ||
            !equal(serial->cell.strategy, "serial"))
            continue;
        for (int i = 0; i < n; i++)
            if (same_question(records[i], serial))
                rows[i].serial_ms = serial->latency_ms.median;
    }
}

/* ---- one cell ---- */

static void number_text(double value, enum table_form form, char *text)
{
    double size = fabs(value);
    int decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
    if (isnan(value))
        return;
    if (form == TABLE_COUNT)
        snprintf(text, TABLE_CELL, "%.0f", value);
    else if (form == TABLE_ERROR)
        snprintf(text, TABLE_CELL, value == 0 ? "0" : "%.2e", value);
    else
        snprintf(text, TABLE_CELL, "%.*f", decimals, value);
}

/* For files: all digits, nothing for no value. */
static const char *file_text(const struct table_column *column, const struct table_row *row,
                             char *text)
{
    double value = column->value ? column->value(row) : NAN;
    text[0] = '\0';
    if (column->put)
        column->put(row, text);
    else if (!isnan(value))
        snprintf(text, TABLE_CELL, "%.9g", value);
    return text;
}

/* For people: few digits, no control characters, "-" for no value. */
static const char *page_text(const struct table_column *column, const struct table_row *row,
                             char *text)
{
    text[0] = '\0';
    if (column->put)
        column->put(row, text);
    else
        number_text(column->value(row), column->form, text);
    for (char *s = text; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = ' ';
    return *text ? text : strcpy(text, "-");
}

/* ---- CSV ---- */

static void put_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void table_csv(FILE *out, int n, const struct table_row *rows)
{
    char text[TABLE_CELL];
    for (int i = -1; i < n; i++) {
        bool first = true;
        for (const struct table_column *c = table_columns; c->name; c++) {
            if (!(c->where & TABLE_CSV))
                continue;
            fputs(first ? "" : ",", out);
            put_csv(out, i < 0 ? c->name : file_text(c, &rows[i], text));
            first = false;
        }
        fputc('\n', out);
    }
}

/* ---- aligned text ---- */

/* Characters of a text: UTF-8 bytes that begin one. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void put_aligned(FILE *out, const char *text, int width, bool right)
{
    int blanks = width - width_of(text);
    fprintf(out, "%*s%s%*s", right ? blanks : 0, "", text, right ? 0 : blanks, "");
}

/* Width of a console column: its widest cell or its title. */
static int column_width(const struct table_column *column, int n, const struct table_row *rows)
{
    char text[TABLE_CELL];
    int width = width_of(column->title);
    for (int i = 0; i < n; i++) {
        int wanted = width_of(page_text(column, &rows[i], text));
        width = wanted > width ? wanted : width;
    }
    return width;
}

enum status table_text(int n, const struct table_row *rows, char **out)
{
    enum { MAX_COLUMNS = 96 };
    int width[MAX_COLUMNS];
    char text[TABLE_CELL];
    size_t size;
    *out = NULL;
    FILE *f = open_memstream(out, &size);
    if (!f)
        return fail(ST_OOM, "table: no memory for %d rows", n);
    for (int k = 0; table_columns[k].name; k++) {
        BUG_ON(k == MAX_COLUMNS, "more than %d columns", MAX_COLUMNS);
        width[k] = column_width(&table_columns[k], n, rows);
    }
    for (int i = -1; i < n; i++) {
        const char *blank = "";
        for (int k = 0; table_columns[k].name; k++) {
            const struct table_column *c = &table_columns[k];
            if (!(c->where & TABLE_CONSOLE))
                continue;
            fputs(blank, f);
            put_aligned(f, i < 0 ? c->title : page_text(c, &rows[i], text), width[k],
                        c->form != TABLE_TEXT);
            blank = " ";
        }
        fputc('\n', f);
    }
    if (fclose(f) != 0 || !*out)
        return fail(ST_OOM, "table: no memory for %d rows", n);
    return ST_OK;
}

enum status table_row_text(const struct record *record, char **out)
{
    struct table_row row;
    table_rows(1, &record, &row);
    return table_text(1, &row, out);
}

/* ---- Markdown ---- */

void table_markdown_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            fputc(' ', out);
        else if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if (strchr("\\`*_{}[]|~#!", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

void table_markdown(FILE *out, int n, const struct table_row *rows)
{
    char text[TABLE_CELL];
    for (int i = -2; i < n; i++) {
        fputc('|', out);
        for (const struct table_column *c = table_columns; c->name; c++) {
            if (!(c->where & TABLE_MARKDOWN))
                continue;
            if (i == -1) {
                fputs(c->form != TABLE_TEXT ? " ---: |" : " --- |", out);
                continue;
            }
            fputc(' ', out);
            table_markdown_text(out, i < 0 ? c->title : page_text(c, &rows[i], text));
            fputs(" |", out);
        }
        fputc('\n', out);
    }
}
