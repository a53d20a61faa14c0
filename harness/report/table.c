/* SPDX-License-Identifier: Apache-2.0 */
/* Rows printed through the list of columns: aligned text, CSV, Markdown. */
#include "harness/report/table.h"

#include "harness/base/csv_out.h"
#include "harness/base/fold.h"
#include "harness/base/text.h"
#include "harness/report/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one cell ---- */

static double number_of(const struct table_column *column, const struct sheet_row *row)
{
    const char *at = (const char *)row->record + column->offset;
    switch (column->source) {
    case TABLE_INTS:
        return *(const int *)at;
    case TABLE_INDEX:
        return *(const int *)at < 0 ? NAN : *(const int *)at;
    case TABLE_NUMBER:
        return *(const double *)at;
    case TABLE_MEMORY: {
        struct memory_share share = memory_fullest(&row->record->memory_bytes);
        return *(const double *)((const char *)&share + column->offset) / 1e6;
    }
    default:
        return column->value(row);
    }
}

/* A text column's value; "" for none. In the record, or put into `text`. */
static const char *text_of(const struct table_column *column, const struct sheet_row *row,
                           char *text)
{
    const char *at = (const char *)row->record + column->offset;
    const char *value = NULL;
    if (column->source == TABLE_CALL) {
        text[0] = '\0';
        column->put(row, text);
        return text;
    }
    if (column->source == TABLE_TEXTS)
        value = *(const char *const *)at;
    else if (*(const int *)at != RECORD_UNKNOWN)
        value = *(const int *)at == RECORD_YES ? "yes" : "no";
    return value ? value : "";
}

/* For files: all digits, nothing for no value. */
static const char *file_text(const struct table_column *column, const struct sheet_row *row,
                             char *text)
{
    if (column->form == TABLE_TEXT)
        return text_of(column, row, text);
    double value = number_of(column, row);
    return isnan(value) ? "" : text_digits(value, text);
}

static const char *number_text(double value, enum table_form form, char *text)
{
    if (form == TABLE_COUNT)
        return text_count(value, text);
    if (form == TABLE_MEASURE)
        return text_number(value, text);
    snprintf(text, TEXT_NUMBER, value == 0 ? "0" : "%.2e", value);
    return text;
}

/* For people: few digits, no control characters, "-" for no value. */
static const char *page_text(const struct table_column *column, const struct sheet_row *row,
                             char *text)
{
    if (column->form == TABLE_TEXT) {
        char room[TABLE_CELL];
        return *text_shown(text_of(column, row, room), false, TABLE_CELL, text) ? text : "-";
    }
    double value = number_of(column, row);
    return isnan(value) ? "-" : number_text(value, column->form, text);
}

/* ---- CSV ---- */

void table_csv(FILE *out, int n, const struct sheet_row *rows)
{
    char text[TABLE_CELL];
    for (int i = -1; i < n; i++) {
        bool first = true;
        for (const struct table_column *c = table_columns; c->name; c++) {
            if (!(c->where & TABLE_CSV))
                continue;
            fputs(first ? "" : ",", out);
            csv_out_text(out, i < 0 ? c->name : file_text(c, &rows[i], text));
            first = false;
        }
        fputc('\n', out);
    }
}

/* ---- aligned text ---- */

enum { MAX_COLUMNS = 96, TEXT_COLUMNS = 34 /* of a console cell */, NOWHERE = -1 };

static const char *console_text(const struct table_column *column, const struct sheet_row *row,
                                char *text)
{
    char whole[TABLE_CELL];
    return text_shorten(page_text(column, row, whole), TEXT_COLUMNS, TABLE_CELL, text);
}

/* Width of a console column: its widest cell or its title. */
static int column_width(const struct table_column *column, int n, const struct sheet_row *rows)
{
    char text[TABLE_CELL];
    int width = text_columns(column->title);
    for (int i = 0; i < n; i++) {
        int wanted = text_columns(console_text(column, &rows[i], text));
        width = wanted > width ? wanted : width;
    }
    return width;
}

/* The console's columns, their widths, and the line of a row that each stands on. Lines break at
 * separators. */
struct layout {
    int columns, lines;
    const struct table_column *column[MAX_COLUMNS];
    int width[MAX_COLUMNS], line[MAX_COLUMNS];
};

static bool separates(const struct table_column *column)
{
    return strcmp(column->title, "|") == 0;
}

