/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors reader: checks every number of a header. Converts nothing. */
#include "models/safetensors.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8, HEADER_MAX = 100 * 1000 * 1000 };

struct safetensors {
    char *path;
    int fd;                     /* -1: in memory */
    const unsigned char *bytes; /* in memory: the whole file */
    uint64_t size;
    struct file_stamp stamp;
    json_t *header;      /* owns names, type names and metadata */
    uint64_t data_begin; /* byte behind the header */
    uint64_t data_size;
    int count;
    struct safetensors_entry *entry; /* [count], ordered by name once open */
};

/* Sizes are needed to check a file, also those of types that are never converted. */
static const struct {
    const char *name;
    size_t size;
    enum safetensors_type type;
} element_types[] = {
    {"F32", 4, SAFETENSORS_F32},       {"F16", 2, SAFETENSORS_F16},
    {"BF16", 2, SAFETENSORS_BF16},     {"I64", 8, SAFETENSORS_I64},
    {"F64", 8, SAFETENSORS_OTHER},     {"I32", 4, SAFETENSORS_OTHER},
    {"I16", 2, SAFETENSORS_OTHER},     {"I8", 1, SAFETENSORS_OTHER},
    {"U64", 8, SAFETENSORS_OTHER},     {"U32", 4, SAFETENSORS_OTHER},
    {"U16", 2, SAFETENSORS_OTHER},     {"U8", 1, SAFETENSORS_OTHER},
    {"BOOL", 1, SAFETENSORS_OTHER},    {"F8_E4M3", 1, SAFETENSORS_OTHER},
    {"F8_E5M2", 1, SAFETENSORS_OTHER},
};

enum { ELEMENT_TYPES = sizeof(element_types) / sizeof(element_types[0]) };

/* ---- the header ---- */

static enum status read_bytes(const struct safetensors *file, uint64_t first, size_t size,
                              void *out)
{
    if (file->fd >= 0)
        return file_read_at(file->fd, file->path, first, size, out);
    if (size > 0)
        memcpy(out, file->bytes + first, size);
    return ST_OK;
}

/* The length of the header's JSON, which is inside of the file. */
static enum status read_length(const struct safetensors *file, size_t *out)
{
    unsigned char bytes[LENGTH_BYTES];
    unsigned long long length = 0;
    if (file->size < LENGTH_BYTES)
        return fail(ST_INVALID,
                    "%s: holds %llu bytes, a safetensors file at least 8: it is cut off or of "
                    "another kind",
                    file->path, (unsigned long long)file->size);
    TRY(read_bytes(file, 0, LENGTH_BYTES, bytes));
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (unsigned long long)bytes[i] << (8 * i);
    if (length > HEADER_MAX)
        return fail(
            ST_INVALID,
            "%s: claims a header of %llu bytes, at most %d are allowed: not a safetensors file",
            file->path, length, HEADER_MAX);
    if (length > file->size - LENGTH_BYTES)
        return fail(
            ST_INVALID,
            "%s: claims a header of %llu bytes, %llu follow: the file is cut off, fetch it again",
            file->path, length, (unsigned long long)file->size - LENGTH_BYTES);
    *out = (size_t)length;
    return ST_OK;
}

static enum status load_json(struct safetensors *file, const char *text, size_t length)
{
    json_error_t error;
    file->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!file->header)
        return fail(ST_INVALID, "%s: the header is not valid JSON at its byte %d: %s", file->path,
                    error.position, error.text);
    if (!json_is_object(file->header))
        return fail(ST_INVALID, "%s: the header is a list, wanted an object of tensors",
                    file->path);
    return ST_OK;
}

static enum status parse_header(struct safetensors *file)
{
    size_t length = 0;
    TRY(read_length(file, &length));
    char *text = malloc(length + 1);
    if (!text)
        return fail(ST_OOM, "%s: %zu bytes for its header", file->path, length);
    enum status st = read_bytes(file, LENGTH_BYTES, length, text);
    if (st == ST_OK)
        st = load_json(file, text, length);
    free(text);
    file->data_begin = LENGTH_BYTES + length;
    file->data_size = file->size - file->data_begin;
    return st;
}

static enum status check_metadata(const struct safetensors *file)
{
    json_t *meta = json_object_get(file->header, "__metadata__");
    const char *key;
    json_t *value;
    if (meta && !json_is_object(meta))
        return fail(ST_INVALID, "%s: __metadata__ is not an object of texts", file->path);
    json_object_foreach(meta, key, value)
    {
        if (!json_is_string(value))
            return fail(ST_INVALID, "%s: __metadata__: \"%.100s\" is not a text", file->path, key);
    }
    return ST_OK;
}

