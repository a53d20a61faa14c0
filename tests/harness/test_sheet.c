/* SPDX-License-Identifier: Apache-2.0 */
/* Rows side by side: what a speed-up is measured by, and what order they stand in. */
#include "harness/report/memory.h"
#include "harness/report/sheet.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 2 };

static struct record *record[ROWS];

static void open_rows(void)
{
    record[0] = rows_ok("serial", 1, 100);
    record[1] = rows_ok("ring=2", 2, 40);
}

static void close_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        record_close(record[i]);
}

TestSuite(sheet, .init = open_rows, .fini = close_rows);

/* Whether the second row is measured by the first, and the two share a setting. */
static bool compared(const char *const *runs, bool *same_setting)
{
    struct sheet sheet;
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)record, runs, &sheet), ST_OK);
    bool is = sheet.v[1].serial == record[0];
    cr_assert(is || !sheet.v[1].serial);
    *same_setting = sheet_by_setting(&sheet.v[0], &sheet.v[1]) == 0;
    sheet_close(&sheet);
    return is;
}

Test(sheet, rows_of_one_question_are_compared)
{
    bool same;
    cr_assert(compared(NULL, &same));
    cr_assert(same);
    record[0]->cell.repeats = 50;
    cr_assert(compared(NULL, &same));
}

Test(sheet, a_serial_run_of_another_file_is_no_yardstick)
{
    static const char *const runs[] = {"a", "b"}, *const one[] = {"a", "a"};
    bool same;
    cr_assert_not(compared(runs, &same));
    cr_assert_not(same);
    cr_assert(compared(one, &same));
}

Test(sheet, a_serial_run_of_another_host_commit_or_machine_is_no_yardstick)
{
    bool same;
    record[0]->env.host = "there";
    cr_assert_not(compared(NULL, &same));
    record[0]->env.host = "here";
    record[0]->env.commit = "ba9876543210";
    cr_assert_not(compared(NULL, &same));
    record[0]->env.commit = "0123456789ab";
    record[0]->env.dirty = RECORD_YES;
    cr_assert_not(compared(NULL, &same));
    record[0]->env.dirty = RECORD_NO;
    record[0]->env.cpu = "Another CPU";
    cr_assert_not(compared(NULL, &same));
    cr_assert_not(same);
}

Test(sheet, a_serial_run_of_another_setting_is_no_yardstick)
{
    bool same;
    record[0]->cell.steps = 21;
    cr_assert_not(compared(NULL, &same));
    cr_assert_not(same);
    record[0]->cell.steps = 20;
    record[0]->cell.exchange = "lsa";
    cr_assert_not(compared(NULL, &same));
    cr_assert(same, "another curve of one chart");
    record[0]->cell.exchange = "auto";
    record[0]->cell.graph = RECORD_NO;
    cr_assert_not(compared(NULL, &same));
    record[0]->cell.graph = RECORD_YES;
    record[0]->status = ENDING_WRONG; // a wrong run is no yardstick
    cr_assert_not(compared(NULL, &same));
}

/* Four ranks on two threads run on four: another setting, and no yardstick for theirs. */
Test(sheet, ranks_that_share_a_gpu_have_no_speedup)
{
    bool same;
    for (int i = 0; i < ROWS; i++)
        rows_set_gpus(record[i], "local", 1);
    cr_assert_not(compared(NULL, &same));
    cr_assert(same);
}

Test(sheet, threads_and_the_seed_are_of_the_setting)
{
    bool same;
    record[0]->cell.threads = 2;
    record[1]->cell.threads = 4;
    cr_assert_not(compared(NULL, &same));
    cr_assert_not(same);
    record[0]->cell.threads = 4;
    cr_assert(compared(NULL, &same));
    cr_assert(same);
    record[0]->cell.seed = 2;
    cr_assert_not(compared(NULL, &same));
    cr_assert_not(same);
}

Test(sheet, names_go_by_their_numbers)
{
    static const int place[] = {1, 0, 3, 2};
    struct sheet sheet;
    struct record *many[] = {rows_ok("pipefusion=2:patches=16", 2, 1),
                             rows_ok("pipefusion=2:patches=4", 2, 1), rows_ok("ring=10", 10, 1),
                             rows_ok("ring=9", 9, 1)};
    cr_assert_eq(sheet_open(4, (const struct record *const *)many, NULL, &sheet), ST_OK);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(sheet.sorted[i]->record, many[place[i]], "place %d", i);
    sheet_close(&sheet);
    for (int i = 0; i < 4; i++)
        record_close(many[i]);
}

