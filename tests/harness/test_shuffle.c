/* SPDX-License-Identifier: Apache-2.0 */
/* Permutations by seed: each number once, the same each time, all of them likely. */
#include "harness/base/shuffle.h"

#include <criterion/criterion.h>
#include <string.h>

Test(shuffle, each_number_comes_once)
{
    enum { N = 1000 };
    int order[N], seen[N] = {0};
    shuffle_order(7, 3, N, order);
    for (int i = 0; i < N; i++)
        seen[order[i]]++;
    for (int i = 0; i < N; i++)
        cr_assert_eq(seen[i], 1);
    shuffle_order(7, 3, 0, order);
}

Test(shuffle, seed_and_stream_decide)
{
    int a[20], b[20];
    shuffle_order(1, 0, 20, a);
    shuffle_order(1, 0, 20, b);
    cr_assert_eq(memcmp(a, b, sizeof a), 0);
    shuffle_order(1, 1, 20, b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    shuffle_order(UINT64_C(1) << 32 | 1, 0, 20, b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0, "all of the seed counts");
}

/* Of 6000 draws each of the six permutations of three comes 1000 times, give or take 5 sigma. */
Test(shuffle, permutations_are_alike)
{
    int count[3][3] = {{0}};
    for (uint64_t seed = 0; seed < 6000; seed++) {
        int order[3];
        shuffle_order(seed, 0, 3, order);
        count[order[0]][order[1]]++;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            cr_assert(i == k ? count[i][k] == 0 : count[i][k] > 855 && count[i][k] < 1145,
                      "%d %d: %d", i, k, count[i][k]);
}
