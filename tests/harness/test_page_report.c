/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`: sentences about hand-made rows, the same bytes when made again, texts of
 * enemies. */
#include "harness/page/report_part.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"
#include "tests/harness/wellformed.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(page_report, .init = program_limit);

static const char *rows_file(const char *name, int n, struct record *const *rows)
{
    remove(program_file(name));
    free(rows_write(program_folder(), name, n, rows));
    for (int i = 0; i < n; i++)
        record_close(rows[i]);
    return program_file(name);
}

/* The page of rows, which are closed; as Markdown, or HTML. */
static char *page_of(int n, struct record *const *rows, bool html)
{
    const char *path = rows_file("rows.jsonl", n, rows);
    struct program p = program_run("report", path, "--out", program_file("out/report.html"), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    char *page = program_read(program_file("out/report.html"));
    cr_assert_not_null(page);
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    if (html)
        return page;
    free(page);
    return program_read(program_file("out/report.md"));
}

#define PAGE(...)                                                                                  \
    page_of(sizeof((struct record *[]){__VA_ARGS__}) / sizeof(struct record *),                    \
            (struct record *[]){__VA_ARGS__}, false)

static void says(char *page, const char *text)
{
    cr_assert_not_null(strstr(page, text), "not said: %s\n%s", text, page);
}

/* Samples of rows_ok: the median given, up to 5 % more and 3 % less; 1.005 times of it is their
 * median. */
Test(page_report, the_fastest_is_named_with_what_it_costs)
{
    char *page =
        PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110), rows_ok("ulysses=2", 2, 150));
    says(page, "256\u00a0×\u00a0256\u00a0px on 2\u00a0ranks: the fastest of 2 cells is `ring=2`, "
               "110.0\u00a0ms a loop (5.500\u00a0ms a step), 1.82 times as fast as `serial` "
               "(efficiency 91\u00a0%).");
    says(page,
         "Its fullest rank holds 4.001\u00a0kB (`serial`: 4.000\u00a0kB), and a rank sends at "
         "most 50\u00a0B a step.");
    says(page, "Next is `ulysses=2`, 1.36 times as long.");
    says(page, "on 1\u00a0rank: `serial` takes 200.0\u00a0ms a loop");
    cr_assert_null(strstr(page, "Slowest"), "two cells have no slowest beside the next");
    free(page);
}

/* What cannot be told from the fastest is not said to be slower. */
Test(page_report, nothing_within_noise_is_slowest)
{
    char *page = PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110),
                      rows_ok("ulysses=2", 2, 110.5), rows_ok("allgather=2", 2, 110.7));
    says(page, "Within noise of it: `ulysses=2` (1.005 times as long), `allgather=2`");
    cr_assert_null(strstr(page, "Slowest is"), "%s", page);
    free(page);
}

Test(page_report, ties_are_within_noise)
{
    char *page =
        PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110), rows_ok("ulysses=2", 2, 110.5));
    says(page, "Within noise of it: `ulysses=2` (1.005 times as long).");
    cr_assert_null(strstr(page, "Next is"));
    free(page);
}

Test(page_report, without_serial_nothing_is_compared)
{
    char *page = PAGE(rows_ok("ring=2", 2, 110));
    says(page, "`ring=2`, the only one measured, takes 110.0\u00a0ms a loop (5.500\u00a0ms a "
               "step); no `serial` run to compare it with.");
    free(page);
}

Test(page_report, slower_than_serial_is_said_so)
{
    char *page = PAGE(rows_ok("serial", 1, 100), rows_ok("ring=2", 2, 150));
    says(page, "which is slower than `serial`: 1.50 times as long.");
    free(page);
}

static struct record *stale(const char *strategy, int ranks, double median)
{
    struct record *r = rows_ok(strategy, ranks, median);
    r->check.against = "pipefusion=1:patches=4";
    r->deviation.rel_l2 = 0.0625;
    r->deviation.psnr_db = 31.5;
    return r;
}

Test(page_report, stale_ones_tell_how_far_they_lead_and_who_is_exact)
{
    char *page = PAGE(rows_ok("serial", 1, 200), stale("cfg=2,pipefusion=2:patches=4", 4, 60),
                      rows_ok("cfg=2,ring=2", 4, 90), rows_ok("ring=4", 4, 120));
    says(page,
         "After its warm-up it takes keys of the step before: its latent differs from that of "
         "`serial` by 0.062 (relative L2; PSNR 31.50\u00a0dB).");
    says(page, "Next is `cfg=2,ring=2`, 1.50 times as long. The fastest that is no combination is "
               "`ring=4`, 2.00 times as long.");
    says(page, "### How far stale strategies lead away");
    says(page, "Latents of the 1 row of stale strategies lie 0.062 to 0.062 (relative L2) from "
               "serial's, over 20 steps.");
    free(page);
}

/* More steps lead farther: without their number two rows of one cell would contradict. */
Test(page_report, stale_ones_tell_their_steps)
{
    struct record *few = stale("distrifusion=2", 2, 60), *one = rows_ok("serial", 1, 100);
    few->cell.steps = one->cell.steps = 4;
    few->deviation.rel_l2 = 0.015;
    char *page = PAGE(one, few, rows_ok("serial", 1, 200), stale("distrifusion=2", 2, 110));
    says(page, "| size | ranks | strategy | steps | relative L2 | PSNR, dB |");
    says(page, "| 2 | `distrifusion=2` | 4 | 1.50e-02 | 31.5 |");
    says(page, "| 2 | `distrifusion=2` | 20 | 6.25e-02 | 31.5 |");
    says(page, "lie 0.015 to 0.062 (relative L2) from serial's, over 4 to 20 steps.");
    free(page);
}

Test(page_report, ranks_that_share_a_gpu_say_nothing_of_speed)
{
    struct record *shared = rows_ok("ring=2", 2, 77);
    rows_set_gpus(shared, "local", 1);
    record_judge(shared);
    char *page = PAGE(shared);
    says(page, "1 row had more ranks than GPUs");
    says(page, "No row has a latency that may be compared");
    says(page, "1 of 1 row was checked");
    cr_assert_null(strstr(page, "77.00"), "%s", page);
    free(page);
}

/* Whatever the machine of the row looks like. */
Test(page_report, a_flag_of_the_file_counts)
{
    struct record *shared = rows_ok("ring=2", 2, 50);
    record_add_text(shared, &shared->flags, RECORD_SHARED_GPU);
    char *page = PAGE(rows_ok("serial", 1, 200), shared, rows_ok("ulysses=2", 2, 150));
    says(page, "`ulysses=2`, the only one measured, takes 150.0\u00a0ms a loop");
    says(page, "1 with ranks that share a GPU");
    free(page);
}

/* Lines that are records, with numbers that are nobody's. */
Test(page_report, numbers_that_cannot_be_are_left_out)
{
    const double loops[] = {10, -1.42, 12};
    struct record *negative = rows_ok("ring=2", 2, 50), *many = rows_ok("cfg=2", 2, 50),
                  *lie = rows_ok("ulysses=2", 2, 150);
    record_set_numbers(negative, &negative->latency_ms.samples, 3, loops);
    many->cell.ranks = 2000000000;
    lie->latency_ms.median = 1e300;
    char *page = PAGE(rows_ok("serial", 1, 200), negative, many, lie);
    says(page, "`ulysses=2`, the only one measured, takes 150.0\u00a0ms a loop");
    says(page, "Of 4 rows not in these tables, nor in a curve: 1 with samples that are no times, "
               "1 with more ranks than 65536.");
    says(page, ". 4 rows: 2 ok, 2 with numbers that cannot be. Measured");
    says(page, "- Failed: 2 of 4 rows: 2 with numbers that cannot be. Reasons");
    says(page,
         "| ok | latency_ms.samples\\[1\\]: found -1.42, wanted a time from 1e-09 to 1e+12 ms |");
    says(page, "| ok | with more ranks than 65536 |");
    cr_assert_null(strstr(page, "rows are ok."), "%s", page);
    free(page);
}

Test(page_report, a_flag_of_numbers_that_cannot_be_says_nothing)
{
    const double loops[] = {10, NAN, 12};
    struct record *unknown = rows_ok("ring=2", 2, 50);
    record_set_numbers(unknown, &unknown->latency_ms.samples, 3, loops);
    record_add_text(unknown, &unknown->flags, RECORD_THROTTLED);
    char *page = PAGE(rows_ok("serial", 1, 200), unknown);
    says(page, "| ok | latency_ms.samples\\[1\\]: found null, wanted a time from");
    says(page, "No row is flagged as noisy, as drifting or as throttled.");
    cr_assert_null(strstr(page, "1 of 2 rows is"), "%s", page);
    cr_assert_null(strstr(page, "nan "), "%s", page);
    free(page);
}

Test(page_report, an_unknown_tolerance_is_none)
{
    struct record *r = rows_ok("ring=2", 2, 50);
    r->check.tolerance = NAN;
    char *page = PAGE(r);
    says(page, "| - | right |");
    free(page);
}

/* Rows of more ranks than cores have a thread a rank, and are of another setting for that. */
Test(page_report, settings_that_differ_by_threads_name_them)
{
    struct record *four = rows_ok("ring=4", 4, 120), *two = rows_ok("ring=2", 2, 110);
    four->cell.threads = 4;
    two->cell.threads = 2;
    char *page = PAGE(two, four);
    says(page, "20 steps, 2\u00a0threads\n");
    says(page, "20 steps, 4\u00a0threads\n");
    free(page);
    page = PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110));
    cr_assert_null(strstr(page, "\u00a0thread"), "one setting needs no more words");
    free(page);
}

Test(page_report, two_runs_of_one_experiment_are_both_in_the_title)
{
    struct record *a = rows_ok("serial", 1, 200), *b = rows_ok("serial", 1, 210);
    a->experiment = b->experiment = "twice";
    const char *one = rows_file("one.jsonl", 1, &a), *two = rows_file("two.jsonl", 1, &b);
    struct program p =
        program_run("report", one, two, "--out", program_file("out/report.html"), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    char *page = program_read(program_file("out/report.md"));
    says(page, "# Results: one, two\n");
    free(page);
}

Test(page_report, a_backtick_of_a_row_opens_no_code)
{
    struct record *r = rows_ok("serial", 1, 200);
    r->experiment = "od`d";
    r->env.host = "ho`st";
    char *page = PAGE(r);
    says(page, "# Results: od'd\n");
    cr_assert_null(strstr(page, "`st"), "%s", page);
    free(page);
}

