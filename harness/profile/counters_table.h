/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters summed over the ranges of a name: "qkv" of all layers. Percentages are kept as sums of
 * percent times weight, so that tables of several ranks add up. How they are counted:
 * kernels/counters.h.
 */
#ifndef HARNESS_PROFILE_COUNTERS_TABLE_H
#define HARNESS_PROFILE_COUNTERS_TABLE_H

#include "kernels/counters.h"

#include <stdio.h>

enum { COUNTERS_NAME = 40, COUNTERS_METRIC = 80, COUNTERS_MODE = 60 };

struct counters_row {
    char name[COUNTERS_NAME];
    int instances;
    double sum[COUNTERS]; /* of TENSOR: percent times SM_ACTIVE; NAN: not had of one of them */
};

struct counters_table {
    int rows, room;
    struct counters_row *row; /* [rows] in the order of their first range */
    int passes;
    char mode[COUNTERS_MODE];               /* what a range is */
    char metric[COUNTERS][COUNTERS_METRIC]; /* "": not to be had, for this reason: */
    char reason[COUNTERS][COUNTERS_REASON]; /* "": not asked for */
    double wire; /* bytes that the ledger counted meanwhile, over all ranks that were counted */
};

void counters_table_init(struct counters_table *table);
void counters_table_release(struct counters_table *table);

/* One range. ST_OOM. */
enum status counters_table_add(struct counters_table *table, const char *name,
                               const double value[COUNTERS]);

/* Adds the rows and bytes of another rank. ST_INVALID: they were not counted alike, in passes, mode
 * or metrics. Into an empty table (0 passes) anything goes. */
enum status counters_table_merge(struct counters_table *table, const struct counters_table *from);

/* Over all rows; NAN: not had. */
double counters_table_total(const struct counters_table *table, enum counter counter);

enum counters_column {
    COLUMN_TIME_US,
    COLUMN_TENSOR_PCT,
    COLUMN_READ_MB, /* 1e6 bytes */
    COLUMN_WRITTEN_MB,
    COLUMN_GBS, /* both over the time; 1e9 bytes */
    COLUMN_L2_HIT_PCT,
    COLUMN_SENT_MB,
    COLUMN_RECEIVED_MB,
    COUNTERS_COLUMNS
};

/* NAN: not to be had, or nothing was there to make a share of. */
double counters_row_column(const struct counters_row *row, enum counters_column column);

/* counters.csv. ST_IO. */
enum status counters_table_write(const struct counters_table *table, const char *path);

#endif
