/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of the part of XML that drawing programs write, which writes at once what it keeps. */
#include "harness/page/svg.h"

#include "harness/page/escape.h"
#include "kernels/base/file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 32 << 20, MOST_DEPTH = 64, MOST_NAME = 32, MOST_VALUE = 4096 };

static const char *const elements[] = {"a",
                                       "circle",
                                       "clipPath",
                                       "defs",
                                       "ellipse",
                                       "feComposite",
                                       "feFlood",
                                       "filter",
                                       "g",
                                       "line",
                                       "path",
                                       "linearGradient",
                                       "pattern",
                                       "polygon",
                                       "rect",
                                       "polyline",
                                       "radialGradient",
                                       "stop",
                                       "svg",
                                       "text",
                                       "tspan",
                                       "use",
                                       NULL};

static const char *const attributes[] = {"class",
                                         "clip-path",
                                         "color",
                                         "cx",
                                         "cy",
                                         "d",
                                         "dx",
                                         "dy",
                                         "fill",
                                         "fill-opacity",
                                         "fill-rule",
                                         "filter",
                                         "filterUnits",
                                         "flood-color",
                                         "flood-opacity",
                                         "font-family",
                                         "font-size",
                                         "font-style",
                                         "font-weight",
                                         "height",
                                         "id",
                                         "in",
                                         "in2",
                                         "offset",
                                         "opacity",
                                         "operator",
                                         "patternUnits",
                                         "points",
                                         "r",
                                         "result",
                                         "rx",
                                         "ry",
                                         "stop-color",
                                         "stop-opacity",
                                         "shape-rendering",
                                         "stroke",
                                         "stroke-width",
                                         "stroke-dasharray",
                                         "stroke-linecap",
                                         "stroke-linejoin",
                                         "stroke-opacity",
                                         "text-anchor",
                                         "transform",
                                         "viewBox",
                                         "width",
                                         "x",
                                         "x1",
                                         "x2",
                                         "y",
                                         "y1",
                                         "y2",
                                         NULL};

static bool listed(const char *const *list, const char *name)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

/* ---- the reader ---- */

struct open_element {
    char name[MOST_NAME];
    bool kept;
    size_t from; /* place in the output before it */
};

struct reader {
    const char *path, *at;
    int line, number;
    FILE *out; /* memory, which `text` and `size` tell after a flush */
    char *text;
    size_t size;
    struct svg_colours *colours;
    const char *alt;
    int depth, left_out; /* left_out: depth of the outermost element that is left out; 0: none */
    bool any;            /* there was an <svg> */
    struct open_element stack[MOST_DEPTH + 1]; /* from 1 */
};

static enum status malformed(const struct reader *r, const char *what)
{
    return fail(ST_INVALID, "%s: line %d: %s; wanted an SVG as gnuplot draws it", r->path, r->line,
                what);
}

static void skip_blanks(struct reader *r)
{
    for (; isspace((unsigned char)*r->at); r->at++)
        r->line += *r->at == '\n';
}

/* Goes behind `mark`. */
static enum status skip_past(struct reader *r, const char *mark)
{
    const char *end = strstr(r->at, mark);
    if (!end)
        return malformed(r, "the file ends within a comment or declaration");
    for (; r->at < end; r->at++)
        r->line += *r->at == '\n';
    r->at += strlen(mark);
    return ST_OK;
}

static enum status read_name(struct reader *r, char name[MOST_NAME])
{
    size_t n = 0;
    while (isalnum((unsigned char)*r->at) || (*r->at && strchr("_:-.", *r->at))) {
        if (n + 1 == MOST_NAME)
            return malformed(r, "a name of more than 31 characters");
        name[n++] = *r->at++;
    }
    name[n] = '\0';
    return n > 0 ? ST_OK : malformed(r, "a name is missing");
}

/* Characters of a text as they are; references stay what they are where they are of the five or of
 * a number. */
