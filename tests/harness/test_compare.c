/* SPDX-License-Identifier: Apache-2.0 */
/* Two results files side by side, from rows written by hand: what is paired and joined, verdicts
 * at their borders, and refusals. */
#include "harness/report/compare.h"
#include "kernels/base/rng.h"
#include "tests/harness/loops.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(compare, .init = program_limit);

/* ---- verdicts ---- */

Test(compare, verdicts_at_their_borders)
{
    static const struct {
        double ratio, low, high;
        enum compare_verdict want;
    } at[] = {
        {1.10, 1.02, 1.20, COMPARE_SLOWER},    {1.10, 1.00, 1.20, COMPARE_AMBIGUOUS},
        {1.05, 1.02, 1.08, COMPARE_AMBIGUOUS}, {1.0501, 1.02, 1.08, COMPARE_SLOWER},
        {0.90, 0.80, 0.99, COMPARE_FASTER},    {0.90, 0.80, 1.00, COMPARE_AMBIGUOUS},
        {0.95, 0.93, 0.97, COMPARE_AMBIGUOUS}, {0.9499, 0.93, 0.97, COMPARE_FASTER},
        {1.00, 0.95, 1.05, COMPARE_SAME},      {1.00, 0.9499, 1.05, COMPARE_AMBIGUOUS},
        {1.03, 1.02, 1.04, COMPARE_SAME},      {1.00, 0.90, 1.0501, COMPARE_AMBIGUOUS},
        {NAN, NAN, NAN, COMPARE_AMBIGUOUS},
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        cr_assert_eq(compare_judge(5, 5, at[i].ratio, at[i].low, at[i].high, 0.05), at[i].want,
                     "case %zu", i);
    cr_assert_eq(compare_judge(4, 5, 1.5, 1.4, 1.6, 0.05), COMPARE_AMBIGUOUS);
    cr_assert_eq(compare_judge(5, 4, 1.0, 1.0, 1.0, 0.05), COMPARE_AMBIGUOUS);
    cr_assert_eq(compare_judge(5, 5, 1.06, 1.02, 1.08, 0.10), COMPARE_SAME);
    cr_assert_eq(compare_judge(5, 5, 1.001, 1.0005, 1.002, 0), COMPARE_SLOWER);
}

/* ---- files ---- */

static struct compare open_files(const char *a, const char *b, double threshold, bool force)
{
    struct compare compare;
    const struct compare_options options = {.threshold = threshold, .force = force};
    cr_assert_eq(compare_open(a, b, &options, &compare), ST_OK, "%s", status_text());
    return compare;
}

static void refused(const char *a, const char *b, const char *why)
{
    struct compare compare;
    const struct compare_options options = {.threshold = 0.05};
    cr_assert_eq(compare_open(a, b, &options, &compare), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), why), "%s", status_message());
}

static void check_pair(const struct compare_pair *pair, const char *strategy, double a, double b,
                       enum compare_verdict verdict)
{
    cr_assert_str_eq(pair->side[0]->record->cell.strategy, strategy);
    cr_assert_str_eq(pair->side[1]->record->cell.strategy, strategy);
    cr_assert(fabs(pair->side[0]->median - a) < 1e-9 * a, "%g", pair->side[0]->median);
    cr_assert(fabs(pair->side[1]->median - b) < 1e-9 * b, "%g", pair->side[1]->median);
    cr_assert(fabs(pair->ratio - b / a) < 1e-9, "%g", pair->ratio);
    cr_assert(pair->low <= pair->ratio && pair->ratio <= pair->high);
    cr_assert_eq(pair->verdict, verdict, "%s", compare_verdict_name(pair->verdict));
}

/* ---- pairing ---- */

