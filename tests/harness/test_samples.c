/* SPDX-License-Identifier: Apache-2.0 */
/* When loops are enough: the rule on sequences made by hand, and a cell measured under it. */
#include "harness/base/stats.h"
#include "harness/measure/samples.h"
#include "harness/record/record.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct record_stop rule = {
    .min_loops = 10, .min_seconds = 5, .max_seconds = 20, .max_noise = 1.5};

/* Loops of a sequence until the rule stops, each `seconds` long by the clock. */
static int loops_until(const struct record_stop *r, int n, const double *ms, double seconds)
{
    double sorted[100];
    for (int i = 1; i <= n; i++) {
        memcpy(sorted, ms, (size_t)i * sizeof *sorted);
        stats_sort(i, sorted);
        if (samples_enough(r, i, sorted, seconds * i))
            return i;
    }
    return n + 1;
}

static const double *calm(int n)
{
    static double ms[100];
    for (int i = 0; i < n; i++)
        ms[i] = 100 + 0.1 * (i % 3);
    return ms;
}

Test(samples, calm_loops_end_at_the_least_number_or_time)
{
    cr_assert_eq(loops_until(&rule, 100, calm(100), 0.01), 10, "min_loops");
    cr_assert_eq(loops_until(&rule, 100, calm(100), 0.7), 8, "5 s are over before 10 loops");
    cr_assert_eq(loops_until(&rule, 100, calm(100), 3), 6, "but six make an interval");
    cr_assert_eq(loops_until(&rule, 100, calm(100), 7), 3, "max_seconds ends all");
    cr_assert_eq(loops_until(&rule, 100, calm(100), 30), 1);
    struct record_stop few = rule;
    few.min_loops = 1;
    cr_assert_eq(loops_until(&few, 100, calm(100), 0.01), 6);
}

Test(samples, noise_is_half_the_interval_of_the_median)
{
    /* of 10: the second smallest and the second largest */
    const double at[] = {97, 98.5, 100, 100, 100, 100, 100, 100, 101.5, 130};
    double above[10];
    memcpy(above, at, sizeof above);
    above[8] = 101.6;
    cr_assert(samples_enough(&rule, 10, at, 1), "1.5 %% is narrow enough");
    cr_assert(!samples_enough(&rule, 10, above, 1), "1.55 %% is not");
    cr_assert(samples_enough(&rule, 10, above, 20), "but the time is up");
    cr_assert(!samples_enough(&rule, 10, above, 19.9));
}

Test(samples, wild_loops_end_with_the_time)
{
    double ms[100];
    for (int i = 0; i < 100; i++)
        ms[i] = i % 2 ? 100 : 120;
    cr_assert_eq(loops_until(&rule, 100, ms, 0.5), 40);
}

Test(samples, a_disturbed_start_is_outlived)
{
    double ms[100];
    for (int i = 0; i < 100; i++)
        ms[i] = i < 5 ? 200 - 10 * i : 100;
    /* of 16 loops, the fourth largest is still disturbed; of 17, the fifth; from n on where l >= 6
     */
    int n = loops_until(&rule, 100, ms, 0.001);
    cr_assert_eq(n, 20, "%d", n);
    cr_assert(stats_median_rank(19) == 5 && stats_median_rank(20) == 6);
}

/* ---- the program ---- */

TestSuite(samples_run, .init = program_limit);
TestSuite(samples_mpi, .init = program_limit);

#define QUICK                                                                                      \
    "run", "--model=pixart-tiny", "--size=64", "--steps=2", "--threads=2", "--backend=cpu",        \
        "--check=off", "--json", "--repeats=auto"

static struct record *record_of(struct program *r)
{
    struct record *record;
    cr_assert_eq(r->status, 0, "%s", r->err);
    cr_assert_eq(record_read(r->out, strlen(r->out), 1, &record), ST_OK, "%s", status_message());
    program_release(r);
    return record;
}

static void stops_after(struct program r, int loops)
{
    struct record *record = record_of(&r);
    /* the rule holds for all loops and, after `loops` of them, for no fewer: one that was disturbed
     * makes it go on */
    int n = record->latency_ms.samples.n;
    double sorted[1000];
    cr_assert(n >= loops && n <= 1000, "%d loops", n);
    for (int k = 1; k <= n; k++) {
        memcpy(sorted, record->latency_ms.samples.v, (size_t)k * sizeof *sorted);
        stats_sort(k, sorted);
        cr_expect_eq(samples_enough(&record->cell.stop, k, sorted, 0), k == n, "%d of %d", k, n);
    }
    cr_assert_eq(record->cell.repeats, RECORD_UNKNOWN);
    cr_assert_eq(record->cell.warmup_loops, 2, "that many ran");
    cr_assert_eq(record->step_ms.samples.n, 2);
    cr_assert_eq(record->comm_match, RECORD_YES, "bytes are those of one loop");
    record_close(record);
}

Test(samples_run, all_ranks_stop_after_the_same_loop)
{
    stops_after(program_run(QUICK, "--transport=local", "--strategy=cfg=2,ring=2", "--min-loops=70",
                            "--min-seconds=1000", "--max-noise=100", NULL),
                70); /* beyond the first room */
    stops_after(program_run(QUICK, "--strategy=serial", "--min-loops=2", "--max-noise=100", NULL),
                6);
}

Test(samples_mpi, all_processes_stop_after_the_same_loop)
{
    program_needs_mpi();
    stops_after(program_run(QUICK, "--transport=mpi", "--strategy=ring=2", "--min-loops=7",
                            "--min-seconds=1000", "--max-noise=100", NULL),
                7);
}

Test(samples_run, a_cell_whose_time_is_up_says_so)
{
    struct program r = program_run(QUICK, "--strategy=serial", "--max-seconds=0.001", NULL);
    struct record *record = record_of(&r);
    cr_assert_eq(record->latency_ms.samples.n, 1);
    cr_assert(record_has_flag(record, "noisy"));
    cr_assert(record->cell.stop.min_loops == 10 && record->cell.stop.min_seconds == 5 &&
              record->cell.stop.max_seconds == 0.001 && record->cell.stop.max_noise == 1.5);
    record_close(record);
}

Test(samples_run, what_nothing_looks_at_is_refused)
{
    struct program r = program_run("run", "--model=pixart-tiny", "--min-loops=20", NULL);
    cr_assert(r.status == 2 && strstr(r.err, "min-loops 20: only repeats auto looks at it"), "%s",
              r.err);
    program_release(&r);
    r = program_run(QUICK, "--max-seconds=0", NULL);
    cr_assert(r.status == 2 && strstr(r.err, "no loop would be measured"), "%s", r.err);
    program_release(&r);
}
