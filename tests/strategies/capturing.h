/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPU device that captures graphs, and the local transport behind one that can be captured: what
 * a GPU and NCCL do, bit for bit as the CPU computes. While a queue captures, its ops, posts and
 * waits are remembered with their addresses and host values and not done; a launch does them. A
 * step that hides something in host memory, or in other addresses, comes out wrong here. An
 * all-reduce comes about in its wait, so one that takes a sum before it has waited comes out wrong,
 * too.
 */
#ifndef TESTS_STRATEGIES_CAPTURING_H
#define TESTS_STRATEGIES_CAPTURING_H

#include "kernels/comm/comm.h"

const struct backend_ops *capturing_backend(void); /* not in the registry: device_open */
extern const struct comm_ops capturing_transport;  /* comm_open; needs a device of it */

/* Graphs that a device was asked to launch. */
int capturing_launches(const struct device *dev);

#endif
