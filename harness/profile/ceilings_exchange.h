/* SPDX-License-Identifier: Apache-2.0 */
/* The rates of exchanges between ranks of one process, a GPU each. Not of NCCL's, whose ranks are
 * processes: `ditbench comm` measures those. */
#ifndef HARNESS_PROFILE_CEILINGS_EXCHANGE_H
#define HARNESS_PROFILE_CEILINGS_EXCHANGE_H

#include "harness/profile/ceilings_measure.h"

/* Between the first measure->devices devices, 8 at most; appends to the set, or its no_exchange
 * says why not. */
void ceilings_exchange_run(const struct ceilings_measure *measure, struct ceilings_set *out);

#endif
