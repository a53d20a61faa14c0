/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local transport as NCCL's is: each rank's end of a communicator has one stream, where a group
 * of posts begins when the groups before it are through. A strategy that posts a receive before a
 * send on which, by way of other ranks, that receive depends never ends over it.
 */
#ifndef TESTS_STRATEGIES_IN_ORDER_H
#define TESTS_STRATEGIES_IN_ORDER_H

#include "kernels/comm/comm.h"

extern const struct comm_ops in_order_transport;

#endif
