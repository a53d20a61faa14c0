/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that a process with ranks writes while its loop is profiled: what it is made of, and one
 * record as bytes. Who writes it is spool_write.h's, what it becomes spool_read.h's business.
 *
 * A head (8 bytes "DITSPOOL", version, a mark), then records: size of the body, type, stream, the
 * CRC-32 of those and that of the body, the body. All numbers are little endian. A stream is what
 * one thread writes: 0 the process', 1 + i that of its i-th rank; records of one stream stand in
 * order, streams are mixed. A text is a record of its own, once in a stream before its first use,
 * and known by a number from 1; 0 is none.
 *
 * The process' first record is SPOOL_PROCESS, a rank's first, but for texts, SPOOL_RANK. Times are
 * nanoseconds of activity_clock.
 */
#ifndef HARNESS_PROFILE_SPOOL_H
#define HARNESS_PROFILE_SPOOL_H

#include "harness/profile/recording.h"
#include "kernels/activity.h"

enum {
    SPOOL_VERSION = 2,
    SPOOL_HEAD = 16,  /* bytes */
    SPOOL_FRAME = 16, /* bytes before a body */
    SPOOL_LETTERS = 4000,
    SPOOL_MOST = SPOOL_FRAME + 4 + SPOOL_LETTERS, /* of a record */
};

enum spool_type {
    SPOOL_PROCESS = 1,
    SPOOL_RANK,
    SPOOL_TEXT,
    SPOOL_OPEN,  /* a range; it lies within the one that is open */
    SPOOL_CLOSE, /* the one that was opened last */
    SPOOL_STEP,
    SPOOL_LOOP, /* the rank's loop came to its end */
    SPOOL_CLOCK,
    SPOOL_ACTIVITY,
    SPOOL_SAMPLE,
    SPOOL_FINISH, /* all ranks of the process did, and nothing is missing */
    SPOOL_TYPES
};

struct spool_process {
    uint32_t ranks, steps; /* ranks of the world */
    uint32_t on_host;
    int32_t schedule_axis; /* or -1 */
    uint32_t axes, axis_size[MESH_MAX_AXES];
    uint32_t axis_name[MESH_MAX_AXES], host, no_activity; /* texts; no_activity: why no kernels are
                                                             recorded where they could be, or 0 */
    int64_t epoch;                                        /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

struct spool_rank {
    uint32_t rank, thread; /* gettid() */
    int32_t device;        /* ordinal */
    uint32_t device_name;  /* a text */
};

struct spool_range {
    int64_t begin;
    uint32_t kind, name, axis; /* enum trace_kind, texts */
    int32_t index, channel, peer;
    uint64_t payload, wire;
    struct trace_work work;
};

struct spool_activity {
    uint32_t kind, name; /* enum activity_kind, a text */
    int64_t begin, end;
    int32_t device;
    uint32_t stream, thread, correlation;
    uint64_t tag; /* (rank + 1) << 32 | number of the range, in order of opening, + 1 */
    uint64_t bytes;
    int32_t grid[3], block[3], registers, shared;
};

struct spool_record {
    enum spool_type type;
    unsigned stream;
    union {
        struct spool_process process;
        struct spool_rank rank;
        struct {
            uint32_t id, letters;
            const char *v; /* [letters] not ended; borrowed */
        } text;
        struct spool_range range;
        int64_t close;
        struct {
            uint32_t index;
            double ms; /* from the loop's start */
        } step;
        double loop_ms;
        struct {
            int64_t offset, error; /* ns */
        } clock;
        struct spool_activity activity;
        struct {
            int64_t at;
            int32_t device;
            uint32_t counter; /* enum recorded_counter */
            double value;
        } sample;
        uint64_t dropped; /* of FINISH: activities that were lost */
    };
};

void spool_put_head(unsigned char out[SPOOL_HEAD]);

/* Into out [SPOOL_MOST]; how many bytes. Longer texts are cut. */
size_t spool_encode(const struct spool_record *record, unsigned char *out);

/* ST_INVALID tells what is found and wanted; *torn: there are fewer bytes than a head has, and they
 * are its first. */
enum status spool_check_head(const unsigned char *bytes, size_t size, bool *torn);

/* The record at `at` of the file's bytes; *used: how many it has. *torn: the file ends within it,
 * and there is no record. ST_INVALID: it is none; says where, what is found and wanted. Meaning of
 * the fields, beyond the type, is not looked at. */
enum status spool_decode(const unsigned char *bytes, size_t size, size_t at,
                         struct spool_record *out, size_t *used, bool *torn);

/* Makes every check of the file's bytes right, as far as its frames go: for tests of what lies
 * behind the checks. */
void spool_seal(unsigned char *bytes, size_t size);

#endif