static enum status put_text(struct reader *r, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '&') {
            escape_html(r->out, text + i, 1);
            continue;
        }
        size_t length = strcspn(text + i, ";") + 1;
        static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;"};
        bool fine = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            fine |= length == strlen(known[k]) && strncmp(text + i, known[k], length) == 0;
        if (!fine || i + length > n)
            return malformed(r, "an '&' that begins none of &amp; &lt; &gt; &quot; &apos; &#39;");
        fwrite(text + i, 1, length, r->out);
        i += length - 1;
    }
    return ST_OK;
}

/* ---- colours ---- */

static bool read_colour(const char *value, uint32_t *rgb)
{
    unsigned r, g, b;
    int end = 0;
    size_t n = strlen(value);
    static const struct {
        const char *name;
        uint32_t rgb;
    } named[] = {{"black", 0}, {"white", 0xffffff}, {"lightgrey", 0xd3d3d3}, {"gray", 0x808080}};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(value, named[i].name) == 0) {
            *rgb = named[i].rgb;
            return true;
        }
    if (sscanf(value, "rgb( %u , %u , %u )%n", &r, &g, &b, &end) == 3 && end == (int)n && r < 256 &&
        g < 256 && b < 256) {
        *rgb = r << 16 | g << 8 | b;
        return true;
    }
    if (value[0] != '#' || strspn(value + 1, "0123456789abcdefABCDEF") != n - 1 ||
        (n != 7 && n != 4))
        return false;
    *rgb = (uint32_t)strtoul(value + 1, NULL, 16);
    if (n == 4) // "#abc" is "#aabbcc"
        *rgb = 0x11 * ((*rgb & 0xf00) << 8 | (*rgb & 0xf0) << 4 | (*rgb & 0xf));
    return true;
}

static enum status add_colour(struct reader *r, uint32_t rgb)
{
    struct svg_colours *c = r->colours;
    int place = 0;
    while (place < c->n && c->v[place] < rgb)
        place++;
    if (place < c->n && c->v[place] == rgb)
        return ST_OK;
    if (c->n == SVG_COLOURS)
        return malformed(r, "more than 512 colours");
    memmove(c->v + place + 1, c->v + place, (size_t)(c->n - place) * sizeof *c->v);
    c->v[place] = rgb;
    c->n++;
    return ST_OK;
}

/* ---- attributes ---- */

/* "#id" of a reference, "url(#id)" too; NULL: it is none. Its end in *n. */
static const char *reference(const char *value, size_t *n)
{
    bool url = strncmp(value, "url(#", 5) == 0;
    const char *id = url ? value + 5 : value + 1;
    *n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    bool whole = url ? strcmp(id + *n, ")") == 0 : value[0] == '#' && id[*n] == '\0';
    return whole && *n > 0 ? id : NULL;
}

static enum status put_attribute(struct reader *r, const char *element, const char *name,
                                 const char *value);

/* "fill:none; stroke:rgb(0,0,0)" as the attributes fill and stroke. */
static enum status put_style(struct reader *r, const char *element, const char *style)
{
    char name[MOST_NAME], value[64];
    int end;
    for (const char *at = style; *at; at += strspn(at, "; ")) {
        end = 0;
        if (sscanf(at, " %31[a-z-] : %63[^;]%n", name, value, &end) != 2 || end == 0)
            return malformed(r, "a style that is no list of NAME:VALUE");
        at += end;
        if (strcmp(name, "style") != 0)
            TRY(put_attribute(r, element, name, value));
    }
    return ST_OK;
}

