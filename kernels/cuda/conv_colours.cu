/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last convolution of a decoder in sixteen bits, a kernel of 3 from C <= 128 channels to the 3
 * colours of a pixel, on tensor cores: the 27 products of an input pixel, 9 places by 3 colours, in
 * one go, so that it is read once. The left factor of mma.sync is the weights, 27 of 32 rows, which
 * stay in registers; the right one 8 pixels, straight from memory: a lane takes 8 channels in one
 * load, and the weights' channels lie in the same order. Products meet in shared memory, where
 * three rows of them make a row of y. A block walks down a band of rows, 64 pixels of x wide, of
 * which 62 are y's.
 *
 * Floor: C + 3 elements of memory a pixel: 0.063 ms at 1024 x 1024 x 128 on an H200.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/tensor_core.cuh"

enum {
    WARPS = 8,
    THREADS = WARPS * WARP,
    BLOCKS = 2, /* on a multiprocessor: weights take 64 registers */
    OUT = 3,
    TAPS = 3,
    PLACES = TAPS * TAPS,
    SEEN = WARPS * 8, /* pixels of x in a block's row */
    MADE = SEEN - 2,  /* pixels of y */
    ROW = SEEN + 8,   /* four rows of products, 8 floats of each, lie in 32 different banks */
    FACTORS = 32,     /* rows of the left factor: o * 9 + place, then zeros */
    CHUNK = 32,       /* channels that a warp loads at once */
    CHUNKS = 4,
    LEAST = 8, /* rows of a band, unless y has fewer: a band reads two more */
};

/* Eight channels a lane of each chunk; those beyond the last are zeros. */
template <typename T>
__device__ inline void load_pixel(uint4 (&v)[CHUNKS], const T *pixel, int channels, bool valid)
{
    int own = threadIdx.x % 4 * 8;
#pragma unroll
    for (int s = 0; s < CHUNKS; s++)
        v[s] = valid && s * CHUNK + own < channels
                   ? __ldg(reinterpret_cast<const uint4 *>(pixel + s * CHUNK + own))
                   : make_uint4(0, 0, 0, 0);
}

/* [half, rows 8 apart, chunk] of the left factor: rows 16 half + 8 i + lane / 4. */
typedef uint4 factors[2][2][CHUNKS];

template <typename T> __device__ inline void load_factors(factors &w, const struct cuda_conv &p)
{
#pragma unroll
    for (int i = 0; i < FACTORS / 8; i++) {
        int row = i * 8 + threadIdx.x % WARP / 4;
        load_pixel(w[i / 2][i % 2], static_cast<const T *>(p.w) + (int64_t)row * p.in, p.in,
                   row < OUT * PLACES);
    }
}

/* Products of a warp's 8 pixels to its columns of z [FACTORS, ROW]. */
template <typename T>
__device__ inline void multiply_pixels(float *z, const factors &w, const uint4 (&x)[CHUNKS])
{
    int lane = threadIdx.x % WARP;
    float sum[2][4] = {};
#pragma unroll
    for (int s = 0; s < CHUNKS; s++) {
#pragma unroll
        for (int t = 0; t < 2; t++) {
            uint32_t low[4] = {w[t][0][s].x, w[t][1][s].x, w[t][0][s].y, w[t][1][s].y};
            uint32_t high[4] = {w[t][0][s].z, w[t][1][s].z, w[t][0][s].w, w[t][1][s].w};
            multiply(sum[t], low, x[s].x, x[s].y, T());
            multiply(sum[t], high, x[s].z, x[s].w, T());
        }
    }
    z += lane / 4 * ROW + threadIdx.x / WARP * 8 + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < FACTORS / 8; i++)
        *reinterpret_cast<float2 *>(z + i * 8 * ROW) =
            make_float2(sum[i / 2][i % 2 * 2], sum[i / 2][i % 2 * 2 + 1]);
}

/* One colour of a column of y. */
struct column {
    float row[2]; /* sums so far of the row that the next row of x completes, and of that below */
    float bias;
    int first; /* of its 9 products in z; the next place's is a row on, in z and in x a pixel; -1:
                  beyond y */
};