Test(page_report, failures_have_their_reasons)
{
    char *page = PAGE(rows_ok("serial", 1, 200),
                      rows_failed("ulysses=5", 5, ENDING_UNSUPPORTED, "5 does not divide 12 heads"),
                      rows_failed("tensor=2", 2, ENDING_OOM, "no memory"));
    says(page, "- 1 row is `unsupported`: it cannot be done so, for the reason that the row has.");
    says(page, "| `ulysses=5` | unsupported | 5 does not divide 12 heads |");
    says(page, "| `tensor=2` | oom | no memory |");
    free(page);
}

Test(page_report, flags_are_explained)
{
    struct record *r = rows_ok("ring=2", 2, 110);
    record_add_text(r, &r->flags, RECORD_NOISY);
    char *page = PAGE(rows_ok("serial", 1, 200), r);
    says(page, "- 1 of 2 rows is `noisy`: the slow loops");
    says(page, "(5.500\u00a0ms a step) \\[noisy\\], 1.82 times");
    free(page);
}

Test(page_report, a_clock_whose_range_nobody_told_stands_alone)
{
    struct record *r = rows_ok("serial", 1, 200);
    rows_set_gpus(r, "nccl", 1);
    record_machine_gpus(r, 1)->sm_mhz.median = 1755;
    char *page = PAGE(r);
    says(page, "| 1755 | - | - | - |");
    free(page);
}

