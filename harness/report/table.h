/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as rows of numbers: one list of columns serves the console, the CSV file and the Markdown
 * table. A value that a record does not have is an empty cell (CSV) or "-".
 */
#ifndef HARNESS_REPORT_TABLE_H
#define HARNESS_REPORT_TABLE_H

#include "harness/report/sheet.h"

#include <stdio.h>

enum { TABLE_CELL = 4608 }; /* bytes; longer texts are cut off */

/* Where a column appears. TABLE_VARIES: in Markdown, but only where rows differ in it.
 * TABLE_FILLED: on console and in Markdown, but only where a row has a value. */
enum { TABLE_CONSOLE = 1, TABLE_CSV = 2, TABLE_MARKDOWN = 4, TABLE_VARIES = 8, TABLE_FILLED = 16 };

/* How a column's values look outside of CSV, where numbers have nine digits. */
enum table_form {
    TABLE_TEXT,
    TABLE_COUNT,   /* 12 */
    TABLE_MEASURE, /* 12.34: four digits or all before the point */
    TABLE_ERROR,   /* 1.23e-07 */
};

/* What a column takes: a member of struct record at `offset`, or what a function makes of a row. */
enum table_source {
    TABLE_CALL,   /* value or put */
    TABLE_TEXTS,  /* const char * */
    TABLE_INTS,   /* int */
    TABLE_INDEX,  /* int; below 0: none */
    TABLE_FLAG,   /* int: yes, no, none */
    TABLE_NUMBER, /* double; NaN: none */
    TABLE_MEMORY, /* double of struct memory_share: bytes, shown in MB (1e6) */
};

struct table_column {
    const char *name;  /* CSV header, with its unit: "latency_median_ms" */
    const char *title; /* of console and Markdown; "|" alone is a separator */
    unsigned where;    /* TABLE_ bits */
    enum table_form form;
    enum table_source source;
    size_t offset;
    double (*value)(const struct sheet_row *row);         /* NaN: none */
    void (*put)(const struct sheet_row *row, char *text); /* fills TABLE_CELL bytes, "" on entry */
};

extern const struct table_column table_columns[]; /* ended by a NULL name */

/* RFC 4180: a header and one line for each row. */
void table_csv(FILE *out, int n, const struct sheet_row *rows);

/* Header and rows in aligned columns. What is wider than FOLD_WIDTH goes on in a line below, the
 * header too. Allocated, ends in '\n'. ST_OOM. */
enum status table_text(int n, const struct sheet_row *rows, char **out);

/* The same for one record alone. */
enum status table_row_text(const struct record *record, char **out);

/* A Markdown table with its header; text from users is escaped. */
void table_markdown(FILE *out, int n, const struct sheet_row *rows);

/* Writes a text so that Markdown shows it as it is, on one line. */
void table_markdown_text(FILE *out, const char *text);

#endif
