/* SPDX-License-Identifier: Apache-2.0 */
/* Several results files as one list of rows: rounds joined, and the name of its file beside each
 * row. What plot and report read. */
#ifndef HARNESS_REPORT_FILES_H
#define HARNESS_REPORT_FILES_H

#include "harness/record/list.h"
#include "harness/record/rounds.h"
#include "harness/report/sheet.h"

struct files {
    int n;
    struct record_list *list;     /* [n] */
    struct record_rounds *rounds; /* [n] of each, what is left when rounds are joined */
    char **run;                   /* [n] the file's name; its path where two have one name */
    int rows, again;              /* again: further rows, of cells that were run again later */
    const struct record **record; /* [rows] */
    const char **run_of;          /* [rows] */
};

/* Reads n files; a torn last line is left out, and standard error says so. Close *out whatever the
 * status. ST_IO; ST_INVALID: a line that is no record, a file named twice; ST_OOM. */
enum status files_open(int n, const char *const *paths, struct files *out);
void files_close(struct files *files);

/* The rows as a sheet, which borrows them. ST_OOM. */
enum status files_sheet(const struct files *files, struct sheet *out);

/* "NAME" of some/where/NAME.jsonl. Allocated; NULL: no memory. */
char *files_name(const char *path);

#endif