Test(page_report, clocks_are_told_where_rows_have_them)
{
    struct record *r = rows_ok("serial", 1, 200);
    rows_set_gpus(r, "nccl", 1);
    struct record_machine_gpu *g = record_machine_gpus(r, 1);
    g->sm_mhz = (struct record_course){1980, 1755, 1695, 1965, 1980};
    g->temperature_c = (struct record_course){40, 66, 50, 71, 60};
    g->power_w = (struct record_course){120, 690, 650, 701, 300};
    g->power_limit_w = 700;
    g->throttle.share = 0.93;
    g->throttle.reasons.sw_power_cap = 0.93;
    record_flag(r);
    char *page = PAGE(r, rows_ok("serial", 1, 300));
    says(page, "loops of 1 row, others tell nothing");
    says(page, "- GPU clock (SM): 1695 to 1965\u00a0MHz.\n- GPU temperature: 50 to 71\u00a0°C.\n"
               "- GPU power: 650 to 701\u00a0W.\n- Power limit of a GPU: 700\u00a0W.\n");
    says(page,
         "1 row is flagged as throttled; worst is `serial`, `pixart-tiny` at 256\u00a0\u00d7\u00a0"
         "256\u00a0px (throttled: 93% of the measured time");
    says(page, "| 1755 (1695 to 1965) | 71 | 690 | 93 |");
    free(page);
    page = PAGE(rows_ok("serial", 1, 300));
    says(page, "Not recorded in these rows");
    free(page);
    struct record *brief = rows_ok("serial", 1, 20); /* watched, but over before the first sample */
    brief->machine.period_ms = 100;
    page = PAGE(brief);
    says(page, "- Clock: not recorded. Loops that were over within 100\u00a0ms had no sample.");
    says(page, "Not recorded in these rows");
    cr_assert_null(strstr(page, "Builds before commit"));
    free(page);
}

