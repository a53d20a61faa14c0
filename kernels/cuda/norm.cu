/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that go over h [B, N, C] row by row with fp32 vectors [B, C] beside it: one pass over memory.
 * A block has some rows of one lane, a thread sixteen bytes of each; its part of the vectors stays
 * in registers for all of them. Mean and variance are taken in two steps, without reading a row
 * again.
 */
#include "kernels/cuda/vector.cuh"

enum {
    ROWS = 4,     /* of a block */
    NARROW = 192, /* threads of a block at most: C <= 1536 in sixteen bits */
    WIDE = 512,   /* C <= 4096 */
    WARPS = 8,    /* of a block of the kernel for odd widths */
};

/* One of the three ops: the gated sum is done where ADD, the norm where NORM. Strides in elements.
 */
struct rows {
    void *h, *a;
    const void *y, *bias;              /* bias NULL: 0 */
    const float *gate, *shift, *scale; /* gate NULL: 1 */
    int64_t h_lane, h_row, y_lane, y_row, a_lane, a_row;
    int64_t gate_lane, shift_lane, scale_lane;
    int lanes, of_lane, width; /* B, N, C */
    float eps, per_width;      /* per_width: 1 / C */
};

/* Four sums over a warp: that of x[r] arrives in the lanes whose number is r modulo 4. A lane gives
 * away half of what it has in each of the first two steps. */
__device__ inline float warp_sums(const float (&x)[ROWS])
{
    bool odd = threadIdx.x & 1, high = threadIdx.x & 2;
    float even_pair = odd ? x[1] : x[0], odd_pair = odd ? x[3] : x[2];
    even_pair += __shfl_xor_sync(0xffffffffu, odd ? x[0] : x[1], 1);
    odd_pair += __shfl_xor_sync(0xffffffffu, odd ? x[2] : x[3], 1);
    float sum = high ? odd_pair : even_pair;
    sum += __shfl_xor_sync(0xffffffffu, high ? even_pair : odd_pair, 2);
#pragma unroll
    for (int step = 4; step < WARP; step *= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    return sum;
}

/* x[r] := its sum over the block. `scratch` is used once: one barrier is enough. */
__device__ inline void block_sums(float (&x)[ROWS], float4 *scratch)
{
    float sum = warp_sums(x);
    if (threadIdx.x % WARP < ROWS)
        reinterpret_cast<float *>(scratch)[threadIdx.x / WARP * ROWS + threadIdx.x % WARP] = sum;
    __syncthreads();
    float4 all = scratch[0];
    for (int w = 1; w < (int)blockDim.x / WARP; w++) {
        float4 more = scratch[w];
        all.x += more.x;
        all.y += more.y;
        all.z += more.z;
        all.w += more.w;
    }
    x[0] = all.x;
    x[1] = all.y;
    x[2] = all.z;
    x[3] = all.w;
}

/* What a thread keeps of the vectors: gate and bias (ADD), shift and 1 + scale (NORM). */
template <typename T> struct kept {
    float gate[vec<T>::N], bias[vec<T>::N], shift[vec<T>::N], scale[vec<T>::N];
};

template <typename T, bool ADD, bool NORM>
__device__ inline void keep(const struct rows &p, int64_t lane, int column, struct kept<T> &k)
{
    enum { N = vec<T>::N };
#pragma unroll
    for (int i = 0; i < N; i++) {
        k.gate[i] = 1.0f;
        k.bias[i] = k.shift[i] = k.scale[i] = 0.0f;
    }
    if (column >= p.width)
        return;
    if (ADD && p.gate)
        load_floats<N>(p.gate + lane * p.gate_lane + column, k.gate);
    if (ADD && p.bias)
        load_vec(static_cast<const T *>(p.bias) + column, k.bias);
    if (NORM) {
        load_floats<N>(p.shift + lane * p.shift_lane + column, k.shift);
        load_floats<N>(p.scale + lane * p.scale_lane + column, k.scale);
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        k.scale[i] += 1.0f;
}

/* This thread's part of a group of rows, as it comes from memory: rows first.. of `count`, zeros
 * where there is nothing. */
template <typename T>
__device__ inline void load_rows(const T *from, int64_t stride, int first, int count, bool inside,
                                 uint4 (&raw)[ROWS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        raw[r] = make_uint4(0, 0, 0, 0);
        if (inside && first + r < count)
            raw[r] = *reinterpret_cast<const uint4 *>(from + (first + r) * stride);
    }
}

/* v := h + gate * (y + bias), rounded as it is stored: what follows sees the same h as a later read
 * would. */
template <typename T>
__device__ inline void add_rows(const struct rows &p, const struct kept<T> &k,
                                const uint4 (&raw_y)[ROWS], T *h, int first, bool inside,
                                float (&v)[ROWS][vec<T>::N])
{
    enum { N = vec<T>::N };
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float y[N];
        unpack<T>(raw_y[r], y);
#pragma unroll
        for (int i = 0; i < N; i++)
            v[r][i] += k.gate[i] * (y[i] + k.bias[i]);
        uint4 sum = pack<T>(v[r]);
        if (inside && first + r < p.of_lane)
            *reinterpret_cast<uint4 *>(h + (first + r) * p.h_row) = sum;
        unpack<T>(sum, v[r]);
    }
}

/* a := v normed and modulated. */
template <typename T>
__device__ inline void norm_rows(const struct rows &p, const struct kept<T> &k, T *a, int first,
                                 bool inside, float (&v)[ROWS][vec<T>::N],
                                 float4 (*scratch)[WIDE / WARP])
{
    enum { N = vec<T>::N };
    float mean[ROWS], squares[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        mean[r] = squares[r] = 0.0f;
#pragma unroll
        for (int i = 0; i < N; i++)
            mean[r] += v[r][i];
    }
    block_sums(mean, scratch[0]);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        mean[r] *= p.per_width;
#pragma unroll
        for (int i = 0; i < N; i++) {
            v[r][i] -= mean[r];
            squares[r] += v[r][i] * v[r][i];
        }
        squares[r] = inside ? squares[r] : 0.0f;
    }
    block_sums(squares, scratch[1]);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float inverse = rsqrtf(squares[r] * p.per_width + p.eps);
#pragma unroll
        for (int i = 0; i < N; i++)
            v[r][i] = v[r][i] * (inverse * k.scale[i]) + k.shift[i];
        if (inside && first + r < p.of_lane)
            store_vec(a + (first + r) * p.a_row, v[r]);
    }
}