/* For a sentence about one tensor; the name may be as long as the header. */
#define ENTRY_FAIL(file, e, format, ...)                                                           \
    fail(ST_INVALID, "%s: tensor \"%.200s\": " format, (file)->path, (e)->name, __VA_ARGS__)

static enum status read_type(const struct safetensors *file, const json_t *info,
                             struct safetensors_entry *e, size_t *size)
{
    const char *name = json_string_value(json_object_get(info, "dtype"));
    for (int i = 0; name && i < ELEMENT_TYPES; i++) {
        if (strcmp(name, element_types[i].name) == 0) {
            e->type_name = element_types[i].name;
            e->type = element_types[i].type;
            *size = element_types[i].size;
            return ST_OK;
        }
    }
    return ENTRY_FAIL(
        file, e,
        "dtype is %.40s; known are F32, F16, BF16, I64 and the plain integer, F64 and F8 types",
        name ? name : "not a text");
}

/* *bytes: the size of an element on entry, of the whole tensor on return. */
static enum status read_shape(const struct safetensors *file, const json_t *info,
                              struct safetensors_entry *e, size_t *bytes)
{
    const json_t *shape = json_object_get(info, "shape");
    if (!json_is_array(shape))
        return ENTRY_FAIL(file, e, "%s", "shape is not a list of whole numbers");
    if (json_array_size(shape) > SAFETENSORS_MAX_DIMS)
        return ENTRY_FAIL(file, e, "shape has %zu dimensions, at most %d are allowed",
                          json_array_size(shape), SAFETENSORS_MAX_DIMS);
    e->ndim = (int)json_array_size(shape);
    bool empty = false;
    bool overflow = false;
    for (int i = 0; i < e->ndim; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return ENTRY_FAIL(file, e, "dimension %d of its shape is not a whole number from 0 on",
                              i);
        e->dim[i] = json_integer_value(dim);
        empty |= e->dim[i] == 0;
        overflow |= __builtin_mul_overflow(*bytes, (size_t)e->dim[i], bytes);
    }
    if (overflow && !empty)
        return ENTRY_FAIL(file, e, "%s", "its shape asks for more than 2^64 bytes");
    if (empty)
        *bytes = 0;
    return ST_OK;
}

static enum status read_place(const struct safetensors *file, const json_t *info,
                              struct safetensors_entry *e, size_t bytes)
{
    const json_t *offsets = json_object_get(info, "data_offsets");
    const json_t *first = json_array_get(offsets, 0);
    const json_t *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return ENTRY_FAIL(file, e, "%s", "data_offsets is not a pair of whole numbers");
    long long begin = json_integer_value(first);
    long long end = json_integer_value(last);
    if (begin < 0 || begin > end)
        return ENTRY_FAIL(file, e, "data_offsets [%lld, %lld] are not in order from 0 on", begin,
                          end);
    if ((uint64_t)end > file->data_size)
        return ENTRY_FAIL(file, e,
                          "data_offsets [%lld, %lld] leave the %llu bytes of data: the file is cut "
                          "off or damaged",
                          begin, end, (unsigned long long)file->data_size);
    if ((size_t)(end - begin) != bytes)
        return ENTRY_FAIL(file, e,
                          "data_offsets [%lld, %lld] hold %lld bytes, its dtype and shape want %zu",
                          begin, end, end - begin, bytes);
    e->first = file->data_begin + (uint64_t)begin;
    e->bytes = bytes;
    return ST_OK;
}

static enum status read_entry(const struct safetensors *file, const json_t *info,
                              struct safetensors_entry *e)
{
    size_t bytes = 0;
    for (const unsigned char *c = (const unsigned char *)e->name; *c; c++)
        if (*c < ' ' || *c == 127) // names are printed
            return fail(ST_INVALID, "%s: the name of a tensor has the control character %d",
                        file->path, *c);
    if (!json_is_object(info))
        return ENTRY_FAIL(file, e, "%s", "is not an object of dtype, shape and data_offsets");
    TRY(read_type(file, info, e, &bytes));
    TRY(read_shape(file, info, e, &bytes));
    return read_place(file, info, e, bytes);
}

/* By place; of those at one place the empty ones first, so that each begins where the one before it
 * ends. */
