/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as rows of numbers: one list of columns serves the console, the CSV file and the Markdown
 * table. A value that a record does not have is an empty cell (CSV) or "-".
 */
#ifndef HARNESS_REPORT_TABLE_H
#define HARNESS_REPORT_TABLE_H

#include "harness/record/record.h"

#include <stdio.h>

enum { TABLE_CELL = 4608 }; /* bytes; longer texts are cut off */

/* Where a column appears. */
enum { TABLE_CONSOLE = 1, TABLE_CSV = 2, TABLE_MARKDOWN = 4 };

/* How a column's values look outside of CSV, where numbers have nine digits. */
enum table_form {
    TABLE_TEXT,
    TABLE_COUNT,   /* 12 */
    TABLE_MEASURE, /* 12.34: four digits or all before the point */
    TABLE_ERROR,   /* 1.23e-07 */
};

/* A row and what it is compared with: the latency of the serial run of the same cell in ms, NaN
 * where there is none. */
struct table_row {
    const struct record *record;
    double serial_ms;
};

struct table_column {
    const char *name;  /* CSV header, with its unit: "latency_median_ms" */
    const char *title; /* of console and Markdown; "|" alone is a separator */
    unsigned where;    /* TABLE_ bits */
    enum table_form form;
    /* One of the two. value: NaN for none. put: fills text (TABLE_CELL bytes), which is "" on
     * entry, for none. */
    double (*value)(const struct table_row *row);
    void (*put)(const struct table_row *row, char *text);
};

extern const struct table_column table_columns[]; /* ended by a NULL name */

/* Finds the serial run of each record among all of them: same cell but for strategy and ranks, same
 * host. rows [n]. */
void table_rows(int n, const struct record *const *records, struct table_row *rows);

/* RFC 4180: a header and one line for each row. */
void table_csv(FILE *out, int n, const struct table_row *rows);

/* Header and rows in aligned columns, as `run` prints them (n = 1). Allocated, ends in '\n'.
 * ST_OOM. */
enum status table_text(int n, const struct table_row *rows, char **out);

/* The same for one record alone. */
enum status table_row_text(const struct record *record, char **out);

/* A Markdown table with its header; text from users is escaped. */
void table_markdown(FILE *out, int n, const struct table_row *rows);

/* Writes a text so that Markdown shows it as it is, on one line. */
void table_markdown_text(FILE *out, const char *text);

#endif
