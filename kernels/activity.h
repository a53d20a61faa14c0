/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the devices of this process do and what their driver is asked, one by one: kernels, those of
 * graphs too, copies, fills, calls. Only a backend whose device works apart from the host has it;
 * elsewhere an operation's range (kernels/base/trace.h) says it all.
 *
 * One at a time in a process, for all its devices. Times are nanoseconds of activity_clock.
 */
#ifndef KERNELS_ACTIVITY_H
#define KERNELS_ACTIVITY_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct backend_ops;

enum activity_kind {
    ACTIVITY_KERNEL, /* on a stream */
    ACTIVITY_COPY,
    ACTIVITY_FILL,
    ACTIVITY_RUNTIME, /* calls of a thread */
    ACTIVITY_DRIVER,
    ACTIVITY_SYNC,     /* a thread waits for a stream or an event */
    ACTIVITY_OVERHEAD, /* the time that looking costs, as far as the tool says */
    ACTIVITY_KINDS
};

struct activity {
    enum activity_kind kind;
    const char *name; /* gone after the call: a kernel as its source spells it, "copy device to
                         device", "cudaLaunchKernel" */
    int64_t begin, end;
    int device;           /* ordinal; -1: none */
    uint32_t stream;      /* its number */
    uint32_t thread;      /* gettid() of a call's thread; 0: not told */
    uint32_t correlation; /* the same of a call and of what it started; 0: none */
    uint64_t tag;         /* of work of a graph: what `tag` said when it was captured; else 0 */
    uint64_t bytes;       /* of copies and fills */
    int grid[3], block[3], registers, shared; /* of kernels; shared: bytes of a block */
};

struct activity_sink {
    /* Some time after it happened, from any thread, one at a time. */
    void (*on_activity)(void *self, const struct activity *activity);
    /* For each piece of work that goes into a graph, once or several times, in the thread that
     * gives it: a number, not 0, by which it is known again in every launch; 0: untagged. */
    uint64_t (*tag)(void *self);
    void *self;
};

/* Nanoseconds of clock_seconds' clock. */
int64_t activity_clock(void);

bool activity_supported(const struct backend_ops *ops);

/* Watches what is captured from now on, and records nothing yet. The sink stays until
 * activity_close. Before the first device of the process is opened. ST_UNSUPPORTED with the reason
 * where the tool's library is missing, refuses or is in use by another tool. */
enum status activity_open(const struct backend_ops *ops, const struct activity_sink *sink);

/* From now on, and until activity_pause, everything is recorded. */
enum status activity_record(const struct backend_ops *ops);

/* All that was recorded until now is handed to the sink. *dropped: records that were lost so far.
 * The devices are idle. */
enum status activity_pause(const struct backend_ops *ops, uint64_t *dropped);

void activity_close(const struct backend_ops *ops);

/* What a backend fills; each as the function of its name. */
struct activity_ops {
    enum status (*open)(const struct activity_sink *sink);
    enum status (*record)(void);
    enum status (*pause)(uint64_t *dropped);
    void (*close)(void);
};

#endif
