/* SPDX-License-Identifier: Apache-2.0 */
/* How others put work on a stream of the fake CUDA runtime. For the fakes and their tests only. */
#ifndef TESTS_NCCL_FAKE_CUDA_H
#define TESTS_NCCL_FAKE_CUDA_H

#include <stdbool.h>
#include <stddef.h>

/* run(arg) is tried again and again, behind the stream's earlier work, until it is true; from
 * malloc, arg is freed then. Other streams go on meanwhile. It must not call back here. */
void fake_cuda_put(void *stream, bool (*run)(void *arg), void *arg);

/* Until all streams of this process are empty; complains where they never are. */
void fake_cuda_await_idle(const char *call);

/* Zeroed memory for the fakes themselves, whatever fails. */
void *fake_alloc(size_t bytes);

/* +1: made by this process; -1: given back. */
void fake_cuda_count(int change);

#endif
