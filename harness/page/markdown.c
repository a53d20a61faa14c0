/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a document as Markdown. */
#include "harness/page/markdown.h"

#include "harness/base/folder.h"
#include "harness/page/escape.h"
#include "harness/page/part.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    const char *folder; /* of the page, resolved */
};

/* ---- texts ---- */

static bool alphanumeric(char c)
{
    return isalnum((unsigned char)c) || (c & 0x80);
}

/* Whether the character at i of a text means something in Markdown or HTML. '_' does not within a
 * word; '.' and ')' only do behind the number that a line begins with, '#', '+', '-' and '=' only
 * where it begins. */
static bool is_special(const char *text, size_t n, size_t i, bool line_begins)
{
    char c = text[i], next = i + 1 < n ? text[i + 1] : ' ';
    if (c == '_')
        return i == 0 || !alphanumeric(text[i - 1]) || !alphanumeric(next);
    if (strchr("\\`*[]<>&~|", c))
        return true;
    if (!line_begins)
        return false;
    bool number = i > 0 && strspn(text, "0123456789") == i;
    return (i == 0 && strchr("#+-=", c)) || (number && strchr(".)", c) && next == ' ');
}

static void put_plain(FILE *out, const char *text, size_t n, bool line_begins)
{
    for (size_t i = 0; i < n; i++) {
        if (is_special(text, n, i, line_begins))
            fputc('\\', out);
        fputc(text[i], out);
    }
}

/* A code span; within a table a '|' ends a cell even there. */
static void put_span(FILE *out, const char *text, size_t n, bool cell)
{
    fputc('`', out);
    for (size_t i = 0; i < n; i++) {
        if (cell && text[i] == '|')
            fputc('\\', out);
        fputc(text[i], out);
    }
    fputc('`', out);
}

static void put_line(FILE *out, const char *text, bool cell)
{
    for (bool begins = !cell; *text; begins = false) {
        int span = escape_span(text);
        size_t n = span < 0 ? 1 + strcspn(text + 1, "`") : (size_t)span;
        if (span >= 0)
            put_span(out, text + 1, n, cell);
        else
            put_plain(out, text, n, begins);
        text += span < 0 ? n : n + 2;
    }
}

static void put_text(FILE *out, const char *text)
{
    put_line(out, text, false);
}

/* As HTML, for the summary of a fold, in which Markdown is not looked for. */
static void put_html(FILE *out, const char *text)
{
    while (*text) {
        int span = escape_span(text);
        size_t n = span < 0 ? 1 + strcspn(text + 1, "`") : (size_t)span;
        fputs(span < 0 ? "" : "<code>", out);
        escape_html(out, text + (span >= 0), n);
        fputs(span < 0 ? "" : "</code>", out);
        text += span < 0 ? n : n + 2;
    }
}

/* ---- figures ---- */

/* `target` as seen from `folder`, both resolved: "../plots/a.svg". Bytes that a link cannot hold
 * are %XX. */
static void put_relative(FILE *out, const char *folder, const char *target)
{
    size_t common = 0;
    for (size_t i = 0;; i++) {
        bool folder_ends = folder[i] == '\0' || folder[i] == '/';
        if (folder_ends && target[i] == '/')
            common = i + 1;
        if (folder[i] == '\0' || folder[i] != target[i])
            break;
    }
    if (strlen(folder) >= common)
        for (const char *at = folder + common; at; at = strchr(at, '/'), at += at != NULL)
            if (*at)
                fputs("../", out);
    for (const char *at = target + common; *at; at++) {
        bool plain = isalnum((unsigned char)*at) || strchr("/._-=,~", *at);
        fprintf(out, plain ? "%c" : "%%%02X", (unsigned char)*at);
    }
}

