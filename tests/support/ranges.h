/* SPDX-License-Identifier: Apache-2.0 */
/* A sink that keeps what a thread told it: every range, and the one around it. */
#ifndef TESTS_SUPPORT_RANGES_H
#define TESTS_SUPPORT_RANGES_H

#include "kernels/base/trace.h"

struct ranges_one {
    struct trace_range range;
    int parent; /* index, or -1 */
    bool closed;
};

struct ranges {
    struct trace_sink sink;
    int n, room;
    struct ranges_one *v; /* [n] in the order they were opened */
    int open;             /* the innermost that is open, or -1 */
    int pops;             /* too many of them: -1 was popped */
};

/* From here on this thread's ranges; `end` stops, and what was kept stays until `release`. */
void ranges_begin(struct ranges *ranges);
void ranges_end(struct ranges *ranges);
void ranges_release(struct ranges *ranges);

/* The nearest range of a kind around the i-th, itself not, or NULL. */
const struct trace_range *ranges_around(const struct ranges *ranges, int i, enum trace_kind kind);

/* How many of this kind, and of this name (NULL: any). */
int ranges_count(const struct ranges *ranges, enum trace_kind kind, const char *name);

#endif
