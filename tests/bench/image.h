/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of ops_cuda for a decoder of images. */
#ifndef TESTS_BENCH_IMAGE_H
#define TESTS_BENCH_IMAGE_H

#include "tests/bench/rate.h"

/* All of them, at the shapes of a decoder of 1024 px pictures. */
void image_bench(struct bench *b);

#endif
