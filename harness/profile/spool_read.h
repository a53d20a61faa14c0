/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spools of a folder as one recording, as recording.h describes it: every rank on the clock of
 * rank 0, time 0 where the loop of the first rank to come to it began, items mapped to ranks and
 * ranges.
 *
 * An activity belongs to the rank whose thread made the call of its correlation, work of a graph to
 * the rank of its tag. Its range is that of its tag, else the innermost one of the call's thread in
 * which the call began. What of the loop cannot be mapped counts as dropped, on the first rank of
 * its process.
 */
#ifndef HARNESS_PROFILE_SPOOL_READ_H
#define HARNESS_PROFILE_SPOOL_READ_H

#include "harness/profile/recording.h"

/* What has no place in a recording. */
struct spool_told {
    char no_activity[400]; /* why kernels were not recorded where they could be; "" */
    char incomplete[400];  /* what is missing, the first such thing; "": nothing */
    double loop_ms;        /* of the slowest rank by the run's own marks; NAN: not told */
};

/* FOLDER/process-*.spool. A file that breaks off and a rank without one make a recording that is
 * not complete. ST_INVALID: anything else that is wrong; names file, byte, found and wanted.
 * ST_IO, ST_OOM. */
enum status spool_read(const char *folder, struct recording **out, struct spool_told *told);

/* ---- the same of bytes at hand ---- */

struct spool_file {
    const char *name; /* for messages */
    const unsigned char *bytes;
    size_t size;
};

enum status spool_read_bytes(int n, const struct spool_file *files, struct recording **out,
                             struct spool_told *told);

#endif
