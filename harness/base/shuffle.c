/* SPDX-License-Identifier: Apache-2.0 */
/* Fisher-Yates over counter-based random numbers. */
#include "harness/base/shuffle.h"

#include "kernels/base/rng.h"

/* From 0 to most, all alike: 64 random bits leave a bias of less than 2^-32. */
static int draw(uint64_t seed, uint32_t stream, uint32_t index, int most)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {index, 0, stream, 0};
    uint32_t out[4];
    rng_philox(key, counter, out);
    uint64_t bits = (uint64_t)out[1] << 32 | out[0];
    return (int)(bits % ((uint64_t)most + 1));
}

void shuffle_order(uint64_t seed, uint32_t stream, int n, int *order)
{
    for (int i = 0; i < n; i++) {
        int at = draw(seed, stream, (uint32_t)i, i);
        order[i] = order[at];
        order[at] = i;
    }
}
