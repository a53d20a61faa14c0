/* SPDX-License-Identifier: Apache-2.0 */
/* The hash is written into result files and names caches: its values are frozen here, its quality
 * measured. */
#include "kernels/base/hash.h"

#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(hash, values_never_change)
{
    /* Of nothing, from 0: mix(PHI), the first value of SplitMix64 (Steele et al. 2014) from the
     * same seed. */
    cr_assert_eq(hash_text(0, ""), UINT64_C(0xe220a8397b1dcdaf));
    cr_assert_eq(hash_text(1, ""), UINT64_C(0x910a2dec89025cc1));
    cr_assert_eq(hash_text(0, "ditbench"), UINT64_C(0x7786e5c09b885ba9));
    cr_assert_eq(hash_text(0, "transformer_blocks.0.attn1.to_q.weight"),
                 UINT64_C(0xcdad6418540c4974));
}

Test(hash, depends_on_size_seed_and_every_byte)
{
    static const unsigned char zeros[64];
    for (size_t a = 0; a < 64; a++)
        for (size_t b = 0; b < a; b++)
            cr_assert_neq(hash_bytes(0, zeros, a), hash_bytes(0, zeros, b));
    cr_assert_neq(hash_text(0, "abc"), hash_text(1, "abc"));
    cr_assert_neq(hash_text(0, "abcdefgh1"), hash_text(0, "abcdefgh2"));
    cr_assert_neq(hash_text(0, "1abcdefgh"), hash_text(0, "2abcdefgh"));
    cr_assert_eq(hash_text(5, "text"), hash_bytes(5, "text", 4));
}

Test(hash, does_not_care_about_alignment)
{
    unsigned char buffer[80];
    for (int i = 0; i < 64; i++)
        buffer[i] = (unsigned char)(i * 37);
    uint64_t want = hash_bytes(9, buffer, 61);
    for (int shift = 1; shift < 8; shift++) {
        memmove(buffer + shift, buffer + shift - 1, 61);
        cr_assert_eq(hash_bytes(9, buffer + shift, 61), want);
    }
}

Test(hash, pieces_are_the_whole)
{
    unsigned char buffer[61];
    for (int i = 0; i < 61; i++)
        buffer[i] = (unsigned char)(i * 41);
    for (size_t cut = 0; cut < 61; cut += 8) {
        uint64_t hash = hash_piece(hash_begin(3, 61), buffer, cut);
        cr_assert_eq(hash_piece(hash, buffer + cut, 61 - cut), hash_bytes(3, buffer, 61));
    }
}

/* Each input bit flips each output bit in half of the cases: 32 of 64 on average, within 4 sigma.
 */
Test(hash, one_bit_changes_half_of_the_result)
{
    unsigned char input[19];
    double flips = 0.0;
    int tries = 0;
    for (int round = 0; round < 64; round++) {
        for (int i = 0; i < 19; i++)
            input[i] = (unsigned char)(rng_unit((uint32_t)(round * 19 + i) * 2654435761u) * 256.0f);
        uint64_t before = hash_bytes(0, input, 19);
        for (int bit = 0; bit < 19 * 8; bit++, tries++) {
            input[bit / 8] ^= (unsigned char)(1 << bit % 8);
            flips += __builtin_popcountll(before ^ hash_bytes(0, input, 19));
            input[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
    cr_assert_float_eq(flips / tries, 32.0, 4.0 * 4.0 / 98.0);
}

static int order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

Test(hash, similar_names_do_not_collide)
{
    enum { LAYERS = 200, HEADS = 200 };
    uint64_t *all = malloc(sizeof(uint64_t) * LAYERS * HEADS);
    for (int l = 0; l < LAYERS; l++) {
        for (int h = 0; h < HEADS; h++) {
            char name[64];
            snprintf(name, sizeof name, "blocks.%d.attn.%d.weight", l, h);
            all[l * HEADS + h] = hash_text(0, name);
        }
    }
    qsort(all, LAYERS * HEADS, sizeof *all, order);
    for (int i = 1; i < LAYERS * HEADS; i++)
        cr_assert_neq(all[i], all[i - 1]);
    free(all);
}