Test(compare, cells_are_paired_by_recipe)
{
    const char *a =
        LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100), loops_around("ring=2", 9, 60),
                    loops_around("ulysses=2", 9, 50), loops_around("tensor=2", 9, 70));
    const char *b =
        LOOPS_WRITE("b.jsonl", loops_around("tensor=2", 9, 60), loops_around("cfg=2", 9, 55),
                    loops_around("ulysses=2", 9, 50.5), loops_around("serial", 9, 110));
    struct compare c = open_files(a, b, 0.05, false);
    cr_assert_eq(c.pairs, 3);
    check_pair(&c.pair[0], "serial", 100, 110, COMPARE_SLOWER);
    check_pair(&c.pair[1], "ulysses=2", 50, 50.5, COMPARE_SAME);
    check_pair(&c.pair[2], "tensor=2", 70, 60, COMPARE_FASTER);
    cr_assert_eq(c.file[0].alone, 1);
    cr_assert_str_eq(c.file[0].only[0]->record->cell.strategy, "ring=2");
    cr_assert_eq(c.file[1].alone, 1);
    cr_assert_str_eq(c.file[1].only[0]->record->cell.strategy, "cfg=2");
    cr_assert_eq(c.count[COMPARE_SLOWER], 1);
    cr_assert_eq(c.count[COMPARE_SAME], 1);
    cr_assert_eq(c.count[COMPARE_FASTER], 1);
    compare_release(&c);
}

/* How often and after how much warm-up a cell is measured is not in its recipe. */
Test(compare, of_rows_of_one_recipe_the_last_counts)
{
    struct record *first = loops_around("serial", 9, 100), *last = loops_around("serial", 9, 200);
    struct record *early = loops_around("ring=2", 9, 300), *late = loops_around("ring=2", 9, 400);
    first->cell.repeats = 9;
    first->cell.warmup_loops = 3;
    late->cell.repeats = 7;
    early->time = "2030-01-02T03:04:06Z"; // another clock; lines count
    const char *a = LOOPS_WRITE("a.jsonl", first, early, last, late);
    const char *b =
        LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 200), loops_around("ring=2", 9, 400));
    struct compare c = open_files(a, b, 0.05, false);
    cr_assert_eq(c.pairs, 2);
    check_pair(&c.pair[0], "serial", 200, 200, COMPARE_SAME);
    check_pair(&c.pair[1], "ring=2", 400, 400, COMPARE_SAME);
    cr_assert_eq(c.pair[0].side[0]->left_out, 1);
    cr_assert_eq(c.pair[1].side[0]->left_out, 1);
    cr_assert_eq(c.pair[0].side[0]->n, 9);
    compare_release(&c);
}

/* The first of three rows comes again as the last, at the place of the first in a list of ids. */
Test(compare, a_row_that_comes_again_is_the_last)
{
    struct record *rows[] = {loops_around("serial", 9, 100), loops_around("serial", 9, 200),
                             loops_around("serial", 9, 300)};
    rows[1]->cell.repeats = 7;
    const char *a = loops_write("a.jsonl", 3, rows);
    struct compare c = open_files(a, a, 0.05, false);
    cr_assert_eq(c.pairs, 1);
    check_pair(&c.pair[0], "serial", 300, 300, COMPARE_SAME);
    cr_assert_eq(c.pair[0].side[0]->left_out + c.file[0].list.again, 2);
    compare_release(&c);
}

/* ---- rounds ---- */

/* Rows that differ in the round alone have ids of their own. */
static const char *write_rounds(const char *name, int n, struct record **rows)
{
    const char *path = program_file(name);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    for (int i = 0; i < n; i++) {
        char *line;
        size_t size;
        rows[i]->cell.round = i;
        cr_assert_eq(record_identify(rows[i]), ST_OK);
        cr_assert_eq(record_write(rows[i], &line, &size), ST_OK);
        fwrite(line, 1, size, out);
        free(line);
        record_close(rows[i]);
    }
    fclose(out);
    return path;
}

Test(compare, rounds_are_joined)
{
    const double loops[] = {1, 2, 3, 11, 12, 13, 14};
    struct record *rounds[] = {loops_row("serial", 3, loops), loops_row("serial", 4, loops + 3)};
    const char *a = write_rounds("a.jsonl", 2, rounds);
    struct compare c = open_files(a, a, 0.05, false);
    const struct compare_side *side = c.pair[0].side[0];
    cr_assert_eq(c.pairs, 1);
    cr_assert_eq(side->rounds, 2);
    cr_assert_eq(side->n, 7);
    cr_assert(side->end[0] == 3 && side->end[1] == 7);
    cr_assert_eq(side->median, 11);
    cr_assert_eq(side->spread, (12.5 - 2) / 11);
    cr_assert_eq(side->left_out, 0);
    compare_release(&c);
}

