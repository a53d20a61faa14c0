/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Final latents of one-rank runs, each in a file of the cache folder (kernels/base/cache.h) named
 * by the hash of its key. An entry holds the whole key, which is all that the numbers were made
 * from, and a checksum over both; what does not match is not there. Computes nothing.
 */
#ifndef HARNESS_CHECK_REFERENCE_CACHE_H
#define HARNESS_CHECK_REFERENCE_CACHE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True: out [count] is the entry of this key. */
bool reference_cache_load(const char *key, size_t count, float *out);

/* Replaces the entry in one step: whoever reads or writes it at the same time has the old or the
 * new one. ST_IO: there is no folder, or it takes no files. */
enum status reference_cache_store(const char *key, size_t count, const float *latent);

/* How many entries there are, and their bytes. */
void reference_cache_count(int *entries, uint64_t *bytes);

#endif
