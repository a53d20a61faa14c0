/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of anybody as texts of a page. */
#ifndef HARNESS_PAGE_ESCAPE_H
#define HARNESS_PAGE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * A copy in UTF-8 that XML can hold: bytes that are no character of it, and those of control
 * characters and of marks of direction (U+202E and its kin), are U+FFFD; line ends and tabs are
 * blanks, or stay (`lines`). For free(); NULL: no memory.
 */
char *escape_clean(const char *text, bool lines);

/* Writes n bytes so that they mean themselves, in content and in quoted attributes. */
void escape_html(FILE *out, const char *text, size_t n);

/* The code span that a text begins with: the length of what is between its backticks; -1: it
 * begins with none. A backtick without a second one is a backtick. */
int escape_span(const char *text);

#endif
