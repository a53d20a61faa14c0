/* SPDX-License-Identifier: Apache-2.0 */
/* What cells are compared with: the one-rank run of each reference, computed once. Judges nothing.
 */
#ifndef TESTS_SUPPORT_BOOK_H
#define TESTS_SUPPORT_BOOK_H

#include "tests/support/cells.h"

enum { BOOK_PAGES = 64 };

struct book {
    struct cell_setup setup;
    struct device *dev; /* borrowed; NULL: each run has its own */
    int n;
    struct {
        char text[SPEC_TEXT];
        struct cell_result result;
    } page[BOOK_PAGES];
};

/* References of this setup, without graphs, on `dev` (borrowed), or NULL: on a CPU device each. */
struct book *book_open(const struct cell_setup *setup, struct device *dev);
void book_close(struct book *book);

/* The result that `spec` must equal, borrowed. A reference that cannot be computed ends the
 * program. */
const struct cell_result *book_get(struct book *book, const char *spec);

#endif
