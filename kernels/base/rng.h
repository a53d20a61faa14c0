/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011). A value is a pure function of (key, counter), so that any shard on any device
 * draws the same numbers.
 */
#ifndef KERNELS_BASE_RNG_H
#define KERNELS_BASE_RNG_H

#include <stdint.h>

/* Ten rounds over `counter` with `key`; four independent uniform 32-bit words. */
void rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A word as a float in [0, 1), 24 bits. */
static inline float rng_unit(uint32_t word)
{
    return (float)(word >> 8) * (1.0f / 16777216.0f);
}

/*
 * Standard normal value of one element: Box-Muller over the two words that the element's pair owns.
 * seed, stream: what is drawn (the initial noise, a step's noise, a tensor's name hash); index: the
 * element.
 */
float rng_normal(uint64_t seed, uint64_t stream, uint64_t index);

/* Uniform in [-1, 1): out[i] is element first+i. Equal to element-wise calls, only faster. */
void rng_uniform(uint64_t seed, uint64_t stream, uint64_t first, int64_t count, float *out);

#endif
