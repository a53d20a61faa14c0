/* SPDX-License-Identifier: Apache-2.0 */
/* The products that ops_cuda measures, a line or more each. */
#ifndef TESTS_BENCH_PRODUCTS_H
#define TESTS_BENCH_PRODUCTS_H

#include "tests/bench/rate.h"

/* Rows `from` times [in, out] into `to`; a name with "add" is added. In 16 bits on Hopper three
 * more lines, which do not count in the step: by cuBLASLt, by our kernel in wide and in narrow
 * tiles. */
void bench_product(struct bench *b, const char *name, int64_t rows, int64_t in, struct place from,
                   int64_t out, struct place to, enum act act, double per_step);

/* Random weights, as they are drawn. */
void bench_draw(struct bench *b);

/* Conditioning: those of a block, for one to eight guided requests, then of all 28 blocks. */
void bench_vectors(struct bench *b);

#endif