Test(page_report, it_can_be_repeated)
{
    char *page = PAGE(rows_ok("serial", 1, 200), rows_ok("cfg=2", 2, 110));
    says(page, "git worktree add ../ditbench-0123456789ab 0123456789ab && make -C "
               "../ditbench-0123456789ab\n");
    says(page, "\n(cd ../ditbench-0123456789ab && build/ditbench sweep demo --results "
               "\"$OLDPWD\"/again.jsonl)\nbuild/ditbench compare ");
    says(page,
         "build/ditbench run --model pixart-tiny --size 256 --steps 20 --guidance 4.5 --requests 1 "
         "--seed 1 --dtype fp32 --backend cpu --transport local --strategy cfg=2 --threads 2 "
         "--warmup-loops 1 --repeats 5\n");
    free(page);
}

/* ---- the first sentences and tables ---- */

static struct record *sized(struct record *r, int size)
{
    rows_set_size(r, size, size);
    return r;
}

/* 200 ms over 110 ms: 1.82; 20 steps: 5.5 ms each; 1000 bytes in 20 steps: 50. */
Test(page_report, the_first_sentences_answer_what_a_newcomer_asks)
{
    char *page =
        PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 150), rows_ok("ring=4", 4, 110),
             rows_ok("ulysses=4", 4, 190), rows_failed("tensor=4", 4, ENDING_OOM, "none"));
    says(page,
         "- Fastest, `pixart-tiny`, 20 steps: at 256\u00a0×\u00a0256\u00a0px on 4\u00a0ranks "
         "`ring=4`, 5.500\u00a0ms a step, 1.82 times as fast as `serial`, 4.003\u00a0kB on the "
         "fullest rank, 50\u00a0B sent by a rank a step.");
    says(page, "- Right: 4 of 5 rows were checked against the one-rank run that they must equal; 0 "
               "are wrong.");
    says(page, "- Noise: 4 rows have fewer than 6 loops, which lie within \u00b15\u00a0% of their "
               "median. No row is flagged.");
    says(page, "- Clock: not recorded.");
    says(page, "- Failed: 1 of 5 rows: 1 `oom`.");
    free(page);
}

