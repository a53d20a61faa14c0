/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that a user typed: the whole text or nothing. Not for machine-written files. */
#ifndef HARNESS_BASE_NUMBER_H
#define HARNESS_BASE_NUMBER_H

#include "kernels/base/status.h"

#include <stdint.h>

/* A decimal whole number from min to max, without blanks or a plus sign. `what` names it in the
 * message. ST_INVALID. */
enum status number_whole(const char *what, const char *text, int64_t min, int64_t max,
                         int64_t *out);

/* The same as an int. */
enum status number_int(const char *what, const char *text, int min, int max, int *out);

/* Bytes: a whole number, or one with K, M or G behind it (1024, 1024^2, 1024^3, as nccl-tests reads
 * sizes; in capitals or not). ST_INVALID. */
enum status number_bytes(const char *what, const char *text, int64_t min, int64_t max,
                         int64_t *out);

/* A finite decimal number from min to max; an exponent is fine, hexadecimal is not. ST_INVALID. */
enum status number_real(const char *what, const char *text, double min, double max, double *out);

#endif
