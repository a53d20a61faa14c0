/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of a safetensors file as floats, whatever type and alignment they have. Not a cache. */
#include "models/safetensors.h"

#include <stdbool.h>
#include <string.h>

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
    if (count == 0)
        return ST_OK;
    const unsigned char *from = (const unsigned char *)entry->data + first * size;
    if (entry->type == SAFETENSORS_F32)
        memcpy(out, from, (size_t)count * sizeof(*out));
    else if (entry->type == SAFETENSORS_I64)
        integers_to_floats(from, count, out);
    else
        halves_to_floats(from, count, entry->type == SAFETENSORS_BF16, out);
    return ST_OK;
}
