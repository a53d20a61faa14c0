/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are no numbers, counted and found. What they mean is the caller's to say. */
#ifndef HARNESS_IMAGE_FINITE_H
#define HARNESS_IMAGE_FINITE_H

#include <stddef.h>

/* How many of values [n] are NaN or infinite; *first is the first of them, where there is one. */
size_t finite_faults(size_t n, const float *values, size_t *first);

#endif
