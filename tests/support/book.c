/* SPDX-License-Identifier: Apache-2.0 */
/* One-rank runs that are kept. Not a test. */
#include "tests/support/book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct book *book_open(const struct cell_setup *setup, struct device *dev)
{
    struct book *book = calloc(1, sizeof *book);
    BUG_ON(!book, "no host memory for references");
    book->setup = *setup;
    book->setup.graph = false;
    book->dev = dev;
    book->setup.devices = dev ? &book->dev : NULL;
    return book;
}

void book_close(struct book *book)
{
    for (int i = 0; book && i < book->n; i++)
        cell_release(&book->page[i].result);
    free(book);
}

const struct cell_result *book_get(struct book *book, const char *spec)
{
    char text[SPEC_TEXT];
    cell_reference(&book->setup, spec, text);
    for (int i = 0; i < book->n; i++)
        if (strcmp(book->page[i].text, text) == 0)
            return &book->page[i].result;
    BUG_ON(book->n == BOOK_PAGES, "more than %d references", BOOK_PAGES);
    struct cell_result *result = &book->page[book->n].result;
    BUG_ON(cell_run(&book->setup, text, 1, result) != ST_OK, "%s: %s on one rank, %s: %s",
           cell_model(&book->setup), text, dtype_name(book->setup.dtype), status_text());
    snprintf(book->page[book->n++].text, SPEC_TEXT, "%s", text);
    return result;
}