/* Of 6 loops the interval goes from the fastest to the slowest: 592.1 to 769 is +29.88 %. */
Test(page_report, noise_is_told_by_the_farther_side_and_rounded_up)
{
    const double loops[] = {538, 591.1, 592, 592.2, 600, 769};
    struct record *r = rows_ok("serial", 1, 200), *few = rows_ok("cfg=2", 2, 334.8);
    record_set_numbers(r, &r->latency_ms.samples, 6, loops);
    record_set_numbers(few, &few->latency_ms.samples, 3, (const double[]){327, 334.8, 359.4});
    char *page = PAGE(r, few);
    says(page,
         "- Noise: medians of 1 row are known to \u00b130\u00a0% or better (95 % interval). 1 row "
         "has fewer than 6 loops, which lie within \u00b17.4\u00a0% of their median.");
    says(page, "on 1 rank: \u00b130\u00a0%; the others of these are known better.");
    says(page, "on 2 ranks: \u00b17.4\u00a0%. Smaller differences");
    free(page);
}

Test(page_report, sizes_ascend_by_their_number)
{
    char *page =
        PAGE(sized(rows_ok("serial", 1, 900), 2048), sized(rows_ok("ring=2", 2, 500), 2048),
             sized(rows_ok("serial", 1, 200), 1024), sized(rows_ok("ring=2", 2, 110), 1024),
             sized(rows_ok("serial", 1, 90), 512), sized(rows_ok("ring=2", 2, 50), 512));
    const char *at = page;
    for (int size = 512; size <= 2048; size *= 2) {
        char line[200];
        snprintf(line, sizeof line, "\n| %d\u00a0×\u00a0%d\u00a0px | 20 | 2 | `ring=2` |", size,
                 size);
        at = strstr(at, line);
        cr_assert_not_null(at, "%s is not there, or not in its place:\n%s", line, page);
    }
    says(page, "| model | 512\u00a0px | 1024\u00a0px | 2048\u00a0px |");
    says(page, "| `pixart-tiny` | 4.500\u00a0ms, 4.000\u00a0kB | 10.00\u00a0ms, 4.000\u00a0kB | "
               "45.00\u00a0ms, 4.000\u00a0kB |");
    free(page);
}

Test(page_report, more_sizes_than_columns_are_told)
{
    struct record *rows[10];
    for (int i = 0; i < 10; i++)
        rows[i] = sized(rows_ok("serial", 1, 100 + i), 64 * (i + 1));
    char *page = page_of(10, rows, false);
    says(page, "2 further serial runs of other sizes");
    says(page, "| 512\u00a0px |\n| --- |");
    free(page);
}

Test(page_report, a_single_cell_has_no_chart)
{
    char *page = PAGE(rows_ok("serial", 1, 200), sized(rows_ok("serial", 1, 300), 512));
    says(page, "No size has more than one cell, so there is no curve.");
    cr_assert_null(strstr(page, "!["));
    says(page, "Fastest: on one rank there is `serial` alone");
    free(page);
}

Test(page_report, made_again_it_is_the_same)
{
    struct record *rows[] = {rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110),
                             rows_ok("cfg=2", 2, 90), rows_ok("ring=4", 4, 80)};
    const char *path = rows_file("same.jsonl", 4, rows);
    char *page[2][2];
    for (int i = 0; i < 2; i++) {
        char *out = program_file(i ? "two/report.html" : "one/report.html");
        struct program p = program_run("report", path, "--out", out, NULL);
        cr_assert_eq(p.status, 0, "%s", p.err);
        program_release(&p);
        page[i][0] = program_read(out);
        page[i][1] = program_read(program_file(i ? "two/report.md" : "one/report.md"));
    }
    cr_assert_str_eq(page[0][0], page[1][0]);
    cr_assert_str_eq(page[0][1], page[1][1]);
    cr_assert_null(strstr(page[0][0], "gnuplot 5"));
    cr_assert_null(strstr(page[0][0], "GNUPLOT"));
    for (int i = 0; i < 4; i++)
        free(page[i / 2][i % 2]);
}

