/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: its characters, and counting, shortening and folding by them. */
#include "harness/base/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- characters ---- */

/* Characters that turn the direction of the text around them, so that it reads as another. */
static bool turns(uint32_t code)
{
    return code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

int text_character(const char *s)
{
    const unsigned char *b = (const unsigned char *)s;
    if (b[0] < 0x80)
        return b[0] >= 0x20 && b[0] != 0x7f;
    int n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : b[0] >= 0xc2 ? 2 : 0;
    if (n == 0 || b[0] > 0xf4)
        return 0;
    uint32_t code = b[0] & (0xff >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (b[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool known = code >= least[n] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) &&
                 code != 0xfffe && code != 0xffff && !(code >= 0x80 && code <= 0x9f) &&
                 !turns(code);
    return known ? n : 0;
}

char *text_shown(const char *text, bool lines, size_t size, char *buffer)
{
    static const char unknown[] = "\xef\xbf\xbd";
    for (size_t n = 0;;) {
        int length = text_character(text);
        bool between = *text == '\n' || *text == '\t';
        const char *shown = length > 0 || (between && lines) ? text : between ? " " : unknown;
        size_t wide = length > 0 ? (size_t)length : between ? 1 : strlen(unknown);
        if (!*text || n + wide >= size) {
            buffer[n] = '\0';
            return buffer;
        }
        memcpy(buffer + n, shown, wide);
        n += wide;
        text += length > 0 ? length : 1;
    }
}

bool text_same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* ---- columns ---- */

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

/* ---- numbers ---- */

static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

/* printf's "%.*f" where value x 10^decimals is below 10^10 and not near the middle between two
 * whole numbers. Returns the text's length; 0: not this way. */
static int quick_fixed(double value, int decimals, char *out)
{
    char digits[24];
    int n = 0, length = 0;
    long double scaled = (long double)value * powers[decimals];
    if (!(scaled < 1e10L) || value < 0 || signbit(value))
        return 0;
    uint64_t whole = (uint64_t)scaled;
    long double rest = scaled - whole;
    if (fabsl(rest - 0.5L) < 1e-4L)
        return 0;
    whole += rest > 0.5L;
    for (; n <= decimals || whole > 0; whole /= 10)
        digits[n++] = (char)('0' + whole % 10);
    while (n > 0) {
        if (n == decimals)
            out[length++] = '.';
        out[length++] = digits[--n];
    }
    out[length] = '\0';
    return length;
}

static void fixed(double value, int decimals, char *buffer)
{
    if (quick_fixed(value, decimals, buffer) == 0)
        snprintf(buffer, TEXT_NUMBER, "%.*f", decimals, value);
}

char *text_number(double value, char buffer[TEXT_NUMBER])
{
    double size = fabs(value);
    if (size >= 1e15 || (size < 0.001 && size > 0))
        snprintf(buffer, TEXT_NUMBER, "%.2e", value);
    else
        fixed(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3, buffer);
    return buffer;
}

char *text_count(double value, char buffer[TEXT_NUMBER])
{
    if (fabs(value) < 1e15)
        fixed(value, 0, buffer);
    else
        snprintf(buffer, TEXT_NUMBER, "%.9g", value);
    return buffer;
}

char *text_digits(double value, char buffer[TEXT_NUMBER])
{
    int decimals = 8, length = 0; // nine digits in all
    while (decimals > 0 && value >= powers[9 - decimals])
        decimals--;
    while (value < 1 && decimals < 12 && value < 1 / powers[decimals - 8])
        decimals++;
    if (value == 0 || (value >= 1e-4 && value < 1e9))
        length = quick_fixed(value, value == 0 ? 0 : decimals, buffer);
    if (length == 0) {
        snprintf(buffer, TEXT_NUMBER, "%.9g", value);
        return buffer;
    }
    bool fraction = strchr(buffer, '.');
    while (fraction && buffer[length - 1] == '0')
        length--;
    length -= fraction && buffer[length - 1] == '.';
    buffer[length] = '\0';
    return buffer;
}

void text_put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:=,+@%^-";
    if (*word && word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}