static enum status put_figure(struct writer *w, const struct doc_part *part)
{
    char path[PATH_MAX];
    if (!realpath(part->path, path))
        return fail(ST_IO, "page: the picture %s: %s", part->path, strerror(errno));
    fputs("![", w->out);
    put_text(w->out, part->text);
    fputs("](", w->out);
    put_relative(w->out, w->folder, path);
    fputs(")\n\n", w->out);
    if (part->caption) {
        put_text(w->out, part->caption);
        fputs("\n\n", w->out);
    }
    return ST_OK;
}

/* ---- other parts ---- */

static void put_table(FILE *out, const struct doc_part *part)
{
    if (part->caption) {
        put_text(out, part->caption);
        fputs("\n\n", out);
    }
    for (int begin = 0; begin < part->n; begin += part->columns) {
        fputc('|', out);
        for (int i = 0; i < part->columns; i++) {
            fputc(' ', out);
            if (begin + i < part->n)
                put_line(out, part->v[begin + i], true);
            fputs(" |", out);
        }
        fputc('\n', out);
        for (int i = 0; i < part->columns && begin == 0; i++)
            fputs(part->align[i] == DOC_RIGHT ? "| ---: " : "| --- ", out);
        fputs(begin == 0 ? "|\n" : "", out);
    }
    fputc('\n', out);
}

/* Between more backticks than are in it. */
static void put_code(FILE *out, const char *text)
{
    size_t most = 2, run = 0, n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        run = text[i] == '`' ? run + 1 : 0;
        most = run > most ? run : most;
    }
    for (int end = 0; end < 2; end++) {
        for (size_t i = 0; i <= most; i++)
            fputc('`', out);
        fputc('\n', out);
        if (end == 0)
            fprintf(out, "%s%s", text, n > 0 && text[n - 1] == '\n' ? "" : "\n");
    }
    fputc('\n', out);
}

static enum status put_part(struct writer *w, const struct doc_part *part)
{
    FILE *out = w->out;
    switch (part->kind) {
    case DOC_HEADING:
        fprintf(out, "%.*s ", part->level, "###");
        put_text(out, part->text);
        fputs("\n\n", out);
        break;
    case DOC_PARAGRAPH:
        put_text(out, part->text);
        fputs("\n\n", out);
        break;
    case DOC_LIST:
        for (int i = 0; i < part->n; i++) {
            fputs("- ", out);
            put_text(out, part->v[i]);
            fputc('\n', out);
        }
        fputc('\n', out);
        break;
    case DOC_TABLE:
        put_table(out, part);
        break;
    case DOC_FIGURE:
        return put_figure(w, part);
    case DOC_CODE:
        put_code(out, part->text);
        break;
    case DOC_FOLD:
        fputs("<details>\n<summary>", out);
        put_html(out, part->text);
        fputs("</summary>\n\n", out);
        break;
    case DOC_UNFOLD:
        fputs("</details>\n\n", out);
        break;
    }
    return ST_OK;
}

/* ---- the file ---- */

/* The folder of a file, resolved; the folder must be there. */
static enum status folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!name)
        return fail(ST_OOM, "page: no memory for a folder's name");
    char *found = realpath(name, folder);
    free(name);
    return found ? ST_OK : fail(ST_IO, "page: the folder of %s: %s", path, strerror(errno));
}

enum status markdown_write(const struct doc *doc, const char *path)
{
    char folder[PATH_MAX], *text = NULL;
    size_t size = 0;
    TRY(doc_status(doc));
    TRY(folder_make_above(path));
    TRY(folder_of(path, folder));
    struct writer w = {open_memstream(&text, &size), folder};
    if (!w.out)
        return fail(ST_OOM, "page: no memory for its text");
    enum status st = ST_OK;
    for (int i = 0; i < doc->n && st == ST_OK; i++)
        st = put_part(&w, &doc->v[i]);
    if (fclose(w.out) != 0 && st == ST_OK)
        st = fail(ST_OOM, "page: no memory for its text");
    while (size > 1 && text[size - 1] == '\n' && text[size - 2] == '\n')
        size--;
    if (st == ST_OK)
        st = doc_write_file(path, text, size);
    free(text);
    return st;
}
