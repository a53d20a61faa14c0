/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device whose queues run behind the host, as a GPU's do: a thread for each queue, which dawdles
 * before every copy, sum and mark. It computes through the CPU backend. Code that reads a tensor
 * without waiting for the queue, or orders two queues without an event, reads stale bytes here.
 */
#ifndef TESTS_COMM_SLOW_DEVICE_H
#define TESTS_COMM_SLOW_DEVICE_H

#include "kernels/backend.h"

/* copy, add, marks and memory only. */
const struct backend_ops *slow_device_ops(void);

#endif
