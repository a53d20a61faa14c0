/* SPDX-License-Identifier: Apache-2.0 */
/* A multiply-xorshift hash over 8-byte little-endian words. Not for hostile input, not for
 * passwords. */
#include "kernels/base/hash.h"

#include <string.h>

/*
 * h0 = mix(seed + (size + 1) * PHI), then h = mix(h ^ word) for each word; the last one is padded
 * with zeros, which the size tells from real ones. mix is a bijection of 64 bits (xorshift,
 * multiply, xorshift, multiply, xorshift: Stafford's variant 13 of the finaliser of MurmurHash3),
 * so two inputs of one size that differ in one word never collide.
 */
#define PHI UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The first `size` <= 8 bytes as a little-endian number, on any machine. */
static uint64_t load_word(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t hash_begin(uint64_t seed, uint64_t size)
{
    return mix(seed + (size + 1) * PHI);
}

uint64_t hash_piece(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t i = 0;
    for (; i + 8 <= size; i += 8)
        hash = mix(hash ^ load_word(bytes + i, 8));
    if (i < size)
        hash = mix(hash ^ load_word(bytes + i, size - i));
    return hash;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
    return hash_piece(hash_begin(seed, size), data, size);
}

uint64_t hash_text(uint64_t seed, const char *text)
{
    return hash_bytes(seed, text, strlen(text));
}
