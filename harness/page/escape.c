/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as XML has it, the five characters of HTML, and code spans. */
#include "harness/page/escape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Characters that turn the direction of the text around them, so that it reads as another. */
static bool turns(uint32_t code)
{
    return code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* Length of the UTF-8 character at s; 0: there is none, or one that XML does not have. */
static int character(const char *s)
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

char *escape_clean(const char *text, bool lines)
{
    static const char unknown[] = "\xef\xbf\xbd";
    char *out = malloc(3 * strlen(text) + 1);
    size_t n = 0;
    if (!out)
        return NULL;
    while (*text) {
        int length = character(text);
        if (length > 0) {
            memcpy(out + n, text, (size_t)length);
            n += (size_t)length;
            text += length;
        } else if (*text == '\n' || *text == '\t') {
            out[n++] = lines ? *text : ' ';
            text++;
        } else {
            memcpy(out + n, unknown, 3);
            n += 3;
            text++;
        }
    }
    out[n] = '\0';
    return out;
}

void escape_html(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(text[i], out);
        }
    }
}

int escape_span(const char *text)
{
    const char *end = text[0] == '`' ? strchr(text + 1, '`') : NULL;
    return end && end > text + 1 ? (int)(end - text - 1) : -1;
}
