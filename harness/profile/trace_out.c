/* SPDX-License-Identifier: Apache-2.0 */
/* Gzip by zlib; JSON strings by hand. */
#include "harness/profile/trace_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MOST_TEXT = 512 };

static void broke(struct trace_out *out, const char *what)
{
    int code = Z_ERRNO;
    const char *text = out->file ? gzerror(out->file, &code) : "";
    if (code == Z_ERRNO)
        text = strerror(errno);
    if (out->st == ST_OK)
        out->st = fail(ST_IO, "timeline %s: %s: %s", out->path, what, text);
}

enum status trace_out_open(const char *path, struct trace_out *out)
{
    out->path = path;
    out->st = ST_OK;
    out->events = 0;
    out->n = 0;
    errno = 0;
    out->file = gzopen(path, "wb4");
    if (!out->file)
        broke(out, "cannot be created");
    return out->st;
}

static void flush(struct trace_out *out)
{
    if (out->st == ST_OK && out->n && gzwrite(out->file, out->buffer, (unsigned)out->n) <= 0)
        broke(out, "cannot be written");
    out->n = 0;
}

enum status trace_out_close(struct trace_out *out)
{
    flush(out);
    if (gzclose(out->file) != Z_OK && out->st == ST_OK)
        out->st = fail(ST_IO, "timeline %s: cannot be finished: %s", out->path, strerror(errno));
    out->file = NULL;
    if (out->st != ST_OK)
        unlink(out->path);
    return out->st;
}

static void put(struct trace_out *out, const char *bytes, size_t n)
{
    if (out->n + n > TRACE_OUT_BUFFER)
        flush(out);
    memcpy(out->buffer + out->n, bytes, n);
    out->n += n;
}

void trace_out_text(struct trace_out *out, const char *format, ...)
{
    char text[MOST_TEXT];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    BUG_ON(n < 0 || n >= MOST_TEXT, "a text of %d bytes, at most %d", n, MOST_TEXT - 1);
    put(out, text, (size_t)n);
}

static void put_text(struct trace_out *out, const char *text)
{
    put(out, text, strlen(text));
}

/* Of a timeline's text most are numbers: printf would take most of the writing's time. */
static void put_digits(struct trace_out *out, uint64_t value, int least)
{
    char digits[24];
    size_t at = sizeof digits;
    for (; value || least > 0; value /= 10, least--)
        digits[--at] = (char)('0' + value % 10);
    put(out, digits + at, sizeof digits - at);
}

static void put_integer(struct trace_out *out, int64_t value)
{
    if (value < 0)
        put(out, "-", 1);
    put_digits(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

/* Bytes of the UTF-8 character that begins here; 0: none does. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

void trace_out_string(struct trace_out *out, const char *text)
{
    put(out, "\"", 1);
    for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
        size_t n = character(s);
        if (n == 0) {
            put(out, "\xef\xbf\xbd", 3);
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            const char escaped[2] = {'\\', (char)*s};
            put(out, escaped, 2);
        } else if (*s < 0x20 || *s == 0x7f) {
            trace_out_text(out, "\\u%04x", *s);
        } else {
            put(out, (const char *)s, n);
        }
        s += n;
    }
    put(out, "\"", 1);
}

void trace_out_us(struct trace_out *out, int64_t ns)
{
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        put(out, "-", 1);
    put_digits(out, size / 1000, 1);
    put(out, ".", 1);
    put_digits(out, size % 1000, 3);
}

static void key(struct trace_out *out, bool *first, const char *name)
{
    put_text(out, *first ? "\"" : ", \"");
    put_text(out, name);
    put(out, "\": ", 3);
    *first = false;
}

void trace_out_key_string(struct trace_out *out, bool *first, const char *name, const char *text)
{
    key(out, first, name);
    trace_out_string(out, text);
}

void trace_out_key_number(struct trace_out *out, bool *first, const char *name, int64_t value)
{
    key(out, first, name);
    put_integer(out, value);
}

void trace_out_event(struct trace_out *out, char phase, int pid, int64_t tid)
{
    put_text(out, out->events ? ",\n{\"ph\": \"" : "\n{\"ph\": \"");
    put(out, &phase, 1);
    put_text(out, "\", \"pid\": ");
    put_integer(out, pid);
    put_text(out, ", \"tid\": ");
    put_integer(out, tid);
    out->events++;
}
