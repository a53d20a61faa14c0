/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hot kernels: how long each kernel ran within each operation of the model, what it computed and
 * moved, how close that is to what the device can do, and what could be won.
 */
#ifndef HARNESS_PROFILE_HOT_H
#define HARNESS_PROFILE_HOT_H

#include "harness/profile/ceilings.h"
#include "harness/profile/recording.h"

/* One kernel within one operation, of all ranks and steps. Nanoseconds. */
struct hot_row {
    const char *name, *range; /* the kernel; the operation of the model, or "axis.op" of what moves
                                 data between ranks */
    int instances;
    double percent;                                  /* of the time of all rows */
    double total, mean, median, min, max, deviation; /* deviation: of the sample, as nsys has it */
    double gflop, mb;   /* of all instances together: what the operations that they carry out are
                           worth; an operation of several kernels gives all of it to the one that
                           ran longest */
    double tflops, gbs; /* of it over total; NAN: nothing computed or moved */
    double ceiling_pct; /* share of the measured ceiling; NAN: none known */
    double to_win_ms;   /* total less what it would take at its ceiling, at least 0; NAN */
    double intensity;   /* FLOPs a byte; NAN */
};

struct hot {
    int rows;
    struct hot_row *row; /* [rows] by to_win_ms, then total, falling */
    int kernels;         /* items of all ranks that are kernels (copies and fills are counted too in
                            rows, not here) */
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

#endif
