/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as it is read back from its folder: what is compared of it. Files may come from
 * anywhere and are read strictly; see csv.h for what messages say.
 */
#ifndef HARNESS_PROFILE_PROFILE_READ_H
#define HARNESS_PROFILE_PROFILE_READ_H

#include "harness/profile/csv.h"

/* Columns of breakdown.csv behind rank and step. */
enum { SIDE_SHARES = 10 };

/* A row of kernels.csv. */
struct profile_kernel {
    const char *name, *range;
    double total; /* ns of all ranks and steps */
    int row;      /* in the file, from 0 */
};

struct profile_side {
    int steps, ranks; /* of profile.json; of breakdown.csv */
    int whole;        /* of the steps: those that were recorded to their end, which tables are of */
    char incomplete[400]; /* what of the recording is missing; "": nothing */
    int64_t instances;    /* of all kernels */
    int rows;             /* of breakdown.csv */
    struct side_counts {
        int64_t kernels, instances, rows; /* -1: not told */
    } told;                               /* the same as profile.json has them */
    int kernels;
    struct profile_kernel *kernel; /* [kernels] by range, then name; no two of the same */
    double mean[SIDE_SHARES];      /* of all ranks and steps; NAN: in no row */
    struct csv csv;                /* texts are its */
};

const char *profile_share(int share); /* "total_ms", ... as the file calls it */

/* kernels.csv, breakdown.csv and profile.json of a folder. ST_INVALID, also where a table has not
 * what profile.json counts, or no step is whole; ST_IO, ST_OOM. */
enum status profile_side_open(const char *folder, struct profile_side *out);
void profile_side_release(struct profile_side *side);

/* Single files of one, into a side that is all 0; to be released if it fails, too. */
enum status profile_side_kernels(const char *path, struct profile_side *out);
enum status profile_side_breakdown(const char *path, struct profile_side *out);
enum status profile_side_about(const char *path, struct profile_side *out);

#endif
