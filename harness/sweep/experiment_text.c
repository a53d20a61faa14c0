/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the text of an experiment file that knows quotes, comments and brackets. */
#include "harness/sweep/experiment_text.h"

#include <stdio.h>
#include <string.h>

struct walk {
    const char *text;
    size_t at;
    bool start; /* a key may begin here: a line, a '{' or a ',' was just opened */
    bool fresh; /* an entry or a comment may begin here: blanks only since a word ended */
    int depth;  /* open brackets */
};

static struct walk walk_from_start(const char *text)
{
    return (struct walk){.text = text, .start = true, .fresh = true};
}

/* Behind a comment or a quoted text that begins here, or this place itself. */
static size_t behind_opaque(const struct walk *w)
{
    const char *here = w->text + w->at;
    char quote = *here;
    if (quote == '#')
        return w->at + strcspn(here, "\n");
    if (quote != '"' && quote != '\'')
        return w->at;
    for (size_t i = 1; here[i]; i++) {
        if (quote == '"' && here[i] == '\\' && here[i + 1])
            i++;
        else if (here[i] == quote)
            return w->at + i + 1;
    }
    return w->at + strlen(here);
}

/* To the next character that is neither in quotes nor in a comment. */
static void walk_on(struct walk *w)
{
    size_t behind = w->fresh ? behind_opaque(w) : w->at;
    char c = w->text[w->at];
    if (behind > w->at) {
        w->start = w->fresh = false;
        w->at = behind;
        return;
    }
    bool blank = c == ' ' || c == '\t' || c == '\r';
    bool opens = c == '\n' || c == '{' || c == ',' || c == '?';
    w->start = opens || (w->start && blank);
    w->depth += w->fresh && c == '[';
    w->depth -= w->depth > 0 && c == ']';
    w->fresh = blank || opens || c == '[' || c == ':';
    w->at++;
}

static int line_of(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at && text[i]; i++)
        line += text[i] == '\n';
    return line;
}

/* ---- keys ---- */

/* The length of "key:" or "'key' :" at p, or 0. */
static size_t key_at(const char *p, const char *key)
{
    size_t n = strlen(key);
    bool quoted = *p == '"' || *p == '\'';
    const char *q = p + quoted;
    if (strncmp(q, key, n) != 0)
        return 0;
    q += n + (quoted && (q[n] == '"' || q[n] == '\''));
    q += strspn(q, " \t");
    return *q == ':' ? (size_t)(q + 1 - p) : 0;
}

/* The byte behind the key's colon; 0: not found. *line: its line. */
static size_t find_key(const char *text, size_t from, const char *key, int *line)
{
    for (struct walk w = walk_from_start(text); text[w.at]; walk_on(&w)) {
        size_t n = w.at >= from && w.start ? key_at(text + w.at, key) : 0;
        if (n == 0)
            continue;
        *line = line_of(text, w.at);
        return w.at + n;
    }
    return 0;
}

int experiment_text_line(const char *text, size_t from, const char *key)
{
    int line = 0;
    find_key(text, from, key, &line);
    return line;
}

char *experiment_text_value(const char *text, const char *key, char *out, size_t size)
{
    int line;
    size_t at = find_key(text, 0, key, &line);
    size_t n = 0;
    out[0] = '\0';
    if (at == 0)
        return out;
    const char *value = text + at + strspn(text + at, " \t");
    while (value[n] && value[n] != '\n' && !(value[n] == '#' && (n == 0 || value[n - 1] == ' ')))
        n++;
    while (n > 0 && strchr(" \t\r", value[n - 1]))
        n--;
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), value);
    return out;
}

/* ---- entries ---- */

bool experiment_text_joined(const char *text, const char *a, const char *b)
{
    size_t n = strlen(a);
    for (struct walk w = walk_from_start(text); text[w.at]; walk_on(&w)) {
        const char *p = text + w.at;
        if (w.depth > 0 && w.fresh && strncmp(p, a, n) == 0 && p[n] == ',' &&
            strncmp(p + n + 1, b, strlen(b)) == 0 && strchr(",] \t\r\n", p[n + 1 + strlen(b)]))
            return true;
    }
    return false;
}

bool experiment_text_hole(const char *text, int line, int *found, char *out, size_t size)
{
    static const char hole[] = "{ranks}";
    for (struct walk w = walk_from_start(text); text[w.at]; walk_on(&w)) {
        const char *p = text + w.at;
        if (strncmp(p, hole, strlen(hole)) != 0 || line_of(text, w.at) < line)
            continue;
        size_t before = 0;
        while (before < w.at && !strchr(" \t\n[", p[-1 - (ptrdiff_t)before]))
            before++;
        size_t n = before + strlen(hole) + strcspn(p + strlen(hole), " \t\r\n,]");
        snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), p - before);
        *found = line_of(text, w.at);
        return true;
    }
    return false;
}

/* ---- lines ---- */

size_t experiment_text_offset(const char *text, int line, int column)
{
    size_t at = 0;
    for (int l = 1; l < line && text[at]; l++)
        at += strcspn(text + at, "\n") + (strchr(text + at, '\n') != NULL);
    for (int c = 1; c < column && text[at] && text[at] != '\n'; c++)
        at++;
    return at;
}

int experiment_text_tab(const char *text, int line)
{
    const char *p = text + experiment_text_offset(text, line, 1);
    for (; *p; line++) {
        size_t blank = strspn(p, " \t\r");
        if (p[blank] != '\n' && p[blank] != '#' && memchr(p, '\t', blank))
            return line;
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    return 0;
}

int experiment_text_second_document(const char *text)
{
    bool content = false; /* neither blank nor comment */
    int line = 1;
    for (const char *p = text; *p; line++) {
        size_t n = strcspn(p, "\n");
        bool marker = strncmp(p, "---", 3) == 0 || strncmp(p, "...", 3) == 0;
        if (marker && content)
            return line;
        size_t blank = strspn(p, " \t\r");
        content |= (marker && strncmp(p, "---", 3) == 0) ||
                   (!marker && blank < n && p[blank] != '#' && *p != '%');
        p += n + (p[n] == '\n');
    }
    return line;
}
