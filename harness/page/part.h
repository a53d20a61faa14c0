/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document as its writers see it: parts in the order in which they were added. For html.c and
 * markdown.c alone.
 *
 * All texts are valid UTF-8 without control characters, and, but for DOC_CODE, one line: what a
 * caller gave otherwise was replaced when it was added. Nothing in them is escaped.
 */
#ifndef HARNESS_PAGE_PART_H
#define HARNESS_PAGE_PART_H

#include "harness/page/doc.h"

#include <stddef.h>

struct doc_part {
    enum doc_kind kind;
    int level;             /* of a heading */
    char *text;            /* heading, paragraph, code, summary of a fold; a figure's alt */
    char *caption;         /* of a figure or a table; NULL: none */
    char *path;            /* of a figure, as it was given */
    char *narrow;          /* the same picture for narrow screens; NULL: none */
    int columns;           /* of a table */
    enum doc_align *align; /* [columns] */
    bool fit;              /* a table no wider than the page */
    int n;                 /* cells of a table, the header among them; items of a list */
    char **v;              /* [n] */
};

struct doc {
    int n;
    struct doc_part *v;
    enum status failed; /* ST_OK, or what stopped it: nothing is added any more */
};

/* The document's title: its first heading of level 1; "" where there is none. Borrowed. */
const char *doc_title(const struct doc *doc);

/* The file's folder is created and the text written to it in one go. ST_IO. */
enum status doc_write_file(const char *path, const char *text, size_t size);

#endif
