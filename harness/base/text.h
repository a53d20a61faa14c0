/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in UTF-8, anybody's too, and in columns: one a character. Not their escaping. */
#ifndef HARNESS_BASE_TEXT_H
#define HARNESS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TEXT_NUMBER = 48 };

/* Length of the character that a text begins with; 0: it begins with none that a reader may be
 * shown: bytes that are no UTF-8, control characters, and marks that turn the direction of the
 * text around them (U+202E and its kin), by which it reads as another. */
int text_character(const char *text);

/* The text as it can be shown: U+FFFD for each byte that text_character does not know; line ends
 * and tabs are blanks, or stay (`lines`). Ends at a whole character within `size` bytes; three for
 * each of the text's and one are always enough. Returns buffer. */
char *text_shown(const char *text, bool lines, size_t size, char *buffer);

/* Whether two texts are the same; NULL is empty. */
bool text_same(const char *a, const char *b);

/* Characters of a text: the bytes that begin one. */
int text_columns(const char *text);

/* At most `columns` (at least 5) characters, with "..." for what is left out in the middle. Cut at
 * `size` bytes. Returns buffer. */
char *text_shorten(const char *text, int columns, size_t size, char *buffer);

/*
 * The first line of a text that is folded to `columns` characters: its bytes, and in *next where
 * the second begins (the text's end: there is none). Lines end at a blank, else behind a comma
 * or slash, else anywhere.
 */
int text_fold(const char *text, int columns, const char **next);

/* A word of a command line, in single quotes where a shell would read it otherwise. */
void text_put_word(FILE *out, const char *word);

/* Numbers, each into a buffer of TEXT_NUMBER bytes, which is returned. For people: four digits, or
 * all before the point; without decimals; as "%.9g" has it. Long tables of them take a quarter of
 * printf's time. */
char *text_number(double value, char buffer[TEXT_NUMBER]);
char *text_count(double value, char buffer[TEXT_NUMBER]);
char *text_digits(double value, char buffer[TEXT_NUMBER]);

#endif
