/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of one rank: names of its tracks, the tracks one after the other, its counters. Of a
 * track all slices and ends of arrows are in the order of their times.
 *
 * Items of a stream that overlap by more than 2% of the shorter get a lane of their own beside it;
 * less is cut off. Calls are cut to the range of the host that most of them lies in. What a
 * profiler says it cost lies beside the thread.
 */
#ifndef HARNESS_PROFILE_TRACE_RANK_H
#define HARNESS_PROFILE_TRACE_RANK_H

#include "harness/profile/trace_flow.h"
#include "harness/profile/trace_slice.h"

/* routes: NULL, or those of all messages. *next as trace_flow_open has it; *cut grows by the slices
 * that were shortened. ST_OOM; failures of `out` are kept there. */
enum status trace_rank_write(struct trace_out *out, const struct recording *recording, int rank,
                             const struct messages *messages, const struct trace_route *routes,
                             uint32_t *next, uint64_t *cut);

#endif
