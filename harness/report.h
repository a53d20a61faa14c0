/* SPDX-License-Identifier: Apache-2.0 */
/* A page in Markdown about a set of records: what was asked, the numbers, what did not work and
 * why. */
#ifndef HARNESS_REPORT_H
#define HARNESS_REPORT_H

#include "harness/table.h"

/* Writes folder/table.csv and folder/table.md; the folder exists. ST_IO. Prints the two names on
 * standard output. */
enum status report_write(const char *folder, int n, const struct record *const *records);

#endif
