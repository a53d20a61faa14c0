/* SPDX-License-Identifier: Apache-2.0 */
/* Two profiles side by side, from files written by hand: what is matched, what changes, and how
 * files that are not as they should be are refused. */
#include "harness/profile/diff.h"
#include "harness/profile/hot.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(profile_diff, .init = program_limit);

#define KERNELS                                                                                    \
    "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name,"     \
    "Range,GFLOP,MB,TFLOP/s,GB/s,Ceiling (%),To win (ms)\n"
#define SHARES                                                                                     \
    "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,overlap_osu_pct,"       \
    "gaps_ms,bubble_ms,wait_ms,other_ms\n"
/* A kernel of so many milliseconds. */
#define ROW(ms, name, range) "1.00," ms "000000,1,1.0,1.0,1,1,0.0," name "," range ",0,0,,,,\n"

static void near(double got, double want)
{
    cr_assert(fabs(got - want) <= 1e-9 * fabs(want), "%.12g, wanted %.12g", got, want);
}

/* ---- folders ---- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    program_write(path, text);
}

/* One rank, unless `shares` says otherwise; NULL: of two steps. */
static const char *make(const char *name, int steps, const char *kernels, const char *shares)
{
    char about[100], *text;
    const char *folder = program_file(name);
    mkdir(folder, 0700);
    snprintf(about, sizeof about, "{\"cell\": {}, \"steps\": %d}\n", steps);
    put(folder, "profile.json", about);
    cr_assert_gt(asprintf(&text, "%s%s", KERNELS, kernels), 0);
    put(folder, "kernels.csv", text);
    free(text);
    cr_assert_gt(asprintf(&text, "%s%s", SHARES,
                          shares ? shares
                                 : "0,0,10,6,4,2,50,,1,0,1,0\n"
                                   "0,1,14,8,4,3,25,,1,0,1,1\n"),
                 0);
    put(folder, "breakdown.csv", text);
    free(text);
    return folder;
}

static struct profile_diff compare(const char *a, const char *b)
{
    struct profile_diff diff;
    cr_assert_eq(profile_diff_open(a, b, &diff), ST_OK, "%s", status_text());
    return diff;
}

static void check(const struct profile_change *change, const char *range, const char *was,
                  const char *is, double a, double b)
{
    cr_assert_str_eq(change->range, range);
    cr_assert_str_eq(change->was ? change->was : "none", was);
    cr_assert_str_eq(change->is ? change->is : "none", is);
    near(change->a, a);
    near(change->b, b);
    near(change->change, b - a);
}

/* ---- matching ---- */

Test(profile_diff, kernels_are_known_by_operation_and_name)
{
    struct profile_diff diff =
        compare(make("a", 1, ROW("20", "gemm", "qkv") ROW("5", "gemm", "out"), NULL),
                make("b", 1, ROW("8", "gemm", "out") ROW("13", "gemm", "qkv"), NULL));
    cr_assert_eq(diff.kernels, 2);
    check(&diff.kernel[0], "qkv", "gemm", "gemm", 20, 13);
    check(&diff.kernel[1], "out", "gemm", "gemm", 5, 8);
    cr_assert_eq(diff.ranges, 2);
    check(&diff.range[0], "qkv", "qkv", "qkv", 20, 13);
    check(&diff.range[1], "out", "out", "out", 5, 8);
    near(diff.total[0], 25);
    near(diff.total[1], 21);
    profile_diff_release(&diff);
}

Test(profile_diff, times_are_of_a_step_and_rank)
{
    struct profile_diff diff =
        compare(make("a", 2, ROW("20", "gemm", "qkv"), NULL),
                make("b", 5, ROW("90", "gemm", "qkv"),
                     "0,0,1,1,,,,,0,0,0,0\n1,0,1,1,,,,,0,0,0,0\n7,0,4,4,,,,,0,0,0,0\n"));
    cr_assert_eq(diff.side[1].ranks, 3);
    check(&diff.kernel[0], "qkv", "gemm", "gemm", 10, 6);
    profile_diff_release(&diff);
}

