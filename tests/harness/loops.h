/* SPDX-License-Identifier: Apache-2.0 */
/* Records for tests that compare loops, and files of them. */
#ifndef TESTS_HARNESS_LOOPS_H
#define TESTS_HARNESS_LOOPS_H

#include "harness/record/record.h"

enum { LOOPS_MOST = 64 };

/* The row of rows.h, on one rank, with these loops. */
struct record *loops_row(const char *strategy, int n, const double *loops);

/* The same with n loops within 1 % around `median`, which is theirs. */
struct record *loops_around(const char *strategy, int n, double median);

/* Writes n records into a file of program_folder and closes them; the path lives as long as
 * program_file's do. */
const char *loops_write(const char *name, int n, struct record **rows);

#define LOOPS_WRITE(name, ...)                                                                     \
    loops_write(name, (int)(sizeof((struct record *[]){__VA_ARGS__}) / sizeof(struct record *)),   \
                (struct record *[]){__VA_ARGS__})

#endif
