/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a cell as one number: that of the rank which holds most. Tables and charts take it
 * from here, so that they say the same. */
#ifndef HARNESS_REPORT_MEMORY_H
#define HARNESS_REPORT_MEMORY_H

#include "harness/record/record.h"

/* Bytes of one rank; all NaN where nothing was measured. */
struct memory_share {
    double total;                                   /* own + library */
    double own;                                     /* the arenas' high-water mark */
    double predicted;                               /* what the plan said own would be */
    double weights, activations, kv_store, buffers; /* the parts of own */
    double library;                                 /* what the device's libraries took besides */
};

/* Of the rank with the largest total, the lowest of equal ones. */
struct memory_share memory_fullest(const struct record_memory *memory);

#endif
