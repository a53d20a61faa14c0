/* SPDX-License-Identifier: Apache-2.0 */
/* A 64-bit non-cryptographic hash for ids, cache keys and RNG streams: stable across builds and
 * machines. */
#ifndef KERNELS_BASE_HASH_H
#define KERNELS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);
uint64_t hash_text(uint64_t seed, const char *text);

#endif
