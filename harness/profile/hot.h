/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hot kernels: how long each kernel ran within each operation of the model, what it computed and
 * moved, how close that is to what the device can do, and what could be won.
 *
 * Work is that of ranges: of the innermost operation of the backend (FLOPs and bytes of op_work.h),
 * else of the communication (bytes: of a message its payload, of a collective what leaves the rank;
 * its ceiling is that of exchanges, and its time holds the wait for a late peer). What was handed
 * over at the end of a group carries the group's posts: of what leaves the rank and of what comes,
 * which go at once, the larger. A range has its
 * work once, one that was captured once for each launch. Where it is carried out by several
 * kernels, all of its work belongs to the one with the largest total; the others have none, and all
 * of their time could be won. What ran in neither has no work that is known, nor a ceiling.
 */
#ifndef HARNESS_PROFILE_HOT_H
#define HARNESS_PROFILE_HOT_H

#include "harness/profile/ceilings.h"
#include "harness/profile/recording.h"

#include <stdio.h>

/* One kernel within one operation, of all ranks and steps. Nanoseconds. */
struct hot_row {
    const char *name, *range; /* the kernel; the operation of the model, or "axis.op" of what moves
                                 data between ranks; "": in none */
    int instances;
    double percent;                                  /* of the time of all rows */
    double total, mean, median, min, max, deviation; /* deviation: of the sample, as nsys has it;
                                                        0 of one */
    double gflop, mb;   /* of all instances together, 1e9 and 1e6; 0: the work is not its own */
    double tflops, gbs; /* of it over total; NAN: nothing computed or moved */
    double ceiling_pct; /* the time that its work takes at the measured ceiling, of total; more than
                           100 where operands lay in a cache; NAN: none known, or no work */
    double to_win_ms;   /* total less what it would take at its ceiling, at least 0; NAN: no ceiling
                           is known */
    double intensity;   /* FLOPs a byte; NAN: nothing moved */
};

/* An operation of the model: the sums of its rows. */
struct hot_range {
    const char *name;
    int rows;
    double percent, total, gflop, mb, tflops, gbs;
    double ceiling_pct; /* of the rows that have to_win_ms */
    double to_win_ms;   /* the same; NAN: none has */
};

/* Texts are the recording's or its own: the recording stays until hot_release. */
struct hot {
    int rows;
    struct hot_row
        *row;    /* [rows] by to_win_ms, then total, falling; those without to_win_ms last */
    int kernels; /* items of all ranks that are kernels (copies and fills are counted too in
                    rows, not here) */
    int ranges;
    struct hot_range *range; /* [ranges] in the same order */
    int ranks, steps;        /* of the recording; ranks: those that left a record */
    char **text;             /* [ranges] "axis.op" of some */
    int texts;
};

/* What the device can do. */
struct hot_device {
    const struct ceilings *ceilings; /* NULL: not known */
    enum dtype dtype;                /* of the cell */
    int head;                        /* elements of a head of its model */
};

/* ST_OOM. */
enum status hot_open(const struct recording *recording, const struct hot_device *device,
                     struct hot *out);
void hot_release(struct hot *hot);

/* kernels.csv of interface.md. ST_IO. */
enum status hot_write(const struct hot *hot, const char *path);

/* A table of operations, in milliseconds of a step and rank, and which three could win most; in
 * aligned columns, or in Markdown. ST_OOM. */
enum status hot_print(const struct hot *hot, bool markdown, FILE *out);

#endif
