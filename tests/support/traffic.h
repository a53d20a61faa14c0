/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random traffic between ranks with every element checked: all operations, uneven and empty parts,
 * several communicators, several requests in flight, waits in an order of each rank's own.
 * Independent of Criterion.
 */
#ifndef TESTS_SUPPORT_TRAFFIC_H
#define TESTS_SUPPORT_TRAFFIC_H

#include "kernels/comm/comm.h"

/* Collective. The same seed and rounds on all ranks (one that does fewer rounds leaves the others
 * waiting); longest: elements of the longest message. The digest depends on seed, rounds, longest
 * and the world's size alone. ST_WRONG: an element is not what was sent. */
enum status traffic_run(struct comm *world, struct queue *q, uint64_t seed, int rounds,
                        int64_t longest, uint64_t *digest);

#endif
