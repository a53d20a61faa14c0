/* SPDX-License-Identifier: Apache-2.0 */
/* The five characters of HTML, and code spans. */
#include "harness/page/escape.h"

#include "harness/base/text.h"

#include <stdlib.h>
#include <string.h>

char *escape_clean(const char *text, bool lines)
{
    size_t room = 3 * strlen(text) + 1;
    char *out = malloc(room);
    return out ? text_shown(text, lines, room, out) : NULL;
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
