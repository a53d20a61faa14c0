/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the legal word nearest to a mistyped one. */
#ifndef HARNESS_BASE_SUGGEST_H
#define HARNESS_BASE_SUGGEST_H

#include <stddef.h>

/* The word with the fewest insertions, deletions, changes and swaps of neighbours from `typed`, or
 * NULL when none is near. words: NULL-ended. */
const char *suggest_word(const char *typed, const char *const *words);

#endif
