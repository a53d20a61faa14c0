/* SPDX-License-Identifier: Apache-2.0 */
/* Curves of a timeline: clock, power and memory of a rank's device as they were sampled, and for
 * each axis the bytes that left the rank so far, counted when their message had arrived. */
#ifndef HARNESS_PROFILE_TRACE_COUNTER_H
#define HARNESS_PROFILE_TRACE_COUNTER_H

#include "harness/profile/messages.h"
#include "harness/profile/trace_out.h"

/* messages: NULL: none are known. ST_OOM; failures of `out` are kept there. */
enum status trace_counter_write(struct trace_out *out, const struct recording *recording, int rank,
                                const struct messages *messages);

#endif
