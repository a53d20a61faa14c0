/* SPDX-License-Identifier: Apache-2.0 */
/* Reads kernels.csv, breakdown.csv and profile.json. */
#include "harness/profile/profile_read.h"

#include "kernels/base/file.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NS 1e18 /* 30 years */
#define MOST_MS 1e12

enum { MOST_BYTES = 16 << 20, MOST_STEPS = 1000000, MOST_RANKS = 1000000 };

/* ---- kernels.csv ---- */

enum {
    PERCENT,
    TOTAL,
    INSTANCES,
    MEAN,
    MEDIAN,
    LEAST,
    MOST,
    DEVIATION,
    NAME,
    RANGE,
    GFLOP,
    COLUMNS = 16
};

static const char *const kernel_columns[COLUMNS] = {
    "Time (%)",    "Total Time (ns)",
    "Instances",   "Avg (ns)",
    "Med (ns)",    "Min (ns)",
    "Max (ns)",    "StdDev (ns)",
    "Name",        "Range",
    "GFLOP",       "MB",
    "TFLOP/s",     "GB/s",
    "Ceiling (%)", "To win (ms)",
};

/* Texts of tables and JSON. */
static enum status check_text(const struct csv *csv, int row, int column)
{
    json_t *text = json_string(csv_text(csv, row, column));
    bool good = text != NULL;
    json_decref(text);
    return good ? ST_OK
                : csv_at(csv, row, column,
                         fail(ST_INVALID, "%s: found bytes that are not UTF-8, wanted text",
                              csv->name[column]));
}

/* *all grows by its instances. */
static enum status read_kernel(const struct csv *csv, int row, struct profile_kernel *out,
                               int64_t *all)
{
    double number;
    int64_t instances;
    *out = (struct profile_kernel){
        .name = csv_text(csv, row, NAME), .range = csv_text(csv, row, RANGE), .row = row};
    TRY(csv_number(csv, row, PERCENT, 0, 100, &number));
    TRY(csv_number(csv, row, TOTAL, 0, MOST_NS, &out->total));
    TRY(csv_whole(csv, row, INSTANCES, 1, INT32_MAX, &instances));
    *all += instances;
    for (int c = MEAN; c <= DEVIATION; c++)
        TRY(csv_number(csv, row, c, 0, MOST_NS, &number));
    if (!*out->name)
        return csv_at(csv, row, NAME, fail(ST_INVALID, "Name: found nothing, wanted a kernel's"));
    TRY(check_text(csv, row, NAME));
    TRY(check_text(csv, row, RANGE));
    for (int c = GFLOP; c < COLUMNS; c++)
        TRY(csv_optional(csv, row, c, 0, MOST_NS, &number));
    return ST_OK;
}

