/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of few rows in fp32 with weights of the model's dtype: the conditioning of a step. What
 * bounds them is reading w once, 2 * out * in bytes; at the 4.0 TB/s that an H200 reads, 4.0 us for
 * the six vectors of DiT-XL, [6912, 1152], and 1.6 ms for those of all blocks of FLUX, [1056768,
 * 3072]. x stays in shared memory as fp32. A warp makes four output features of up to eight rows at
 * a time, so that what it reads of x serves four weights: at eight rows, shared memory would else
 * have to give four times what it can.
 */
#include "kernels/cuda/tensor_core.cuh"

enum {
    WARPS = 8,
    THREADS = WARPS * WARP,
    FEATURES = 4,         /* of a warp at a time */
    MOST_ROWS = 8,        /* that read w together */
    WEIGHTS = 8,          /* sixteen bytes of them */
    STEP = WARP * WEIGHTS /* columns of a warp at a time */
};

/* Blocks of an SM: as many as their registers allow. */
template <int ROWS> struct blocks {
    enum { MOST = ROWS >= 4 ? 2 : 3 };
};

/* Columns of x in shared memory: whole steps, zeros beyond the last. */
static inline __host__ __device__ int padded(int64_t in)
{
    return (int)((in + STEP - 1) / STEP) * STEP;
}

/* Rows first .. first+ROWS-1 of x on their way to shared memory, zeros beyond the last. Of the
 * eight columns of a lane, the first four of all lanes lie side by side, then the other four: free
 * of bank conflicts. */
template <int ROWS>
__device__ inline void load_x(const struct cuda_product &p, int64_t first, float4 *shared)
{
    const float *x = static_cast<const float *>(p.x);
    int units = padded(p.in) / 4;
    bool vectors = p.x_stride % 4 == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
    for (int r = 0; r < ROWS; r++) {
        const float *row = x + (first + r) * p.x_stride;
        for (int unit = threadIdx.x; unit < units; unit += THREADS) {
            float4 *to = shared + r * units + unit / 64 * 64 + unit % 2 * 32 + unit % 64 / 2;
            bool inside = first + r < p.rows && unit * 4 < p.in;
            const float *from = inside ? row + unit * 4 : x;
            if (vectors)
                copy16(to, from, inside);
            else
                *to = inside ? make_float4(from[0], from[1], from[2], from[3])
                             : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
    }
    copies_commit();
}

/* Where four features begin; beyond the last one, the last again. */
template <typename T>
__device__ inline void find_features(const struct cuda_product &p, int64_t feature,
                                     const T *(&w)[FEATURES])
{
#pragma unroll
    for (int f = 0; f < FEATURES; f++) {
        int64_t row = feature + f < p.out ? feature + f : p.out - 1;
        w[f] = static_cast<const T *>(p.w) + row * p.w_stride;
    }
}

template <typename T>
__device__ inline void load_weights(const T *const (&w)[FEATURES], int column, bool inside,
                                    uint4 (&raw)[FEATURES])
{
#pragma unroll
    for (int f = 0; f < FEATURES; f++) {
        raw[f] = make_uint4(0, 0, 0, 0);
        if (inside)
            raw[f] = __ldg(reinterpret_cast<const uint4 *>(w[f] + column));
    }
}

/* raw := the weights of a later step, while those that it held are multiplied: to the sum of row r
 * and feature f, number r * FEATURES + f, this lane's columns of both are added. x: this lane's
 * first four columns of the step in row 0; `units` further is row 1. */
template <typename T, int ROWS>
__device__ inline void multiply_step(const T *const (&later)[FEATURES], int column, bool inside,
                                     uint4 (&raw)[FEATURES], const float4 *x, int units,
                                     float (&sum)[ROWS * FEATURES])
{
    uint4 now[FEATURES];
#pragma unroll
    for (int f = 0; f < FEATURES; f++)
        now[f] = raw[f];
    load_weights(later, column, inside, raw);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float w[FEATURES][4];
#pragma unroll
        for (int f = 0; f < FEATURES; f++) {
            const T *element = reinterpret_cast<const T *>(&now[f]) + half * 4;
#pragma unroll
            for (int i = 0; i < 4; i++)
                w[f][i] = to_float(element[i]);
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float4 four = x[r * units + half * WARP];
#pragma unroll
            for (int f = 0; f < FEATURES; f++) {
                float &s = sum[r * FEATURES + f];
                s = fmaf(w[f][0], four.x, s);
                s = fmaf(w[f][1], four.y, s);
                s = fmaf(w[f][2], four.z, s);
                s = fmaf(w[f][3], four.w, s);
            }
        }
    }
}

/* v[0] := the warp's sum of v[lane / (WARP / N)]; N is a power of two. Lanes STEP apart share what
 * they are left with, LEFT sums for each. */
template <int STEP, int LEFT, int N> __device__ inline void sum_over_lanes(float (&v)[N])
{
    bool upper = threadIdx.x & STEP;
    if (LEFT == 0)
        v[0] += __shfl_xor_sync(0xffffffffu, v[0], STEP);
#pragma unroll
    for (int i = 0; i < LEFT; i++) {
        float given = upper ? v[i] : v[i + LEFT];
        float kept = upper ? v[i + LEFT] : v[i];
        v[i] = kept + __shfl_xor_sync(0xffffffffu, given, STEP);
    }
    if constexpr (STEP > 1)
        sum_over_lanes<STEP / 2, LEFT / 2>(v);
}