/* Loops of one round hardly differ, rounds do by 10 %: what one heap of loops would call slower
 * cannot be told. */
Test(compare, rounds_that_differ_are_no_verdict)
{
    struct record *a[2], *b[2];
    for (int i = 0; i < 2; i++) {
        a[i] = loops_around("serial", 9, 100 + 10 * i);
        b[i] = loops_around("serial", 9, 110 + 15 * i);
    }
    const char *one = write_rounds("a.jsonl", 2, a), *other = write_rounds("b.jsonl", 2, b);
    struct compare c = open_files(one, other, 0.05, false);
    cr_assert_gt(c.pair[0].ratio, 1.05);
    cr_assert_leq(c.pair[0].low, 1.001);
    cr_assert_eq(c.pair[0].verdict, COMPARE_AMBIGUOUS);
    compare_release(&c);
}

/* Each round alone may say what a reader must know. */
Test(compare, flags_of_all_rounds_count)
{
    struct record *rounds[] = {loops_around("serial", 9, 100), loops_around("serial", 9, 100),
                               loops_around("serial", 9, 100)};
    record_add_text(rounds[0], &rounds[0]->flags, RECORD_SHARED_GPU);
    const char *a = write_rounds("a.jsonl", 3, rounds);
    struct compare c = open_files(a, a, 0.05, false);
    cr_assert_eq(compare_side_flagged(c.pair[0].side[0], RECORD_SHARED_GPU), 1);
    cr_assert_eq(compare_side_flagged(c.pair[0].side[0], "noisy"), 0);
    cr_assert_eq(c.pair[0].verdict, COMPARE_AMBIGUOUS);
    compare_release(&c);
}

Test(compare, rounds_of_another_build_are_not_joined)
{
    struct record *rounds[] = {loops_around("serial", 9, 100), loops_around("serial", 9, 200),
                               loops_around("serial", 9, 220)};
    rounds[0]->env.commit = "ba9876543210";
    const char *a = write_rounds("a.jsonl", 3, rounds);
    struct compare c = open_files(a, a, 0.05, false);
    cr_assert_eq(c.pair[0].side[0]->rounds, 2);
    cr_assert_eq(c.pair[0].side[0]->left_out, 1);
    cr_assert_gt(c.pair[0].side[0]->median, 190);
    compare_release(&c);
}

Test(compare, a_round_that_failed_leaves_no_verdict)
{
    struct record *rounds[] = {loops_around("serial", 9, 100),
                               rows_failed("serial", 1, ENDING_TIMEOUT, "too long"),
                               loops_around("serial", 9, 100)};
    const char *a = write_rounds("a.jsonl", 3, rounds);
    const char *b = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 100));
    struct compare c = open_files(b, a, 0.05, false);
    cr_assert_eq(c.pair[0].verdict, COMPARE_NOT_OK);
    cr_assert_eq(c.pair[0].side[1]->status, ENDING_TIMEOUT);
    compare_release(&c);
}

/* ---- what has no verdict ---- */

Test(compare, few_loops_are_ambiguous)
{
    const char *a =
        LOOPS_WRITE("a.jsonl", loops_around("serial", 4, 100), loops_around("ring=2", 9, 100),
                    loops_around("cfg=2", 1, 100), loops_row("data=2", 0, NULL));
    const char *b =
        LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 200), loops_around("ring=2", 4, 200),
                    loops_around("cfg=2", 9, 200), loops_around("data=2", 9, 100));
    struct compare c = open_files(a, b, 0.05, false);
    check_pair(&c.pair[0], "serial", 100, 200, COMPARE_AMBIGUOUS);
    check_pair(&c.pair[1], "ring=2", 100, 200, COMPARE_AMBIGUOUS);
    cr_assert(c.pair[2].ratio == 2 && isnan(c.pair[2].low)); // one loop tells of no spread
    cr_assert(isnan(c.pair[3].ratio) && isnan(c.pair[3].side[0]->median));
    cr_assert_eq(c.count[COMPARE_AMBIGUOUS], 4);
    compare_release(&c);
}

