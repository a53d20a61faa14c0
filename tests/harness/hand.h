/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings made by hand: ranks of one axis, times in nanoseconds. */
#ifndef TESTS_HARNESS_HAND_H
#define TESTS_HARNESS_HAND_H

#include "harness/profile/recording.h"

enum { HAND_THREAD, HAND_STREAM, HAND_LINK }; /* tracks of every rank */

/* Loops of all ranks from 0 to `end`, with steps of equal length; the axis is "a". */
struct recording *hand_open(int ranks, int steps, int64_t end, bool on_host);

/* peer -1: none. COMM, WAIT and GROUP are of the axis. */
int hand_range(struct recording *r, int rank, int parent, enum trace_kind kind, const char *name,
               int64_t begin, int64_t end, int peer);

/* The same, with as many bytes handed over as leave. */
int hand_comm(struct recording *r, int rank, int parent, const char *name, int64_t begin,
              int64_t end, int peer, uint64_t bytes);

/* An item in a range of its own within `parent`: on the host, or on the stream in a graph's launch
 * (none: without). */
int hand_op(struct recording *r, int rank, int parent, int launch, int64_t begin, int64_t end);

/* A copy in a COMM range, on a stream that only copies. */
int hand_copy(struct recording *r, int rank, int comm, int64_t begin, int64_t end);

/* A kernel of the transport, given in a range. */
int hand_kernel(struct recording *r, int rank, int range, int launch, const char *name,
                int64_t begin, int64_t end);

#endif
