/* SPDX-License-Identifier: Apache-2.0 */
/* A 64-bit non-cryptographic hash for ids, cache keys and RNG streams: stable across builds and
 * machines. */
#ifndef KERNELS_BASE_HASH_H
#define KERNELS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);
uint64_t hash_text(uint64_t seed, const char *text);

/* hash_bytes of what comes in pieces: begun with the size of all; each piece but the last a
 * multiple of 8 bytes. */
uint64_t hash_begin(uint64_t seed, uint64_t size);
uint64_t hash_piece(uint64_t hash, const void *data, size_t size);

#endif