Test(sheet, left_out_rows_are_counted_by_reason)
{
    struct sheet sheet;
    char text[100];
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)record, NULL, &sheet), ST_OK);
    cr_assert_str_eq(sheet_left_out(ROWS, sheet.sorted, sizeof text, text), "");
    sheet.v[0].left_out = "wrong";
    cr_assert_str_eq(sheet_left_out(ROWS, sheet.sorted, sizeof text, text), "1 wrong");
    sheet.v[1].left_out = "oom";
    cr_assert_str_eq(sheet_left_out(ROWS, sheet.sorted, sizeof text, text), "1 wrong, 1 oom");
    sheet_close(&sheet);
}

/* What libraries take counts, in choosing the rank too, and the parts add up. */
Test(memory, of_the_fullest_rank)
{
    uint64_t library[] = {900, 100};
    struct record *r = rows_ok("ring=2", 2, 40);
    record_set_counts(r, &r->memory_bytes.library, 2, library);
    struct memory_share m = memory_fullest(&r->memory_bytes);
    cr_assert_eq(m.own, 4000);
    cr_assert_eq(m.library, 900);
    cr_assert_eq(m.total, 4900);
    cr_assert_eq(m.weights, 3000);
    record_close(r);
    r = rows_failed("ring=2", 2, ENDING_OOM, "full");
    cr_assert(isnan(memory_fullest(&r->memory_bytes).total));
    record_close(r);
}

/* Lines that are records, with numbers that are nobody's. */
Test(sheet, numbers_that_cannot_be_are_not_trusted)
{
    bool same;
    const double wrong[] = {0, -1, NAN, 1e300, 1e-300}, good[] = {10, 11, 12};
    cr_assert_null(sheet_distrusts(record[0]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const double loops[] = {10, wrong[i], 12};
        record_set_numbers(record[0], &record[0]->latency_ms.samples, 3, loops);
        cr_assert_str_eq(sheet_distrusts(record[0]), "with samples that are no times", "%g",
                         wrong[i]);
    }
    cr_assert_not(compared(NULL, &same));
    record_set_numbers(record[0], &record[0]->latency_ms.samples, 3, good);
    cr_assert(compared(NULL, &same));
    record[1]->cell.ranks = 2000000000;
    cr_assert_str_eq(sheet_distrusts(record[1]), "with more ranks than 65536");
    record[1]->cell.ranks = 65536;
    cr_assert_null(sheet_distrusts(record[1]));
    record[1]->cell.steps = 0;
    cr_assert_str_eq(sheet_distrusts(record[1]), "without ranks or steps");
}

/* Statistics of a row without samples are what its line says: bars upside down, or any number. */
Test(sheet, statistics_that_cannot_be_are_not_trusted)
{
    static const struct {
        double p10, median, p90;
        bool trusted;
    } at[] = {{90, 100, 110, true},    {NAN, 100, NAN, true},     {NAN, NAN, NAN, true},
              {110, 100, 90, false},   {90, 120, 110, false},     {-1, 100, 110, false},
              {90, 100, 1e300, false}, {NAN, 5e-324, NAN, false}, {NAN, 0, NAN, false}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct record_latency *t = &record[0]->latency_ms;
        t->samples.n = 0;
        t->p10 = at[i].p10;
        t->median = at[i].median;
        t->p90 = at[i].p90;
        const char *why = sheet_distrusts(record[0]);
        cr_assert_eq(!why, at[i].trusted, "case %zu: %s", i, why ? why : "trusted");
        cr_assert(!why || strcmp(why, "with statistics that are no times") == 0, "%s", why);
    }
}

/* The flag counts, whatever the machine of the row looks like. */
Test(sheet, a_row_that_says_its_ranks_shared_a_gpu_is_measured_by_nothing)
{
    bool same;
    cr_assert_not(record_shares_gpu(record[1]));
    record_add_text(record[1], &record[1]->flags, RECORD_SHARED_GPU);
    cr_assert(record_shares_gpu(record[1]));
    cr_assert_not(compared(NULL, &same));
}

/* Threads are of a setting, and change no byte. */
Test(sheet, work_is_a_setting_but_for_its_threads)
{
    struct sheet sheet;
    record[1]->cell.threads = record[0]->cell.threads + 2;
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)record, NULL, &sheet), ST_OK);
    cr_assert_neq(sheet_by_setting(&sheet.v[0], &sheet.v[1]), 0);
    cr_assert_eq(sheet_by_work(&sheet.v[0], &sheet.v[1]), 0);
    sheet_close(&sheet);
    record[1]->env.cpu = "Another CPU";
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)record, NULL, &sheet), ST_OK);
    cr_assert_neq(sheet_by_work(&sheet.v[0], &sheet.v[1]), 0);
    sheet_close(&sheet);
}