static int compare_places(const void *a, const void *b)
{
    const struct safetensors_entry *x = a;
    const struct safetensors_entry *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int compare_names(const void *a, const void *b)
{
    const struct safetensors_entry *x = a;
    const struct safetensors_entry *y = b;
    return strcmp(x->name, y->name);
}

/* The tensors tile the data: none over another, nothing between or behind them. Leaves them ordered
 * by place. */
static enum status check_places(struct safetensors *file)
{
    uint64_t at = 0;
    qsort(file->entry, (size_t)file->count, sizeof(*file->entry), compare_places);
    for (int i = 0; i < file->count; i++) {
        const struct safetensors_entry *e = &file->entry[i];
        uint64_t begin = e->first - file->data_begin;
        if (begin < at)
            return ENTRY_FAIL(
                file, e,
                "begins at byte %llu of the data, inside of tensor \"%.200s\", which ends at %llu",
                (unsigned long long)begin, file->entry[i - 1].name, (unsigned long long)at);
        if (begin > at)
            return ENTRY_FAIL(
                file, e, "begins at byte %llu of the data, wanted %llu: a gap belongs to no tensor",
                (unsigned long long)begin, (unsigned long long)at);
        at = begin + e->bytes;
    }
    if (at != file->data_size)
        return fail(ST_INVALID,
                    "%s: the tensors end at byte %llu of %llu bytes of data: the file is damaged",
                    file->path, (unsigned long long)at, (unsigned long long)file->data_size);
    return ST_OK;
}

static enum status read_entries(struct safetensors *file)
{
    const char *name;
    json_t *info;
    size_t keys = json_object_size(file->header);
    file->entry = calloc(keys + 1, sizeof(*file->entry));
    if (!file->entry)
        return fail(ST_OOM, "%s: a table of %zu tensors", file->path, keys);
    json_object_foreach(file->header, name, info)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        struct safetensors_entry *e = &file->entry[file->count++];
        e->name = name;
        TRY(read_entry(file, info, e));
    }
    TRY(check_places(file));
    qsort(file->entry, (size_t)file->count, sizeof(*file->entry), compare_names);
    return ST_OK;
}

/* ---- life cycle ---- */

/* Takes from.fd, also where it fails. */
static enum status open_from(const char *path, const struct safetensors *from,
                             struct safetensors **out)
{
    struct safetensors *file = malloc(sizeof(*file));
    char *copy = strdup(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        if (from->fd >= 0)
            close(from->fd);
        return fail(ST_OOM, "%s: memory for a file's header", path);
    }
    *file = *from;
    file->path = copy;
    enum status st = parse_header(file);
    if (st == ST_OK)
        st = check_metadata(file);
    if (st == ST_OK)
        st = read_entries(file);
    if (st != ST_OK) {
        safetensors_close(file);
        return st;
    }
    *out = file;
    return ST_OK;
}

enum status safetensors_open(const char *path, struct safetensors **out)
{
    struct safetensors from = {0};
    TRY(file_open_regular(path, O_RDONLY, &from.fd, &from.stamp));
    from.size = from.stamp.size;
    return open_from(path, &from, out);
}

enum status safetensors_open_memory(const char *label, const void *bytes, size_t size,
                                    struct safetensors **out)
{
    return open_from(label, &(struct safetensors){.fd = -1, .bytes = bytes, .size = size}, out);
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    json_decref(file->header);
    free(file->entry);
    free(file->path);
    free(file);
}

/* ---- questions ---- */

const char *safetensors_path(const struct safetensors *file)
{
    return file->path;
}

const struct file_stamp *safetensors_stamp(const struct safetensors *file)
{
    return &file->stamp;
}

int safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct safetensors_entry *safetensors_at(const struct safetensors *file, int index)
{
    BUG_ON(index < 0 || index >= file->count, "%s: tensor %d of %d", file->path, index,
           file->count);
    return &file->entry[index];
}

const struct safetensors_entry *safetensors_find(const struct safetensors *file, const char *name)
{
    struct safetensors_entry key = {.name = name};
    return bsearch(&key, file->entry, (size_t)file->count, sizeof(*file->entry), compare_names);
}

const char *safetensors_meta(const struct safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

enum status safetensors_bytes(const struct safetensors *file, const struct safetensors_entry *entry,
                              size_t first, size_t size, void *out)
{
    BUG_ON(first > entry->bytes || size > entry->bytes - first,
           "%s: bytes %zu+%zu of tensor %.200s", file->path, first, size, entry->name);
    return read_bytes(file, entry->first + first, size, out);
}
