/* SPDX-License-Identifier: Apache-2.0 */
/* Runs whose ranks fail, or lose a peer: whatever becomes of them, they end in time. */
#ifndef TESTS_NCCL_IN_TIME_H
#define TESTS_NCCL_IN_TIME_H

#include "tests/nccl/ranks.h"

/* A wait or two of TIMEOUT_S, abort's patience and a slow machine are within ENDED_S; a wait of
 * UNUSED_TIMEOUT_S is not, where losses are told or nobody waits for a peer. */
#define TIMEOUT_S        0.5
#define UNUSED_TIMEOUT_S 4.0
#define ENDED_S          3.0
#define CLOSING_S        2.0

/* Runs the job with what must be so whatever fails. Its timeout_s may be 0: as losses are told. The
 * fakes stay open. */
void run_in_time(struct ranks_job job, struct rank_end *end);

#endif