Test(profile_diff, the_one_that_is_left_was_renamed)
{
    struct profile_diff diff =
        compare(make("a", 1, ROW("20", "gemm_sm80", "qkv") ROW("2", "reduce", "qkv"), NULL),
                make("b", 1, ROW("8", "gemm_sm90", "qkv") ROW("2", "reduce", "qkv"), NULL));
    cr_assert_eq(diff.kernels, 2);
    check(&diff.kernel[0], "qkv", "gemm_sm80", "gemm_sm90", 20, 8);
    check(&diff.kernel[1], "qkv", "reduce", "reduce", 2, 2);
    profile_diff_release(&diff);
}

/* Shares: A's 60% and 40%; B's 62%, 30% and 8%. Nearest: 60 and 62, then 40 and 30. */
Test(profile_diff, of_several_the_nearest_shares_are_the_same_kernel)
{
    struct profile_diff diff = compare(
        make("a", 1, ROW("60", "big", "mlp") ROW("40", "mid", "mlp"), NULL),
        make("b", 1, ROW("15", "second", "mlp") ROW("31", "first", "mlp") ROW("4", "third", "mlp"),
             NULL));
    cr_assert_eq(diff.kernels, 3);
    check(&diff.kernel[0], "mlp", "big", "first", 60, 31);
    check(&diff.kernel[1], "mlp", "mid", "second", 40, 15);
    check(&diff.kernel[2], "mlp", "none", "third", 0, 4);
    cr_assert_eq(diff.ranges, 1);
    check(&diff.range[0], "mlp", "mlp", "mlp", 100, 50);
    profile_diff_release(&diff);
}

Test(profile_diff, operations_come_and_go)
{
    struct profile_diff diff =
        compare(make("a", 1, ROW("3", "copy", "skip") ROW("1", "x", ""), NULL),
                make("b", 1, ROW("5", "copy", "enter") ROW("1", "y", ""), NULL));
    cr_assert_eq(diff.ranges, 3);
    check(&diff.range[0], "enter", "none", "enter", 0, 5);
    check(&diff.range[1], "skip", "skip", "none", 3, 0);
    check(&diff.range[2], "", "", "", 1, 1);
    cr_assert_eq(diff.kernels, 4);
    check(&diff.kernel[0], "enter", "none", "copy", 0, 5);
    check(&diff.kernel[1], "skip", "copy", "none", 3, 0);
    check(&diff.kernel[2], "", "x", "none", 1, 0); // in no operation: not taken for renamed
    check(&diff.kernel[3], "", "none", "y", 0, 1);
    profile_diff_release(&diff);
}

Test(profile_diff, means_are_of_the_rows_that_have_the_value)
{
    struct profile_diff diff =
        compare(make("a", 2, "", NULL), make("b", 1, "", "0,0,10,5,,1,,-20.5,0,0,0,4\n"));
    cr_assert_eq(diff.kernels + diff.ranges, 0);
    const double *a = diff.side[0].mean, *b = diff.side[1].mean;
    cr_assert_str_eq(profile_share(0), "total_ms");
    near(a[0], 12);
    near(b[0], 10);
    cr_assert_str_eq(profile_share(4), "overlap_hta_pct");
    near(a[4], 37.5);
    cr_assert(isnan(b[4]) && isnan(b[2]) && isnan(a[5]));
    near(b[5], -20.5);
    profile_diff_release(&diff);
}

/* ---- what breaks off ---- */

static char *printed(const struct profile_diff *diff, bool markdown, int most)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(profile_diff_print(diff, markdown, most, out), ST_OK);
    fclose(out);
    return text;
}

/* 20 ms in 2 of 10 steps; B is whole. */
Test(profile_diff, of_a_record_that_breaks_off_whole_steps_count)
{
    const char *a = make("a", 10, ROW("20", "gemm", "qkv"), NULL);
    const char *b = make("b", 1, ROW("8", "gemm", "qkv"), "0,0,1,1,,,,,0,0,0,0\n");
    put(a, "profile.json",
        "{\"steps\": 10, \"steps_whole\": 2, \"incomplete\": \"rank 1 of 2 left no record\"}");
    struct profile_diff diff = compare(a, b);
    check(&diff.kernel[0], "qkv", "gemm", "gemm", 10, 8);
    char *text = printed(&diff, false, 0);
    cr_assert(strstr(text, "/a, 2 whole of 10 steps, 1 rank\n"), "%s", text);
    cr_assert(strstr(text, "A is not complete; its times are of 2 of 10 steps: rank 1 of 2 left no "
                           "record\n"),
              "%s", text);
    cr_assert_null(strstr(text, "B is not"), "%s", text);
    free(text);
    profile_diff_release(&diff);
}