Test(page_report, enemies_write_no_html)
{
    static const char enemy[] = "<script>alert(1)</script>\"'&`\n|](x)\x01";
    struct record *r = rows_ok("serial", 1, 200), *f;
    rows_set_model(r, enemy);
    r->experiment = record_text(r, enemy);
    r->env.host = record_text(r, enemy);
    r->env.commit = record_text(r, enemy);
    r->env.cpu = record_text(r, enemy);
    record_add_text(r, &r->argv, enemy);
    record_add_text(r, &r->flags, enemy);
    f = rows_failed(enemy, 2, ENDING_ERROR, enemy);
    char *page = page_of(2, (struct record *[]){r, f}, true);
    cr_assert_null(strstr(page, "<script"), "%s", strstr(page, "<script"));
    cr_assert_not_null(strstr(page, "&lt;script&gt;"));
    free(page);
}

Test(page_report, rows_without_gnuplot_are_a_page_without_curves)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("PATH") ? getenv("PATH") : "");
    setenv("PATH", "/nonexistent", 1);
    char *page = PAGE(rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110));
    setenv("PATH", path, 1);
    says(page, "gnuplot was not installed where this page was made");
    cr_assert_null(strstr(page, "!["));
    free(page);
}

Test(page_report, bad_input_is_refused)
{
    struct program p = program_run("report", NULL);
    cr_assert_eq(p.status, 2, "%s", p.err);
    program_release(&p);
    program_write(program_file("no.jsonl"), "{}\n");
    p = program_run("report", program_file("no.jsonl"), NULL);
    cr_assert_eq(p.status, 2, "%s", p.err);
    cr_assert_not_null(strstr(p.err, "no.jsonl: line 1"), "%s", p.err);
    program_release(&p);
    struct record *r = rows_ok("serial", 1, 200);
    const char *rows = rows_file("rows.jsonl", 1, &r);
    p = program_run("report", rows, "--out", program_file("foo.txt"), NULL);
    cr_assert_eq(p.status, 2, "%s", p.err);
    cr_assert_not_null(strstr(p.err, "foo.txt, wanted a name that ends in .html"), "%s", p.err);
    cr_assert_null(program_read(program_file("foo.txt")));
    program_release(&p);
}

/* Two settings of one model, size and run stand as in the sheet, wherever their memory lies. */
Test(page_report, settings_alike_keep_the_order_of_the_sheet)
{
    struct record *r = rows_ok("serial", 1, 10);
    struct sheet_row row[2] = {{.record = r}, {.record = r}};
    struct plot_cell cell[2] = {{.asked = &r->cell, .row = &row[0]},
                                {.asked = &r->cell, .row = &row[1]}};
    struct plot_group group[2] = {{.begin = 1, .end = 2, .n = 1, .cell = &cell[1]},
                                  {.begin = 0, .end = 1, .n = 1, .cell = &cell[0]}};
    struct plot_setting setting[2] = {{.n = 1, .group = &group[1]}, {.n = 1, .group = &group[0]}};
    struct plot_selection selection = {.n = 2, .setting = setting};
    struct report_ranks ranks;
    cr_assert_eq(report_ranks_open(&selection, &ranks), ST_OK);
    cr_assert_eq(ranks.n, 2);
    cr_expect_eq(ranks.v[0].v[0], &row[0]);
    cr_expect_eq(ranks.v[1].v[0], &row[1]);
    report_ranks_close(&ranks);
    record_close(r);
}
