/* SPDX-License-Identifier: Apache-2.0 */
/* A sum over ranks out of messages of the local transport, for transports of tests on top of it. */
#ifndef TESTS_STRATEGIES_LOCAL_SUM_H
#define TESTS_STRATEGIES_LOCAL_SUM_H

#include "kernels/comm/comm.h"

/* end: the local transport's. inout := the sum of every rank's, fp32, in host memory; added in the
 * order of the built-in ring, so that it has its bits. Complete when it returns. */
enum status local_sum(void *end, int rank, int size, const struct tensor *inout, struct queue *cpu);

#endif
