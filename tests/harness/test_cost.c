/* SPDX-License-Identifier: Apache-2.0 */
/* The published table beside records: numbers by hand, verdicts, sentences, and the page of a sweep
 * from end to end. */
#include "harness/page/cost.h"
#include "harness/page/cost_words.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* pixart-tiny at 256 px: 256 tokens x 96 channels x 2 lanes x 4 bytes; 12 layers; 20 steps. */
enum { A = 196608, LAYERS = 12, STEPS = 20 };

enum { ROWS = 6 };
static struct record *record[ROWS];
static int n_records;
static struct sheet sheet;
static struct cost_rows rows;

static struct record *add(struct record *r)
{
    return record[n_records++] = r;
}

static void open_rows(void)
{
    cr_assert_eq(sheet_open(n_records, (const struct record *const *)record, NULL, &sheet), ST_OK);
    cr_assert_eq(cost_rows_open(&sheet, &rows), ST_OK);
}

static void close_rows(void)
{
    cost_rows_close(&rows);
    sheet_close(&sheet);
    while (n_records > 0)
        record_close(record[--n_records]);
}

TestSuite(cost_rows, .fini = close_rows);
TestSuite(cost_command, .init = program_limit);

/* Each rank sends so much in all steps of that kind together. */
static void set_sent(struct record *r, const char *when, double bytes)
{
    for (int i = 0; i < r->comm.n; i++) {
        r->comm.v[i].when = when;
        r->comm.v[i].wire_bytes = (uint64_t)bytes + (uint64_t)i; /* the last rank sends most */
    }
}

Test(cost_verdict, borders)
{
    static const struct {
        double ratio;
        enum cost_verdict verdict;
    } want[] = {{1, COST_RIGHT},     {0.951, COST_RIGHT}, {1.049, COST_RIGHT}, {0.949, COST_ROUGH},
                {1.051, COST_ROUGH}, {0.71, COST_ROUGH},  {1.29, COST_ROUGH},  {0.69, COST_WRONG},
                {1.31, COST_WRONG},  {0, COST_WRONG},     {NAN, COST_UNKNOWN}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        cr_assert_eq(cost_verdict_of(want[i].ratio), want[i].verdict, "%g", want[i].ratio);
}

Test(cost_rows, numbers_by_hand)
{
    add(rows_ok("serial", 1, 100));
    struct record *ring = add(rows_ok("ring=2", 2, 60));
    set_sent(ring, "step", (double)STEPS * A * LAYERS);
    open_rows();
    cr_assert_eq(rows.n, 1);
    const struct cost_row *row = rows.v[0];
    cr_assert_str_eq(row->variant, "ring");
    cr_assert_float_eq(row->term[PUBLISHED_COMM].formula, 2.0 * A * LAYERS, 1e-6);
    cr_assert_float_eq(row->term[PUBLISHED_COMM].measured, 1.0 * A * LAYERS, 1, "a step of 20");
    cr_assert_float_eq(row->term[PUBLISHED_COMM].ratio, 0.5, 1e-6);
    cr_assert_float_eq(row->term[PUBLISHED_COMM].corrected, 1.0 * A * LAYERS, 1e-6);
    cr_assert_float_eq(row->term[PUBLISHED_WEIGHTS].formula, 4.0 * 1901696, 1e-6);
    cr_assert_eq(row->term[PUBLISHED_WEIGHTS].measured, 3000);
    cr_assert_eq(row->peak, 4001);
    cr_assert_eq(row->serial_peak, 4000);
}

/* More ranks than cores ran with more threads: bytes and memory do not know. */
Test(cost_rows, threads_make_no_rows_apart)
{
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 60));
    add(rows_ok("ring=4", 4, 60))->cell.threads = 4;
    open_rows();
    cr_assert_eq(rows.n, 2);
    cr_assert_eq(cost_rows_size_end(&rows, 0), 2);
    cr_assert_eq(rows.v[1]->serial_peak, 4000);
}

/* Of 20 steps one is a warm-up and one the last, which sends nothing: 18 count. */
Test(cost_rows, steady_steps_of_a_stale_strategy)
{
    set_sent(add(rows_ok("distrifusion=2", 2, 60)), "step", 18.0 * 1000);
    set_sent(add(rows_ok("distrifusion=2:warmup=5", 2, 60)), "step", 14.0 * 1000);
    set_sent(add(rows_ok("distrifusion=2:warmup=30", 2, 60)), "warmup_step", 1000);
    open_rows();
    cr_assert_eq(rows.n, 3);
    for (int i = 0; i < 2; i++)
        cr_assert_float_eq(rows.v[i]->term[PUBLISHED_COMM].measured, 1000, 1, "%s",
                           rows.v[i]->variant);
    cr_assert_str_eq(rows.v[2]->variant, "distrifusion:warmup=30");
    cr_assert(isnan(rows.v[2]->term[PUBLISHED_COMM].measured), "there is no steady step");
}

