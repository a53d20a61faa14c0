/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a set of records, as CSV and Markdown: what was asked, the numbers, what did not
 * work and why. */
#ifndef HARNESS_REPORT_TABLE_FILES_H
#define HARNESS_REPORT_TABLE_FILES_H

#include "harness/report/sheet.h"

/* Writes folder/table.csv and folder/table.md; the folder exists. ST_IO. Prints the two names on
 * standard output. */
enum status table_files_write(const char *folder, const struct sheet *sheet);

#endif
