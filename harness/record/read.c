/* SPDX-License-Identifier: Apache-2.0 */
/* A record from one line of JSON that anybody may have written: every value is checked against the
 * field table. */
#include "harness/record/fields.h"
#include "harness/record/scan.h"

#include <ctype.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 160 };

/* A key or a place in a list on the way to the value being read. */
struct step {
    const struct step *above;
    const char *key; /* NULL: index */
    int index;
};

struct reader {
    struct record *record; /* owns what is read */
    int line;
    const struct step *at; /* NULL: the whole object */
};

static enum status read_fields(struct reader *r, const struct field *fields, json_t *object,
                               void *base);

/* "latency_ms.samples[3]" of a step, cut off where too long. Returns path. */
static char *path_of(const struct step *at, char path[PATH_SIZE])
{
    path[0] = '\0';
    if (!at)
        return path;
    path_of(at->above, path);
    size_t length = strlen(path);
    if (at->key)
        snprintf(path + length, PATH_SIZE - length, "%s%s", length ? "." : "", at->key);
    else
        snprintf(path + length, PATH_SIZE - length, "[%d]", at->index);
    return path;
}

static const char *json_word(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a truth value";
    default:
        return "null";
    }
}

/* "line 7: cell.steps: ..." */
static enum status __attribute__((format(printf, 3, 4)))
refuse(const struct reader *r, enum status st, const char *format, ...)
{
    char path[PATH_SIZE], what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail(st, "line %d: %s: %s", r->line, path_of(r->at, path), what);
}

static enum status mistyped(const struct reader *r, const json_t *value, const char *wanted)
{
    if (json_is_integer(value))
        return refuse(r, ST_INVALID, "found %" JSON_INTEGER_FORMAT ", wanted %s",
                      json_integer_value(value), wanted);
    if (json_is_string(value))
        return refuse(r, ST_INVALID, "found \"%.60s\", wanted %s", json_string_value(value),
                      wanted);
    return refuse(r, ST_INVALID, "found %s, wanted %s", json_word(value), wanted);
}

/* Room in the record for what was counted. */
static enum status room(struct reader *r, size_t count, size_t size, void **out)
{
    *out = record_array(r->record, count, size);
    if (count > 0 && !*out)
        return refuse(r, ST_OOM, "%zu elements of %zu bytes", count, size);
    return ST_OK;
}

static enum status read_int(struct reader *r, json_t *value, bool nullable, int *out)
{
    json_int_t n = json_integer_value(value);
    *out = RECORD_UNKNOWN;
    if (nullable && json_is_null(value))
        return ST_OK;
    if (!json_is_integer(value) || n < 0 || n > INT_MAX)
        return mistyped(r, value,
                        nullable ? "null or an integer from 0 to 2147483647"
                                 : "an integer from 0 to 2147483647");
    *out = (int)n;
    return ST_OK;
}

static enum status read_text(struct reader *r, json_t *value, bool nullable, const char **out)
{
    *out = NULL;
    if (nullable && json_is_null(value))
        return ST_OK;
    if (!json_is_string(value))
        return mistyped(r, value, nullable ? "a text or null" : "a text");
    *out = record_text(r->record, json_string_value(value));
    if (!*out)
        return refuse(r, ST_OOM, "no memory for its text");
    return ST_OK;
}

static enum status read_count(struct reader *r, json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return mistyped(r, value, "an integer from 0");
    *out = (uint64_t)json_integer_value(value);
    return ST_OK;
}

static enum status read_number(struct reader *r, json_t *value, double *out)
{
    *out = NAN;
    if (json_is_null(value))
        return ST_OK;
    if (!json_is_number(value))
        return mistyped(r, value, "a number or null");
    *out = json_number_value(value);
    return ST_OK;
}

static enum status read_map(struct reader *r, json_t *object, struct record_map *map)
{
    const char *name;
    json_t *value;
    void *room_for;
    if (!json_is_object(object))
        return mistyped(r, object, "an object of texts");
    TRY(room(r, json_object_size(object), sizeof *map->v, &room_for));
    map->v = room_for;
    json_object_foreach(object, name, value)
    {
        struct record_pair *pair = &map->v[map->n++];
        struct step step = {.above = r->at, .key = name};
        r->at = &step;
        TRY(read_text(r, value, false, &pair->value));
        r->at = step.above;
        pair->name = record_text(r->record, name);
        if (!pair->name)
            return refuse(r, ST_OOM, "no memory for a name");
    }
    return ST_OK;
}