static enum status put_attribute(struct reader *r, const char *element, const char *name,
                                 const char *value)
{
    uint32_t rgb;
    size_t n;
    const char *id;
    bool colour = strcmp(name, "fill") == 0 || strcmp(name, "stroke") == 0 ||
                  strcmp(name, "color") == 0 || strcmp(name, "flood-color") == 0 ||
                  strcmp(name, "stop-color") == 0;
    if (strcmp(name, "href") == 0 || strcmp(name, "xlink:href") == 0) {
        if (strcmp(element, "use") == 0 && (id = reference(value, &n)) && value[0] == '#')
            fprintf(r->out, " href=\"#f%d-%.*s\"", r->number, (int)n, id);
        return ST_OK;
    }
    if (strcmp(name, "style") == 0)
        return put_style(r, element, value);
    if (!listed(attributes, name) || (strcmp(name, "id") == 0 && strcmp(element, "g") == 0))
        return ST_OK;
    if (strcmp(name, "id") == 0) {
        fprintf(r->out, " id=\"f%d-", r->number);
        TRY(put_text(r, value, strlen(value)));
    } else if (colour && read_colour(value, &rgb)) {
        TRY(add_colour(r, rgb));
        fprintf(r->out, " %s=\"var(--c%06x)", name, (unsigned)rgb);
    } else if (strstr(value, "url(")) {
        id = reference(value, &n);
        if (!id)
            return ST_OK; // of another file
        fprintf(r->out, " %s=\"url(#f%d-%.*s)", name, r->number, (int)n, id);
    } else {
        fprintf(r->out, " %s=\"", name);
        TRY(put_text(r, value, strlen(value)));
    }
    fputc('"', r->out);
    return ST_OK;
}

/* Reads NAME = "VALUE" or 'VALUE'. Long values, of paths, are written as they are read. */
static enum status take_attribute(struct reader *r, const char *element, bool kept)
{
    char name[MOST_NAME], value[MOST_VALUE];
    TRY(read_name(r, name));
    skip_blanks(r);
    if (*r->at++ != '=')
        return malformed(r, "an attribute without '='");
    skip_blanks(r);
    char quote = *r->at++;
    const char *begin = r->at, *end = quote == '"' || quote == '\'' ? strchr(begin, quote) : NULL;
    if (!end)
        return malformed(r, "an attribute without quotes round its value");
    size_t n = (size_t)(end - begin);
    if (memchr(begin, '<', n))
        return malformed(r, "a '<' in an attribute");
    for (; r->at < end; r->at++)
        r->line += *r->at == '\n';
    r->at++;
    if (!kept)
        return ST_OK;
    if (n >= sizeof value) {
        if (strcmp(name, "d") != 0 && strcmp(name, "points") != 0)
            return ST_OK;
        fprintf(r->out, " %s=\"", name);
        TRY(put_text(r, begin, n));
        fputc('"', r->out);
        return ST_OK;
    }
    memcpy(value, begin, n);
    value[n] = '\0';
    return put_attribute(r, element, name, value);
}

/* ---- elements ---- */

static void put_root(struct reader *r)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"", r->out);
    escape_html(r->out, r->alt, strlen(r->alt));
    fputc('"', r->out);
}

/* The end of the innermost element; `alone`: its tag was <.../>. */
static enum status end_element(struct reader *r, bool alone)
{
    struct open_element *e = &r->stack[r->depth];
    if (r->left_out == r->depth)
        r->left_out = 0;
    r->depth--;
    if (!e->kept)
        return ST_OK;
    if (fflush(r->out) != 0)
        return fail(ST_OOM, "page: no memory for the picture %s", r->path);
    if (strcmp(e->name, "g") == 0 && r->text[r->size - 1] == '>' &&
        memchr(r->text + e->from, '>', r->size - e->from) == r->text + r->size - 1)
        return fseeko(r->out, (off_t)e->from, SEEK_SET) == 0
                   ? ST_OK
                   : fail(ST_OOM, "page: no memory for the picture %s", r->path);
    if (!alone)
        fprintf(r->out, "</%s>", e->name);
    return ST_OK;
}

