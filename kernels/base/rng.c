/* SPDX-License-Identifier: Apache-2.0 */
/* Philox4x32-10 and the two distributions drawn from it. No state: a value is a function of its
 * address. */
#include "kernels/base/rng.h"

#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * Layout, the same on every device: key = seed (low word first), counter = {block low, block high,
 * stream low, stream high}. Element i is word i mod 4 of block i / 4; a normal value takes the pair
 * of words that i shares with i ^ 1.
 */
enum { ROUNDS = 10, WORDS = 4 };

/* Multipliers and Weyl increments of Salmon et al., section 3.3 and the Random123 sources. */
#define MULTIPLIER_0 UINT32_C(0xD2511F53)
#define MULTIPLIER_1 UINT32_C(0xCD9E8D57)
#define WEYL_0       UINT32_C(0x9E3779B9)
#define WEYL_1       UINT32_C(0xBB67AE85)

void rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void block_at(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[WORDS])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[WORDS] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                     (uint32_t)(stream >> 32)};
    rng_philox(key, counter, out);
}

/* In double, rounded once: libraries differ in the last bits of logf and sinf, but seldom in what
 * they round to. */
float rng_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t word[WORDS];
    block_at(seed, stream, index / WORDS, word);
    const uint32_t *pair = word + (index & 2);
    double u = ((double)pair[0] + 1.0) * 0x1p-32; /* (0, 1]: its logarithm is finite */
    double angle = 2.0 * M_PI * ((double)pair[1] * 0x1p-32);
    double radius = sqrt(-2.0 * log(u));
    return (float)(radius * (index & 1 ? sin(angle) : cos(angle)));
}

static inline float symmetric(uint32_t word)
{
    return 2.0f * rng_unit(word) - 1.0f; /* exact: 24 bits */
}

/* Whole blocks, one after the other. */
static void fill_blocks(uint64_t seed, uint64_t stream, uint64_t block, int64_t blocks, float *out)
{
    for (int64_t b = 0; b < blocks; b++) {
        uint32_t word[WORDS];
        block_at(seed, stream, block + (uint64_t)b, word);
        for (int i = 0; i < WORDS; i++)
            out[WORDS * b + i] = symmetric(word[i]);
    }
}

#if defined(__x86_64__)
/*
 * The same four blocks at a time, three times as fast: synthetic weights of a large model are 10^9
 * elements. A lane holds one 32-bit word in its low half; what stands in the high half is never
 * read (pmuludq multiplies low halves).
 */
enum { LANES = 4 };
typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));

__attribute__((target("avx2"))) static void fill_blocks_avx2(uint64_t seed, uint64_t stream,
                                                             uint64_t block, int64_t blocks,
                                                             float *out)
{
    const lanes zero = {0};
    const __m256i m0 = (__m256i)(zero + MULTIPLIER_0);
    const __m256i m1 = (__m256i)(zero + MULTIPLIER_1);
    for (int64_t b = 0; b < blocks; b += LANES) {
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        lanes c0 = block + (uint64_t)b + (lanes){0, 1, 2, 3};
        lanes c1 = c0 >> 32;
        lanes c2 = zero + stream;
        lanes c3 = c2 >> 32;
#pragma GCC unroll 10
        for (int round = 0; round < ROUNDS; round++) {
            lanes p0 = (lanes)_mm256_mul_epu32((__m256i)c0, m0);
            lanes p1 = (lanes)_mm256_mul_epu32((__m256i)c2, m1);
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = p1;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = p0;
            k0 += WEYL_0;
            k1 += WEYL_1;
        }
        for (int l = 0; l < LANES; l++) {
            float *to = out + WORDS * (b + l);
            to[0] = symmetric((uint32_t)c0[l]);
            to[1] = symmetric((uint32_t)c1[l]);
            to[2] = symmetric((uint32_t)c2[l]);
            to[3] = symmetric((uint32_t)c3[l]);
        }
    }
}
#endif

/* As many leading blocks as the machine's wide registers can take; the rest is for fill_blocks. */
static int64_t fill_blocks_wide(uint64_t seed, uint64_t stream, uint64_t block, int64_t blocks,
                                float *out)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        int64_t wide = blocks - blocks % LANES;
        fill_blocks_avx2(seed, stream, block, wide, out);
        return wide;
    }
#else
    (void)seed, (void)stream, (void)block, (void)blocks, (void)out;
#endif
    return 0;
}

void rng_uniform(uint64_t seed, uint64_t stream, uint64_t first, int64_t count, float *out)
{
    uint32_t word[WORDS];
    int64_t done = 0;
    for (; done < count && (first + (uint64_t)done) % WORDS != 0; done++) {
        block_at(seed, stream, first / WORDS, word);
        out[done] = symmetric(word[(first + (uint64_t)done) % WORDS]);
    }
    uint64_t block = (first + (uint64_t)done) / WORDS;
    int64_t blocks = (count - done) / WORDS;
    int64_t wide = fill_blocks_wide(seed, stream, block, blocks, out + done);
    fill_blocks(seed, stream, block + (uint64_t)wide, blocks - wide, out + done + WORDS * wide);
    done += WORDS * blocks;
    if (done < count) {
        block_at(seed, stream, block + (uint64_t)blocks, word);
        for (int i = 0; done < count; i++, done++)
            out[done] = symmetric(word[i]);
    }
}
