/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: every split is a partition into parts that differ by at most one, larger ones first. */
#include "models/span.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(span, rows_follow_the_runs)
{
    struct token_run run[] = {{5, 3}, {20, 2}, {0, 4}};
    struct span span = {3, 3, run};

    cr_assert_eq(span_count(&span), 9);
    cr_assert_eq(span_find(&span, 4), -1);
    cr_assert_eq(span_find(&span, 5), 0);
    cr_assert_eq(span_find(&span, 7), 2);
    cr_assert_eq(span_find(&span, 8), -1);
    cr_assert_eq(span_find(&span, 21), 4);
    cr_assert_eq(span_find(&span, 0), 5);
    span.n = 0;
    cr_assert_eq(span_count(&span), 0);
    cr_assert_eq(span_find(&span, 5), -1);
}

Test(span, parts_of_a_count_are_a_partition_larger_first)
{
    for (int count = 0; count <= 70; count++) {
        for (int n = 1; n <= 17; n++) {
            int next = 0;
            int previous = count + 1;

            for (int k = 0; k < n; k++) {
                int begin;
                int size = part_of(count, k, n, &begin);

                cr_assert_eq(begin, next, "part %d of %d of %d", k, n, count);
                cr_assert_eq(size, count / n + (k < count % n), "part %d of %d of %d", k, n, count);
                cr_assert_leq(size, previous);
                previous = size;
                next += size;
            }
            cr_assert_eq(next, count);
        }
    }
}

Test(span, part_of_a_large_count_does_not_overflow)
{
    int begin;
    int size = part_of(2147483647, 6, 7, &begin);

    cr_assert_eq(size, 306783378);
    cr_assert_eq(begin + size, 2147483647);
}

Test(span, push_merges_only_what_touches_in_order)
{
    struct token_run run[2];
    struct span span = {.room = 2, .run = run};

    span_push(&span, 4, 2);
    span_push(&span, 6, 3);
    cr_assert_eq(span.n, 1);
    cr_assert_eq(span.run[0].count, 5);
    span_push(&span, 6, 0);
    cr_assert_eq(span.n, 1);
    span_push(&span, 1, 3); /* touches, but in front */
    cr_assert_eq(span.n, 2);
    span_push(&span, 4, 1); /* no room is needed for a run that touches the last */
    cr_assert_eq(span_find(&span, 1), 5);
    cr_assert_eq(span_count(&span), 9);
}

Test(span, a_run_too_many_is_a_bug, .signal = SIGABRT)
{
    struct token_run run[1];
    struct span span = {.room = 1, .run = run};

    span_push(&span, 0, 1);
    span_push(&span, 5, 1);
}
