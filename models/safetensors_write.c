/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors writer: fp32 only, by way of a temporary file. Not the reader. */
#include "models/safetensors.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of an item, or -1 where its dimensions make no size. */
static int64_t item_bytes(const struct safetensors_item *item)
{
    int64_t bytes = sizeof(float);
    for (int i = 0; i < item->ndim; i++)
        if (item->dim[i] < 0 || __builtin_mul_overflow(bytes, item->dim[i], &bytes))
            return -1;
    return bytes;
}

/* A new reference to {"dtype", "shape", "data_offsets"}. */
static json_t *describe_item(const struct safetensors_item *item, int64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < item->ndim; i++)
        json_array_append_new(shape, json_integer(item->dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + item_bytes(item)));
}

/* The header's JSON padded with spaces to a multiple of 8 bytes, for free(); NULL: a text is not
 * UTF-8, or no memory. */
static char *header_text(int n, const struct safetensors_item *item, int n_meta,
                         const char *const (*meta)[2])
{
    json_t *header = json_object();
    json_t *pairs = json_object();
    int64_t at = 0;
    int bad = 0;
    for (int i = 0; i < n_meta; i++)
        bad |= json_object_set_new(pairs, meta[i][0], json_string(meta[i][1]));
    if (n_meta > 0)
        bad |= json_object_set(header, "__metadata__", pairs);
    for (int i = 0; i < n; i++) {
        BUG_ON(json_object_get(header, item[i].name), "tensor %s written twice", item[i].name);
        bad |= json_object_set_new(header, item[i].name, describe_item(&item[i], at));
        at += item_bytes(&item[i]);
    }
    char *text = bad ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(pairs);
    json_decref(header);
    if (!text)
        return NULL;
    size_t length = strlen(text);
    size_t padded = (length + 7) / 8 * 8;
    char *out = realloc(text, padded + 1);
    if (!out) {
        free(text);
        return NULL;
    }
    memset(out + length, ' ', padded - length);
    out[padded] = '\0';
    return out;
}

/* A machine that stores its floats otherwise would have to swap them; none that we build for does.
 */
static int write_all(FILE *to, const char *header, int n, const struct safetensors_item *item)
{
    size_t length = strlen(header);
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)length >> (8 * i));
    if (fwrite(prefix, 1, sizeof(prefix), to) != sizeof(prefix) ||
        fwrite(header, 1, length, to) != length)
        return -1;
    for (int i = 0; i < n; i++) {
        size_t bytes = (size_t)item_bytes(&item[i]);
        if (bytes > 0 && fwrite(item[i].data, 1, bytes, to) != bytes)
            return -1;
    }
    return 0;
}

static enum status write_file(const char *path, const char *temporary, const char *header, int n,
                              const struct safetensors_item *item)
{
    FILE *to = fopen(temporary, "wbe");
    if (!to)
        return fail(ST_IO, "%s: cannot be created: %s", temporary, strerror(errno));
    int bad = write_all(to, header, n, item);
    int error = errno;
    if (fclose(to) != 0 && !bad) {
        bad = -1;
        error = errno;
    }
    if (!bad && rename(temporary, path) == 0)
        return ST_OK;
    if (!bad)
        error = errno;
    unlink(temporary);
    return fail(ST_IO, "%s: cannot be written: %s", path, strerror(error));
}

enum status safetensors_write(const char *path, int n, const struct safetensors_item *item,
                              int n_meta, const char *const (*meta)[2])
{
    for (int i = 0; i < n; i++)
        BUG_ON(item[i].ndim < 0 || item[i].ndim > SAFETENSORS_MAX_DIMS || item_bytes(&item[i]) < 0,
               "tensor %s of %d dimensions cannot be written", item[i].name, item[i].ndim);
    char *header = header_text(n, item, n_meta, meta);
    if (!header)
        return fail(ST_INVALID, "%s: a name or text of its header is not UTF-8", path);
    char *temporary;
    enum status st;
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
        st = fail(ST_OOM, "%s: memory for a file's name", path);
    } else {
        st = write_file(path, temporary, header, n, item);
        free(temporary);
    }
    free(header);
    return st;
}
