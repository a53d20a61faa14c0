/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the clock of a rank on another host stands to that of rank 0.
 *
 * A gather ends on no rank before all have come to it. So with a rank's readings b before and e
 * after a gather, and rank 0's B and E, what must be added to the rank's clock lies between B - e
 * and E - b. Many gathers narrow that from both sides; the middle is taken, and half the width is
 * the error: a bound, not an estimate, but for the clocks' drift meanwhile.
 */
#ifndef HARNESS_PROFILE_RECORDER_CLOCK_H
#define HARNESS_PROFILE_RECORDER_CLOCK_H

#include "kernels/comm/comm.h"

struct recorder_clock {
    int64_t offset, error; /* ns; offset: what makes this rank's clock rank 0's */
};

/* Collective. Do the ranks have different clocks: live on several hosts, or since several starts?
 */
enum status recorder_clock_differs(struct comm *world, bool *differs);

/* Collective. `now`: this rank's clock, in nanoseconds. */
enum status recorder_clock_measure(struct comm *world, int64_t (*now)(void *self), void *self,
                                   struct recorder_clock *out);

/* Of what lies between two measurements: the mean, with an error that covers both. */
struct recorder_clock recorder_clock_between(struct recorder_clock before,
                                             struct recorder_clock after);

#endif
