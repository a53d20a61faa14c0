/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a document as elements. The body is written first, for the head has the colours of its
 * pictures. */
#include "harness/page/html.h"

#include "harness/page/escape.h"
#include "harness/page/part.h"
#include "harness/page/style.h"
#include "harness/page/svg.h"
#include "harness/page/theme.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    const struct doc *doc;
    FILE *out;
    int pictures, sections; /* so far */
    int folds;              /* open ones */
    struct svg_colours colours;
};

/* ---- texts ---- */

static void put_plain(FILE *out, const char *text)
{
    escape_html(out, text, strlen(text));
}

/* With code spans. */
static void put_text(FILE *out, const char *text)
{
    while (*text) {
        int span = escape_span(text);
        size_t n = span < 0 ? 1 + strcspn(text + 1, "`") : (size_t)span;
        if (span >= 0) {
            fputs("<code>", out);
            escape_html(out, text + 1, n);
            fputs("</code>", out);
            text += n + 2;
        } else {
            escape_html(out, text, n);
            text += n;
        }
    }
}

/* The same without what marks them, for titles and attributes. */
static void put_bare(FILE *out, const char *text)
{
    while (*text) {
        int span = escape_span(text);
        size_t n = span < 0 ? 1 + strcspn(text + 1, "`") : (size_t)span;
        escape_html(out, text + (span >= 0), n);
        text += span < 0 ? n : n + 2;
    }
}

/* ---- parts ---- */

static void put_heading(struct writer *w, const struct doc_part *part)
{
    if (part->level == 2)
        fprintf(w->out, "<h2 id=\"s%d\">", ++w->sections);
    else
        fprintf(w->out, "<h%d>", part->level);
    put_text(w->out, part->text);
    fprintf(w->out, "</h%d>\n", part->level);
}

/* Links to the sections, behind the first paragraphs: before the first of them. */
static void put_contents(struct writer *w)
{
    int n = 0;
    fputs("<nav aria-label=\"Contents\">\n<ul>\n", w->out);
    for (int i = 0; i < w->doc->n; i++) {
        const struct doc_part *p = &w->doc->v[i];
        if (p->kind != DOC_HEADING || p->level != 2)
            continue;
        fprintf(w->out, "<li><a href=\"#s%d\">", ++n);
        put_bare(w->out, p->text);
        fputs("</a></li>\n", w->out);
    }
    fputs("</ul>\n</nav>\n", w->out);
}

static void put_list(struct writer *w, const struct doc_part *part)
{
    fputs("<ul>\n", w->out);
    for (int i = 0; i < part->n; i++) {
        fputs("<li>", w->out);
        put_text(w->out, part->v[i]);
        fputs("</li>\n", w->out);
    }
    fputs("</ul>\n", w->out);
}

static void put_row(struct writer *w, const struct doc_part *part, int begin, bool head)
{
    fputs("<tr>", w->out);
    for (int i = 0; i < part->columns; i++) {
        const char *tag = head || i == 0 ? "th" : "td";
        fprintf(w->out, "<%s%s%s>", tag,
                head     ? " scope=\"col\""
                : i == 0 ? " scope=\"row\""
                         : "",
                part->align[i] == DOC_RIGHT ? " class=\"r\"" : "");
        if (begin + i < part->n)
            put_text(w->out, part->v[begin + i]);
        fprintf(w->out, "</%s>", tag);
    }
    fputs("</tr>\n", w->out);
}

