/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of JSON, by a walk over its field table. Not the file it goes to. */
#include "harness/record/fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    const char *failed; /* name of a field that JSON cannot hold; NULL: none */
    bool brief;         /* without silent fields that say nothing */
};

static void write_fields(struct writer *w, const struct field *fields, const void *base);

/* Bytes of the UTF-8 sequence that starts here, or 0 when it is not one (RFC 3629: no surrogates,
 * none overlong). */
static int utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, low, high; /* of the first byte; of the second */
        int length;
    } form[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
        if (s[0] < form[i].first || s[0] > form[i].last)
            continue;
        if (form[i].length > 1 && (s[1] < form[i].low || s[1] > form[i].high))
            return 0;
        for (int k = 2; k < form[i].length; k++)
            if (s[k] < 0x80 || s[k] > 0xbf)
                return 0;
        return form[i].length;
    }
    return 0;
}

static void write_text(struct writer *w, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    fputc('"', w->out);
    while (*s) {
        int length = utf8_length(s);
        if (length == 0)
            fputc('?', w->out);
        else if (*s == '"' || *s == '\\')
            fprintf(w->out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(w->out, "\\u%04x", *s);
        else
            fwrite(s, 1, (size_t)length, w->out);
        s += length ? length : 1;
    }
    fputc('"', w->out);
}

static void write_number(struct writer *w, double value)
{
    char digits[32];
    if (!isfinite(value)) {
        fputs("null", w->out);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    fputs(digits, w->out);
    if (value == 0 && signbit(value))
        fputs(".0", w->out); // -0 would be read as an integer, which has no such zero
}

static void write_map(struct writer *w, const struct record_map *map)
{
    fputc('{', w->out);
    for (int i = 0; i < map->n; i++) {
        fputs(i ? ", " : "", w->out);
        write_text(w, map->v[i].name);
        fputs(": ", w->out);
        write_text(w, map->v[i].value ? map->v[i].value : "");
    }
    fputc('}', w->out);
}

static void write_count(struct writer *w, const char *name, uint64_t value)
{
    if (value > INT64_MAX)
        w->failed = name;
    fprintf(w->out, "%" PRIu64, value);
}

static void write_value(struct writer *w, const struct field *field, const void *at)
{
    const char *text = NULL;
    switch (field->kind) {
    case FIELD_INT:
        fprintf(w->out, "%d", *(const int *)at);
        break;
    case FIELD_INDEX:
        if (*(const int *)at < 0)
            fputs("null", w->out);
        else
            fprintf(w->out, "%d", *(const int *)at);
        break;
    case FIELD_FLAG:
        text = *(const int *)at == RECORD_YES ? "true" : "false";
        fputs(*(const int *)at == RECORD_UNKNOWN ? "null" : text, w->out);
        break;
    case FIELD_COUNT:
        write_count(w, field->name, *(const uint64_t *)at);
        break;
    case FIELD_NUMBER:
        write_number(w, *(const double *)at);
        break;
    case FIELD_TEXT:
        text = *(const char *const *)at;
        write_text(w, text ? text : "");
        break;
    case FIELD_TEXT_OR_NULL:
        text = *(const char *const *)at;
        if (text)
            write_text(w, text);
        else
            fputs("null", w->out);
        break;
    case FIELD_STATUS:
        write_text(w, ending_name(*(const enum ending *)at));
        break;
    case FIELD_MAP:
        write_map(w, at);
        break;
    case FIELD_OBJECT:
    case FIELD_RULE:
    case FIELD_LIST:
        BUG_ON(true, "%s is not a plain value", field->name);
    }
}

/* at: a { int n; T *v }. The pointer is copied out as bytes, for T differs from list to list. */
static void write_list(struct writer *w, const struct field *field, const char *at)
{
    int n = *(const int *)at;
    const char *element;
    memcpy(&element, at + field->offset_v, sizeof element);
    fputc('[', w->out);
    for (int i = 0; i < n; i++, element += field->size) {
        fputs(i ? ", " : "", w->out);
        if (field_plain(field->inner))
            write_value(w, field->inner, element);
        else
            write_fields(w, field->inner, element);
    }
    fputc(']', w->out);
}

static void write_fields(struct writer *w, const struct field *fields, const void *base)
{
    fputc('{', w->out);
    for (const struct field *f = fields; f->name; f++) {
        const char *at = (const char *)base + f->offset;
        bool zero = (f->silent || f->kind == FIELD_RULE) && *(const int *)at == 0;
        if (w->brief && f->silent && zero)
            continue;
        fprintf(w->out, "%s\"%s\": ", f == fields ? "" : ", ", f->name);
        if (f->kind == FIELD_RULE && zero)
            fputs("null", w->out);
        else if (f->kind == FIELD_OBJECT || f->kind == FIELD_RULE)
            write_fields(w, f->inner, at);
        else if (f->kind == FIELD_LIST)
            write_list(w, f, at);
        else
            write_value(w, f, at);
    }
    fputc('}', w->out);
}

static enum status write_json(const struct field *fields, const void *base, bool brief,
                              const char *end, char **text, size_t *size)
{
    struct writer w = {.out = open_memstream(text, size), .brief = brief};
    if (!w.out)
        return fail(ST_OOM, "record: no memory for its JSON text");
    write_fields(&w, fields, base);
    fputs(end, w.out);
    bool broken = ferror(w.out) != 0;
    if (fclose(w.out) != 0 || broken || w.failed) {
        free(*text);
        *text = NULL;
        return w.failed
                   ? fail(ST_INVALID, "record: %s is above 2^63 - 1, the largest integer of JSON",
                          w.failed)
                   : fail(ST_OOM, "record: no memory for its JSON text");
    }
    return ST_OK;
}

enum status record_write(const struct record *record, char **line, size_t *size)
{
    *line = NULL;
    if (record->out_of_memory)
        return fail(ST_OOM, "record: no host memory was left while it was filled");
    return write_json(record_fields, record, false, "\n", line, size);
}

enum status record_cell_write(const struct record_cell *cell, char **text, size_t *size)
{
    *text = NULL;
    return write_json(record_cell_fields, cell, true, "", text, size);
}