static int by_range(const void *a, const void *b)
{
    const struct profile_kernel *x = a, *y = b;
    int order = strcmp(x->range, y->range);
    if (order == 0)
        order = strcmp(x->name, y->name);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static enum status check_twice(const struct profile_side *side)
{
    for (int i = 1; i < side->kernels; i++) {
        const struct profile_kernel *a = &side->kernel[i - 1], *b = &side->kernel[i];
        if (strcmp(a->range, b->range) == 0 && strcmp(a->name, b->name) == 0)
            return csv_at(&side->csv, b->row, NAME,
                          fail(ST_INVALID,
                               "Name: found '%.100s' of range '%.60s' a second time, wanted each "
                               "kernel once a range",
                               b->name, b->range));
    }
    return ST_OK;
}

enum status profile_side_kernels(const char *path, struct profile_side *out)
{
    TRY(csv_open(path, COLUMNS, kernel_columns, &out->csv));
    out->kernels = out->csv.rows;
    out->kernel = calloc((size_t)out->kernels + 1, sizeof *out->kernel);
    if (!out->kernel)
        return fail(ST_OOM, "%s: no host memory for %d kernels", path, out->kernels);
    for (int i = 0; i < out->kernels; i++)
        TRY(read_kernel(&out->csv, i, &out->kernel[i], &out->instances));
    qsort(out->kernel, (size_t)out->kernels, sizeof *out->kernel, by_range);
    return check_twice(out);
}

/* ---- breakdown.csv ---- */

enum { RANK, STEP, SHARES_FROM };

static const char *const breakdown_columns[SHARES_FROM + SIDE_SHARES] = {
    "rank",
    "step",
    "total_ms",
    "compute_ms",
    "comm_ms",
    "exposed_comm_ms",
    "overlap_hta_pct",
    "overlap_osu_pct",
    "gaps_ms",
    "bubble_ms",
    "wait_ms",
    "other_ms",
};

const char *profile_share(int share)
{
    return breakdown_columns[SHARES_FROM + share];
}

/* Rows come by rank, then step. */
static enum status check_order(const struct csv *csv, int row, int64_t rank, int64_t step,
                               int64_t last_rank, int64_t last_step)
{
    if (row == 0 || rank > last_rank || (rank == last_rank && step > last_step))
        return ST_OK;
    return csv_at(csv, row, RANK,
                  fail(ST_INVALID,
                       "rank: found rank %lld, step %lld behind rank %lld, step %lld; wanted rows "
                       "by rank, then step, each once",
                       (long long)rank, (long long)step, (long long)last_rank,
                       (long long)last_step));
}

static enum status read_breakdown(const struct csv *csv, struct profile_side *out)
{
    double sum[SIDE_SHARES] = {0};
    int n[SIDE_SHARES] = {0};
    int64_t rank = 0, step = 0, last_rank = -1, last_step = -1;
    out->rows = csv->rows;
    if (csv->rows == 0)
        return fail(ST_INVALID, "%s:2:1: no rows, wanted one for each rank and step", csv->path);
    for (int row = 0; row < csv->rows; row++) {
        TRY(csv_whole(csv, row, RANK, 0, MOST_RANKS, &rank));
        TRY(csv_whole(csv, row, STEP, 0, MOST_STEPS, &step));
        TRY(check_order(csv, row, rank, step, last_rank, last_step));
        out->ranks += rank != last_rank;
        last_rank = rank;
        last_step = step;
        for (int s = 0; s < SIDE_SHARES; s++) {
            double value;
            /* Overlap by OSU's definition is below 0 where a message takes longer than alone. */
            TRY(csv_optional(csv, row, SHARES_FROM + s, -MOST_MS, MOST_MS, &value));
            sum[s] += isnan(value) ? 0 : value;
            n[s] += !isnan(value);
        }
    }
    for (int s = 0; s < SIDE_SHARES; s++)
        out->mean[s] = n[s] > 0 ? sum[s] / n[s] : (double)NAN;
    return ST_OK;
}

enum status profile_side_breakdown(const char *path, struct profile_side *out)
{
    struct csv csv;
    TRY(csv_open(path, SHARES_FROM + SIDE_SHARES, breakdown_columns, &csv));
    enum status st = read_breakdown(&csv, out);
    csv_release(&csv);
    return st;
}

/* ---- profile.json ---- */

static enum status read_count(const char *path, const json_t *about, const char *key, int least,
                              int *out)
{
    const json_t *value = json_object_get(about, key);
    json_int_t n = json_integer_value(value);
    if (json_is_integer(value) && n >= least && n <= MOST_STEPS) {
        *out = (int)n;
        return ST_OK;
    }
    char *found = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    enum status st =
        fail(ST_INVALID, "%s: \"%s\": found %.60s, wanted a whole number from %d to %d", path, key,
             found ? found : "nothing", least, MOST_STEPS);
    free(found);
    return st;
}

static int64_t told(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* Profiles that were made before there were "tables" tell what follows from the rest. */
static struct side_counts read_told(const json_t *about, const struct profile_side *side)
{
    const json_t *tables = json_object_get(about, "tables");
    const json_t *counts = json_object_get(about, "counts");
    struct side_counts out = {told(tables, "kernels_rows"), told(tables, "kernels_instances"),
                              told(tables, "breakdown_rows")};
    int64_t ranks = told(about, "ranks");
    int64_t kernels = told(counts, "kernels"), copies = told(counts, "copies");
    int64_t fills = told(counts, "fills");
    if (tables)
        return out;
    if (kernels >= 0 && copies >= 0 && fills >= 0)
        out.instances = kernels + copies + fills;
    if (ranks > 0 && ranks <= MOST_RANKS && !side->incomplete[0])
        out.rows = ranks * side->steps;
    return out;
}

static enum status read_about(const char *path, const json_t *about, struct profile_side *out)
{
    const char *incomplete = json_string_value(json_object_get(about, "incomplete"));
    snprintf(out->incomplete, sizeof out->incomplete, "%s", incomplete ? incomplete : "");
    TRY(read_count(path, about, "steps", 1, &out->steps));
    out->whole = out->steps;
    if (json_object_get(about, "steps_whole"))
        TRY(read_count(path, about, "steps_whole", 0, &out->whole));
    if (out->whole > out->steps)
        return fail(ST_INVALID, "%s: \"steps_whole\": found %d, wanted at most the %d \"steps\"",
                    path, out->whole, out->steps);
    out->told = read_told(about, out);
    return ST_OK;
}

enum status profile_side_about(const char *path, struct profile_side *out)
{
    char *text;
    size_t size;
    json_error_t error;
    TRY(file_read_text(path, MOST_BYTES, &text, &size, NULL));
    json_t *about = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!about)
        return fail(ST_INVALID, "%s:%d:%d: found no JSON: %s", path, error.line, error.column,
                    error.text);
    enum status st = read_about(path, about, out);
    json_decref(about);
    return st;
}

/* ---- a folder ---- */

static enum status read_file(const char *folder, const char *name,
                             enum status (*read)(const char *path, struct profile_side *out),
                             struct profile_side *out)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return fail(ST_OOM, "%s: no host memory", folder);
    enum status st = read(path, out);
    free(path);
    return st;
}