Test(compare, what_is_not_ok_has_no_verdict)
{
    const char *a = LOOPS_WRITE("a.jsonl", rows_failed("serial", 1, ENDING_OOM, "too large"),
                                loops_around("ring=2", 9, 100));
    const char *b = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 200),
                                rows_failed("ring=2", 1, ENDING_WRONG, "wrong"));
    struct compare c = open_files(a, b, 0.05, false);
    cr_assert_eq(c.count[COMPARE_NOT_OK], 2);
    cr_assert(isnan(c.pair[0].ratio) && isnan(c.pair[1].ratio));
    cr_assert_eq(c.pair[0].side[0]->status, ENDING_OOM);
    compare_release(&c);
}

Test(compare, ranks_that_shared_a_gpu_tell_nothing_of_speed)
{
    struct record *a = loops_around("ring=2", 9, 100), *b = loops_around("ring=2", 9, 200);
    record_add_text(a, &a->flags, RECORD_SHARED_GPU);
    const char *one = LOOPS_WRITE("a.jsonl", a), *other = LOOPS_WRITE("b.jsonl", b);
    struct compare c = open_files(one, other, 0.05, false);
    check_pair(&c.pair[0], "ring=2", 100, 200, COMPARE_AMBIGUOUS);
    compare_release(&c);
}

/* ---- refusals ---- */

Test(compare, other_cohorts_are_refused_and_named)
{
    struct record *b = loops_around("serial", 9, 100);
    b->env.cpu = "Another CPU";
    b->env.cores = 3;
    b->env.libraries = (struct record_map){0};
    record_add_pair(b, &b->env.libraries, "jansson", "2.15");
    record_add_pair(b, &b->env.libraries, "nccl", "2.28");
    b->env.host = "there";      // not of the cohort
    b->env.commit = "ba987654"; // nor this
    const char *one = LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100)),
               *other = LOOPS_WRITE("b.jsonl", b);
    refused(one, other,
            "1 of 1 cells ran in another cohort, first serial: CPU A CPU and Another CPU; cores 2 "
            "and 3; jansson 2.14 and 2.15; nccl none and 2.28.");
    struct compare c = open_files(one, other, 0.05, true);
    cr_assert(c.pair[0].forced);
    check_pair(&c.pair[0], "serial", 100, 100, COMPARE_SAME);
    compare_release(&c);
}

/* Cells that did not run never loaded the GPU's libraries; nothing is divided there. */
Test(compare, cells_that_are_not_ok_may_be_of_another_cohort)
{
    struct record *a = rows_failed("ring=2", 1, ENDING_UNSUPPORTED, "no");
    record_add_pair(a, &a->env.libraries, "cuda", "13.0");
    const char *one = LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100), a),
               *other = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 100),
                                    loops_around("ring=2", 9, 100));
    struct compare c = open_files(one, other, 0.05, false);
    check_pair(&c.pair[0], "serial", 100, 100, COMPARE_SAME);
    cr_assert_eq(c.pair[1].verdict, COMPARE_NOT_OK);
    cr_assert_eq(c.pair[1].side[0]->status, ENDING_UNSUPPORTED);
    cr_assert(!c.pair[1].forced);
    compare_release(&c);
}

Test(compare, gpus_and_drivers_are_named)
{
    struct record *a = loops_around("serial", 9, 100), *b = loops_around("serial", 9, 100);
    rows_set_gpus(a, "nccl", 2);
    rows_set_gpus(b, "nccl", 1);
    const char *one = LOOPS_WRITE("a.jsonl", a);
    b->env.gpus.v[0].driver = "2";
    const char *other = LOOPS_WRITE("b.jsonl", b);
    refused(one, other, "GPUs 2 x A GPU and 1 x A GPU; driver 1 and 2.");
}

/* Two rows that do not say where they ran did not run in one place for that. */
Test(compare, a_row_without_a_machine_is_of_another_cohort)
{
    struct record *rows[2];
    for (int i = 0; i < 2; i++) {
        rows[i] = loops_around("serial", 9, 100);
        rows[i]->env = (struct record_env){.cores = 0};
    }
    const char *one = LOOPS_WRITE("a.jsonl", rows[0]), *other = LOOPS_WRITE("b.jsonl", rows[1]);
    refused(one, other, "do not say where they ran");
}

