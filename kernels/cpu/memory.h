/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory for tensors: how much there is, and getting it. An allocation is refused while the
 * system could still refuse it, since Linux would otherwise hand out more than there is and kill
 * someone later.
 */
#ifndef KERNELS_CPU_MEMORY_H
#define KERNELS_CPU_MEMORY_H

#include "kernels/base/status.h"

#include <stddef.h>

/* Bytes to be had now: the least of what the system, control groups and process limit leave, the
 * last one less what the matrix products of `threads` threads will map for themselves. */
size_t memory_available(int threads);

/* Aligned to 256 bytes, contents undefined. ST_OOM with the bytes asked for. */
enum status memory_alloc(size_t bytes, void **out);
void memory_release(void *p);

#endif
