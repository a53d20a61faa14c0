/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of tags, quoted attributes that are there once, the references that XML knows itself. */
#include "tests/harness/wellformed.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 100, NAME = 64, ATTRIBUTES = 40 };

static char problem[300];

static const char *wrong(const char *what, const char *at)
{
    snprintf(problem, sizeof problem, "%s: %.100s", what, at);
    return problem;
}

static const char *name_end(const char *at)
{
    while (isalnum((unsigned char)*at) || (*at && strchr("-_:", *at)))
        at++;
    return at;
}

/* References and forbidden bytes in [at, end). */
static const char *check_text(const char *at, const char *end)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;"};
    for (; at < end; at++) {
        bool fine = *at != '&' && *at != '<';
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            fine |= strncmp(at, known[i], strlen(known[i])) == 0;
        if (!fine)
            return wrong("a bare & or <", at);
        if ((unsigned char)*at < ' ' && *at != '\n' && *at != '\t')
            return wrong("a control character", at);
    }
    return NULL;
}

/* Attributes from *at to the tag's end, which *at then is at. */
static const char *check_attributes(const char **at)
{
    const char *seen[ATTRIBUTES];
    size_t length[ATTRIBUTES];
    int n = 0;
    while (isspace((unsigned char)**at)) {
        while (isspace((unsigned char)**at))
            ++*at;
        const char *name = *at, *end = name_end(name);
        if (end == name)
            break;
        if (end[0] != '=' || end[1] != '"')
            return wrong("an attribute without a value", name);
        const char *close = strchr(end + 2, '"');
        if (!close)
            return wrong("a value without its end", name);
        for (int i = 0; i < n; i++)
            if (length[i] == (size_t)(end - name) && strncmp(seen[i], name, length[i]) == 0)
                return wrong("an attribute twice", name);
        if (n < ATTRIBUTES) {
            seen[n] = name;
            length[n++] = (size_t)(end - name);
        }
        if (check_text(end + 2, close))
            return problem;
        *at = close + 1;
    }
    return NULL;
}

const char *wellformed(const char *text)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    char open[DEPTH][NAME];
    int depth = 0;
    if (strncmp(text, doctype, sizeof doctype - 1) != 0)
        return wrong("no doctype", text);
    for (const char *at = text + sizeof doctype - 1; *at;) {
        const char *end = at + strcspn(at, "<");
        if (check_text(at, end))
            return problem;
        if (!*end)
            break;
        bool closes = end[1] == '/';
        const char *name = end + 1 + closes, *after = name_end(name);
        int length = (int)(after - name);
        if (length == 0 || length >= NAME)
            return wrong("no name", end);
        if (!closes && check_attributes(&after))
            return problem;
        bool alone = *after == '/';
        if (after[alone] != '>')
            return wrong("a tag without its end", end);
        at = after + alone + 1;
        if (closes && (depth == 0 || strncmp(open[depth - 1], name, (size_t)length) != 0 ||
                       open[depth - 1][length]))
            return wrong("an end of nothing", end);
        if (closes)
            depth--;
        else if (!alone && depth == DEPTH)
            return wrong("too deep", end);
        else if (!alone)
            snprintf(open[depth++], NAME, "%.*s", length, name);
    }
    return depth == 0 ? NULL : wrong("without its end", open[depth - 1]);
}

int wellformed_count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}