static enum status read_value(struct reader *r, const struct field *field, json_t *value, void *at)
{
    switch (field->kind) {
    case FIELD_INT:
        return read_int(r, value, false, at);
    case FIELD_INDEX:
        return read_int(r, value, true, at);
    case FIELD_FLAG:
        if (!json_is_boolean(value) && !json_is_null(value))
            return mistyped(r, value, "true, false or null");
        *(int *)at = json_is_null(value) ? RECORD_UNKNOWN : json_is_true(value);
        return ST_OK;
    case FIELD_COUNT:
        return read_count(r, value, at);
    case FIELD_NUMBER:
        return read_number(r, value, at);
    case FIELD_TEXT:
        return read_text(r, value, false, at);
    case FIELD_TEXT_OR_NULL:
        return read_text(r, value, true, at);
    case FIELD_STATUS:
        if (json_is_string(value) && ending_find(json_string_value(value), at))
            return ST_OK;
        return mistyped(r, value,
                        "ok, wrong, unsupported, oom, timeout, crash, error or interrupted");
    case FIELD_MAP:
        return read_map(r, value, at);
    case FIELD_OBJECT:
    case FIELD_RULE:
    case FIELD_LIST:
        break;
    }
    bug(__FILE__, __LINE__, "%s is not a plain value", field->name);
}

/* at: a { int n; T *v }; the pointer is stored as bytes, for T differs from list to list. */
static enum status read_list(struct reader *r, const struct field *field, json_t *array, char *at)
{
    void *elements;
    if (json_is_null(array)) // as good as none
        return ST_OK;
    if (!json_is_array(array) || json_array_size(array) > INT_MAX)
        return mistyped(r, array, "an array");
    int n = (int)json_array_size(array);
    TRY(room(r, (size_t)n, field->size, &elements));
    memcpy(at + field->offset_v, &elements, sizeof elements);
    *(int *)at = n;
    for (int i = 0; i < n; i++) {
        char *element = (char *)elements + (size_t)i * field->size;
        json_t *value = json_array_get(array, (size_t)i);
        struct step step = {.above = r->at, .index = i};
        r->at = &step;
        TRY(field_plain(field->inner) ? read_value(r, field->inner, value, element)
                                      : read_fields(r, field->inner, value, element));
        r->at = step.above;
    }
    return ST_OK;
}

/* The member `key`. *next: where it is when keys stand in the table's order, as ours do. */
static json_t *member(json_t *object, const char *key, void **next)
{
    if (!*next || strcmp(json_object_iter_key(*next), key) != 0)
        return json_object_get(object, key);
    json_t *value = json_object_iter_value(*next);
    *next = json_object_iter_next(object, *next);
    return value;
}

static enum status read_rule(struct reader *r, const struct field *f, json_t *value, char *at)
{
    if (json_is_null(value))
        return ST_OK;
    TRY(read_fields(r, f->inner, value, at));
    if (*(const int *)at < 1)
        return refuse(r, ST_INVALID, "%s is 0, wanted 1 or more, or null for all of it",
                      f->inner[0].name);
    return ST_OK;
}

static enum status read_field(struct reader *r, const struct field *f, json_t *value, char *at)
{
    if (!value)
        return refuse(r, ST_INVALID,
                      "missing; a record holds every key, null where there is no data");
    if (f->kind == FIELD_OBJECT)
        return read_fields(r, f->inner, value, at);
    if (f->kind == FIELD_RULE)
        return read_rule(r, f, value, at);
    if (f->kind == FIELD_LIST)
        return read_list(r, f, value, at);
    return read_value(r, f, value, at);
}

static enum status read_fields(struct reader *r, const struct field *fields, json_t *object,
                               void *base)
{
    if (!json_is_object(object))
        return mistyped(r, object, "an object");
    void *next = json_object_iter(object);
    for (const struct field *f = fields; f->name; f++) {
        struct step step = {.above = r->at, .key = f->name};
        json_t *value = member(object, f->name, &next);
        if (!value && f->later)
            continue;
        r->at = &step;
        TRY(read_field(r, f, value, (char *)base + f->offset));
        r->at = step.above;
    }
    return ST_OK;
}

