/* SPDX-License-Identifier: Apache-2.0 */
/* Distances worked out by hand; what cannot be compared never passes. */
#include "harness/check/quality.h"

#include <criterion/criterion.h>
#include <math.h>

Test(quality, by_hand)
{
    float want[] = {3, 0, 4, 0}, got[] = {3, 0.5f, 4, 0};
    struct quality q = quality_of(4, got, want);
    cr_assert_eq(q.rel_l2, 0.1); // 0.5 / 5
    cr_assert_eq(q.max_abs, 0.5);
    cr_assert_eq(q.worst, 1);
    cr_assert_float_eq(q.psnr_db, 20 * log10(4 / 0.25), 1e-12); // range 4, rms 0.25
    cr_assert(quality_pass(&q, 0.1));
    cr_assert_not(quality_pass(&q, 0.0999));
}

Test(quality, range_of_signed_values_is_max_minus_min)
{
    float want[] = {-1, 1}, got[] = {-1, 1.5f};
    struct quality q = quality_of(2, got, want);
    cr_assert_float_eq(q.psnr_db, 20 * log10(2 / (0.5 / sqrt(2))), 1e-12);
}

Test(quality, equal_arrays)
{
    float a[] = {1, -2, 3};
    struct quality q = quality_of(3, a, a);
    cr_assert_eq(q.rel_l2, 0);
    cr_assert_eq(q.max_abs, 0);
    cr_assert(isinf(q.psnr_db) && q.psnr_db > 0);
    cr_assert(quality_pass(&q, 0));
}

Test(quality, zero_reference)
{
    float zero[] = {0, 0}, other[] = {0, 1e-30f};
    struct quality same = quality_of(2, zero, zero), different = quality_of(2, other, zero);
    cr_assert_eq(same.rel_l2, 0);
    cr_assert(isinf(different.rel_l2));
    cr_assert(isnan(different.psnr_db)); // a constant has no range
    cr_assert_not(quality_pass(&different, 1e30));
}

Test(quality, nan_never_passes)
{
    float want[] = {1, 2, 3}, got[] = {1, NAN, 3};
    struct quality q = quality_of(3, got, want);
    cr_assert(isnan(q.rel_l2) && isnan(q.max_abs) && isnan(q.psnr_db));
    cr_assert_eq(q.worst, 1);
    cr_assert_not(quality_pass(&q, INFINITY));
    cr_assert(isnan(quality_of(3, want, got).rel_l2));
}

Test(quality, infinities_never_pass_even_when_equal)
{
    float a[] = {1, INFINITY};
    struct quality q = quality_of(2, a, a);
    cr_assert_not(quality_pass(&q, INFINITY));
}

Test(quality, huge_values_do_not_overflow)
{
    float want[] = {3e38f, 0}, got[] = {-3e38f, 0};
    cr_assert_float_eq(quality_of(2, got, want).rel_l2, 2, 1e-12);
}