/* Nor do those whose ratio would be infinite. */
Test(compare, loops_that_took_no_time_are_refused)
{
    static const struct {
        double loop;
        const char *found;
    } bad[] = {{0, "0"}, {-1, "-1"}, {NAN, "null"}, {1e300, "1e+300"}, {5e-324, "4.94066e-324"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char why[100];
        const double loops[] = {1, 2, bad[i].loop, 4, 5};
        const char *a = LOOPS_WRITE("a.jsonl", loops_row("serial", 5, loops));
        snprintf(why, sizeof why,
                 "latency_ms.samples[2]: found %s, wanted a time from 1e-09 to 1e+12 ms",
                 bad[i].found);
        refused(a, a, why);
    }
}

/* Of medians that lie as far apart as they may both ratios are numbers, and so are intervals. */
Test(compare, loops_at_their_borders_have_a_ratio)
{
    const double least[] = {1e-9, 1e-9, 1e-9, 1e-9, 1e-9}, most[] = {1e12, 1e12, 1e12, 1e12, 1e12};
    const char *a = LOOPS_WRITE("a.jsonl", loops_row("serial", 5, least));
    const char *b = LOOPS_WRITE("b.jsonl", loops_row("serial", 5, most));
    struct compare up = open_files(a, b, 0.05, false), down = open_files(b, a, 0.05, false);
    cr_assert_eq(up.count[COMPARE_SLOWER], 1);
    cr_assert_eq(down.count[COMPARE_FASTER], 1);
    cr_assert_float_eq(up.pair[0].high / 1e21, 1, 1e-9);
    cr_assert_float_eq(down.pair[0].low / 1e-21, 1, 1e-9);
    compare_release(&up);
    compare_release(&down);
}

/* ---- how often it is right ---- */

/* Of cells that became 5 % slower, the threshold itself, half are beyond it; the interval of one in
 * 40 ends below it; the rest cannot be told. Of cells that did not change none is called otherwise,
 * and a fifth more is never missed. */
Test(compare, verdicts_are_as_often_as_they_should)
{
    enum { CELLS = 300, LOOPS = 20 };
    static const double truth[] = {1, 1.05, 1.2};
#ifdef DEBUG
    cr_skip_test("sanitizers look at memory; statistics are the same as in a release");
#endif
    struct record **a = calloc(CELLS, sizeof(struct record *)), **b = calloc(CELLS, sizeof *b);
    for (int t = 0; t < 3; t++) {
        for (int i = 0; i < CELLS; i++) {
            double x[LOOPS], y[LOOPS];
            for (uint64_t k = 0; k < LOOPS; k++) {
                x[k] = 100 * (1 + 0.02 * rng_normal(1, (uint64_t)i, k));
                y[k] = 100 * truth[t] * (1 + 0.02 * rng_normal(2, (uint64_t)i, k));
            }
            a[i] = loops_row("serial", LOOPS, x);
            b[i] = loops_row("serial", LOOPS, y);
            a[i]->cell.seed = b[i]->cell.seed = (uint64_t)i;
        }
        const char *one = loops_write("a.jsonl", CELLS, a),
                   *other = loops_write("b.jsonl", CELLS, b);
        struct compare c = open_files(one, other, 0.05, false);
        cr_assert_eq(c.pairs, CELLS);
        double slower = (double)c.count[COMPARE_SLOWER] / CELLS;
        double same = (double)c.count[COMPARE_SAME] / CELLS;
        double ambiguous = (double)c.count[COMPARE_AMBIGUOUS] / CELLS;
        cr_assert_eq(c.count[COMPARE_FASTER], 0);
        if (t == 0)
            cr_assert(slower == 0 && same > 0.99, "%g same, %g ambiguous", same, ambiguous);
        else if (t == 1)
            cr_assert(fabs(slower - 0.5) < 0.08 && same < 0.05 && fabs(ambiguous - 0.475) < 0.09,
                      "%g slower, %g same, %g ambiguous", slower, same, ambiguous);
        else
            cr_assert_eq(slower, 1);
        compare_release(&c);
    }
    free(a);
    free(b);
}