/* ---- what is printed ---- */

static struct profile_diff example(void)
{
    return compare(
        make("a", 1, ROW("20", "gemm_80", "qkv") ROW("3", "copy", "skip") ROW("9", "norm", "norm"),
             NULL),
        make("b", 1, ROW("15", "gemm_90", "qkv") ROW("10", "norm", "norm") ROW("1", "x", ""),
             NULL));
}

Test(profile_diff, tables)
{
    struct profile_diff diff = example();
    char *text = printed(&diff, false, 0);
    cr_assert(strstr(text, "/a, 1 step, 1 rank\nB: "), "%s", text);
    cr_assert(strstr(text, "mean of steps        A      B  change\n"
                           "total_ms         12.00  12.00   0.000\n"),
              "%s", text);
    cr_assert(strstr(text, "operation  A ms/step  B ms/step  change ms  change %\n"
                           "qkv            20.00      15.00     -5.000    -25.00\n"
                           "skip           3.000          -     -3.000         -\n"
                           "(in none)          -      1.000     +1.000         -\n"
                           "norm           9.000      10.00     +1.000    +11.11\n"
                           "all            32.00      26.00     -6.000    -18.75\n"),
              "%s", text);
    cr_assert(strstr(text, "qkv        gemm_80 -> gemm_90      20.00      15.00     -5.000    "
                           "-25.00\n"),
              "%s", text);
    free(text);
    text = printed(&diff, true, 1);
    cr_assert(strstr(text, "| operation | A ms/step | B ms/step | change ms | change % |\n"
                           "| --- | ---: | ---: | ---: | ---: |\n"
                           "| qkv | 20.00 | 15.00 | -5.000 | -25.00 |\n"
                           "| all | 32.00 | 26.00 | -6.000 | -18.75 |\n"
                           "\nand 3 more, together -1.000 ms\n"),
              "%s", text);
    cr_assert(strstr(text, "| qkv | gemm\\_80 -> gemm\\_90 | 20.00 |"), "%s", text);
    free(text);
    profile_diff_release(&diff);
}

Test(profile_diff, json)
{
    struct profile_diff diff = example();
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(profile_diff_json(&diff, out), ST_OK);
    fclose(out);
    json_t *all = json_loads(text, 0, NULL);
    const char *was, *is, *operation;
    double total, a, b, change;
    cr_assert_eq(json_unpack(all, "{s:{s:{s:F}}, s:[{s:s, s:s, s:s, s:F, s:F, s:F}]}", "a",
                             "breakdown", "total_ms", &total, "kernels", "operation", &operation,
                             "was", &was, "is", &is, "a_ms", &a, "b_ms", &b, "change_ms", &change),
                 0);
    near(total, 12);
    cr_assert_str_eq(operation, "qkv");
    cr_assert_str_eq(was, "gemm_80");
    cr_assert_str_eq(is, "gemm_90");
    near(a, 20);
    near(b, 15);
    near(change, -5);
    const json_t *skip = json_array_get(json_object_get(all, "operations"), 1);
    cr_assert(json_is_null(json_object_get(skip, "b_ms")));
    json_decref(all);
    free(text);
    profile_diff_release(&diff);
}

Test(profile_diff, a_folder_that_json_cannot_name_is_refused)
{
    struct profile_diff diff = compare(make("a\xff", 1, "", NULL), make("b", 1, "", NULL));
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(profile_diff_json(&diff, out), ST_INVALID);
    cr_assert(strstr(status_message(), "is not UTF-8"));
    fclose(out);
    free(text);
    profile_diff_release(&diff);
}

