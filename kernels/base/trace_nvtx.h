/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges for tools that listen to NVTX (Nsight Systems, Nsight Compute): domain "ditbench", a
 * category for each kind, bytes as payload (of a communication those handed over, of an operation
 * those of its operands). Without a tool NVTX does nothing.
 */
#ifndef KERNELS_BASE_TRACE_NVTX_H
#define KERNELS_BASE_TRACE_NVTX_H

#include "kernels/base/trace.h"

/* Is it in this build? */
bool trace_nvtx_built(void);

/* ST_INVALID, and says how to get it, where it is not. */
enum status trace_nvtx_check(void);

/* It is built in, and a tool has injected itself into this process, or says that it will. */
bool trace_nvtx_wanted(void);

/* A sink for one thread: trace_add, and trace_remove before it is closed. NULL is fine to close.
 * ST_INVALID as above, ST_OOM. */
enum status trace_nvtx_open(struct trace_sink **out);
void trace_nvtx_close(struct trace_sink *sink);

#endif
