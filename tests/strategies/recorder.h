/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPU device that records graphs, and the local transport behind one that can be recorded: what a
 * GPU and NCCL do, bit for bit as the CPU computes. While a queue records, its ops, posts and waits
 * are remembered with their addresses and host values and not done; a launch does them. A step that
 * hides something in host memory, or in other addresses, comes out wrong here. An all-reduce comes
 * about in its wait, so one that takes a sum before it has waited comes out wrong, too.
 */
#ifndef TESTS_STRATEGIES_RECORDER_H
#define TESTS_STRATEGIES_RECORDER_H

#include "kernels/comm/comm.h"

const struct backend_ops *recorder_backend(void); /* not in the registry: device_open */
extern const struct comm_ops recorder_transport;  /* comm_open; needs a recorder_backend device */

/* Graphs that a device was asked to launch. */
int recorder_launches(const struct device *dev);

#endif
