/* SPDX-License-Identifier: Apache-2.0 */
/* What a sweep says at its end, on standard output: the table of its rows, how to run failed cells
 * again, and the number of rows by status. Reads no file. */
#ifndef HARNESS_SWEEP_SWEEP_SUMMARY_H
#define HARNESS_SWEEP_SWEEP_SUMMARY_H

#include "harness/record/list.h"
#include "harness/sweep/sweep_list.h"

/* The rows of this sweep's cells among `rows`, rounds joined. ST_OOM. */
enum status sweep_summary_table(const struct sweep_list *list, const struct record_list *rows);

/* The command that runs the cells again whose row is error, crash or timeout: argv (the command's
 * name first) for a shell, with these statuses behind --retry. Nothing where there is none. */
void sweep_summary_retry(const struct sweep_list *list, int argc, char *const *argv);

/* "FILE: 3 of 4 cells have a row: 2 ok 1 timeout" */
void sweep_summary_counts(const struct sweep_list *list, const char *results);

/* ST_IO: a cell has no row. ST_WRONG: strict, and a row is wrong, crashed, timed out or failed. */
enum status sweep_summary_judge(const struct sweep_list *list, const char *results, bool strict);

#endif