/* A table may be cut off at a line's end: what is left is whole by itself. */
static enum status check_told(const char *folder, const char *name, const char *what, int64_t found,
                              int64_t wanted)
{
    return wanted < 0 || found == wanted
               ? ST_OK
               : fail(ST_INVALID,
                      "%s/%s: %s: found %lld, wanted the %lld that profile.json counts; was the "
                      "file "
                      "cut off, or is it another profile's?",
                      folder, name, what, (long long)found, (long long)wanted);
}

static enum status read_tables(const char *folder, struct profile_side *out)
{
    if (out->whole == 0)
        return fail(
            ST_INVALID,
            "%s: no step was recorded to its end, so there is no time of a step to compare; "
            "profile the cell again",
            folder);
    TRY(read_file(folder, "kernels.csv", profile_side_kernels, out));
    TRY(check_told(folder, "kernels.csv", "rows", out->kernels, out->told.kernels));
    TRY(check_told(folder, "kernels.csv", "instances", out->instances, out->told.instances));
    TRY(read_file(folder, "breakdown.csv", profile_side_breakdown, out));
    return check_told(folder, "breakdown.csv", "rows", out->rows, out->told.rows);
}

enum status profile_side_open(const char *folder, struct profile_side *out)
{
    *out = (struct profile_side){.steps = 0};
    enum status st = read_file(folder, "profile.json", profile_side_about, out);
    if (st == ST_OK)
        st = read_tables(folder, out);
    if (st)
        profile_side_release(out);
    return st;
}

void profile_side_release(struct profile_side *side)
{
    csv_release(&side->csv);
    free(side->kernel);
    *side = (struct profile_side){.steps = 0};
}
