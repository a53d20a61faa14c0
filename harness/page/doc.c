/* SPDX-License-Identifier: Apache-2.0 */
/* Building a document, and making every text that comes in one that can be written. Writes no
 * format. */
#include "harness/page/doc.h"

#include "harness/base/folder.h"
#include "harness/page/escape.h"
#include "harness/page/part.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

/* Remembers that memory ran out. */
static void out_of_memory(struct doc *doc)
{
    if (doc->failed == ST_OK)
        doc->failed = fail(ST_OOM, "page: no memory for part %d of a document", doc->n);
}

static char *copy(struct doc *doc, const char *text, bool lines)
{
    char *out = escape_clean(text, lines);
    if (!out)
        out_of_memory(doc);
    return out;
}

static char *__attribute__((format(printf, 2, 0)))
copy_format(struct doc *doc, const char *format, va_list args)
{
    char *text = NULL, *out;
    if (vasprintf(&text, format, args) < 0) {
        out_of_memory(doc);
        return NULL;
    }
    out = copy(doc, text, false);
    free(text);
    return out;
}

/* ---- parts ---- */

/* A part more; NULL: the document has failed. */
static struct doc_part *add(struct doc *doc, enum doc_kind kind)
{
    if (doc->failed)
        return NULL;
    if ((doc->n & (doc->n - 1)) == 0) { // a power of two: full
        struct doc_part *v = realloc(doc->v, (size_t)(doc->n ? 2 * doc->n : 1) * sizeof *v);
        if (!v) {
            out_of_memory(doc);
            return NULL;
        }
        doc->v = v;
    }
    doc->v[doc->n] = (struct doc_part){.kind = kind};
    return &doc->v[doc->n++];
}

static void add_value(struct doc *doc, struct doc_part *part, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void add_value(struct doc *doc, struct doc_part *part, const char *format, va_list args)
{
    if ((part->n & (part->n - 1)) == 0) {
        char **v = realloc(part->v, (size_t)(part->n ? 2 * part->n : 1) * sizeof *v);
        if (!v) {
            out_of_memory(doc);
            return;
        }
        part->v = v;
    }
    part->v[part->n] = copy_format(doc, format, args);
    part->n += part->v[part->n] != NULL;
}

/* The last part, where it is of that kind and the document has not failed. */
static struct doc_part *last(struct doc *doc, enum doc_kind kind)
{
    bool is = !doc->failed && doc->n > 0 && doc->v[doc->n - 1].kind == kind;
    return is ? &doc->v[doc->n - 1] : NULL;
}

/* ---- the document ---- */

struct doc *doc_open(void)
{
    struct doc *doc = calloc(1, sizeof *doc);
    if (!doc)
        (void)fail(ST_OOM, "page: no memory for a document");
    return doc;
}

void doc_close(struct doc *doc)
{
    if (!doc)
        return;
    for (int i = 0; i < doc->n; i++) {
        struct doc_part *p = &doc->v[i];
        for (int k = 0; k < p->n; k++)
            free(p->v[k]);
        free(p->v);
        free(p->align);
        free(p->text);
        free(p->caption);
        free(p->path);
        free(p->narrow);
    }
    free(doc->v);
    free(doc);
}

enum status doc_status(const struct doc *doc)
{
    return doc->failed;
}

const char *doc_title(const struct doc *doc)
{
    for (int i = 0; i < doc->n; i++)
        if (doc->v[i].kind == DOC_HEADING && doc->v[i].level == 1)
            return doc->v[i].text;
    return "";
}

void doc_heading(struct doc *doc, int level, const char *format, ...)
{
    BUG_ON(level < 1 || level > 3, "a heading of level %d", level);
    va_list args;
    va_start(args, format);
    struct doc_part *part = add(doc, DOC_HEADING);
    if (part) {
        part->level = level;
        part->text = copy_format(doc, format, args);
    }
    va_end(args);
}

void doc_text(struct doc *doc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct doc_part *part = add(doc, DOC_PARAGRAPH);
    if (part)
        part->text = copy_format(doc, format, args);
    va_end(args);
}

void doc_item(struct doc *doc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct doc_part *part = last(doc, DOC_LIST);
    if (!part)
        part = add(doc, DOC_LIST);
    if (part)
        add_value(doc, part, format, args);
    va_end(args);
}

void doc_code(struct doc *doc, const char *text)
{
    struct doc_part *part = add(doc, DOC_CODE);
    if (part)
        part->text = copy(doc, text, true);
}

void doc_fold(struct doc *doc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct doc_part *part = add(doc, DOC_FOLD);
    if (part)
        part->text = copy_format(doc, format, args);
    va_end(args);
}

void doc_unfold(struct doc *doc)
{
    add(doc, DOC_UNFOLD);
}

void doc_figure(struct doc *doc, const char *svg_path, const char *alt, const char *caption)
{
    struct doc_part *part = add(doc, DOC_FIGURE);
    if (!part)
        return;
    part->text = copy(doc, alt, false);
    part->caption = caption ? copy(doc, caption, false) : NULL;
    part->path = strdup(svg_path);
    if (!part->path)
        out_of_memory(doc);
}

void doc_figure_narrow(struct doc *doc, const char *svg_path)
{
    struct doc_part *part = last(doc, DOC_FIGURE);
    BUG_ON(!part && !doc->failed, "a narrow picture without a figure");
    if (part && !(part->narrow = strdup(svg_path)))
        out_of_memory(doc);
}

void doc_table(struct doc *doc, int columns, const enum doc_align *align)
{
    BUG_ON(columns < 1, "a table of %d columns", columns);
    struct doc_part *part = add(doc, DOC_TABLE);
    if (!part)
        return;
    part->columns = columns;
    part->align = calloc((size_t)columns, sizeof *part->align);
    if (!part->align)
        out_of_memory(doc);
    else
        memcpy(part->align, align, (size_t)columns * sizeof *align);
}

void doc_fit(struct doc *doc)
{
    struct doc_part *part = last(doc, DOC_TABLE);
    BUG_ON(!part && !doc->failed, "no table to fit");
    if (part)
        part->fit = true;
}

void doc_caption(struct doc *doc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct doc_part *part = last(doc, DOC_TABLE);
    BUG_ON(!part && !doc->failed, "a caption without a table");
    if (part)
        part->caption = copy_format(doc, format, args);
    va_end(args);
}

void doc_cell(struct doc *doc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct doc_part *part = last(doc, DOC_TABLE);
    BUG_ON(!part && !doc->failed, "a cell without a table");
    if (part)
        add_value(doc, part, format, args);
    va_end(args);
}

enum status doc_write_file(const char *path, const char *text, size_t size)
{
    TRY(folder_make_above(path));
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "page: %s cannot be written: %s", path, strerror(errno));
    bool written = fwrite(text, 1, size, out) == size;
    if (fclose(out) != 0 || !written)
        return fail(ST_IO, "page: %s could not be written to its end: %s", path, strerror(errno));
    return ST_OK;
}
