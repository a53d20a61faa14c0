/* SPDX-License-Identifier: Apache-2.0 */
/* What a record says of its own numbers: flags, and the rule that ended its loops. */
#include "harness/record/record.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *line_of(const struct record *r)
{
    char *line;
    size_t size;
    cr_assert_eq(record_write(r, &line, &size), ST_OK, "%s", status_text());
    cr_assert_eq(strlen(line), size);
    return line;
}

static struct record *read_line(const char *line)
{
    struct record *r;
    cr_assert_eq(record_read(line, strlen(line), 1, &r), ST_OK, "%s", status_text());
    return r;
}

/* ---- flags ---- */

Test(record_flags, a_wide_spread_is_flagged)
{
    const double calm[] = {100, 100, 100, 125, 125}, noisy[] = {100, 100, 100, 126, 126};
    struct record *r = rows_ok("serial", 1, 100);
    cr_assert_eq(r->flags.n, 0);
    record_set_numbers(r, &r->latency_ms.samples, 5, calm);
    record_summarise(r);
    record_judge(r);
    cr_assert(!record_has_flag(r, RECORD_NOISY), "p90 = 1.25 p10 is not over it");
    record_set_numbers(r, &r->latency_ms.samples, 5, noisy);
    record_summarise(r);
    record_judge(r);
    cr_assert(record_has_flag(r, "noisy"));
    cr_assert_eq(r->status, ENDING_OK);
    char *line = line_of(r);
    cr_assert_not_null(strstr(line, "\"flags\": [\"noisy\"]"));
    free(line);
    record_close(r);
}

/* Quartiles 100 and 101: far out begins beyond 97 and 104, and beyond 5 % of the median. */
Test(record_flags, a_loop_far_from_all_others_is_flagged)
{
    const double near[] = {100, 100, 100, 100.5, 101, 101, 101, 105},
                 far[] = {100, 100, 100, 100.5, 101, 101, 101, 107},
                 few[] = {100, 100, 100, 101, 101, 101, 107};
    struct record *r = rows_ok("serial", 1, 100);
    record_set_numbers(r, &r->latency_ms.samples, 8, near);
    record_summarise(r);
    record_judge(r);
    cr_expect_eq(r->flags.n, 0, "4.2 % from the median");
    record_set_numbers(r, &r->latency_ms.samples, 8, far);
    record_summarise(r);
    record_judge(r);
    cr_expect(r->flags.n == 1 && record_has_flag(r, "outliers"));
    cr_expect_eq(r->status, ENDING_OK);
    record_set_numbers(r, &r->latency_ms.samples, 7, few);
    record_summarise(r);
    record_judge(r);
    cr_expect_eq(r->flags.n, 0, "7 loops are too few to tell");
    record_close(r);
}

Test(record_flags, ranks_that_share_a_gpu_are_flagged)
{
    struct record *r = rows_ok("ring=2", 2, 100);
    record_flag(r);
    cr_assert_eq(r->flags.n, 0, "on the CPU ranks share its cores, and the record says how many");
    rows_set_gpus(r, "local", 1);
    record_flag(r);
    cr_assert(record_has_flag(r, "shared_gpu"));
    rows_set_gpus(r, "nccl", 1); // on several hosts: this one has one
    record_flag(r);
    cr_assert_eq(r->flags.n, 0);
    record_close(r);
    r = rows_failed("ring=2", 2, ENDING_UNSUPPORTED, "no");
    rows_set_gpus(r, "local", 1);
    record_flag(r);
    cr_assert_eq(r->flags.n, 0, "what did not run has no numbers to warn of");
    record_close(r);
}

/* ---- loops under a rule ---- */

static struct record *ruled(int n, const double *ms)
{
    struct record *r = rows_ok("serial", 1, 100);
    r->cell.repeats = RECORD_UNKNOWN;
    r->cell.stop = (struct record_stop){10, 5, 20, 1.5};
    record_set_numbers(r, &r->latency_ms.samples, n, ms);
    record_summarise(r);
    record_judge(r);
    return r;
}