static void fold(struct layout *l)
{
    int used = 0;
    for (int k = 0, end; k < l->columns; k = end) {
        int wide = 0;
        for (end = k; end < l->columns && (end == k || !separates(l->column[end])); end++)
            wide += l->width[end] + 1;
        if (used > 0 && used + wide - 1 > FOLD_WIDTH) {
            l->lines++;
            used = 0;
        }
        for (int i = k; i < end; i++)
            l->line[i] = l->lines;
        if (used == 0 && separates(l->column[k]))
            l->line[k] = NOWHERE;
        used += wide;
    }
    l->lines++;
}

/* Whether a row has a value in a column. */
static bool filled(const struct table_column *column, int n, const struct sheet_row *rows)
{
    char text[TABLE_CELL];
    for (int i = 0; i < n; i++)
        if (*file_text(column, &rows[i], text))
            return true;
    return false;
}

static struct layout layout_of(int n, const struct sheet_row *rows)
{
    struct layout l = {0};
    for (const struct table_column *c = table_columns; c->name; c++) {
        if (!(c->where & TABLE_CONSOLE) && !(c->where & TABLE_FILLED && filled(c, n, rows)))
            continue;
        BUG_ON(l.columns == MAX_COLUMNS, "more than %d columns", MAX_COLUMNS);
        l.column[l.columns] = c;
        l.width[l.columns++] = column_width(c, n, rows);
    }
    fold(&l);
    return l;
}

/* One line of a row, or of the header (row NULL). */
static void put_line(FILE *out, const struct layout *l, int line, const struct sheet_row *row)
{
    char text[TABLE_CELL];
    int blanks = line > 0 ? 2 : 0; // before the next text
    for (int k = 0; k < l->columns; k++) {
        const struct table_column *c = l->column[k];
        if (l->line[k] != line)
            continue;
        const char *shown = row ? console_text(c, row, text) : c->title;
        int rest = l->width[k] - text_columns(shown);
        bool right = c->form != TABLE_TEXT;
        fprintf(out, "%*s%s", blanks + (right ? rest : 0), "", shown);
        blanks = 1 + (right ? 0 : rest);
    }
    fputc('\n', out);
}

enum status table_text(int n, const struct sheet_row *rows, char **out)
{
    size_t size;
    struct layout l = layout_of(n, rows);
    *out = NULL;
    FILE *f = open_memstream(out, &size);
    if (!f)
        return fail(ST_OOM, "table: no memory for %d rows", n);
    for (int i = -1; i < n; i++)
        for (int line = 0; line < l.lines; line++)
            put_line(f, &l, line, i < 0 ? NULL : &rows[i]);
    if (fclose(f) != 0 || !*out)
        return fail(ST_OOM, "table: no memory for %d rows", n);
    return ST_OK;
}

enum status table_row_text(const struct record *record, char **out)
{
    struct sheet_row row = {.record = record};
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

/* Whether a column stands in the Markdown table of these rows. */
static bool on_page(const struct table_column *column, int n, const struct sheet_row *rows)
{
    char room[2][TABLE_CELL];
    if (column->where & TABLE_FILLED)
        return filled(column, n, rows);
    if (!(column->where & TABLE_VARIES) || n == 0)
        return column->where & TABLE_MARKDOWN;
    for (int i = 1; i < n; i++)
        if (strcmp(file_text(column, &rows[i], room[0]), file_text(column, &rows[0], room[1])) != 0)
            return true;
    return false;
}

void table_markdown(FILE *out, int n, const struct sheet_row *rows)
{
    const struct table_column *column[MAX_COLUMNS];
    char text[TABLE_CELL];
    int columns = 0;
    for (const struct table_column *c = table_columns; c->name && columns < MAX_COLUMNS; c++)
        if (on_page(c, n, rows))
            column[columns++] = c;
    for (int i = -2; i < n; i++) {
        fputc('|', out);
        for (int k = 0; k < columns; k++) {
            if (i == -1) {
                fputs(column[k]->form != TABLE_TEXT ? " ---: |" : " --- |", out);
                continue;
            }
            fputc(' ', out);
            table_markdown_text(out,
                                i < 0 ? column[k]->title : page_text(column[k], &rows[i], text));
            fputs(" |", out);
        }
        fputc('\n', out);
    }
}