/* Whoever has no mouse can scroll a table, too: it takes the focus. */
static void put_table(struct writer *w, const struct doc_part *part)
{
    fputs("<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"", w->out);
    put_bare(w->out, part->caption ? part->caption : "Table");
    fprintf(w->out, "\">\n<table%s>\n", part->fit ? " class=\"fit\"" : "");
    if (part->caption) {
        fputs("<caption><span>", w->out);
        put_text(w->out, part->caption);
        fputs("</span></caption>\n", w->out);
    }
    fputs("<thead>\n", w->out);
    put_row(w, part, 0, true);
    fputs("</thead>\n<tbody>\n", w->out);
    for (int i = part->columns; i < part->n; i += part->columns)
        put_row(w, part, i, false);
    fputs("</tbody>\n</table>\n</div>\n", w->out);
}

static enum status put_picture(struct writer *w, const char *class, const char *path,
                               const char *alt)
{
    fprintf(w->out, "<div class=\"picture %s\">", class);
    TRY(svg_inline(w->out, path, ++w->pictures, alt, &w->colours));
    fputs("</div>\n", w->out);
    return ST_OK;
}

static enum status put_figure(struct writer *w, const struct doc_part *part)
{
    fputs("<figure>\n", w->out);
    TRY(put_picture(w, part->narrow ? "wide" : "only\" tabindex=\"0", part->path, part->text));
    if (part->narrow)
        TRY(put_picture(w, "narrow", part->narrow, part->text));
    if (part->caption) {
        fputs("<figcaption>", w->out);
        put_text(w->out, part->caption);
        fputs("</figcaption>\n", w->out);
    }
    fputs("</figure>\n", w->out);
    return ST_OK;
}

static enum status put_part(struct writer *w, const struct doc_part *part)
{
    switch (part->kind) {
    case DOC_HEADING:
        if (part->level == 2 && w->sections == 0)
            put_contents(w);
        put_heading(w, part);
        break;
    case DOC_PARAGRAPH:
        fputs("<p>", w->out);
        put_text(w->out, part->text);
        fputs("</p>\n", w->out);
        break;
    case DOC_LIST:
        put_list(w, part);
        break;
    case DOC_TABLE:
        put_table(w, part);
        break;
    case DOC_FIGURE:
        return put_figure(w, part);
    case DOC_CODE:
        fputs("<pre tabindex=\"0\"><code>", w->out);
        put_plain(w->out, part->text);
        fputs("</code></pre>\n", w->out);
        break;
    case DOC_FOLD:
        fputs("<details>\n<summary>", w->out);
        put_text(w->out, part->text);
        fputs("</summary>\n", w->out);
        w->folds++;
        break;
    case DOC_UNFOLD:
        BUG_ON(w->folds == 0, "the end of a fold that was not begun");
        fputs("</details>\n", w->out);
        w->folds--;
        break;
    }
    return ST_OK;
}

/* ---- the page ---- */

/* Light and dark value of each colour of the pictures. */
static void put_colours(FILE *out, const struct svg_colours *colours)
{
    if (colours->n == 0)
        return;
    fputs(":root{", out);
    for (int i = 0; i < colours->n; i++)
        fprintf(out, "--c%06x:#%06x;", (unsigned)colours->v[i], (unsigned)colours->v[i]);
    fputs("}\n@media screen and (prefers-color-scheme:dark){:root{", out);
    for (int i = 0; i < colours->n; i++)
        fprintf(out, "--c%06x:#%06x;", (unsigned)colours->v[i],
                (unsigned)theme_dark(colours->v[i]));
    fputs("}}\n", out);
}

static void put_page(FILE *out, const struct writer *w, const char *body, size_t size)
{
    fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"generator\" content=\"ditbench\"/>\n"
          "<title>",
          out);
    put_bare(out, doc_title(w->doc));
    fputs("</title>\n<style>\n", out);
    fputs(style_sheet, out);
    put_colours(out, &w->colours);
    fputs("</style>\n</head>\n<body>\n<main>\n", out);
    fwrite(body, 1, size, out);
    fputs("</main>\n</body>\n</html>\n", out);
}

static enum status write_body(struct writer *w, char **body, size_t *size)
{
    enum status st = ST_OK;
    w->out = open_memstream(body, size);
    if (!w->out)
        return fail(ST_OOM, "page: no memory for its text");
    for (int i = 0; i < w->doc->n && st == ST_OK; i++)
        st = put_part(w, &w->doc->v[i]);
    BUG_ON(st == ST_OK && w->folds != 0, "%d folds without an end", w->folds);
    if (fclose(w->out) != 0 && st == ST_OK)
        st = fail(ST_OOM, "page: no memory for its text");
    return st;
}

enum status html_write(const struct doc *doc, const char *path)
{
    char *body = NULL, *page = NULL;
    size_t size = 0, page_size = 0;
    TRY(doc_status(doc));
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return fail(ST_OOM, "page: no memory for its text");
    w->doc = doc;
    enum status st = write_body(w, &body, &size);
    FILE *out = st == ST_OK ? open_memstream(&page, &page_size) : NULL;
    if (out)
        put_page(out, w, body, size);
    if (st == ST_OK && (!out || fclose(out) != 0))
        st = fail(ST_OOM, "page: no memory for its text");
    if (st == ST_OK)
        st = doc_write_file(path, page, page_size);
    free(page);
    free(body);
    free(w);
    return st;
}
