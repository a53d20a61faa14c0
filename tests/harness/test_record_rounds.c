/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of one measurement as one row: which rows are joined, and what their numbers are. */
#include "harness/record/rounds.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>

/* A row of samples median, 1.05, 0.97, 1.025 and 0.995 times it. */
static struct record *row(const char *strategy, int round, double median)
{
    struct record *r = rows_ok(strategy, 2, median);
    r->cell.round = round;
    cr_assert_eq(record_identify(r), ST_OK);
    return r;
}

static struct record_rounds joined(int n, struct record **v)
{
    struct record_rounds rounds;
    cr_assert_eq(record_rounds_join(n, (const struct record *const *)v, &rounds), ST_OK);
    return rounds;
}

static void close_all(int n, struct record **v, struct record_rounds *rounds)
{
    record_rounds_release(rounds);
    for (int i = 0; i < n; i++)
        record_close(v[i]);
}

Test(record_rounds, samples_are_appended_in_the_order_of_rounds)
{
    struct record *v[] = {row("ring=2", 1, 110), row("cfg=2", 0, 50), row("ring=2", 2, 104),
                          row("ring=2", 0, 100)};
    v[0]->latency_ms.slowest_rank = 0;
    v[2]->latency_ms.slowest_rank = 1;
    struct record_rounds rounds = joined(4, v);
    cr_assert_eq(rounds.n, 2);
    cr_assert_eq(rounds.v[0], v[1], "a row alone stays as it is");
    const struct record *r = rounds.v[1];
    cr_assert_str_eq(r->id, v[3]->id, "the last row's");
    cr_assert_eq(r->latency_ms.samples.n, 15);
    cr_assert_eq(r->latency_ms.samples.v[0], 100);
    cr_assert_eq(r->latency_ms.samples.v[5], 110);
    cr_assert_eq(r->latency_ms.samples.v[14], 0.995 * 104);
    /* 97 99.5 100 100.88 102.5 103.48 104 [105] 106.6 106.7 109.2 109.45 110 112.75 115.5 */
    cr_assert_float_eq(r->latency_ms.median, 105, 1e-12);
    cr_assert_eq(r->latency_ms.min, 97);
    cr_assert_float_eq(r->latency_ms.max, 115.5, 1e-12);
    cr_assert_eq(r->step_ms.samples.v[0], 5, "105 ms are a loop of round 0: steps of 100 / 20");
    cr_assert_eq(r->latency_ms.slowest_rank, v[3]->latency_ms.slowest_rank);
    cr_assert_eq(r->rounds.n, 3);
    cr_assert(r->rounds.v[0] == 100 && r->rounds.v[1] == 110 && r->rounds.v[2] == 104);
    cr_assert_float_eq(record_rounds_spread(r), 100 * 10.0 / 105, 1e-12);
    cr_assert(isnan(record_rounds_spread(v[1])));
    close_all(4, v, &rounds);
}

Test(record_rounds, only_what_differs_in_round_alone_is_joined)
{
    struct record *v[] = {row("ring=2", 0, 100), row("ring=2", 1, 100), row("ring=2", 2, 100),
                          row("ring=2", 3, 100), row("ring=2", 4, 100)};
    v[1]->env.commit = "other";
    v[2]->cohort = "0000000000000000";
    v[3]->cell.repeats = 6;
    v[4]->status = ENDING_WRONG;
    struct record_rounds rounds = joined(5, v);
    cr_assert_eq(rounds.n, 5);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(rounds.v[i], v[i]);
    close_all(5, v, &rounds);
}

Test(record_rounds, of_one_round_the_later_row_counts)
{
    struct record *v[] = {row("ring=2", 0, 300), row("ring=2", 1, 100), row("ring=2", 0, 100)};
    struct record_rounds rounds = joined(3, v);
    cr_assert_eq(rounds.n, 2);
    cr_assert_eq(rounds.v[0], v[0]);
    cr_assert_eq(rounds.v[1]->latency_ms.samples.n, 10);
    cr_assert_eq(rounds.v[1]->latency_ms.max, 105);
    close_all(3, v, &rounds);
}

static struct record *failed(int round, const char *reason)
{
    struct record *r = rows_failed("ring=2", 2, ENDING_UNSUPPORTED, reason);
    r->cell.round = round;
    cr_assert_eq(record_identify(r), ST_OK);
    return r;
}

/* A cell that fails in each round is one that failed; not so where it failed for other reasons. */
Test(record_rounds, rounds_that_failed_alike_are_one_row)
{
    struct record *v[] = {failed(0, "one tile"), row("ring=2", 2, 100), failed(1, "one tile"),
                          failed(3, "no memory")};
    struct record_rounds rounds = joined(4, v);
    cr_assert_eq(rounds.n, 3);
    cr_assert_eq(rounds.v[0], v[1]);
    cr_assert_eq(rounds.v[2], v[3]);
    const struct record *r = rounds.v[1];
    cr_assert_eq(r->status, ENDING_UNSUPPORTED);
    cr_assert_str_eq(r->reason, "one tile");
    cr_assert_str_eq(r->id, v[2]->id, "the last row's");
    cr_assert_eq(r->latency_ms.samples.n, 0);
    cr_assert(isnan(r->latency_ms.median));
    cr_assert_eq(r->rounds.n, 2);
    cr_assert(isnan(record_rounds_spread(r)));
    close_all(4, v, &rounds);
}

Test(record_rounds, flags_are_told_from_all_samples)
{
    struct record *v[] = {row("ring=2", 0, 100), row("ring=2", 1, 200)};
    record_add_text(v[0], &v[0]->flags, "throttled");
    record_add_text(v[1], &v[1]->flags, RECORD_DRIFT); /* within a round; not so in all of them */
    struct record_rounds rounds = joined(2, v);
    const struct record *r = rounds.v[0];
    cr_assert_eq(rounds.n, 1);
    cr_assert(record_has_flag(r, "noisy"), "neither round is");
    cr_assert(record_has_flag(r, "throttled"));
    cr_assert(record_has_flag(r, "drift"), "its last loops took twice as long as its first");
    cr_assert_eq(r->flags.n, 3);
    close_all(2, v, &rounds);
}

Test(record_rounds, nothing_is_nothing)
{
    struct record_rounds rounds = joined(0, NULL);
    cr_assert_eq(rounds.n, 0);
    record_rounds_release(&rounds);
}
