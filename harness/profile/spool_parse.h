/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of one spool, checked: ranges go into the recording, in their process' own times; the
 * rest waits here for spool_map.h. For spool_read.c.
 */
#ifndef HARNESS_PROFILE_SPOOL_PARSE_H
#define HARNESS_PROFILE_SPOOL_PARSE_H

#include "harness/profile/spool.h"
#include "harness/profile/spool_read.h"

/* Times lie within +- this, so that sums of a few cannot overflow. */
#define SPOOL_MOST_NS ((int64_t)1 << 60)

struct spool_parsed_stream {
    int rank; /* of the world; none: the process', or one without a record of a rank */
    uint32_t thread;
    int open;     /* the innermost range that is not closed, or none */
    int loop;     /* its LOOP range, or none */
    bool ended;   /* its loop came to its end, in loop_ms */
    int64_t last; /* time of its last event; 0: none */
    double loop_ms;
    int texts, room;
    const char **text; /* [texts] the recording's */
};

struct spool_parsed_activity {
    struct spool_activity a;
    const char *name; /* the recording's */
    int call;         /* for spool_map.c */
};

struct spool_parsed_sample {
    int device;
    struct recorded_sample sample;
};

struct spool_parsed {
    const char *name;
    bool told; /* its PROCESS record was there: all below is filled */
    struct spool_process process;
    const char *host, *no_activity; /* the recording's; "": none */
    bool torn, finished;
    uint64_t dropped;
    int streams, activities, samples;
    struct spool_parsed_stream *stream;
    struct spool_parsed_activity *activity;
    struct spool_parsed_sample *sample;
};

/* *recording: NULL until the first file has told of what; then the files must agree. ST_INVALID,
 * ST_OOM; out is to be released in any case. */
enum status spool_parse(const struct spool_file *file, struct recording **recording,
                        struct spool_parsed *out);
void spool_parse_release(struct spool_parsed *parsed);

/* The stream of that rank of the world, or NULL. */
struct spool_parsed_stream *spool_parsed_rank(const struct spool_parsed *parsed, int rank);

#endif