/* All addresses and strides are multiples of sixteen bytes. With the norm, three narrow blocks to
 * an SM are worth some registers. */
template <typename T, int THREADS, bool ADD, bool NORM>
static __global__ void __launch_bounds__(THREADS, NORM &&THREADS == NARROW ? 3 : 1)
    vector_rows(const struct rows p)
{
    __shared__ float4 scratch[2][WIDE / WARP];
    int64_t lane = blockIdx.y;
    int first = blockIdx.x * ROWS, column = threadIdx.x * vec<T>::N;
    bool inside = column < p.width;
    T *h = static_cast<T *>(p.h) + lane * p.h_lane + column;
    uint4 raw_h[ROWS], raw_y[ROWS];
    float v[ROWS][vec<T>::N];
    load_rows<T>(h, p.h_row, first, p.of_lane, inside, raw_h);
    if (ADD)
        load_rows<T>(static_cast<const T *>(p.y) + lane * p.y_lane + column, p.y_row, first,
                     p.of_lane, inside, raw_y);
    struct kept<T> k;
    keep<T, ADD, NORM>(p, lane, column, k);
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        unpack<T>(raw_h[r], v[r]);
    if (ADD)
        add_rows<T>(p, k, raw_y, h, first, inside, v);
    if (NORM)
        norm_rows<T>(p, k, static_cast<T *>(p.a) + lane * p.a_lane + column, first, inside, v,
                     scratch);
}

/* Any width and alignment, element by element; a row is read again for its variance and its
 * output. */
template <typename T, bool ADD, bool NORM>
static __global__ void __launch_bounds__(WARPS *WARP) scalar_rows(const struct rows p)
{
    int row = blockIdx.x * WARPS + threadIdx.x / WARP;
    int first = threadIdx.x % WARP;
    if (row >= p.lanes * p.of_lane)
        return;
    int64_t lane = row / p.of_lane;
    int64_t n = row % p.of_lane;
    T *h = static_cast<T *>(p.h) + lane * p.h_lane + n * p.h_row;
    const T *y = static_cast<const T *>(p.y) + (ADD ? lane * p.y_lane + n * p.y_row : 0);
    const T *bias = static_cast<const T *>(p.bias);
    float sum = 0.0f;
    for (int c = first; c < p.width; c += WARP) {
        float v = to_float(h[c]);
        if (ADD) {
            float add = to_float(y[c]) + (bias ? to_float(bias[c]) : 0.0f);
            v += (p.gate ? p.gate[lane * p.gate_lane + c] : 1.0f) * add;
            h[c] = from_float<T>(v);
            v = to_float(from_float<T>(v));
        }
        sum += v;
    }
    if (!NORM)
        return;
    float mean = warp_sum(sum) * p.per_width;
    float squares = 0.0f;
    for (int c = first; c < p.width; c += WARP)
        squares += (to_float(h[c]) - mean) * (to_float(h[c]) - mean);
    float inverse = rsqrtf(warp_sum(squares) * p.per_width + p.eps);
    T *a = static_cast<T *>(p.a) + lane * p.a_lane + n * p.a_row;
    for (int c = first; c < p.width; c += WARP) {
        float scale = p.scale[lane * p.scale_lane + c];
        float shift = p.shift[lane * p.shift_lane + c];
        a[c] = from_float<T>((to_float(h[c]) - mean) * inverse * (1.0f + scale) + shift);
    }
}

