/* SPDX-License-Identifier: Apache-2.0 */
/* Long texts in lines that fit a page. Not a table. */
#ifndef HARNESS_BASE_FOLD_H
#define HARNESS_BASE_FOLD_H

enum { FOLD_WIDTH = 100 }; /* columns of everything that the program prints for readers */

/* Prints `text` and a newline on standard output, broken at blanks so that no line is longer than
 * FOLD_WIDTH; a word that is longer stays whole. The cursor stands at `column`, and further lines
 * begin at `indent`. */
void fold_print(int column, int indent, const char *text);

#endif
