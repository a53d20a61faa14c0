/* SPDX-License-Identifier: Apache-2.0 */
/* Random tensors from the generator of kernels/base/rng.c: the same numbers, wherever a tensor's
 * elements lie. */
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

/* Philox4x32-10, Salmon et al. 2011: the same rounds, key and counter as kernels/base/rng.c. */
__device__ inline uint4 philox(uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint4 c = make_uint4((uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                         (uint32_t)(stream >> 32));
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
        uint32_t high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
        c = make_uint4(high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* ---- normal: a latent's tokens, one element a thread ---- */

/* Tokens first.. of a latent and where they go; counts elements. */
struct tokens {
    struct latent_geometry latent;
    struct divisor features;
    uint32_t count;
    int first;
    int64_t row; /* stride */
};

/* rng_normal: in double, rounded once, as there. */
__device__ inline float normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint4 word = philox(seed, stream, index / 4);
    uint32_t first = index & 2 ? word.z : word.x;
    uint32_t second = index & 2 ? word.w : word.y;
    double u = ((double)first + 1.0) * 0x1p-32;
    double angle = 2.0 * CUDART_PI * ((double)second * 0x1p-32);
    double radius = sqrt(-2.0 * log(u));
    return (float)(radius * (index & 1 ? sin(angle) : cos(angle)));
}

static __global__ void draw_tokens(const struct tokens t, float *out, uint64_t seed,
                                   uint64_t stream)
{
    uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= t.count)
        return;
    const struct latent_geometry &g = t.latent;
    int n = divide(i, t.features);
    int k = i - n * t.features.by;
    int token = t.first + n;
    int columns = g.width / g.patch;
    int64_t channel = k / (g.patch * g.patch);
    int64_t y = token / columns * g.patch + k / g.patch % g.patch;
    int64_t x = token % columns * g.patch + k % g.patch;
    int64_t plane = channel * g.frames + g.frame;
    uint64_t index = (uint64_t)((plane * g.height + y) * g.width + x);
    out[n * t.row + k] = normal(seed, stream, index);
}

enum status cuda_random_normal(struct queue *q, struct tensor *out,
                               const struct latent_geometry *geometry, int first_token,
                               uint64_t seed, uint64_t stream)
{
    struct cuda_target at = cuda_target(q);
    struct tokens t = {};
    int64_t count = tensor_count(out);
    if (count == 0)
        return ST_OK;
    BUG_ON(count > INT32_MAX, "a latent of %lld elements in one launch", (long long)count);
    t.latent = *geometry;
    t.features = divisor_of((uint32_t)out->dim[1]);
    t.count = (uint32_t)count;
    t.first = first_token;
    t.row = out->stride[0];
    draw_tokens<<<blocks_for(count, THREADS), THREADS, 0, stream_of(&at)>>>(
        t, static_cast<float *>(out->data), seed, stream);
    return cuda_launched("random_normal");
}

/* ---- uniform: a rectangle of a matrix, one block of four numbers a thread ---- */

/* Rows of `width` elements out of rows of row_step; `blocks` covers every block of four that a row
 * touches, wherever in a block it begins. */
struct rectangle {
    uint64_t first; /* index of the first row's first element */
    int64_t row_step, row;
    int width;
    struct divisor blocks;
    uint32_t count; /* blocks of all rows */
    float scale;
};

template <typename T>
static __global__ void draw_blocks(const struct rectangle p, T *out, uint64_t seed, uint64_t stream)
{
    uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= p.count)
        return;
    uint32_t r = divide(i, p.blocks);
    uint64_t begin = p.first + (uint64_t)r * (uint64_t)p.row_step;
    uint64_t block = begin / 4 + (i - r * p.blocks.by);
    int64_t column = (int64_t)(4 * block - begin); // of its first number; -3 at the least
    uint4 drawn = philox(seed, stream, block);
    const uint32_t word[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
    T *to = out + r * p.row;
#pragma unroll
    for (int w = 0; w < 4; w++) {
        // 24 bits: exact up to the one product that rounds
        float value = 2.0f * ((float)(word[w] >> 8) * (1.0f / 16777216.0f)) - 1.0f;
        if (column + w >= 0 && column + w < p.width)
            to[column + w] = from_float<T>(__fmul_rn(value, p.scale));
    }
}

/* Threads are counted in 31 bits: larger tensors in parts of whole rows. */
template <typename T>
static enum status draw(const struct cuda_target *at, struct rectangle p, T *out, int64_t rows,
                        uint64_t seed, uint64_t stream)
{
    int64_t blocks = ((int64_t)p.width + 6) / 4;
    int64_t most = INT32_MAX / blocks;
    p.blocks = divisor_of((uint32_t)blocks);
    for (int64_t begin = 0; begin < rows; begin += most) {
        int64_t part = rows - begin < most ? rows - begin : most;
        p.count = (uint32_t)(part * blocks);
        draw_blocks<<<blocks_for(p.count, THREADS), THREADS, 0, stream_of(at)>>>(p, out, seed,
                                                                                 stream);
        TRY(cuda_launched("random_uniform"));
        p.first += (uint64_t)part * (uint64_t)p.row_step;
        out += part * p.row;
    }
    return ST_OK;
}

enum status cuda_random_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                uint64_t stream, uint64_t first, int64_t row_step)
{
    struct cuda_target at = cuda_target(q);
    struct rectangle p = {};
    if (tensor_count(out) == 0)
        return ST_OK;
    BUG_ON(out->dim[1] > INT32_MAX - 8, "random rows of %lld elements", (long long)out->dim[1]);
    p.first = first;
    p.row_step = row_step;
    p.row = out->stride[0];
    p.width = (int)out->dim[1];
    p.scale = scale;
    switch (out->dtype) {
    case DTYPE_F32:
        return draw(&at, p, static_cast<float *>(out->data), out->dim[0], seed, stream);
    case DTYPE_BF16:
        return draw(&at, p, static_cast<bf16 *>(out->data), out->dim[0], seed, stream);
    default:
        return draw(&at, p, static_cast<fp16 *>(out->data), out->dim[0], seed, stream);
    }
}
