/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of few rows, which are bound by reading w: the conditioning of a step. A warp makes one
 * output feature of up to eight rows. Also what is left where cuBLAS has no answer; not for speed
 * then.
 */
#include "kernels/cuda/vector.cuh"

enum { WARPS = 8, ROWS = 8 };

/* sum[r] += this thread's part of x[r, :] w[:]. */
template <typename T, int rows, bool WIDE>
__device__ inline void multiply_row(const T *w, const T *x, int64_t x_stride, int64_t in,
                                    float (&sum)[rows])
{
    enum { N = WIDE ? vec<T>::N : 1 };
#pragma unroll 4
    for (int64_t i = threadIdx.x % WARP * N; i < in; i += WARP * N) {
        float a[vec<T>::N], b[vec<T>::N];
        if (WIDE)
            load_vec(w + i, a);
        else
            a[0] = to_float(w[i]);
#pragma unroll
        for (int r = 0; r < rows; r++) {
            if (WIDE)
                load_vec(x + r * x_stride + i, b);
            else
                b[0] = to_float(x[r * x_stride + i]);
#pragma unroll
            for (int n = 0; n < N; n++)
                sum[r] += a[n] * b[n];
        }
    }
}

/* Rows of x in groups of `rows`; where fewer are left they are done one by one. */
template <typename T, int rows, bool WIDE>
static __global__ void __launch_bounds__(WARPS *WARP) multiply(const struct cuda_product p)
{
    int64_t column = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    int64_t first = (int64_t)blockIdx.y * rows;
    if (column >= p.out)
        return;
    int left = p.rows - first < rows ? (int)(p.rows - first) : rows;
    const T *w = static_cast<const T *>(p.w) + column * p.w_stride;
    const T *x = static_cast<const T *>(p.x) + first * p.x_stride;
    T *y = static_cast<T *>(p.y) + first * p.y_stride + column;
    float bias = p.bias ? to_float(static_cast<const T *>(p.bias)[column]) : 0.0f;
    float sum[rows] = {};
    if (left == rows) {
        multiply_row<T, rows, WIDE>(w, x, p.x_stride, p.in, sum);
    } else {
        for (int r = 0; r < left; r++) {
            float one[1] = {};
            multiply_row<T, 1, WIDE>(w, x + r * p.x_stride, 0, p.in, one);
#pragma unroll
            for (int k = 0; k < rows; k++)
                sum[k] = k == r ? one[0] : sum[k];
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++) {
        float total = warp_sum(sum[r]);
        if (r < left && threadIdx.x % WARP == 0) {
            float old = p.add ? to_float(y[r * p.y_stride]) : 0.0f;
            y[r * p.y_stride] = from_float<T>(old + activated(total + bias, p.act));
        }
    }
}

template <typename T, int rows>
static enum status launch(const struct cuda_target *at, const struct cuda_product *p)
{
    enum { N = vec<T>::N };
    const int64_t most = 65535 * rows; // so many blocks go along y
    bool wide = aligned16(p->x) && aligned16(p->w) && p->in % N == 0 && p->w_stride % N == 0 &&
                (p->x_stride % N == 0 || p->rows == 1);
    struct cuda_product part = *p;
    for (int64_t begin = 0; begin < p->rows; begin += most) {
        int64_t left = p->rows - begin;
        part.rows = left < most ? left : most;
        part.x = static_cast<const T *>(p->x) + begin * p->x_stride;
        part.y = static_cast<T *>(p->y) + begin * p->y_stride;
        dim3 blocks(blocks_for(p->out, WARPS), blocks_for(part.rows, rows));
        if (wide)
            multiply<T, rows, true><<<blocks, WARPS * WARP, 0, stream_of(at)>>>(part);
        else
            multiply<T, rows, false><<<blocks, WARPS * WARP, 0, stream_of(at)>>>(part);
        TRY(cuda_launched("linear_plain"));
    }
    return ST_OK;
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_product *p)
{
    if (p->rows == 1)
        return launch<T, 1>(at, p);
    if (p->rows <= 2)
        return launch<T, 2>(at, p);
    if (p->rows <= 4)
        return launch<T, 4>(at, p);
    return launch<T, ROWS>(at, p);
}

enum status cuda_product_plain(const struct cuda_target *at, const struct cuda_product *p)
{
    switch (p->dtype) {
    case DTYPE_F32:
        return launch_for<float>(at, p);
    case DTYPE_BF16:
        return launch_for<bf16>(at, p);
    default:
        return launch_for<fp16>(at, p);
    }
}
