/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the legal word nearest to a mistyped one. */
#ifndef KERNELS_BASE_SUGGEST_H
#define KERNELS_BASE_SUGGEST_H

#include "kernels/base/status.h"

/* The word with the fewest insertions, deletions, changes and swaps of neighbours from `typed`;
 * where none is near, the only one that holds it; or NULL. words: NULL-ended. */
const char *suggest_word(const char *typed, const char *const *words);

enum { SUGGEST_HINT = 80 };

/* " (did you mean 'word'?)" for a message that says what was typed, or "" when none is near. buffer
 * of SUGGEST_HINT bytes; returns it. */
const char *suggest_hint(const char *typed, const char *const *words, char *buffer);

/* ST_INVALID: "what: found 'typed' (did you mean ...?); legal: a, b, c" */
enum status suggest_refuse(const char *what, const char *typed, const char *const *words);

#endif
