/* SPDX-License-Identifier: Apache-2.0 */
/* Characters that XML has, the five of HTML, and code spans. */
#include "harness/page/escape.h"

#include "harness/base/text.h"

#include <stdlib.h>
#include <string.h>

char *escape_clean(const char *text, bool lines)
{
    static const char unknown[] = "\xef\xbf\xbd";
    char *out = malloc(3 * strlen(text) + 1);
    size_t n = 0;
    if (!out)
        return NULL;
    while (*text) {
        int length = text_character(text);
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
