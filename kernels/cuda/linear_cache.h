/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of the algorithms that timing chose, so that a shape is timed once on a kind of GPU and
 * not in every run: gemm-algorithms in the cache folder (kernels/base/cache.h). Knows nothing of
 * what an algorithm is. Without a folder that can be written it remembers nothing.
 */
#ifndef KERNELS_CUDA_LINEAR_CACHE_H
#define KERNELS_CUDA_LINEAR_CACHE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { LINEAR_CACHE_KEY = 256, LINEAR_CACHE_WORDS = 8 };

struct linear_cache;

/* Reads the file, if there is one; lines that are damaged are passed over. */
enum status linear_cache_open(struct linear_cache **out);
void linear_cache_close(struct linear_cache *cache);

/* key: without spaces, shorter than LINEAR_CACHE_KEY. */
bool linear_cache_find(const struct linear_cache *cache, const char *key,
                       uint64_t words[LINEAR_CACHE_WORDS]);

/* Appends one line to the file, in one write: processes that run side by side do not disturb each
 * other. What cannot be written is lost, no more. */
void linear_cache_add(struct linear_cache *cache, const char *key,
                      const uint64_t words[LINEAR_CACHE_WORDS]);

#endif
