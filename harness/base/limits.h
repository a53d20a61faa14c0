/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of this process (ulimit) that would end it without a word, or with one that nobody
 * understands. */
#ifndef HARNESS_BASE_LIMITS_H
#define HARNESS_BASE_LIMITS_H

#include "kernels/base/status.h"

/* ST_INVALID where the stack is too small, or files are too few, for any command. */
enum status limits_check(void);

/* Lets this process and those that it starts have `needed` files open at a time; ST_INVALID where
 * it may not. who: for the message, "mpirun with 8 ranks". */
enum status limits_files(int needed, const char *who);

/* " below ulimit -v 450000, the limit on address space", or "" where there is none; into text of
 * LIMITS_TEXT bytes, which is returned. What stays below it is little: libraries map much. */
enum { LIMITS_TEXT = 80 };
char *limits_space(char text[LIMITS_TEXT]);

/* For the end of a message about a call that failed with `error`: which limit it may have met;
 * "" where none is known. */
const char *limits_hint(int error);

#endif
