/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of verdicts, on numbers whose verdict is known by hand. */
#include "harness/paper/judge.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(paper_judge, a_ratio_within_a_quarter_is_reproduced_edges_included)
{
    static const struct {
        double published, ours;
        enum paper_verdict verdict;
    } cases[] = {
        {2, 2, PAPER_REPRODUCED},         {2, 2.5, PAPER_REPRODUCED},
        {2, 2.501, PAPER_NOT_REPRODUCED}, {2, 1.5, PAPER_REPRODUCED},
        {2, 1.499, PAPER_NOT_REPRODUCED}, {0.4, 0.3, PAPER_REPRODUCED},
        {2, 8, PAPER_NOT_REPRODUCED}, /* better is not the same */
    };
    char why[PAPER_WHY];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(paper_judge_ratio(cases[i].published, cases[i].ours, why), cases[i].verdict,
                     "%g, %g: %s", cases[i].published, cases[i].ours, why);
    paper_judge_ratio(2, 2.6, why);
    cr_expect_str_eq(why, "ratio 2.6, published 2: +30%");
}

/* A percentage that rounds to the other side of the rule gets the digits that tell. */
Test(paper_judge, a_percentage_lies_on_the_side_of_its_verdict)
{
    static const struct {
        double published, ours;
        const char *why;
    } cases[] = {
        {1, 1.25, ": +25%"},      {1, 0.75, ": -25%"},
        {1, 0.7498, ": -25.02%"}, {1, 0.746, ": -25.4%"},
        {1, 1.249, ": +25%"},     {1, 1.2503, ": +25.03%"},
        {1, 1.256, ": +26%"},     {10000, 12500.1, ": +25.001%"},
    };
    char why[PAPER_WHY];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        paper_judge_ratio(cases[i].published, cases[i].ours, why);
        cr_expect_not_null(strstr(why, cases[i].why), "%g: %s", cases[i].ours, why);
    }
}

Test(paper_judge, an_order_is_kept_or_not)
{
    static const char *const name[] = {"a", "b", "c", "d"};
    const double published[] = {1, 2, 2.04, 4}; /* b and c differ by 2%: no order */
    const double kept[] = {10, 30, 20, 40}, broken[] = {10, 30, 20, 25};
    const double some[] = {10, NAN, NAN, 40}, equal[] = {10, 20, 20, 20};
    char why[PAPER_WHY];
    for (int i = 0; i < 4; i++)
        cr_expect_eq(paper_judge_order(4, published, kept, name, i, why), PAPER_REPRODUCED,
                     "%s: %s", name[i], why);
    cr_expect_eq(paper_judge_order(4, published, broken, name, 0, why), PAPER_REPRODUCED);
    cr_expect_str_eq(why, "its order with 3 others is kept");
    cr_expect_eq(paper_judge_order(4, published, broken, name, 1, why), PAPER_NOT_REPRODUCED);
    cr_expect_str_eq(why, "its order with 1 of 2 others is kept; not with d");
    cr_expect_eq(paper_judge_order(4, published, broken, name, 2, why), PAPER_REPRODUCED);
    cr_expect_eq(paper_judge_order(4, published, broken, name, 3, why), PAPER_NOT_REPRODUCED);
    cr_expect_eq(paper_judge_order(4, published, some, name, 0, why), PAPER_REPRODUCED);
    cr_expect_str_eq(why, "its order with 1 other is kept");
    cr_expect_eq(paper_judge_order(4, published, some, name, 1, why), PAPER_NOT_COMPARABLE);
    cr_expect_eq(paper_judge_order(4, published, equal, name, 3, why), PAPER_NOT_REPRODUCED,
                 "equal is no order");
    cr_expect_eq(paper_judge_order(2, published + 1, kept, name, 0, why), PAPER_NOT_COMPARABLE);
    cr_expect_str_eq(why, "no other value of ours here has a published order with it");
}
