/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the text of an experiment file, for messages. Not a parser: libcyaml is. */
#ifndef HARNESS_SWEEP_EXPERIMENT_TEXT_H
#define HARNESS_SWEEP_EXPERIMENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* All texts end with a zero; lines and columns count from 1. */

/* The line of a top-level key at or after byte `from`; 0: not found. */
int experiment_text_line(const char *text, size_t from, const char *key);

/* The byte at a line and a column. */
size_t experiment_text_offset(const char *text, int line, int column);

/* What stands behind "key:" on its line, without blanks around it and without a comment; returns
 * out. */
char *experiment_text_value(const char *text, const char *key, char *out, size_t size);

/* `a` and `b` are entries of a [list], neither quoted, with a comma and no blank between them. */
bool experiment_text_joined(const char *text, const char *a, const char *b);

/* The first line from `line` on whose indentation has a tab; 0: none. */
int experiment_text_tab(const char *text, int line);

/* The first unquoted entry with {ranks} in it from `line` on, up to the blank, bracket or end that
 * ends it; false: none. */
bool experiment_text_hole(const char *text, int line, int *found, char *out, size_t size);

/* The line of the second document's marker. */
int experiment_text_second_document(const char *text);

#endif
