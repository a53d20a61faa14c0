/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last convolution of a decoder on plain cores: a kernel of 3 from C <= 128 channels to the 3
 * colours of a pixel, in fp32 and where conv_colours.cu does not reach. A warp walks along 32
 * pixels of a row, four channels a lane, with all 81 C weights in its registers, and reads a column
 * of three pixels at a time: each is read for three rows, the second and third time from the cache.
 *
 * Floor: C + 3 elements of memory a pixel, against 54 C FLOPs on plain cores: 0.12 ms of each at
 * 1024 x 1024 x 128 in fp32 on an H200.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/vector.cuh"

enum { WARPS = 8, THREADS = WARPS * WARP, OUT = 3, TAPS = 3, OWN = 4, CHANNELS = OWN * WARP };

/* Four neighbouring elements. */
__device__ inline void load_own(const float *p, float (&v)[OWN])
{
    load_floats<OWN>(p, v);
}

template <typename T> __device__ inline void load_own(const T *p, float (&v)[OWN])
{
    uint2 raw = __ldg(reinterpret_cast<const uint2 *>(p));
    const T *element = reinterpret_cast<const T *>(&raw);
#pragma unroll
    for (int i = 0; i < OWN; i++)
        v[i] = to_float(element[i]);
}

/* sum[s] += what a column of three pixels gives the output pixel s-1 columns from it. */
template <typename T>
__device__ inline void add_column(float (&sum)[TAPS][OUT], const float (&w)[TAPS][TAPS][OWN][OUT],
                                  const T *x, const struct cuda_conv &p, int row, int column)
{
#pragma unroll
    for (int u = 0; u < TAPS; u++) {
        float v[OWN];
        if (row + u < 0 || row + u >= p.rows)
            continue;
        load_own(x + ((int64_t)(row + u) * p.columns + column) * p.in, v);
#pragma unroll
        for (int s = 0; s < TAPS; s++) {
#pragma unroll
            for (int c = 0; c < OWN; c++) {
#pragma unroll
                for (int o = 0; o < OUT; o++)
                    sum[s][o] += v[c] * w[u][TAPS - 1 - s][c][o];
            }
        }
    }
}

template <typename T>
static __global__ void __launch_bounds__(THREADS) convolve(const struct cuda_conv p, int64_t runs)
{
    int lane = threadIdx.x % WARP, channel = lane * OWN;
    int64_t run = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (run >= runs)
        return;
    int across = (p.columns + WARP - 1) / WARP;
    int first = (int)(run % across) * WARP, row = (int)(run / across % p.out_rows);
    int64_t image = run / across / p.out_rows;
    const T *x = static_cast<const T *>(p.x) + image * p.x_image + channel;
    float w[TAPS][TAPS][OWN][OUT], sum[TAPS][OUT] = {}, mine[OUT] = {};
#pragma unroll
    for (int i = 0; i < TAPS * TAPS * OWN * OUT; i++) {
        int o = i % OUT, c = i / OUT % OWN, place = i / OUT / OWN;
        w[place / TAPS][place % TAPS][c][o] =
            channel < p.in ? to_float(static_cast<const T *>(
                                 p.w)[((int64_t)o * TAPS * TAPS + place) * p.in + channel + c])
                           : 0.0f;
    }
    int last = first + WARP < p.columns ? first + WARP : p.columns;
    for (int column = first - 1; column <= last; column++) {
        if (channel < p.in && column >= 0 && column < p.columns)
            add_column(sum, w, x, p, row - p.above, column);
#pragma unroll
        for (int o = 0; o < OUT; o++) {
            float whole = warp_sum(sum[0][o]); // of the pixel one column back
            mine[o] = column - 1 - first == lane ? whole : mine[o];
            sum[0][o] = sum[1][o];
            sum[1][o] = sum[2][o];
            sum[2][o] = 0.0f;
        }
    }
    if (first + lane >= last)
        return;
    int64_t at = ((int64_t)row * p.columns + first + lane) * OUT;
#pragma unroll
    for (int o = 0; o < OUT; o++) {
        if (p.bias)
            mine[o] += to_float(static_cast<const T *>(p.bias)[o]);
        if (p.add)
            mine[o] += to_float(static_cast<const T *>(p.add)[image * p.add_image + at + o]);
        static_cast<T *>(p.y)[image * p.y_image + at + o] = from_float<T>(mine[o]);
    }
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_conv *c)
{
    int64_t runs = (int64_t)c->images * c->out_rows * ((c->columns + WARP - 1) / WARP);
    convolve<T><<<blocks_for(runs, WARPS), THREADS, 0, stream_of(at)>>>(*c, runs);
    return cuda_launched("conv_narrow");
}

bool cuda_conv_narrow_takes(const struct cuda_conv *c)
{
    uintptr_t group = OWN * dtype_size(c->dtype);
    return c->taps == TAPS && !c->upsample && c->out == OUT && c->in <= CHANNELS &&
           c->in % OWN == 0 && (c->images == 1 || c->x_image % OWN == 0) &&
           reinterpret_cast<uintptr_t>(c->x) % group == 0;
}

enum status cuda_conv_narrow(const struct cuda_target *at, const struct cuda_conv *c)
{
    switch (c->dtype) {
    case DTYPE_F32:
        return launch<float>(at, c);
    case DTYPE_BF16:
        return launch<bf16>(at, c);
    default:
        return launch<fp16>(at, c);
    }
}
