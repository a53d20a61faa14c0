/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution in fp32 arithmetic for any dtype, alignment and number of channels: what results are
 * checked with, and the last resort. A block has 64 pixels and 64 output channels, gathers what one
 * place of the kernel sees of 16 input channels, and multiplies; a thread owns 4 x 4 sums. At 2 *
 * 16 operations for (64 + 64) / 64 / 64 * 16 elements it is bound by the plain cores, not by
 * memory: 2 * pixels * out * taps^2 * in FLOPs over what those do.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/vector.cuh"

enum { PIXELS = 64, OUTS = 64, DEPTH = 16, OWN = 4, THREADS = PIXELS * OUTS / OWN / OWN };

/* The pixels of a launch's part: all of an image, or those that one of four folded kernels is for,
 * every second one of every second row. */
struct grid {
    int odd_row, odd_column; /* folded: of E's pixel */
    int first_row, step, columns;
    int64_t pixels;
};

__device__ inline struct grid grid_of(const struct cuda_conv &p, int phase)
{
    struct grid g = {};
    g.step = p.folded ? 2 : 1;
    g.odd_row = phase / 2;
    g.odd_column = phase % 2;
    g.first_row = p.folded ? (g.odd_row + p.above + 1) & 1 : 0;
    g.columns = p.folded ? p.columns : p.out_columns;
    int rows = p.out_rows > g.first_row ? (p.out_rows - g.first_row - 1) / g.step + 1 : 0;
    g.pixels = (int64_t)rows * g.columns;
    return g;
}

/* Where in an image of x the place (u, v) of the kernel looks for a pixel, in pixels; -1: zero. */
__device__ inline int64_t source_of(const struct cuda_conv &p, const struct grid &g, int64_t pixel,
                                    int u, int v)
{
    int line = (int)(pixel / g.columns), at = (int)(pixel % g.columns);
    int row = g.first_row + line * g.step, column = at;
    int rows = p.rows, columns = p.columns;
    if (p.folded) {
        row = ((row + 1 - p.above) >> 1) - 1 + g.odd_row + u;
        column += v - 1 + g.odd_column;
    } else {
        row += u - p.above;
        column += v - p.taps / 2;
        rows = p.upsample ? 2 * rows : rows;
        columns = p.upsample ? 2 * columns : columns;
    }
    if (row < 0 || row >= rows || column < 0 || column >= columns)
        return -1;
    if (p.upsample && !p.folded) {
        row /= 2;
        column /= 2;
    }
    return (int64_t)row * p.columns + column;
}

template <typename T>
__device__ inline void write(const struct cuda_conv &p, const struct grid &g, int image,
                             int64_t pixel, int o, float sum)
{
    if (pixel >= g.pixels || o >= p.out)
        return;
    int64_t row = g.first_row + pixel / g.columns * g.step;
    int64_t column = pixel % g.columns * g.step + (p.folded ? g.odd_column : 0);
    int64_t at = (row * p.out_columns + column) * p.out + o;
    if (p.bias)
        sum += to_float(static_cast<const T *>(p.bias)[o]);
    if (p.add)
        sum += to_float(static_cast<const T *>(p.add)[image * p.add_image + at]);
    static_cast<T *>(p.y)[image * p.y_image + at] = from_float<T>(sum);
}

__device__ inline void multiply(float (&sum)[OWN][OWN], const float (*a)[PIXELS + 4],
                                const float (*b)[OUTS + 4], int m, int n)
{
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        float4 left = *reinterpret_cast<const float4 *>(&a[k][m]);
        float4 right = *reinterpret_cast<const float4 *>(&b[k][n]);
        float x[OWN] = {left.x, left.y, left.z, left.w};
        float w[OWN] = {right.x, right.y, right.z, right.w};
#pragma unroll
        for (int i = 0; i < OWN; i++) {
#pragma unroll
            for (int j = 0; j < OWN; j++)
                sum[i][j] += x[i] * w[j];
        }
    }
}

template <typename T>
static __global__ void __launch_bounds__(THREADS) convolve(const struct cuda_conv p)
{
    __shared__ __align__(16) float a[DEPTH][PIXELS + 4], b[DEPTH][OUTS + 4];
    __shared__ int64_t from[PIXELS];
    int phase = p.folded ? blockIdx.z % 4 : 0, image = p.folded ? blockIdx.z / 4 : blockIdx.z;
    struct grid g = grid_of(p, phase);
    int places = p.taps * p.taps, out = blockIdx.y * OUTS;
    int64_t pixel = (int64_t)blockIdx.x * PIXELS;
    const T *x = static_cast<const T *>(p.x) + image * p.x_image;
    const T *w = static_cast<const T *>(p.w) + (int64_t)phase * p.out * places * p.in;
    int m = threadIdx.x % (PIXELS / OWN) * OWN, n = threadIdx.x / (PIXELS / OWN) * OWN;
    float sum[OWN][OWN] = {};
    if (pixel >= g.pixels)
        return;
    for (int place = 0; place < places; place++) {
        __syncthreads();
        if (threadIdx.x < PIXELS) {
            int64_t mine = pixel + threadIdx.x;
            from[threadIdx.x] =
                mine < g.pixels ? source_of(p, g, mine, place / p.taps, place % p.taps) : -1;
        }
        for (int c = 0; c < p.in; c += DEPTH) {
            __syncthreads();
            for (int i = threadIdx.x; i < DEPTH * PIXELS; i += THREADS) {
                int k = i % DEPTH, r = i / DEPTH;
                bool inside = c + k < p.in;
                a[k][r] = inside && from[r] >= 0 ? to_float(x[from[r] * p.in + c + k]) : 0.0f;
                b[k][r] = inside && out + r < p.out
                              ? to_float(w[((int64_t)(out + r) * places + place) * p.in + c + k])
                              : 0.0f;
            }
            __syncthreads();
            multiply(sum, a, b, m, n);
        }
    }
#pragma unroll
    for (int i = 0; i < OWN; i++) {
#pragma unroll
        for (int j = 0; j < OWN; j++)
            write<T>(p, g, image, pixel + m + i, out + n + j, sum[i][j]);
    }
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_conv *c)
{
    int phases = c->folded ? 4 : 1;
    int64_t rows = c->folded ? (c->out_rows + 1) / 2 : c->out_rows;
    int64_t pixels = rows * (c->folded ? c->columns : c->out_columns);
    dim3 blocks(blocks_for(pixels, PIXELS), blocks_for(c->out, OUTS), phases * c->images);
    convolve<T><<<blocks, THREADS, 0, stream_of(at)>>>(*c);
    return cuda_launched("conv_plain");
}

enum status cuda_conv_plain(const struct cuda_target *at, const struct cuda_conv *c)
{
    static_assert((int)PIXELS == (int)OUTS, "both tiles are filled by one loop");
    switch (c->dtype) {
    case DTYPE_F32:
        return launch<float>(at, c);
    case DTYPE_BF16:
        return launch<bf16>(at, c);
    default:
        return launch<fp16>(at, c);
    }
}
