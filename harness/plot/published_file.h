/* SPDX-License-Identifier: Apache-2.0 */
/* The CSV files of results/published: one published value a line. Judges and draws none. */
#ifndef HARNESS_PLOT_PUBLISHED_FILE_H
#define HARNESS_PLOT_PUBLISHED_FILE_H

#include "kernels/base/status.h"

/* Columns, as results/published/README.md has them; those up to METRIC make a panel. */
enum published_field {
    PUBLISHED_SOURCE,
    PUBLISHED_FIGURE,
    PUBLISHED_MODEL,
    PUBLISHED_HARDWARE,
    PUBLISHED_INTERCONNECT,
    PUBLISHED_HEIGHT,
    PUBLISHED_WIDTH,
    PUBLISHED_FRAMES,
    PUBLISHED_STEPS,
    PUBLISHED_METRIC, /* up to here: a panel */
    PUBLISHED_GPUS,
    PUBLISHED_STRATEGY,
    PUBLISHED_CONFIG,
    PUBLISHED_VALUE,
    PUBLISHED_METHOD,
    PUBLISHED_UNCERTAINTY,
    PUBLISHED_REQUIRED, /* a file without one of these is refused; the rest is "" where missing */
    PUBLISHED_UNIT = PUBLISHED_REQUIRED,
    PUBLISHED_FLAG,
    PUBLISHED_FIELDS,
};

struct published_line {
    char *text;                          /* owned; the fields are in it */
    const char *field[PUBLISHED_FIELDS]; /* never NULL */
    int number;                          /* of the line, from 1 */
    int gpus, height, width, frames;     /* 0: not stated */
    double value, uncertainty;           /* finite, not negative; 0: not stated */
};

struct published_file {
    int n;
    struct published_line *v;
};

/* Adds the lines of a file. ST_IO; ST_INVALID "FILE: line N: ..."; ST_OOM. Release *out whatever
 * the status. */
enum status published_file_read(const char *path, struct published_file *out);
void published_file_release(struct published_file *file);

#endif
