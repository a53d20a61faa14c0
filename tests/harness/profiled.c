/* SPDX-License-Identifier: Apache-2.0 */
/* Runs `ditbench profile`, and reads what it wrote. */
#include "tests/harness/profiled.h"
#include "tests/harness/pictures.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* ---- running ---- */

struct profiled_place profiled_place_of(const char *name)
{
    struct profiled_place place;
    snprintf(place.path, sizeof place.path, "%s/%s", program_folder(), name);
    return place;
}

struct program profiled_run(const char *strategy, const char *folder, const char *more,
                            const char *transport)
{
    return program_run("profile", "--model=pixart-tiny", "--size=64", "--steps=4", "--threads=2",
                       "--repeats=2", "--json", "--strategy", strategy, "--out", folder,
                       "--transport", transport, more, NULL);
}

void profiled_done(const struct program *p)
{
    cr_assert_eq(p->status, pictures_have_gnuplot() ? 0 : 2, "%d: %s", p->status, p->err);
}

/* ---- reading ---- */

static const char *const breakdown_names[COLUMNS] = {"rank",
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
                                                     "other_ms"};
static const char *const kernels_names[] = {"Time (%)",    "Total Time (ns)",
                                            "Instances",   "Avg (ns)",
                                            "Med (ns)",    "Min (ns)",
                                            "Max (ns)",    "StdDev (ns)",
                                            "Name",        "Range",
                                            "GFLOP",       "MB",
                                            "TFLOP/s",     "GB/s",
                                            "Ceiling (%)", "To win (ms)"};
enum { KERNELS_COLUMNS = sizeof kernels_names / sizeof kernels_names[0] };

static void open_csv(const char *folder, const char *name, int columns, const char *const *names,
                     struct csv *out)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(csv_open(path, columns, names, out), ST_OK, "%s", status_text());
}

struct profiled profiled_open(const char *folder)
{
    struct profiled p = {.folder = folder};
    char path[400];
    snprintf(path, sizeof path, "%s/profile.json", folder);
    p.json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(p.json, "%s", path);
    open_csv(folder, "breakdown.csv", COLUMNS, breakdown_names, &p.breakdown);
    open_csv(folder, "kernels.csv", KERNELS_COLUMNS, kernels_names, &p.kernels);
    p.ranks = (int)json_integer_value(json_object_get(p.json, "ranks"));
    p.rows = p.breakdown.rows;
    return p;
}

void profiled_close(struct profiled *profiled)
{
    json_decref(profiled->json);
    csv_release(&profiled->breakdown);
    csv_release(&profiled->kernels);
}

int64_t profiled_whole(const struct csv *csv, int row, int column)
{
    int64_t value;
    cr_assert_eq(csv_whole(csv, row, column, 0, INT64_MAX, &value), ST_OK, "%s", status_text());
    return value;
}

double profiled_number(const struct csv *csv, int row, int column)
{
    double value;
    cr_assert_eq(csv_number(csv, row, column, 0, 1e12, &value), ST_OK, "%s", status_text());
    return value;
}

double profiled_sum(const struct profiled *profiled, int rank, int column)
{
    double sum = 0;
    for (int i = 0; i < profiled->rows; i++)
        if (profiled_whole(&profiled->breakdown, i, RANK) == rank)
            sum += profiled_number(&profiled->breakdown, i, column);
    return sum;
}

int64_t profiled_count(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}
