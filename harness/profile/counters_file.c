/* SPDX-License-Identifier: Apache-2.0 */
/* A table of counters as JSON: sums, so that ranks add up; numbers that are not had are null. */
#include "harness/profile/counters_file.h"

#include "harness/base/folder.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "ditbench-counters-1"

static const char *path_of(const char *folder, int rank, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.4000s/rank-%d.json", folder, rank);
    return path;
}

/* ---- out ---- */

static json_t *rows_json(const struct counters_table *table)
{
    json_t *out = json_array();
    for (int i = 0; i < table->rows; i++) {
        const struct counters_row *row = &table->row[i];
        json_t *sum = json_array();
        for (int k = 0; k < COUNTERS; k++)
            json_array_append_new(sum,
                                  isfinite(row->sum[k]) ? json_real(row->sum[k]) : json_null());
        json_array_append_new(out, json_pack("{s:s, s:i, s:o}", "name", row->name, "instances",
                                             row->instances, "sum", sum));
    }
    return out;
}

static json_t *texts_json(size_t size, const char *first)
{
    json_t *out = json_array();
    for (int k = 0; k < COUNTERS; k++)
        json_array_append_new(out, json_string(first + (size_t)k * size));
    return out;
}

enum status counters_file_write(const char *folder, int rank, const struct counters_table *table)
{
    char path[PATH_MAX];
    TRY(folder_make(folder));
    path_of(folder, rank, path);
    json_t *json = json_pack(
        "{s:s, s:i, s:s, s:f, s:o, s:o, s:o}", "schema", SCHEMA, "passes", table->passes, "mode",
        table->mode, "wire", table->wire, "metric", texts_json(COUNTERS_METRIC, table->metric[0]),
        "reason", texts_json(COUNTERS_REASON, table->reason[0]), "rows", rows_json(table));
    if (!json)
        return fail(ST_OOM, "%s: no host memory", path);
    int failed = json_dump_file(json, path, JSON_COMPACT);
    int error = errno;
    json_decref(json);
    return failed ? fail(ST_IO, "%s: cannot be written: %s", path, strerror(error)) : ST_OK;
}

/* ---- in ---- */

static enum status read_texts(const json_t *json, size_t size, char *first)
{
    if (json_array_size(json) != COUNTERS)
        return fail(ST_INVALID, "%zu texts, and %d are wanted", json_array_size(json),
                    (int)COUNTERS);
    for (int k = 0; k < COUNTERS; k++) {
        const char *text = json_string_value(json_array_get(json, (size_t)k));
        snprintf(first + (size_t)k * size, size, "%s", text ? text : "");
    }
    return ST_OK;
}

static enum status read_row(const json_t *json, struct counters_row *row)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *sum = json_object_get(json, "sum");
    *row = (struct counters_row){.instances = 0};
    if (!name || json_array_size(sum) != COUNTERS)
        return fail(ST_INVALID, "row \"%s\" has %zu sums, and %d are wanted", name ? name : "",
                    json_array_size(sum), (int)COUNTERS);
    snprintf(row->name, sizeof row->name, "%s", name);
    row->instances = (int)json_integer_value(json_object_get(json, "instances"));
    for (int k = 0; k < COUNTERS; k++) {
        const json_t *value = json_array_get(sum, (size_t)k);
        row->sum[k] = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
    return ST_OK;
}

/* *out: an empty table, whose rows are the caller's to release whatever the status. */
static enum status read_table(const json_t *json, struct counters_table *out)
{
    const char *schema = json_string_value(json_object_get(json, "schema"));
    const char *mode = json_string_value(json_object_get(json, "mode"));
    const json_t *rows = json_object_get(json, "rows");
    size_t n = json_array_size(rows);
    if (!schema || strcmp(schema, SCHEMA) != 0 || !mode)
        return fail(ST_INVALID, "schema \"%s\", and " SCHEMA " is wanted", schema ? schema : "");
    snprintf(out->mode, sizeof out->mode, "%s", mode);
    out->passes = (int)json_integer_value(json_object_get(json, "passes"));
    out->wire = json_number_value(json_object_get(json, "wire"));
    TRY(read_texts(json_object_get(json, "metric"), COUNTERS_METRIC, out->metric[0]));
    TRY(read_texts(json_object_get(json, "reason"), COUNTERS_REASON, out->reason[0]));
    out->row = calloc(n + 1, sizeof *out->row);
    if (!out->row)
        return fail(ST_OOM, "%zu rows: no host memory", n);
    for (; (size_t)out->rows < n; out->rows++)
        TRY(read_row(json_array_get(rows, (size_t)out->rows), &out->row[out->rows]));
    return ST_OK;
}

static enum status add_file(const char *path, struct counters_table *out)
{
    struct counters_table table;
    json_error_t error;
    if (access(path, R_OK) != 0)
        return fail(ST_IO, "%s: %s", path, strerror(errno));
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        return fail(ST_INVALID, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    counters_table_init(&table);
    enum status st = read_table(json, &table);
    json_decref(json);
    if (st == ST_OK)
        st = counters_table_merge(out, &table);
    counters_table_release(&table);
    return st ? fail_prefix(st, "%s", path) : ST_OK;
}

enum status counters_file_read(const char *folder, int ranks, struct counters_table *out)
{
    char path[PATH_MAX];
    for (int r = 0; r < ranks; r++)
        TRY(add_file(path_of(folder, r, path), out));
    return ST_OK;
}

void counters_file_remove(const char *folder, int ranks)
{
    char path[PATH_MAX];
    for (int r = 0; r < ranks; r++)
        unlink(path_of(folder, r, path));
    rmdir(folder);
}