Test(record_flags, a_rule_reads_back)
{
    const double ms[] = {100, 100, 100, 100, 100, 100};
    struct record *r = ruled(6, ms);
    r->cell.round = 2;
    char *line = line_of(r);
    cr_assert(strstr(line, "\"repeats\": null, \"threads\": 2,"), "%s", line);
    cr_assert(strstr(line, "\"stop\": {\"min_loops\": 10, \"min_seconds\": 5, \"max_seconds\": 20, "
                           "\"max_noise\": 1.5}, \"round\": 2}"),
              "%s", line);
    struct record *copy = read_line(line);
    char *again = line_of(copy);
    cr_assert_str_eq(again, line);
    free(again);
    record_close(copy);
    static const char *const bad[][3] = {
        {"\"repeats\": null", "\"repeats\": 5", "line 1: cell.stop: found a rule, wanted null"},
        {"\"min_loops\": 10", "\"min_loops\": 0", "line 1: cell.stop: min_loops is 0"},
        {"\"max_noise\": 1.5", "\"max_noise\": null", "line 1: cell.stop: found null in it"},
        {"\"max_noise\": 1.5", "\"noise\": 1.5", "line 1: cell.stop.max_noise: missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *at = strstr(line, bad[i][0]), *text = NULL;
        cr_assert_geq(
            asprintf(&text, "%.*s%s%s", (int)(at - line), line, bad[i][1], at + strlen(bad[i][0])),
            0);
        cr_assert_eq(record_read(text, strlen(text), 1, &copy), ST_INVALID, "%s", bad[i][1]);
        cr_assert(strstr(status_message(), bad[i][2]), "%s", status_message());
        free(text);
    }
    free(line);
    record_close(r);
}

Test(record_flags, a_median_that_is_not_known_well_is_noisy)
{
    /* of 10 the interval is from the second smallest to the second largest */
    const double known[] = {97, 98.5, 100, 100, 100, 100, 100, 100, 101.5, 103};
    double wide[10];
    memcpy(wide, known, sizeof wide);
    wide[8] = 101.6;
    struct record *r = ruled(10, known);
    cr_assert(!record_has_flag(r, "noisy"));
    record_close(r);
    r = ruled(10, wide);
    cr_assert(record_has_flag(r, "noisy"));
    r->cell.repeats = 10; /* only the rule judges the interval */
    r->cell.stop = (struct record_stop){0};
    record_flag(r);
    cr_assert(!record_has_flag(r, "noisy"));
    record_close(r);
    r = ruled(5, known);
    cr_assert(record_has_flag(r, "noisy"), "five samples have no interval");
    record_close(r);
}

/* ---- drift ---- */

static bool drifts(int n, const double *ms)
{
    struct record *r = rows_ok("serial", 1, 100);
    record_set_numbers(r, &r->latency_ms.samples, n, ms);
    record_summarise(r);
    record_flag(r);
    bool flagged = record_has_flag(r, "drift");
    record_close(r);
    return flagged;
}

Test(record_flags, a_last_third_unlike_the_first_is_drift)
{
    const double up[] = {100, 100.1, 99.9, 101, 101, 101, 102, 102.1, 101.9};
    const double down[] = {102, 102.1, 101.9, 101, 101, 101, 100, 100.1, 99.9};
    const double little[] = {100, 100.1, 99.9, 100, 101, 101, 101.4, 101.5, 101.3};
    const double mixed[] = {100, 104, 99, 101, 101, 101, 105, 103, 105};
    cr_assert(drifts(9, up) && drifts(9, down));
    cr_assert(!drifts(8, up), "thirds of two tell nothing");
    cr_assert(!drifts(9, little), "1.4 %% of 101");
    cr_assert(!drifts(9, mixed), "thirds that overlap");
}

Test(record_flags, thirds_of_six_have_intervals)
{
    double ms[21];
    for (int i = 0; i < 21; i++)
        ms[i] = i < 7 ? 100 : 110;
    ms[3] = 120; /* of seven the interval is all of their range, of nine it is not */
    cr_assert(!drifts(21, ms));
    double more[27];
    for (int i = 0; i < 27; i++)
        more[i] = i < 9 ? 100 : 110;
    more[3] = 120;
    cr_assert(drifts(27, more));
}
