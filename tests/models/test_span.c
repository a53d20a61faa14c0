/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: every split is a partition into parts that differ by at most one, larger ones first. */
#include "models/span.h"

#include <criterion/criterion.h>
#include <string.h>

/* Three runs with a hole, as a patch of text and image rows has. */
static struct span three_runs(int a, int b, int c)
{
    struct span span = {.n = 3, .run = {{0, a}, {a, b}, {a + b + 7, c}}};

    return span;
}

Test(span, of_one_run)
{
    struct span span = span_of(5, 3);

    cr_assert_eq(span.n, 1);
    cr_assert_eq(span_count(&span), 3);
    cr_assert_eq(span_find(&span, 4), -1);
    cr_assert_eq(span_find(&span, 5), 0);
    cr_assert_eq(span_find(&span, 7), 2);
    cr_assert_eq(span_find(&span, 8), -1);
    span = span_of(5, 0);
    cr_assert_eq(span.n, 0);
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

Test(span, every_token_is_in_exactly_one_part)
{
    for (int a = 1; a <= 9; a += 2) {
        for (int n = 1; n <= 12; n++) {
            struct span whole = three_runs(a, 13, 6);
            int total = 0;

            for (int k = 0; k < n; k++) {
                struct span part = span_part(&whole, k, n);

                total += span_count(&part);
                cr_assert_leq(part.n, whole.n);
            }
            cr_assert_eq(total, span_count(&whole));
            for (int token = 0; token < 40; token++) {
                int owners = 0;

                for (int k = 0; k < n; k++) {
                    struct span part = span_part(&whole, k, n);

                    owners += span_find(&part, token) >= 0;
                }
                cr_assert_eq(owners, span_find(&whole, token) >= 0);
            }
        }
    }
}

static bool equal(const struct span *a, const struct span *b)
{
    return a->n == b->n && memcmp(a->run, b->run, (size_t)a->n * sizeof(a->run[0])) == 0;
}

Test(span, part_cuts_every_run_and_keeps_runs_apart)
{
    struct span whole = three_runs(1, 5, 4);
    struct span first = span_part(&whole, 0, 2);
    struct span second = span_part(&whole, 1, 2);
    struct span first_wanted = {.n = 3, .run = {{0, 1}, {1, 3}, {13, 2}}};
    struct span second_wanted = {.n = 2, .run = {{4, 2}, {15, 2}}};

    cr_assert(equal(&first, &first_wanted));
    cr_assert(equal(&second, &second_wanted));
    cr_assert_not(equal(&first, &second));
}

Test(span, push_merges_only_what_touches_in_order)
{
    struct span span = span_of(4, 2);

    cr_assert(span_push(&span, 6, 3));
    cr_assert_eq(span.n, 1);
    cr_assert_eq(span.run[0].count, 5);
    cr_assert(span_push(&span, 6, 0));
    cr_assert_eq(span.n, 1);
    cr_assert(span_push(&span, 1, 3)); /* touches, but in front */
    cr_assert_eq(span.n, 2);
    cr_assert_eq(span_find(&span, 1), 5);
    cr_assert_eq(span_count(&span), 8);
}

Test(span, append_keeps_the_order_of_rows)
{
    struct span span = span_of(10, 2);
    struct span more = {.n = 2, .run = {{12, 1}, {0, 4}}};

    cr_assert(span_append(&span, &more));
    cr_assert_eq(span.n, 2);
    cr_assert_eq(span_find(&span, 12), 2);
    cr_assert_eq(span_find(&span, 0), 3);
}

Test(span, push_refuses_one_run_too_many)
{
    struct span span = {.n = 0};

    for (int i = 0; i < SPAN_MAX_RUNS; i++)
        cr_assert(span_push(&span, 2 * i, 1));
    cr_assert_not(span_push(&span, 2 * SPAN_MAX_RUNS, 1));
    cr_assert_eq(span.n, SPAN_MAX_RUNS);
    cr_assert(span_push(&span, 2 * SPAN_MAX_RUNS - 1, 1)); /* touches the last run */
}
