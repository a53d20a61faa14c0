/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plot`: records in, charts and tables out. */
#ifndef HARNESS_PLOT_PLOT_H
#define HARNESS_PLOT_PLOT_H

#include "kernels/base/status.h"

/*
 * Reads n results files and writes into `folder` (NULL: plots/NAME, after the first file), which is
 * created: table.csv and table.md of all rows; and of the rows that are ok, as CHART.MODEL.SIZE.svg
 * and .png, latency-vs-ranks   one curve for each strategy, best hybrid, p10 to p90 latency-vs-size
 * where there are several sizes; without SIZE in its name speedup            speed-up and
 * efficiency, where there is a serial row bytes              counted against closed form memory of
 * the fullest rank data/CHART.MODEL.SIZE.gp holds the numbers of each. Names of what was written go
 * to standard output, remarks to standard error. No row that is ok: tables only. ST_IO: a file
 * cannot be read or written; or gnuplot is missing, and then tables and data are there all the
 * same. ST_INVALID: a line that is no record.
 */
enum status plot_files(const char *const *paths, int n, const char *folder);

#endif
