/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`: records in, a page out that a newcomer can read. */
#ifndef HARNESS_PAGE_REPORT_H
#define HARNESS_PAGE_REPORT_H

#include "kernels/base/status.h"

enum { REPORT_PICTURES = 50 /* settings and sizes with charts; of more, those with most rows */ };

/*
 * Reads n results files and writes `out` (NULL: plots/NAME/report.html, after the first file), the
 * same as Markdown beside it (report.md), and the charts that both show into a folder
 * (report.charts). Names of both pages go to standard output. The same rows and files give the same
 * bytes. Where gnuplot is missing the pages say so and have no charts. Profiles are looked for
 * where `sweep
 * --profile` puts them, beside each file. ST_IO; ST_INVALID: a line that is no record, a file named
 * twice; ST_OOM.
 */
enum status report_files(const char *const *paths, int n, const char *out);

#endif