Test(profile_diff, reads_what_hot_write_writes)
{
    struct hot_row row[] = {{"gemm<int, \"x\">\nline", "qkv", 2, 75, 3e9, 1.5e9, 1.5e9, 1e9, 2e9,
                             1.25e-7, 1e-12, 3, 160, 1e-5, 130, 1e9, 5},
                            {"fill", "", 1, 25, 1e9, 1e9, 1e9, 1e9, 1e9, 0, 0, 0, (double)NAN,
                             (double)NAN, (double)NAN, (double)NAN, (double)NAN}};
    const struct hot hot = {.rows = 2, .row = row};
    const char *path = program_file("written.csv");
    struct profile_side side = {.steps = 1};
    cr_assert_eq(hot_write(&hot, path), ST_OK);
    cr_assert_eq(profile_side_kernels(path, &side), ST_OK, "%s", status_text());
    cr_assert_eq(side.kernels, 2);
    cr_assert_str_eq(side.kernel[0].name, "fill");
    near(side.kernel[0].total, 1e9);
    cr_assert_str_eq(side.kernel[1].name, row[0].name);
    cr_assert_str_eq(side.kernel[1].range, "qkv");
    profile_side_release(&side);
}

/* ---- refusals ---- */

/* What is said of B's `file` with `text` in it, behind its folder. */
static void refused(const char *file, const char *text, const char *want)
{
    struct profile_diff diff;
    const char *a = make("a", 1, "", NULL), *b = make("b", 1, "", NULL);
    put(b, file, text);
    cr_assert_eq(profile_diff_open(a, b, &diff), ST_INVALID, "%s in %s", text, file);
    const char *said = strstr(status_message(), file);
    cr_assert(said && strncmp(said + strlen(file), want, strlen(want)) == 0,
              "said: %s\nwanted: %s%s", status_message(), file, want);
}

Test(profile_diff, files_that_are_not_csv)
{
    refused("kernels.csv", "", ":1:1: nothing in it, wanted a header of 16 columns");
    refused("kernels.csv", "Time (%),Name\n", ":1:14: found 2 cells, wanted 16");
    refused("kernels.csv", KERNELS "1\n", ":2:2: found 1 cell, wanted 16");
    refused("kernels.csv", KERNELS "\n", ":2:1: found 1 cell, wanted 16");
    refused("kernels.csv", KERNELS ",,,,,,,,,,,,,,,,\n", ":2:17: found a cell more than the 16");
    refused("kernels.csv", KERNELS "1,2", ":2:4: the last line has no end");
    refused("kernels.csv", KERNELS "1,\"2,\n3", ":2:3: a quote that is never closed");
    refused("kernels.csv", KERNELS "1,ab\"c\",\n", ":2:5: found a quote within 'ab'");
    refused("kernels.csv", KERNELS "1,\"ab\"c,\n", ":2:7: found byte 0x63 behind a cell");
    refused("kernels.csv", KERNELS "1,a\rb,\n", ":2:4: found byte 0x0d behind a cell");
    refused("kernels.csv", KERNELS "1,\"a\nb\"c,\n", ":3:3: found byte 0x63 behind a cell");
}

Test(profile_diff, kernels_that_are_not_as_they_should_be)
{
    refused("kernels.csv", SHARES, ":1:121: found 12 cells, wanted 16");
    refused("kernels.csv", KERNELS "1,x,1,1,1,1,1,0,k,r,,,,,,\n",
            ":2:3: Total Time (ns): found 'x', wanted a number from 0 to 1e+18");
    refused("kernels.csv", KERNELS "1,5,0,1,1,1,1,0,k,r,,,,,,\n",
            ":2:5: Instances: found '0', wanted a whole number from 1 to 2147483647");
    refused("kernels.csv", KERNELS "1,5,1,1,1,1,1,nan,k,r,,,,,,\n", ":2:15: StdDev (ns): found");
    refused("kernels.csv", KERNELS "1,5,1,1,1,1,1,0,,r,,,,,,\n", ":2:17: Name: found nothing");
    refused("kernels.csv", KERNELS "1,5,1,1,1,1,1,0,k\xff,r,,,,,,\n",
            ":2:17: Name: found bytes that are not UTF-8");
    refused("kernels.csv", KERNELS "1,5,1,1,1,1,1,0,k,r,-1,,,,,\n", ":2:21: GFLOP: found '-1'");
    refused("kernels.csv", KERNELS ROW("1", "k", "r") ROW("1", "j", "r") ROW("2", "k", "r"),
            ":4:32: Name: found 'k' of range 'r' a second time");
}

