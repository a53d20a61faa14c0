/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop of a cell as it was recorded: what ran on every rank, in which range of the model's work
 * it was given, and what the driver was asked. All ranks are on one clock, in nanoseconds since the
 * loop's start on the first of them. Whoever draws, counts or compares reads this and nothing else.
 *
 * It is built by adding. What was added is known by its index within its rank, which stays.
 * Texts are copied and kept once, so that equal ones are equal pointers.
 */
#ifndef HARNESS_PROFILE_RECORDING_H
#define HARNESS_PROFILE_RECORDING_H

#include "kernels/base/trace.h"
#include "kernels/comm/mesh.h"

enum { RECORDED_NONE = -1 }; /* for an index: there is none */

/* A line of a timeline: a stream of the rank's device, or a thread of its host. */
struct recorded_track {
    const char *name;
    bool device;
    uint32_t id; /* the stream's number, or the thread's */
};

/* A range of a host thread (kernels/base/trace.h). One that was captured lies before the loop. */
struct recorded_range {
    int64_t begin, end;
    int track;
    int parent; /* index of the range around it, which was added before it */
    enum trace_kind kind;
    const char *name, *axis; /* axis: NULL where it has none */
    int index, channel, peer;
    uint64_t payload, wire;
    struct trace_work work;
};

enum recorded_what { RECORDED_KERNEL, RECORDED_COPY, RECORDED_FILL };

/* What ran on a device. On the CPU backend operations stand for kernels: an item for each OP range,
 * on the track of its thread, with the same times. */
struct recorded_item {
    int64_t begin, end;
    enum recorded_what what;
    const char *name; /* of the kernel; "copy" and "fill" with their direction; of the operation */
    int track;
    int range;      /* the innermost range in which it was given or captured */
    int launch;     /* the range that launched the graph which it is of */
    int step;       /* number of the step that it works for; before the first: none */
    int call;       /* index of the call that started it; graphs have one for many items */
    uint64_t bytes; /* of copies and fills */
    int grid[3], block[3], registers; /* of kernels; 0: not known */
    int shared;                       /* bytes of shared memory of a block */
};

enum recorded_call_kind { RECORDED_RUNTIME, RECORDED_DRIVER, RECORDED_SYNC, RECORDED_OVERHEAD };

/* A call of a host thread, as the device's driver tells. */
struct recorded_call {
    int64_t begin, end;
    enum recorded_call_kind kind;
    const char *name;
    int track;
    uint32_t correlation;
};

enum recorded_counter { RECORDED_SM_CLOCK, RECORDED_POWER, RECORDED_MEMORY, RECORDED_COUNTERS };

struct recorded_sample {
    int64_t at;
    enum recorded_counter counter;
    double value; /* MHz, W, bytes in use */
};

struct recorded_rank {
    int64_t begin, end; /* of its loop; a rank that died ends with what it did last */
    bool complete;      /* its loop came to its end */
    int device;         /* ordinal on its host */
    const char *host, *device_name;
    int64_t clock_offset, clock_error; /* ns: what was added to its clock, and how far that may be
                                          off */
    uint64_t dropped;                  /* records that were lost */
    int64_t *step_end; /* [steps] when the last item of each step ended, kernels that carry messages
                          apart; where it has none, when its range did */
    double *step_ms;   /* [steps] the same as the run's own marks have it, from the loop's start;
                          NAN: not told */
    int tracks, ranges, items, calls, samples;
    struct recorded_track *track;   /* [tracks] */
    struct recorded_range *range;   /* [ranges] in the order in which they were opened */
    struct recorded_item *item;     /* [items] */
    struct recorded_call *call;     /* [calls] */
    struct recorded_sample *sample; /* [samples] */
};

struct recording {
    int ranks, steps;
    bool on_host;               /* items are operations of the CPU backend */
    int64_t epoch;              /* ns since 1970 of time 0 */
    struct mesh_shape shape;    /* names are the recording's */
    int schedule_axis;          /* the axis that owns the schedule: a pipeline's; or none */
    struct recorded_rank *rank; /* [ranks] */
    bool out_of_memory;         /* something could not be added: recording_check */
    struct recording_texts *texts;
};

/* ---- building ---- */
enum status recording_open(int ranks, int steps, struct recording **out);
void recording_close(struct recording *recording);

/* Kept once; NULL stays NULL. */
const char *recording_text(struct recording *recording, const char *text);

/* Each copies what it is given, texts too, and returns its index; RECORDED_NONE without memory. */
int recording_add_track(struct recording *recording, int rank, const struct recorded_track *track);
int recording_add_range(struct recording *recording, int rank, const struct recorded_range *range);
int recording_add_item(struct recording *recording, int rank, const struct recorded_item *item);
int recording_add_call(struct recording *recording, int rank, const struct recorded_call *call);
int recording_add_sample(struct recording *recording, int rank,
                         const struct recorded_sample *sample);

/* ST_OOM where anything that was added got lost for want of memory. */
enum status recording_check(const struct recording *recording);

/* ---- asking ---- */

/* The range itself or the nearest around it that is of this kind, or RECORDED_NONE. */
int recording_around(const struct recorded_rank *rank, int range, enum trace_kind kind);

/* The operation of the model that a range belongs to: "qkv"; "" where it belongs to none. */
const char *recording_operation(const struct recorded_rank *rank, int range);

/* The communication, else the end of a group, else the wait that a range is or lies in, or
 * RECORDED_NONE. */
int recording_communication(const struct recorded_rank *rank, int range);

/* An item that moves data between ranks: given within one of these. */
bool recording_moves(const struct recorded_rank *rank, const struct recorded_item *item);

/* A sign of progress on a stream: communication's, and moves nothing. */
bool recording_marks(const struct recorded_rank *rank, const struct recorded_item *item);

/* A kernel of the transport itself, on a device: moves data and is no operation of the backend. */
bool recording_transports(const struct recorded_rank *rank, const struct recorded_item *item);

/* One of the transport's, or a sign of progress behind it: it may have been given early, to receive
 * the next step's first patch, and then ends in that step. */
bool recording_may_outlast(const struct recorded_rank *rank, const struct recorded_item *item);

/* The rank of the world that is number `peer` on `axis` of the ranks that `rank` shares it with. */
int recording_peer(const struct recording *recording, int rank, int axis, int peer);

/* The axis of that name, or RECORDED_NONE ("world" is none). */
int recording_axis(const struct recording *recording, const char *name);

#endif