Test(cost_rows, what_the_table_says_nothing_about)
{
    add(rows_ok("serial", 1, 100));
    add(rows_ok("data=2", 2, 60));
    add(rows_ok("ring=2,ulysses=2", 4, 60));
    add(rows_failed("ring=2", 2, ENDING_OOM, "full"));
    rows_set_model(add(rows_ok("ring=2", 2, 60)), "/no/such/model");
    open_rows();
    cr_assert_eq(rows.n, 0);
    cr_assert_eq(rows.unread, 1);
    cr_assert_not(cost_has(&sheet));
}

Test(cost_rows, sentences)
{
    struct record *two = add(rows_ok("ring=2", 2, 60)), *four = add(rows_ok("ring=4", 4, 60));
    set_sent(two, "step", (double)STEPS * A * LAYERS);
    set_sent(four, "step", (double)STEPS * A * LAYERS * 3 / 2);
    open_rows();
    cr_assert_eq(cost_rows_size_end(&rows, 0), 2);
    cr_assert_eq(cost_rows_variant_end(&rows, 0), 2);
    char *text = cost_words_variant(2, rows.v);
    cr_assert(strstr(text, "`ring`: bytes sent in a step: wrong at N = 2 (0.50 times the formula), "
                           "rough at N = 4 (0.75 times the formula), because (N-1)/N is taken for "
                           "1: a rank's own part is not sent (x 0.50 and 0.75); with this the "
                           "formula holds within 0.1 %"),
              "%s", text);
    cr_assert_not(strstr(text, "text is part"), "there is none: %s", text);
    free(text);
}

/* ---- from end to end ---- */

Test(cost_command, a_sweep_becomes_a_page)
{
    program_write(program_file("costs.yaml"),
                  "name: costs\nmodels: [pixart-tiny, flux-tiny-quarter]\nsizes: [\"64\"]\n"
                  "ranks: [1, 2]\nsteps: [3]\nrepeats: 1\nwarmup_loops: 0\nthreads: 2\n"
                  "strategies: [serial, \"tensor={ranks}\", \"distrifusion={ranks}\", "
                  "\"ring={ranks}\", \"ulysses={ranks}\", \"pipefusion={ranks}\"]\n");
    struct program sweep = program_run("sweep", program_file("costs.yaml"), "--results",
                                       program_file("costs.jsonl"), NULL);
    cr_assert_eq(sweep.status, 0, "%s%s", sweep.out, sweep.err);
    struct program costs = program_run("costs", program_file("costs.jsonl"), NULL);
    cr_assert_eq(costs.status, 0, "%s", costs.err);
    char *page = program_read(program_file("costs.costs.md"));
    cr_assert(page, "%s", costs.out);
    cr_assert(strstr(page, "pixart-tiny, 64 x 64 px"), "%s", page);
    cr_assert(strstr(page, "a quarter of its layers"), "%s", page);
    cr_assert(strstr(page, "single blocks complete one sum, not two (x 0.67)"), "%s", page);
    cr_assert(strstr(page, "wrong at N = 2 (0.50 times the formula)"), "%s", page);
    int explained = 0;
    for (const char *at = page; (at = strstr(at, "holds within 0.1 %. parameters")); at++)
        explained++;
    cr_assert_eq(explained, 10, "bytes of five strategies of two models: %s", page);
    free(page);
    program_release(&costs);
    costs =
        program_run("costs", program_file("costs.jsonl"), "--out", program_file("c.html"), NULL);
    cr_assert_eq(costs.status, 0, "%s", costs.err);
    page = program_read(program_file("c.html"));
    cr_assert(page && strstr(page, "<table"));
    free(page);
    program_release(&costs);
    program_release(&sweep);
}

Test(cost_command, refusals)
{
    struct record *serial = rows_ok("serial", 1, 100);
    free(rows_write(program_folder(), "serial.jsonl", 1, &serial));
    record_close(serial);
    struct program none = program_run("costs", NULL);
    struct program other = program_run("costs", "x", "--out", "page.txt", NULL);
    struct program empty = program_run("costs", program_file("serial.jsonl"), NULL);
    cr_assert(none.status == 2 && strstr(none.err, "no file is given"), "%s", none.err);
    cr_assert(other.status == 2 && strstr(other.err, "neither in .md nor in .html"), "%s",
              other.err);
    cr_assert(empty.status == 2 && strstr(empty.err, "of 1 rows none"), "%s", empty.err);
    program_release(&none);
    program_release(&other);
    program_release(&empty);
}