static bool fits_vectors(const struct rows *p, int n)
{
    const void *address[] = {p->h, p->y, p->a, p->bias, p->gate, p->shift, p->scale};
    int64_t elements =
        p->width | p->h_lane | p->h_row | p->y_lane | p->y_row | p->a_lane | p->a_row;
    int64_t floats = p->gate_lane | p->shift_lane | p->scale_lane;
    bool fits = elements % n == 0 && floats % 4 == 0;
    for (int i = 0; i < 7; i++)
        fits = fits && aligned16(address[i]);
    return fits;
}

template <typename T, bool ADD, bool NORM>
static enum status launch(const struct cuda_target *at, const struct rows *p)
{
    int threads = (p->width / vec<T>::N + WARP - 1) / WARP * WARP;
    dim3 blocks(blocks_for(p->of_lane, ROWS), p->lanes);
    if (!fits_vectors(p, vec<T>::N) || threads > WIDE || p->lanes > 65535) {
        unsigned all = blocks_for((int64_t)p->lanes * p->of_lane, WARPS);
        scalar_rows<T, ADD, NORM><<<all, WARPS * WARP, 0, stream_of(at)>>>(*p);
    } else if (threads <= NARROW) {
        vector_rows<T, NARROW, ADD, NORM><<<blocks, threads, 0, stream_of(at)>>>(*p);
    } else {
        vector_rows<T, WIDE, ADD, NORM><<<blocks, threads, 0, stream_of(at)>>>(*p);
    }
    return cuda_launched(NORM ? ADD ? "gate_add_norm" : "norm_modulate" : "gate_add");
}

template <bool ADD, bool NORM>
static enum status launch_for(const struct queue *q, enum dtype dtype, const struct rows *p)
{
    struct cuda_target at = cuda_target(q);
    if (p->lanes == 0 || p->of_lane == 0 || p->width == 0)
        return ST_OK;
    switch (dtype) {
    case DTYPE_F32:
        return launch<float, ADD, NORM>(&at, p);
    case DTYPE_BF16:
        return launch<bf16, ADD, NORM>(&at, p);
    default:
        return launch<fp16, ADD, NORM>(&at, p);
    }
}

static void set_h(struct rows *p, const struct tensor *h)
{
    p->h = h->data;
    p->h_lane = h->stride[0];
    p->h_row = h->stride[1];
    p->lanes = (int)h->dim[0];
    p->of_lane = (int)h->dim[1];
    p->width = (int)h->dim[2];
    p->per_width = 1.0f / (float)h->dim[2];
}

static void set_add(struct rows *p, const struct tensor *y, const struct tensor *bias,
                    const struct tensor *gate)
{
    p->y = y->data;
    p->y_lane = y->stride[0];
    p->y_row = y->stride[1];
    p->bias = bias ? bias->data : NULL;
    p->gate = gate ? static_cast<const float *>(gate->data) : NULL;
    p->gate_lane = gate ? gate->stride[0] : 0;
}

static void set_norm(struct rows *p, const struct tensor *a, const struct modulation *m)
{
    p->a = a->data;
    p->a_lane = a->stride[0];
    p->a_row = a->stride[1];
    p->shift = static_cast<const float *>(m->shift->data);
    p->scale = static_cast<const float *>(m->scale->data);
    p->shift_lane = m->shift->stride[0];
    p->scale_lane = m->scale->stride[0];
    p->eps = m->eps;
}

enum status cuda_norm_modulate(struct queue *q, struct tensor *y, const struct tensor *x,
                               const struct modulation *m)
{
    struct rows p = {};
    set_h(&p, x);
    set_norm(&p, y, m);
    return launch_for<false, true>(q, x->dtype, &p);
}

enum status cuda_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                          const struct tensor *bias, const struct tensor *gate)
{
    struct rows p = {};
    set_h(&p, h);
    set_add(&p, y, bias, gate);
    return launch_for<true, false>(q, h->dtype, &p);
}

enum status cuda_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                               const struct tensor *bias, const struct tensor *gate,
                               struct tensor *a, const struct modulation *m)
{
    struct rows p = {};
    set_h(&p, h);
    set_add(&p, y, bias, gate);
    set_norm(&p, a, m);
    return launch_for<true, true>(q, h->dtype, &p);
}
