/* SPDX-License-Identifier: Apache-2.0 */
/* Philox against published answers; the distributions against their definitions and their moments.
 */
#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The known answers of Random123 1.14 for philox4x32 with 10 rounds (kat_vectors). */
Test(rng, philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } answer[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof answer / sizeof answer[0]; i++) {
        uint32_t out[4];
        rng_philox(answer[i].key, answer[i].counter, out);
        cr_assert_arr_eq(out, answer[i].want, sizeof out);
        memcpy(out, answer[i].counter, sizeof out);
        rng_philox(answer[i].key, out, out);
        cr_assert_arr_eq(out, answer[i].want, sizeof out, "in place");
    }
}

/* The four words of the block of element `index`, from the layout that rng.c documents. */
static void words_of(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint64_t block = index / 4;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    rng_philox(key, counter, out);
}

Test(rng, uniform_is_its_definition_for_any_range)
{
    /* The last start crosses a block number of 2^32, the one before the top of the element numbers.
     */
    static const uint64_t starts[] = {0, 1, 2, 3, 17, 1000003, (UINT64_C(1) << 34) - 37};
    static const uint64_t seed = 0x123456789abcdef0, stream = 0xfedcba9876543210;
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        for (int64_t count = 0; count < 90; count++) {
            float *got = malloc(sizeof(float) * (size_t)(count + 1));
            got[count] = 42.0f;
            rng_uniform(seed, stream, starts[s], count, got);
            for (int64_t i = 0; i < count; i++) {
                uint32_t word[4];
                uint64_t index = starts[s] + (uint64_t)i;
                words_of(seed, stream, index, word);
                cr_assert_eq(got[i], 2.0f * rng_unit(word[index % 4]) - 1.0f);
            }
            cr_assert_eq(got[count], 42.0f);
            free(got);
        }
    }
}

Test(rng, uniform_covers_its_range_evenly)
{
    enum { COUNT = 1 << 20, BINS = 64 };
    float *x = malloc(COUNT * sizeof(float));
    rng_uniform(7, 9, 0, COUNT, x);
    int bin[BINS] = {0};
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < COUNT; i++) {
        cr_assert(x[i] >= -1.0f && x[i] < 1.0f);
        bin[(int)((x[i] + 1.0f) * (BINS / 2))]++;
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    double chi = 0.0;
    for (int b = 0; b < BINS; b++)
        chi += pow(bin[b] - (double)COUNT / BINS, 2) / ((double)COUNT / BINS);
    cr_assert_lt(fabs(sum / COUNT), 4.0 * sqrt(1.0 / 3.0 / COUNT));
    cr_assert_lt(fabs(squares / COUNT - 1.0 / 3.0), 4.0 * sqrt(4.0 / 45.0 / COUNT));
    cr_assert_lt(chi, 63.0 + 4.0 * sqrt(2.0 * 63.0));
    free(x);
}

Test(rng, unit_is_exact_at_its_ends)
{
    cr_assert_eq(rng_unit(0), 0.0f);
    cr_assert_eq(rng_unit(255), 0.0f);
    cr_assert_eq(rng_unit(0x80000000), 0.5f);
    cr_assert_eq(rng_unit(0xffffffff), 1.0f - 0x1p-24f);
}

Test(rng, normal_is_box_muller_of_its_pair)
{
    for (uint64_t index = 0; index < 1000; index++) {
        uint32_t word[4];
        words_of(3, 4, index, word);
        const uint32_t *pair = index % 4 < 2 ? word : word + 2;
        double radius = sqrt(-2.0 * log((pair[0] + 1.0) / 4294967296.0));
        double angle = 2.0 * M_PI * pair[1] / 4294967296.0;
        double want = radius * (index % 2 ? sin(angle) : cos(angle));
        cr_assert_float_eq(rng_normal(3, 4, index), want, 1e-6 * (1.0 + fabs(want)));
    }
}

Test(rng, normal_has_the_moments_of_a_normal)
{
    enum { COUNT = 1 << 19 };
    double moment[5] = {0.0}, neighbour = 0.0, last = 0.0;
    for (int i = 0; i < COUNT; i++) {
        double x = rng_normal(1, 2, (uint64_t)i), power = 1.0;
        cr_assert(isfinite(x));
        for (int k = 0; k < 5; k++, power *= x)
            moment[k] += power / COUNT;
        neighbour += x * last / COUNT;
        last = x;
    }
    double sigma = 1.0 / sqrt(COUNT);
    cr_assert_lt(fabs(moment[1]), 4.0 * sigma);
    cr_assert_lt(fabs(moment[2] - 1.0), 4.0 * sqrt(2.0) * sigma);
    cr_assert_lt(fabs(moment[3]), 4.0 * sqrt(15.0) * sigma);
    cr_assert_lt(fabs(moment[4] - 3.0), 4.0 * sqrt(96.0) * sigma);
    cr_assert_lt(fabs(neighbour), 4.0 * sigma);
}

Test(rng, seeds_and_streams_are_independent)
{
    enum { COUNT = 1 << 16 };
    static const uint64_t other[][2] = {
        {2, 2}, {1, 3}, {1 + (UINT64_C(1) << 32), 2}, {1, 2 + (UINT64_C(1) << 32)}};
    for (size_t o = 0; o < 4; o++) {
        double product = 0.0;
        for (int i = 0; i < COUNT; i++)
            product += (double)rng_normal(1, 2, (uint64_t)i) *
                       rng_normal(other[o][0], other[o][1], (uint64_t)i) / COUNT;
        cr_assert_lt(fabs(product), 4.0 / sqrt(COUNT));
    }
}