/* A sum to each lane: row i / FEATURES, feature i % FEATURES. */
template <typename T, int ROWS>
__device__ inline void store_sums(const struct cuda_product &p, int64_t first, int64_t feature,
                                  float (&sum)[ROWS * FEATURES])
{
    enum { SHARE = WARP / (ROWS * FEATURES) /* lanes that have the same */ };
    sum_over_lanes<WARP / 2, ROWS * FEATURES / 2>(sum);
    int lane = threadIdx.x % WARP, i = lane / SHARE;
    int64_t row = first + i / FEATURES, column = feature + i % FEATURES;
    if (lane % SHARE != 0 || row >= p.rows || column >= p.out)
        return;
    float bias = p.bias ? to_float(static_cast<const T *>(p.bias)[column]) : 0.0f;
    static_cast<float *>(p.y)[row * p.y_stride + column] = activated(sum[0] + bias, p.act);
}

/* Blocks (g, ..) have rows g * ROWS and following; those of different g that run at a time read the
 * same weights, which the L2 has then. The next weights are on their way while some are used. */
template <typename T, int ROWS>
static __global__ void __launch_bounds__(THREADS, blocks<ROWS>::MOST)
    multiply(const struct cuda_product p)
{
    extern __shared__ float4 x[];
    int column = threadIdx.x % WARP * WEIGHTS, units = padded(p.in) / 4;
    int64_t first = (int64_t)blockIdx.x * ROWS, further = (int64_t)gridDim.y * WARPS * FEATURES;
    int64_t feature = ((int64_t)blockIdx.y * WARPS + threadIdx.x / WARP) * FEATURES;
    const float4 *last = x + threadIdx.x % WARP + units - STEP / 4; // of the steps of row 0
    const T *w[FEATURES];
    uint4 raw[FEATURES];
    find_features(p, feature, w);
    load_weights(w, column, column < p.in, raw);
    load_x<ROWS>(p, first, x);
    copies_wait<0>();
    __syncthreads();
    for (; feature < p.out; feature += further) {
        float sum[ROWS * FEATURES] = {};
        const float4 *at = x + threadIdx.x % WARP;
#pragma unroll 2
        for (int next = column + STEP; at < last; at += STEP / 4, next += STEP)
            multiply_step<T, ROWS>(w, next, next < p.in, raw, at, units, sum);
        find_features(p, feature + further, w);
        multiply_step<T, ROWS>(w, column, column < p.in, raw, last, units, sum);
        store_sums<T, ROWS>(p, first, feature, sum);
    }
}

/* Any width and alignment: a warp for each feature, row after row. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) multiply_scalars(const struct cuda_product p)
{
    int64_t column = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (column >= p.out)
        return;
    const T *w = static_cast<const T *>(p.w) + column * p.w_stride;
    float bias = p.bias ? to_float(static_cast<const T *>(p.bias)[column]) : 0.0f;
    for (int64_t r = 0; r < p.rows; r++) {
        const float *x = static_cast<const float *>(p.x) + r * p.x_stride;
        float sum = 0.0f;
        for (int64_t i = threadIdx.x % WARP; i < p.in; i += WARP)
            sum = fmaf(to_float(w[i]), x[i], sum);
        sum = warp_sum(sum);
        if (threadIdx.x % WARP == 0)
            static_cast<float *>(p.y)[r * p.y_stride + column] = activated(sum + bias, p.act);
    }
}

/* ---- launch ---- */

static int64_t bytes_of(const struct cuda_product *p, int rows)
{
    return (int64_t)padded(p->in) * rows * (int64_t)sizeof(float);
}

/* Blocks stay: as many as are at work at a time, or fewer with as many turns each. */
template <typename T, int ROWS>
static enum status launch(const struct cuda_target *at, const struct cuda_product *p)
{
    const int64_t MOST = blocks<ROWS>::MOST;
    const int64_t system = 1024, bytes = bytes_of(p, ROWS); // system: of each block's shared memory
    int64_t of_sm = ((int64_t)at->shared_limit + system) / (bytes + system);
    of_sm = of_sm < MOST ? of_sm : MOST;
    unsigned groups = blocks_for(p->rows, ROWS), wanted = blocks_for(p->out, WARPS * FEATURES);
    int64_t most = at->multiprocessors * of_sm / groups;
    unsigned turns = most > 0 ? blocks_for(wanted, (int)most) : wanted;
    dim3 grid(groups, blocks_for(wanted, (int)turns));
    TRY(cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void *>(multiply<T, ROWS>),
                                        cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                   "cudaFuncSetAttribute(shared memory of products of few rows)"));
    multiply<T, ROWS><<<grid, THREADS, (size_t)bytes, stream_of(at)>>>(*p);
    return cuda_launched("linear_rows");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_product *p)
{
    int rows = 1;
    while (rows < MOST_ROWS && rows < p->rows)
        rows *= 2;
    while (rows > 0 && bytes_of(p, rows) > (int64_t)at->shared_limit)
        rows /= 2;
    if (rows == 0 || p->in % WEIGHTS != 0 || p->w_stride % WEIGHTS != 0 || !aligned16(p->w)) {
        multiply_scalars<T><<<blocks_for(p->out, WARPS), THREADS, 0, stream_of(at)>>>(*p);
        return cuda_launched("linear_rows");
    }
    if (rows == 1)
        return launch<T, 1>(at, p);
    if (rows == 2)
        return launch<T, 2>(at, p);
    return rows == 4 ? launch<T, 4>(at, p) : launch<T, 8>(at, p);
}

enum status cuda_product_rows(const struct cuda_target *at, const struct cuda_product *p)
{
    return p->dtype == DTYPE_BF16 ? launch_for<bf16>(at, p) : launch_for<fp16>(at, p);
}