__device__ inline float add_places(const float *z, int u)
{
    float sum = 0.0f;
#pragma unroll
    for (int v = 0; v < TAPS; v++)
        sum += z[(u * TAPS + v) * ROW + v];
    return sum;
}

/* Of the row of y that a row of x completes; the next row of x completes the next. */
__device__ inline float finish_row(struct column &c, const float *z)
{
    float whole = c.row[0] + add_places(z, 2) + c.bias;
    c.row[0] = c.row[1] + add_places(z, 1);
    c.row[1] = add_places(z, 0);
    return whole;
}

/* Bands of `band` rows; a block for each (image, band, strip of MADE columns). */
template <typename T>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    convolve(const struct cuda_conv p, int strips, int bands, int band)
{
    __shared__ float z[2][FACTORS * ROW];
    int strip = (int)blockIdx.x % strips, begin = (int)blockIdx.x / strips % bands * band;
    int64_t image = blockIdx.x / strips / bands;
    int end = begin + band < p.out_rows ? begin + band : p.out_rows;
    int seen = strip * MADE - 1 + (int)threadIdx.x / 4; // a quarter of a warp's lanes for a pixel
    int o = threadIdx.x % OUT, made = threadIdx.x / OUT, place = strip * MADE + made;
    const T *x = static_cast<const T *>(p.x) + image * p.x_image;
    x += ((int64_t)(begin - p.above) * p.columns + seen) * p.in;
    struct column c = {};
    c.first = made < MADE && place < p.columns ? o * PLACES * ROW + made : -1;
    c.bias = p.bias ? to_float(static_cast<const T *>(p.bias)[o]) : 0.0f;
    int64_t at = ((int64_t)(begin - 2) * p.columns + place) * OUT + o;
    T *y = static_cast<T *>(p.y) + image * p.y_image;
    const T *add = p.add ? static_cast<const T *>(p.add) + image * p.add_image : NULL;
    bool inside = seen >= 0 && seen < p.columns;
    factors w;
    uint4 ahead[2][CHUNKS]; // two rows
    load_factors<T>(w, p);
#pragma unroll
    for (int i = 0; i < 2; i++, x += (int64_t)p.columns * p.in) {
        int row = begin + i - p.above;
        load_pixel(ahead[i], x, p.in, inside && row >= 0 && row < p.rows);
    }
    // Row n of x, counted from above, is the last that row n - 2 of y sees.
    for (int n = begin; n < end + 2; n += 2) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (n + i >= end + 2)
                break;
            int row = n + i + 2 - p.above;
            multiply_pixels<T>(z[i], w, ahead[i]);
            load_pixel(ahead[i], x, p.in, n + i < end && inside && row >= 0 && row < p.rows);
            // The other half of z is read before the next one of these, and written after it.
            __syncthreads();
            if (c.first >= 0) {
                float whole = finish_row(c, z[i] + c.first);
                if (n + i >= begin + 2)
                    y[at] = from_float<T>(add ? whole + to_float(add[at]) : whole);
            }
            x += (int64_t)p.columns * p.in;
            at += p.columns * OUT;
        }
    }
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_conv *c)
{
    int64_t strips = (c->columns + MADE - 1) / MADE;
    int64_t bands = BLOCKS * at->multiprocessors / (strips * c->images); // all at once
    int64_t band = bands < 1 ? c->out_rows : (c->out_rows + bands - 1) / bands;
    band = band < LEAST ? (int64_t)LEAST : band;
    bands = (c->out_rows + band - 1) / band;
    unsigned blocks = (unsigned)(strips * bands * c->images);
    convolve<T><<<blocks, THREADS, 0, stream_of(at)>>>(*c, (int)strips, (int)bands, (int)band);
    return cuda_launched("conv_colours");
}

bool cuda_conv_colours_takes(const struct cuda_conv *c)
{
    return c->dtype != DTYPE_F32 && c->taps == TAPS && !c->upsample && c->out == OUT &&
           c->in <= CHUNKS * CHUNK && c->in % 8 == 0 && (c->images == 1 || c->x_image % 8 == 0) &&
           aligned16(c->x) && aligned16(c->w);
}

enum status cuda_conv_colours(const struct cuda_target *at, const struct cuda_conv *c)
{
    return c->dtype == DTYPE_BF16 ? launch<bf16>(at, c) : launch<fp16>(at, c);
}
