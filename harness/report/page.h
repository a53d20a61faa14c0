/* SPDX-License-Identifier: Apache-2.0 */
/* A page in Markdown about a set of records: what was asked, the numbers, what did not work and
 * why. */
#ifndef HARNESS_REPORT_PAGE_H
#define HARNESS_REPORT_PAGE_H

#include "harness/report/sheet.h"

/* Writes folder/table.csv and folder/table.md; the folder exists. ST_IO. Prints the two names on
 * standard output. */
enum status page_write(const char *folder, const struct sheet *sheet);

#endif
