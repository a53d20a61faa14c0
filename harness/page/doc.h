/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document: headings, paragraphs, lists, tables, figures, commands, in the order in which they
 * are added. It is written as one HTML page that needs nothing else (html.h), and as Markdown
 * (markdown.h). Texts are plain: the writers escape them. Only code spans, "`...`", mean something.
 *
 * What fails (memory) is remembered and told by doc_status, so that adding needs no checks.
 */
#ifndef HARNESS_PAGE_DOC_H
#define HARNESS_PAGE_DOC_H

#include "kernels/base/status.h"

#include <stdbool.h>

struct doc;

enum doc_kind {
    DOC_HEADING, /* level 1: the title, once; 2: a section; 3: below it */
    DOC_PARAGRAPH,
    DOC_LIST,   /* items */
    DOC_TABLE,  /* a header row and rows of cells */
    DOC_FIGURE, /* an SVG file, with a caption */
    DOC_CODE,   /* commands or a file, as they are */
    DOC_FOLD,   /* the begin of something that is long: closed until it is opened; its summary */
    DOC_UNFOLD, /* its end */
};

/* How a column of a table stands. */
enum doc_align { DOC_LEFT, DOC_RIGHT };

struct doc *doc_open(void); /* NULL: out of memory, remembered by status.h */
void doc_close(struct doc *doc);
enum status doc_status(const struct doc *doc);

/* All texts are copied; formats are printf's. */
void doc_heading(struct doc *doc, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doc_text(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_item(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_code(struct doc *doc, const char *text);
void doc_fold(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_unfold(struct doc *doc);

/* An SVG file, read when the document is written; `alt` says in words what it shows. Markdown names
 * its path, relative to the page. */
void doc_figure(struct doc *doc, const char *svg_path, const char *alt, const char *caption);

/* The same picture of the figure that was added last, drawn for screens below 720 pixels, where
 * HTML shows it instead. */
void doc_figure_narrow(struct doc *doc, const char *svg_path);

/* Begins a table of so many columns; each doc_cell is the next cell, the first `columns` are the
 * header. */
void doc_table(struct doc *doc, int columns, const enum doc_align *align);
void doc_cell(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* On screens that are not narrow the table that was added last is no wider than the page: the texts
 * of its last column take more lines instead. */
void doc_fit(struct doc *doc);

/* What the table that was added last shows, above it. */
void doc_caption(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
