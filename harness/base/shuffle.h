/* SPDX-License-Identifier: Apache-2.0 */
/* Permutations that follow from a seed alone. */
#ifndef HARNESS_BASE_SHUFFLE_H
#define HARNESS_BASE_SHUFFLE_H

#include <stdint.h>

/*
 * order [n]: the numbers 0 to n - 1, each permutation as likely as any other (Fisher and Yates;
 * Durstenfeld, "Algorithm 235", 1964), drawn from Philox with key `seed` and stream `stream`: the
 * same on every machine.
 */
void shuffle_order(uint64_t seed, uint32_t stream, int n, int *order);

#endif
