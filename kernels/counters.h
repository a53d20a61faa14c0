/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware's own counters, summed over ranges of a device's work. Only a backend whose device
 * has any offers them.
 *
 * A device counts a few things at a time, so what is wanted is shared out over passes: the caller
 * does the same work once for each and opens the same ranges in it. Work is never replayed behind
 * the caller's back, and kernels run as they would, so that ranks may wait for each other within a
 * range. A range begins and ends when the device is idle, which its thread waits for: a rank must
 * not begin or end one where another one waits for it.
 *
 * One device each, from the thread that opened them.
 */
#ifndef KERNELS_COUNTERS_H
#define KERNELS_COUNTERS_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct backend_ops;
struct device;

enum counter {
    COUNTER_TIME,        /* ns from a range's begin to its end: launches and gaps, too */
    COUNTER_TENSOR,      /* %: tensor pipes' share of the cycles in which multiprocessors worked */
    COUNTER_SM_ACTIVE,   /* those cycles, mean of the multiprocessors: the weight of TENSOR */
    COUNTER_DRAM_READ,   /* bytes */
    COUNTER_DRAM_WRITE,  /* bytes */
    COUNTER_L2_HIT,      /* sectors that were looked up and found */
    COUNTER_L2_MISS,     /* and not found */
    COUNTER_NVLINK_SENT, /* bytes; metrics with "user" are without the links' protocol */
    COUNTER_NVLINK_RECEIVED, /* the same */
    COUNTERS
};

#define COUNTER_BIT(counter) (1u << (counter))
#define COUNTERS_ALL         (COUNTER_BIT(COUNTERS) - 1)

enum { COUNTERS_REASON = 240 };

/* A backend embeds this as its first member. */
struct counters {
    const struct counters_ops *ops;
    int ranges; /* that fit a pass */
    int passes; /* 1 at the least */
    int at;     /* the pass at hand */
    int opened; /* its ranges so far */
    bool within_pass, within_range;
    const char *metric[COUNTERS];           /* as the tool names it; NULL: not to be had */
    int pass[COUNTERS];                     /* in which it is counted */
    char reason[COUNTERS][COUNTERS_REASON]; /* why it is not; "": it is, or was not wanted */
};

const char *counters_name(enum counter counter); /* "time", "tensor_pipe", ... */

bool counters_supported(const struct backend_ops *ops);

/* wanted: COUNTER_BITs. At most `ranges` in a pass; what does not fit into `passes` is not to be
 * had. ST_UNSUPPORTED with the reason where none of them is: the tool is missing, not permitted,
 * in use, or knows the chip not. */
enum status counters_open(struct device *dev, uint32_t wanted, int ranges, int passes,
                          struct counters **out);
void counters_close(struct counters *counters); /* NULL is fine; whatever is open ends */

/* ST_DEVICE names the tool's call that failed; then only counters_close is left. */
enum status counters_begin(struct counters *counters, int pass);
enum status counters_push(struct counters *counters); /* ranges do not nest */
enum status counters_pop(struct counters *counters);

/* value [ranges][COUNTERS]: of the ranges in the order in which they were opened. Only what this
 * pass counts is written; NAN: the tool had no number. */
enum status counters_end(struct counters *counters, double (*value)[COUNTERS]);

/* What a backend fills; each as the function of its name, which checks the order of calls. */
struct counters_ops {
    enum status (*open)(struct device *dev, uint32_t wanted, int ranges, int passes,
                        struct counters **out);
    void (*close)(struct counters *counters);
    enum status (*begin)(struct counters *counters, int pass);
    enum status (*push)(struct counters *counters); /* number counters->opened */
    enum status (*pop)(struct counters *counters);
    enum status (*end)(struct counters *counters, int pass, double (*value)[COUNTERS]);
};

#endif
