/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of a safetensors file as floats, whatever type they have, and their hash; in pieces of
 * bounded memory. */
#include "kernels/base/hash.h"
#include "models/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8 << 10, HASH_PIECE = 1 << 20 }; /* bytes */

static inline float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The half's exponent and mantissa put into a float's places lack a factor of 2^112 (biases 127 and
 * 15), which also makes subnormal halves right; infinities and NaNs get the float's highest
 * exponent instead. */
static inline float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t rest = (uint32_t)(half & 0x7fffu) << 13;
    float scaled = float_of_bits(rest) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof(bits));
    if ((half & 0x7c00u) == 0x7c00u)
        bits = rest | 0x7f800000u;
    return float_of_bits(sign | bits);
}

static void halves_to_floats(const unsigned char *from, int64_t count, bool brain, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof(half));
        out[i] = brain ? float_of_bits((uint32_t)half << 16) : float_of_half(half);
    }
}

static void integers_to_floats(const unsigned char *from, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, from + 8 * i, sizeof(value));
        out[i] = (float)value;
    }
}

enum status safetensors_floats(const struct safetensors *file,
                               const struct safetensors_entry *entry, int64_t first, int64_t count,
                               float *out)
{
    int64_t size = entry->type == SAFETENSORS_F32 ? 4 : entry->type == SAFETENSORS_I64 ? 8 : 2;
    if (entry->type == SAFETENSORS_OTHER)
        return fail(ST_INVALID, "%s: tensor \"%.200s\" is %s, wanted F32, F16, BF16 or I64",
                    safetensors_path(file), entry->name, entry->type_name);
    BUG_ON(first < 0 || count < 0 || first > (int64_t)entry->bytes / size - count,
           "%s: elements %lld+%lld of tensor %.200s", safetensors_path(file), (long long)first,
           (long long)count, entry->name);
    if (entry->type == SAFETENSORS_F32)
        return safetensors_bytes(file, entry, (size_t)(first * size), (size_t)(count * size), out);
    unsigned char piece[PIECE];
    int64_t most = PIECE / size;
    for (int64_t i = 0; i < count; i += most) {
        int64_t n = most < count - i ? most : count - i;
        TRY(safetensors_bytes(file, entry, (size_t)((first + i) * size), (size_t)(n * size),
                              piece));
        if (entry->type == SAFETENSORS_I64)
            integers_to_floats(piece, n, out + i);
        else
            halves_to_floats(piece, n, entry->type == SAFETENSORS_BF16, out + i);
    }
    return ST_OK;
}

static enum status hash_entry(const struct safetensors *file, const struct safetensors_entry *entry,
                              unsigned char *piece, uint64_t *hash)
{
    uint64_t h = hash_text(hash_text(*hash, entry->name), entry->type_name);
    h = hash_bytes(h, entry->dim, sizeof(entry->dim[0]) * (size_t)entry->ndim);
    h = hash_begin(h, entry->bytes);
    for (size_t i = 0; i < entry->bytes; i += HASH_PIECE) {
        size_t n = HASH_PIECE < entry->bytes - i ? HASH_PIECE : entry->bytes - i;
        TRY(safetensors_bytes(file, entry, i, n, piece));
        h = hash_piece(h, piece, n);
    }
    *hash = h;
    return ST_OK;
}

enum status safetensors_hash(const struct safetensors *file, uint64_t *hash)
{
    unsigned char *piece = malloc(HASH_PIECE);
    if (!piece)
        return fail(ST_OOM, "%s: %d bytes to hash it in", safetensors_path(file), HASH_PIECE);
    enum status st = ST_OK;
    for (int i = 0; i < safetensors_count(file) && st == ST_OK; i++)
        st = hash_entry(file, safetensors_at(file, i), piece, hash);
    free(piece);
    return st;
}