static enum status begin_element(struct reader *r)
{
    if (r->depth == MOST_DEPTH)
        return malformed(r, "more than 64 elements in one another");
    struct open_element *e = &r->stack[++r->depth];
    r->at++; // "<"
    TRY(read_name(r, e->name));
    if (r->depth == 1 && (r->any || strcmp(e->name, "svg") != 0))
        return malformed(r, "no <svg> as the one element around all others");
    r->any = true;
    e->kept = !r->left_out && listed(elements, e->name);
    if (!e->kept && !r->left_out)
        r->left_out = r->depth;
    e->from = (size_t)ftello(r->out);
    if (e->kept && r->depth == 1)
        put_root(r);
    else if (e->kept)
        fprintf(r->out, "<%s", e->name);
    for (skip_blanks(r); *r->at && *r->at != '>' && *r->at != '/'; skip_blanks(r))
        TRY(take_attribute(r, e->name, e->kept));
    bool alone = *r->at == '/';
    r->at += alone;
    if (*r->at++ != '>')
        return malformed(r, "a tag without its end");
    if (e->kept)
        fputs(alone ? "/>" : ">", r->out);
    return alone ? end_element(r, true) : ST_OK;
}

static enum status close_element(struct reader *r)
{
    char name[MOST_NAME];
    r->at += 2; // "</"
    TRY(read_name(r, name));
    skip_blanks(r);
    if (*r->at++ != '>' || r->depth == 0 || strcmp(name, r->stack[r->depth].name) != 0)
        return malformed(r, "an end tag of no element that is open");
    return end_element(r, false);
}

static enum status take_text(struct reader *r)
{
    size_t n = strcspn(r->at, "<");
    bool in_text = r->depth > 0 && r->stack[r->depth].kept &&
                   (strcmp(r->stack[r->depth].name, "text") == 0 ||
                    strcmp(r->stack[r->depth].name, "tspan") == 0);
    if (in_text)
        TRY(put_text(r, r->at, n));
    for (size_t i = 0; i < n; i++)
        r->line += *r->at++ == '\n';
    return ST_OK;
}

static enum status read_all(struct reader *r)
{
    while (*r->at) {
        if (*r->at != '<')
            TRY(take_text(r));
        else if (strncmp(r->at, "<?", 2) == 0)
            TRY(skip_past(r, "?>"));
        else if (strncmp(r->at, "<!--", 4) == 0)
            TRY(skip_past(r, "-->"));
        else if (strncmp(r->at, "<!", 2) == 0)
            TRY(skip_past(r, ">"));
        else
            TRY(r->at[1] == '/' ? close_element(r) : begin_element(r));
    }
    if (!r->any || r->depth > 0)
        return malformed(r, r->any ? "an element without its end" : "no element");
    return ST_OK;
}

enum status svg_inline(FILE *out, const char *path, int number, const char *alt,
                       struct svg_colours *colours)
{
    char *bytes, *text;
    size_t size;
    TRY(file_read_text(path, MOST_BYTES, &bytes, &size, NULL));
    bool whole = strlen(bytes) == size;
    text = escape_clean(bytes, true);
    free(bytes);
    if (!text)
        return fail(ST_OOM, "page: no memory for the picture %s", path);
    struct reader r = {
        .path = path, .at = text, .line = 1, .number = number, .alt = alt, .colours = colours};
    r.out = open_memstream(&r.text, &r.size);
    enum status st = r.out ? ST_OK : fail(ST_OOM, "page: no memory for the picture %s", path);
    if (st == ST_OK && !whole)
        st = malformed(&r, "a zero byte");
    if (st == ST_OK)
        st = read_all(&r);
    if (r.out && fclose(r.out) != 0 && st == ST_OK)
        st = fail(ST_OOM, "page: no memory for the picture %s", path);
    if (st == ST_OK)
        fwrite(r.text, 1, r.size, out);
    free(r.text);
    free(text);
    return st;
}

enum status svg_check(const char *path)
{
    struct svg_colours colours = {0};
    FILE *out = fopen("/dev/null", "we");
    if (!out)
        return fail(ST_IO, "page: /dev/null cannot be written");
    enum status st = svg_inline(out, path, 0, "", &colours);
    fclose(out);
    return st;
}
