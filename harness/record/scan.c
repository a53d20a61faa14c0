/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the bytes of a line, straight into the record's fields. */
#include "harness/record/scan.h"

#include "harness/record/fields.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    const char *at, *end; /* end: behind the last '}' */
    struct record *record;
    struct scan found;
};

static bool scan_object(struct scanner *s, const struct field *fields, char *base);

/* ---- marks ---- */

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
        s->at++;
}

/* Takes a mark with the blanks around it. */
static bool take(struct scanner *s, char mark)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at != mark)
        return false;
    s->at++;
    skip_blanks(s);
    return true;
}

static bool take_word(struct scanner *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

/* A text of printable ASCII without escapes; its bytes in place. */
static bool take_text(struct scanner *s, const char **text, size_t *size)
{
    if (s->at == s->end || *s->at != '"')
        return false;
    const char *c = ++s->at;
    while (c < s->end && *c != '"' && *c != '\\' && *c >= ' ' && *c < 0x7f)
        c++;
    if (c == s->end || *c != '"')
        return false;
    *text = s->at;
    *size = (size_t)(c - s->at);
    s->at = c + 1;
    return true;
}

/* ---- numbers ---- */

/* Digits without a needless zero in front; at most 18. */
static bool take_digits(struct scanner *s, uint64_t *value)
{
    const char *begin = s->at;
    *value = 0;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        *value = 10 * *value + (uint64_t)(*s->at++ - '0');
    size_t n = (size_t)(s->at - begin);
    return n > 0 && n <= 18 && (n == 1 || *begin != '0');
}

/* A whole number that no fraction follows. */
static bool take_whole(struct scanner *s, uint64_t most, uint64_t *value)
{
    return take_digits(s, value) && *value <= most && (s->at == s->end || !strchr(".eE", *s->at));
}

static bool take_exponent(struct scanner *s, int *exponent)
{
    uint64_t value;
    if (s->at == s->end || (*s->at != 'e' && *s->at != 'E'))
        return true;
    s->at++;
    bool negative = s->at < s->end && *s->at == '-';
    if (s->at < s->end && (*s->at == '-' || *s->at == '+'))
        s->at++;
    const char *begin = s->at;
    for (value = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9' && value < 1000; s->at++)
        value = 10 * value + (uint64_t)(*s->at - '0');
    *exponent += negative ? -(int)value : (int)value;
    return s->at > begin && value < 1000;
}

/*
 * digits x 10^exponent as the nearest double, where that is sure: the product or quotient of two
 * exact numbers of 64 bits is rounded once, and its last bits are not where the second rounding
 * could go the other way. NaN: not sure.
 */
static double nearest(uint64_t digits, int exponent)
{
#if LDBL_MANT_DIG == 64
    static const long double power[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                        1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                        1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                        1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    uint64_t bits;
    if (digits == 0 || exponent < -27 || exponent > 27)
        return NAN;
    long double value = exponent < 0 ? digits / power[-exponent] : digits * power[exponent];
    memcpy(&bits, &value, sizeof bits);
    unsigned rest = bits & 0x7ff; // what a double has no room for
    return rest >= 0x3ff && rest <= 0x401 ? NAN : (double)value;
#else
    (void)digits;
    (void)exponent;
    return NAN;
#endif
}

/* The digits behind a '.', if there is one. */
static bool take_fraction(struct scanner *s, uint64_t *digits, int *exponent)
{
    if (s->at == s->end || *s->at != '.')
        return true;
    const char *begin = ++s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        *digits = 10 * *digits + (uint64_t)(*s->at++ - '0');
    *exponent = -(int)(s->at - begin);
    return s->at > begin && s->at - begin < 400;
}

/* "-12.5e3". */
static bool take_number(struct scanner *s, double *out)
{
    const char *begin = s->at;
    bool negative = *begin == '-';
    uint64_t digits = 0;
    int exponent = 0;
    s->at += negative;
    const char *whole = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        digits = 10 * digits + (uint64_t)(*s->at++ - '0');
    const char *point = s->at;
    if (point == whole || (point - whole > 1 && *whole == '0') || point - whole > 18 ||
        !take_fraction(s, &digits, &exponent) || !take_exponent(s, &exponent))
        return false;
    double value = s->at - whole <= 20 ? nearest(digits, exponent) : NAN; // 19 digits and a point
    if (s->at == point)
        value = (double)digits; // a whole number: there is no -0
    *out = isnan(value) ? strtod(begin, NULL) : negative && digits ? -value : value;
    return isfinite(*out);
}

/* ---- values ---- */

static bool scan_text(struct scanner *s, const char **out)
{
    const char *text;
    size_t size;
    if (!take_text(s, &text, &size))
        return false;
    char *copy = record_array(s->record, size + 1, 1);
    *out = copy ? memcpy(copy, text, size) : NULL; // the rest is zero
    return copy != NULL;
}

static bool scan_status(struct scanner *s, enum ending *out)
{
    const char *text;
    size_t size;
    char name[32];
    if (!take_text(s, &text, &size) || size >= sizeof name)
        return false;
    memcpy(name, text, size);
    name[size] = '\0';
    return ending_find(name, out);
}

static bool scan_int(struct scanner *s, int *out)
{
    uint64_t value;
    bool taken = take_whole(s, INT_MAX, &value);
    *out = taken ? (int)value : 0;
    return taken;
}

static bool scan_flag(struct scanner *s, int *out)
{
    *out = RECORD_NO;
    if (take_word(s, "false"))
        return true;
    *out = RECORD_YES;
    return take_word(s, "true");
}

static bool scan_map(struct scanner *s, struct record_map *map)
{
    enum { MOST = 64 }; // names are compared with each other
    if (!take(s, '{'))
        return false;
    while (s->at < s->end && *s->at != '}') {
        const char *name, *value;
        if (map->n == MOST || (map->n > 0 && !take(s, ',')) || !scan_text(s, &name) ||
            !take(s, ':') || !scan_text(s, &value))
            return false;
        for (int i = 0; i < map->n; i++)
            if (strcmp(map->v[i].name, name) == 0)
                return false;
        record_add_pair(s->record, map, name, value);
        skip_blanks(s);
    }
    return take(s, '}');
}

static bool scan_value(struct scanner *s, const struct field *f, void *at)
{
    bool null = take_word(s, "null");
    switch (f->kind) {
    case FIELD_INT:
        return !null && scan_int(s, at);
    case FIELD_INDEX:
        *(int *)at = -1;
        return null || scan_int(s, at);
    case FIELD_FLAG:
        *(int *)at = RECORD_UNKNOWN;
        return null || scan_flag(s, at);
    case FIELD_COUNT:
        return !null && take_whole(s, INT64_MAX, at);
    case FIELD_NUMBER:
        *(double *)at = NAN;
        return null || take_number(s, at);
    case FIELD_TEXT:
        return !null && scan_text(s, at);
    case FIELD_TEXT_OR_NULL:
        return null || scan_text(s, at);
    case FIELD_STATUS:
        return !null && scan_status(s, at);
    case FIELD_MAP:
        return !null && scan_map(s, at);
    default:
        return false;
    }
}

/* at: a { int n; T *v }; the pointer is stored as bytes, for T differs from list to list. */
static bool scan_list(struct scanner *s, const struct field *f, char *at)
{
    char *v = NULL;
    int n = 0, room = 0;
    if (!take(s, '['))
        return take_word(s, "null");
    for (; s->at < s->end && *s->at != ']'; n++) {
        if (n == room) {
            room = room ? 2 * room : 4;
            char *wider = record_array(s->record, (size_t)room, f->size);
            if (!wider || room > INT_MAX / 2)
                return false;
            if (n > 0)
                memcpy(wider, v, (size_t)n * f->size);
            v = wider;
        }
        char *element = v + (size_t)n * f->size;
        if ((n > 0 && !take(s, ',')) ||
            !(field_plain(f->inner) ? scan_value(s, f->inner, element)
                                    : scan_object(s, f->inner, element)))
            return false;
        skip_blanks(s);
    }
    memcpy(at + f->offset_v, &v, sizeof v);
    *(int *)at = n;
    return take(s, ']');
}

/* ---- objects ---- */

/* The field of that name, looked for from *next on, where it stands in our own lines. */
static const struct field *find_field(const struct field *fields, const struct field **next,
                                      const char *name, size_t size)
{
    const struct field *f = *next;
    if (!f->name || strlen(f->name) != size || memcmp(f->name, name, size) != 0)
        for (f = fields; f->name; f++)
            if (strlen(f->name) == size && memcmp(f->name, name, size) == 0)
                break;
    *next = f->name ? f + 1 : f;
    return f->name ? f : NULL;
}

/* Of the fields that were not seen, all may be missing. */
static bool may_miss(struct scanner *s, const struct field *fields, uint64_t seen)
{
    for (int i = 0; fields[i].name; i++) {
        if (seen >> i & 1)
            continue;
        if (!fields[i].later)
            return false;
        if (fields == record_cell_fields && !fields[i].silent)
            s->found.whole_cell = false;
        if (fields == record_fields && strcmp(fields[i].name, "flags") == 0)
            s->found.flags = false;
    }
    return true;
}

/* What is null in a new record stays as it is. */
static bool scan_rule(struct scanner *s, const struct field *f, char *at)
{
    return take_word(s, "null") || (scan_object(s, f->inner, at) && *(const int *)at > 0);
}

static bool scan_object(struct scanner *s, const struct field *fields, char *base)
{
    const struct field *next = fields;
    uint64_t seen = 0; // one bit a field
    if (!take(s, '{'))
        return false;
    while (s->at < s->end && *s->at != '}') {
        const char *name;
        size_t size;
        if ((seen && !take(s, ',')) || !take_text(s, &name, &size) || !take(s, ':'))
            return false;
        const struct field *f = find_field(fields, &next, name, size);
        if (!f || f - fields > 63 || seen >> (f - fields) & 1)
            return false;
        seen |= UINT64_C(1) << (f - fields);
        char *at = base + f->offset;
        bool read = f->kind == FIELD_OBJECT ? scan_object(s, f->inner, at)
                    : f->kind == FIELD_RULE ? scan_rule(s, f, at)
                    : f->kind == FIELD_LIST ? scan_list(s, f, at)
                                            : scan_value(s, f, at);
        if (!read)
            return false;
        skip_blanks(s);
    }
    return take(s, '}') && may_miss(s, fields, seen);
}

bool scan_record(const char *line, size_t size, struct record *record, struct scan *found)
{
    struct scanner s = {.at = line, .end = line + size, .record = record};
    s.found = (struct scan){.whole_cell = true, .flags = true};
    // numbers end before the last '}', so that nothing is read behind it
    bool read = size > 0 && line[size - 1] == '}' &&
                scan_object(&s, record_fields, (char *)record) && s.at == s.end &&
                !record->out_of_memory && strcmp(record->schema, RECORD_SCHEMA) == 0;
    *found = s.found;
    return read;
}