/* Whole by themselves, but not what profile.json counts: 2 kernels of 5 instances, 2 rows. */
static void cut_off(const char *about, const char *file, const char *text, const char *want)
{
    struct profile_diff diff;
    const char *a = make("a", 1, "", NULL);
    const char *b = make("b", 2, ROW("1", "k", "r") ROW("1", "j", "r"), NULL);
    put(b, "profile.json", about);
    if (file)
        put(b, file, text);
    enum status st = profile_diff_open(a, b, &diff);
    cr_assert_eq(st, want ? ST_INVALID : ST_OK, "%s", status_text());
    if (want)
        cr_assert(strstr(status_message(), want), "said: %s\nwanted: %s", status_message(), want);
    else
        profile_diff_release(&diff);
}

Test(profile_diff, tables_that_end_early_are_refused)
{
    const char *about = "{\"steps\": 2, \"ranks\": 1, \"tables\": {\"kernels_rows\": 2, "
                        "\"kernels_instances\": 2, \"breakdown_rows\": 2}}";
    cut_off(about, NULL, NULL, NULL);
    cut_off(about, "kernels.csv", KERNELS, "/kernels.csv: rows: found 0, wanted the 2 that");
    cut_off(about, "kernels.csv", KERNELS ROW("1", "k", "r"),
            "/kernels.csv: rows: found 1, wanted the 2 that profile.json counts");
    cut_off(about, "breakdown.csv", SHARES "0,0,10,6,4,2,50,,1,0,1,0\n",
            "/breakdown.csv: rows: found 1, wanted the 2 that profile.json counts");
    about = "{\"steps\": 2, \"ranks\": 1, \"counts\": {\"kernels\": 1, \"copies\": 1, "
            "\"fills\": 0}}"; // of an older version
    cut_off(about, NULL, NULL, NULL);
    cut_off(about, "kernels.csv", KERNELS ROW("1", "k", "r"),
            "/kernels.csv: instances: found 1, wanted the 2 that profile.json counts");
    cut_off(about, "breakdown.csv", SHARES "0,0,10,6,4,2,50,,1,0,1,0\n",
            "/breakdown.csv: rows: found 1, wanted the 2 that");
}

Test(profile_diff, a_record_without_a_whole_step_is_refused)
{
    cut_off("{\"steps\": 2, \"steps_whole\": 0, \"incomplete\": \"x\"}", NULL, NULL,
            "/b: no step was recorded to its end");
    cut_off("{\"steps\": 2, \"steps_whole\": 3}", NULL, NULL,
            "\"steps_whole\": found 3, wanted at most the 2");
}

Test(profile_diff, a_header_of_another_version)
{
    char text[] = SHARES "0,0,1,1,,,,,0,0,0,0\n";
    memcpy(strstr(text, "gaps"), "gapz", 4);
    refused("breakdown.csv", text, ":1:87: found column 'gapz_ms', wanted 'gaps_ms'");
}

Test(profile_diff, breakdowns_that_are_not_as_they_should_be)
{
    refused("breakdown.csv", SHARES, ":2:1: no rows");
    refused("breakdown.csv", SHARES "0,0,1,1,,,,,0,0,0,0\n0,0,1,1,,,,,0,0,0,0\n",
            ":3:1: rank: found rank 0, step 0 behind rank 0, step 0");
    refused("breakdown.csv", SHARES "1,0,1,1,,,,,0,0,0,0\n0,1,1,1,,,,,0,0,0,0\n",
            ":3:1: rank: found rank 0, step 1 behind rank 1, step 0");
    refused("breakdown.csv", SHARES "-1,0,1,1,,,,,0,0,0,0\n", ":2:1: rank: found '-1'");
}

Test(profile_diff, a_profile_without_steps)
{
    refused("profile.json", "{\"steps\": 0}", ": \"steps\": found 0, wanted a whole number");
    refused("profile.json", "{\"steps\": \"2\"}", ": \"steps\": found \"2\", wanted");
    refused("profile.json", "{}", ": \"steps\": found nothing, wanted");
    refused("profile.json", "{\n\"steps\" 3}", ":2:");
    struct profile_diff diff;
    const char *a = make("a", 1, "", NULL);
    cr_assert_eq(profile_diff_open(a, "/no/such", &diff), ST_IO);
    cr_assert(strstr(status_message(), "/no/such/profile.json"), "%s", status_message());
}
