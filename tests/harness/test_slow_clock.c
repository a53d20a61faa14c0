/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the library that slows a program; that it does is timing, and no unit test. */
#include "tests/tools/slow_clock.h"

#include <criterion/criterion.h>

/* Binary fractions: all of it is exact. */
Test(slow_clock, work_is_longer_by_the_share)
{
    cr_assert_eq(slow_clock_until(1, 0, 25), 1.25);
    cr_assert_eq(slow_clock_until(8, 0, 0), 8);
}

/* 1 s of work, 0.25 of spinning, then 2 s of work: 0.5 more. */
Test(slow_clock, work_is_paid_for_once)
{
    cr_assert_eq(slow_clock_until(1.25, 0.25, 25), 1.25);
    cr_assert_eq(slow_clock_until(3.25, 0.25, 25), 3.75);
}

/* The spin ended 0.5 s late: 0.75 in place of 0.25. The next 4 s of work owe 0.5 less, and work
 * that owes less than that nothing. */
Test(slow_clock, a_late_end_is_made_up_for)
{
    cr_assert_eq(slow_clock_until(1.75 + 4, 0.75, 25), 5.75 + 0.5);
    cr_assert_eq(slow_clock_until(1.75 + 1, 0.75, 25), 2.75);
}
