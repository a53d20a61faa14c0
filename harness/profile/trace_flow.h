/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrows of a timeline: from each call to what it started, and from who sent a message to who
 * received it. Both ends lie within slices; which ones is decided here, not how they are written.
 */
#ifndef HARNESS_PROFILE_TRACE_FLOW_H
#define HARNESS_PROFILE_TRACE_FLOW_H

#include "harness/profile/messages.h"
#include "harness/profile/trace_track.h"

/* One end of an arrow. */
struct trace_flow {
    int64_t at; /* ns; not yet cut to the slice as it is drawn */
    enum trace_slice_kind kind;
    int index; /* of the slice that it is bound to */
    bool start, message;
    uint32_t id; /* the same of both ends, and of no other arrow of the file */
};

/* The ends at one rank. */
struct trace_flows {
    int n;
    size_t room;
    struct trace_flow *v; /* [n] by kind, index, at */
};

/* Both ends of every message. */
struct trace_route {
    struct trace_flow from, to;
    bool bound; /* a slice was found for each, the first not after the second */
};

/* [messages->n], to be freed; NULL without messages. ST_OOM. */
enum status trace_flow_routes(const struct recording *recording, const struct messages *messages,
                              struct trace_route **out);

/* All ends at a rank: of calls, and of messages (routes NULL: of none). *next: the first number
 * that no arrow has. ST_OOM. */
enum status trace_flow_open(const struct recording *recording, int rank,
                            const struct messages *messages, const struct trace_route *routes,
                            uint32_t *next, struct trace_flows *out);
void trace_flow_release(struct trace_flows *flows);

/* A range of a host thread that is drawn: what was captured before the loop is not. */
bool trace_flow_drawn(const struct recorded_rank *rank, int range);

#endif
