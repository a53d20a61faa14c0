/* SPDX-License-Identifier: Apache-2.0 */
/* Writing comma-separated values, as RFC 4180 has them but for line ends, which are "\n". */
#ifndef HARNESS_BASE_CSV_OUT_H
#define HARNESS_BASE_CSV_OUT_H

#include "kernels/base/status.h"

#include <stdio.h>

/* A new file with this first line. ST_IO. */
enum status csv_out_open(const char *path, const char *titles, FILE **out);

/* Closes it. ST_IO: something of it could not be written. */
enum status csv_out_close(FILE *out, const char *path);

/* A field, in quotes where it needs them. */
void csv_out_text(FILE *out, const char *text);

#endif
