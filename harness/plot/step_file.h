/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a profile's breakdown.csv back. Columns are known by their names, in any order. */
#ifndef HARNESS_PLOT_STEP_FILE_H
#define HARNESS_PLOT_STEP_FILE_H

#include "harness/profile/breakdown.h"

/* Allocated rows: rank, step, total and shares only. ST_IO; ST_INVALID "PATH: line N: ..."; ST_OOM.
 */
enum status step_file_read(const char *path, int *rows, struct breakdown_row **row);

#endif
