/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, shortening and folding by characters. */
#include "harness/base/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool begins_character(char c)
{
    return (c & 0xc0) != 0x80; // UTF-8: all bytes but continuations
}

int text_columns(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += begins_character(*text);
    return n;
}

/* Where the character after the first `n` begins. */
static const char *skip(const char *text, int n)
{
    for (; *text; text++)
        if (begins_character(*text) && n-- == 0)
            break;
    return text;
}

char *text_shorten(const char *text, int columns, size_t size, char *buffer)
{
    int n = text_columns(text), half = (columns - 3) / 2;
    if (n <= columns)
        snprintf(buffer, size, "%s", text);
    else
        snprintf(buffer, size, "%.*s...%s", (int)(skip(text, half) - text), text,
                 skip(text, n - (columns - 3 - half)));
    return buffer;
}

/* The last of `marks` between two places; NULL: there is none. */
static const char *last_of(const char *marks, const char *from, const char *to)
{
    while (to-- > from)
        if (strchr(marks, *to))
            return to;
    return NULL;
}

int text_fold(const char *text, int columns, const char **next)
{
    const char *end = skip(text, columns), *cut = end;
    if (*end && *end != ' ') {
        const char *blank = last_of(" ", text + 1, end), *mark = last_of(",/", text, end);
        if (blank)
            cut = blank;
        else if (mark)
            cut = mark + 1;
    }
    *next = *cut == ' ' ? cut + 1 : cut;
    return (int)(cut - text);
}

char *text_number(double value, char buffer[TEXT_NUMBER])
{
    double size = fabs(value);
    int decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
    if (size >= 1e15 || (size < 0.001 && size > 0))
        snprintf(buffer, TEXT_NUMBER, "%.2e", value);
    else
        snprintf(buffer, TEXT_NUMBER, "%.*f", decimals, value);
    return buffer;
}