/* NULL is computed. */
static bool is_id(const char *text)
{
    if (!text)
        return true;
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isdigit((unsigned char)text[i]) && (text[i] < 'a' || text[i] > 'f'))
            return false;
    return length == RECORD_ID_SIZE - 1;
}

/* Loops are counted beforehand, or a rule says when they are enough. */
static enum status check_rule(const struct record_cell *cell, int line)
{
    bool rule = cell->stop.min_loops > 0;
    if (rule && cell->repeats >= 0)
        return fail(ST_INVALID, "line %d: cell.stop: found a rule, wanted null, for repeats is %d",
                    line, cell->repeats);
    if (!rule && cell->repeats < 0)
        return fail(ST_INVALID,
                    "line %d: cell.repeats: found null, wanted an integer from 0, for cell.stop "
                    "holds no rule",
                    line);
    if (rule && !(isfinite(cell->stop.min_seconds) && isfinite(cell->stop.max_seconds) &&
                  isfinite(cell->stop.max_noise)))
        return fail(ST_INVALID,
                    "line %d: cell.stop: found null in it, wanted numbers for min_seconds, "
                    "max_seconds and max_noise",
                    line);
    return ST_OK;
}

/* Statistics follow from samples, where there are some. So does what rows of older builds and of
 * other programs lack: an id that covers the whole cell, flags, recipe and cohort. */
static enum status complete(struct record *record, const struct scan *found)
{
    const char *id = record->id, *recipe = record->recipe, *cohort = record->cohort;
    if (record->latency_ms.samples.n > 0)
        record_summarise(record);
    if (!found->flags)
        record_flag(record);
    bool named = found->whole_cell && id;
    if (named && recipe && cohort)
        return ST_OK;
    TRY(record_identify(record));
    record->id = named ? id : record->id;
    record->recipe = recipe ? recipe : record->recipe;
    record->cohort = cohort ? cohort : record->cohort;
    return ST_OK;
}

static enum status read_root(struct reader *r, json_t *root)
{
    const char *schema = json_string_value(json_object_get(root, "schema"));
    if (!json_is_object(root))
        return fail(ST_INVALID, "line %d: found %s, wanted an object", r->line, json_word(root));
    if (!schema || strcmp(schema, RECORD_SCHEMA) != 0)
        return fail(ST_INVALID, "line %d: schema: found %s%.60s%s, wanted \"%s\"", r->line,
                    schema ? "\"" : "", schema ? schema : "no text", schema ? "\"" : "",
                    RECORD_SCHEMA);
    TRY(read_fields(r, record_fields, root, r->record));
    if (!is_id(r->record->id))
        return fail(ST_INVALID, "line %d: id: found \"%.60s\", wanted 16 hex digits in lower case",
                    r->line, r->record->id);
    const json_t *cell = json_object_get(root, "cell");
    struct scan found = {.whole_cell =
                             json_object_get(cell, "exchange") && json_object_get(cell, "graph"),
                         .flags = json_object_get(root, "flags")};
    return complete(r->record, &found);
}

/* Reads any JSON, and says what is wrong with it. */
static enum status read_json(const char *line, size_t size, int line_number, struct record *record)
{
    json_error_t error;
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fail(ST_INVALID, "line %d: not JSON: %s (column %d)", line_number, error.text,
                    error.column);
    struct reader r = {.record = record, .line = line_number};
    enum status st = read_root(&r, root);
    json_decref(root);
    return st;
}

enum status record_read(const char *line, size_t size, int line_number, struct record **out)
{
    struct scan found;
    struct record *record;
    *out = NULL;
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
        size--;
    TRY(record_open(&record));
    enum status st;
    if (scan_record(line, size, record, &found) && is_id(record->id)) {
        st = complete(record, &found);
    } else {
        record_close(record);
        TRY(record_open(&record));
        st = read_json(line, size, line_number, record);
    }
    if (st == ST_OK)
        st = check_rule(&record->cell, line_number);
    record->line = line_number;
    if (st == ST_OK)
        *out = record;
    else
        record_close(record);
    return st;
}
