/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that go over h [B, N, C] row by row with fp32 vectors beside it: one pass over memory. A
 * block has some rows of one lane at a time, a thread sixteen bytes of each; its part of the
 * vectors stays in registers for all of them. Mean and variance are taken in two steps, without
 * reading a row again.
 */
#include "kernels/cuda/vector.cuh"

enum {
    NARROW = 192, /* threads of a block at most: C <= 1536 in sixteen bits */
    MIDDLE = 384, /* C <= 3072 */
    WIDE = 512,   /* C <= 4096 */
    WARPS = 8,    /* of a block of the kernel for odd widths */
};

/* Threads that an SM has room for, at least. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
enum { ROOM = 1024 };
#else
enum { ROOM = 1536 };
#endif

/* One of the three ops: the gated sum is done where ADD, the norm where NORM. Strides in elements.
 */
struct rows {
    void *h, *a;
    const void *y, *bias; /* of the sum; bias NULL: 0 */
    const void *beside;   /* the norm's rows go on there after h's `own` columns */
    const float *gate;    /* NULL: 1 */
    const float *weight, *added, *shift, *scale; /* of the norm; NULL: 1, 0, 0, 0 */
    int64_t h_lane, h_row, y_lane, y_row, a_lane, a_row, beside_lane, beside_row;
    int64_t gate_lane, shift_lane, scale_lane;
    int lanes, of_lane;   /* B, N */
    int own, width;       /* C of h, C of the norm */
    float eps, per_width; /* per_width: 1 / width */
};

/* R sums over a warp: that of x[r] arrives in the lanes whose number is r modulo R. A lane gives
 * away half of what it has in each of the first steps. */
template <int R> __device__ inline float warp_sums(const float (&x)[R])
{
    float left[R];
#pragma unroll
    for (int r = 0; r < R; r++)
        left[r] = x[r];
#pragma unroll
    for (int step = 1; step < R; step *= 2) {
        bool odd = threadIdx.x & step;
#pragma unroll
        for (int r = 0; r < R / 2 / step; r++) {
            float mine = odd ? left[2 * r + 1] : left[2 * r];
            left[r] =
                mine + __shfl_xor_sync(0xffffffffu, odd ? left[2 * r] : left[2 * r + 1], step);
        }
    }
#pragma unroll
    for (int step = R; step < WARP; step *= 2)
        left[0] += __shfl_xor_sync(0xffffffffu, left[0], step);
    return left[0];
}

/* x[r] := its sum over the block. One barrier is enough where calls take two areas in turn. */
template <int R> __device__ inline void block_sums(float (&x)[R], float *scratch)
{
    float sum = warp_sums(x);
    if (threadIdx.x % WARP < R)
        scratch[threadIdx.x / WARP * R + threadIdx.x % WARP] = sum;
    __syncthreads();
#pragma unroll
    for (int r = 0; r < R; r++)
        x[r] = scratch[r];
    for (int w = 1; w < (int)blockDim.x / WARP; w++) {
        float2 more[R / 2];
#pragma unroll
        for (int r = 0; r < R / 2; r++) {
            more[r] = *reinterpret_cast<const float2 *>(scratch + w * R + 2 * r);
            x[2 * r] += more[r].x;
            x[2 * r + 1] += more[r].y;
        }
    }
}

/* What a thread keeps of the vectors: gate and bias (ADD); what LN(x) is multiplied by and then
 * added to, the norm's four vectors in two (NORM). */
template <typename T> struct kept {
    float gate[vec<T>::N], bias[vec<T>::N], scale[vec<T>::N], shift[vec<T>::N];
};

template <typename T>
__device__ inline void keep_norm(const struct rows &p, int64_t lane, int column, struct kept<T> &k)
{
    enum { N = vec<T>::N };
    float more[N];
    if (p.scale)
        load_floats<N>(p.scale + lane * p.scale_lane + column, k.scale);
    if (p.shift)
        load_floats<N>(p.shift + lane * p.shift_lane + column, k.shift);
#pragma unroll
    for (int i = 0; i < N; i++)
        k.scale[i] += 1.0f;
    if (p.added) {
        load_floats<N>(p.added + column, more);
#pragma unroll
        for (int i = 0; i < N; i++)
            k.shift[i] += more[i] * k.scale[i];
    }
    if (p.weight) {
        load_floats<N>(p.weight + column, more);
#pragma unroll
        for (int i = 0; i < N; i++)
            k.scale[i] *= more[i];
    }
}

template <typename T, bool ADD, bool NORM>
__device__ inline void keep(const struct rows &p, int64_t lane, int column, struct kept<T> &k)
{
    enum { N = vec<T>::N };
#pragma unroll
    for (int i = 0; i < N; i++) {
        k.gate[i] = 1.0f;
        k.bias[i] = k.shift[i] = k.scale[i] = 0.0f;
    }
    if (ADD && p.gate && column < p.own)
        load_floats<N>(p.gate + lane * p.gate_lane + column, k.gate);
    if (ADD && p.bias && column < p.own)
        load_vec(static_cast<const T *>(p.bias) + column, k.bias);
    if (NORM && column < p.width)
        keep_norm(p, lane, column, k);
}

/* Where a thread's columns lie: those of h, and after them those of what is beside it. */
template <typename T> struct place {
    T *rows;
    int64_t stride;
};

template <typename T>
__device__ inline struct place<T> place_of(const struct rows &p, int64_t lane, int column) {
    struct place<T> own = {
        static_cast<T *>(p.h) + lane *p.h_lane + column, p.h_row
    };
    struct place<T> more = {
        static_cast<T *>(const_cast<void *>(p.beside)) + lane *p.beside_lane + column - p.own,
            p.beside_row
    };
    return column < p.own ? own : more;
}

/* This thread's part of a group of rows, as it comes from memory: rows first.. of `count`, zeros
 * where there is nothing. */
template <typename T, int R>
__device__ inline void load_rows(const T *from, int64_t stride, int first, int count, bool inside,
                                 uint4 (&raw)[R])
{
#pragma unroll
    for (int r = 0; r < R; r++) {
        raw[r] = make_uint4(0, 0, 0, 0);
        if (inside && first + r < count)
            raw[r] = *reinterpret_cast<const uint4 *>(from + (first + r) * stride);
    }
}

/* A sum within the numbers of its dtype, of which fp16's end early; a NaN stays one. */
template <typename T> __device__ inline float held(float x)
{
    return x;
}

template <> __device__ inline float held<fp16>(float x)
{
    const float most = 65504.0f;
    return x > most ? most : x < -most ? -most : x;
}

/* v := h + gate * (y + bias), rounded as it is stored: what follows sees the same h as a later read
 * would. Columns that are not h's own have no y, and are not stored. */
template <typename T, int R>
__device__ inline void add_rows(const struct rows &p, const struct kept<T> &k,
                                const uint4 (&raw_y)[R], T *h, int first, bool own,
                                float (&v)[R][vec<T>::N])
{
    enum { N = vec<T>::N };
#pragma unroll
    for (int r = 0; r < R; r++) {
        float y[N];
        unpack<T>(raw_y[r], y);
#pragma unroll
        for (int i = 0; i < N; i++)
            v[r][i] = held<T>(v[r][i] + k.gate[i] * (y[i] + k.bias[i]));
        uint4 sum = pack<T>(v[r]);
        if (own && first + r < p.of_lane)
            *reinterpret_cast<uint4 *>(h + (first + r) * p.h_row) = sum;
        unpack<T>(sum, v[r]);
    }
}

/* a := v normed. */
template <typename T, int R>
__device__ inline void norm_rows(const struct rows &p, const struct kept<T> &k, T *a, int first,
                                 bool inside, float (&v)[R][vec<T>::N],
                                 float (*scratch)[WIDE / WARP * R])
{
    enum { N = vec<T>::N };
    float mean[R], squares[R];
#pragma unroll
    for (int r = 0; r < R; r++) {
        mean[r] = squares[r] = 0.0f;
#pragma unroll
        for (int i = 0; i < N; i++)
            mean[r] += v[r][i];
    }
    block_sums(mean, scratch[0]);
#pragma unroll
    for (int r = 0; r < R; r++) {
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
    for (int r = 0; r < R; r++) {
        float inverse = rsqrtf(squares[r] * p.per_width + p.eps);
#pragma unroll
        for (int i = 0; i < N; i++)
            v[r][i] = v[r][i] * (inverse * k.scale[i]) + k.shift[i];
        if (inside && first + r < p.of_lane)
            store_vec(a + (first + r) * p.a_row, v[r]);
    }
}

/* Whether blocks stay for several groups of rows, for which they read the vectors once. The norm
 * alone has room to load the next group before it sums this one up; narrow sums are at the rate of
 * memory as they are, and have no registers left. */
template <int THREADS, bool ADD> struct stays {
    enum { yes = !ADD || THREADS > NARROW };
};

/* All addresses and strides are multiples of sixteen bytes. BLOCKS are on an SM at a time, each
 * with R rows at a time. */
template <typename T, int THREADS, int BLOCKS, int R, bool ADD, bool NORM>
static __global__ void __launch_bounds__(THREADS, BLOCKS *THREADS > ROOM ? ROOM / THREADS : BLOCKS)
    vector_rows(const struct rows p)
{
    __shared__ __align__(16) float scratch[2][WIDE / WARP * R];
    int64_t lane = blockIdx.y;
    int first = blockIdx.x * R, step = gridDim.x * R, column = threadIdx.x * vec<T>::N;
    bool own = column < p.own, inside = column < p.width;
    struct place<T> at = place_of<T>(p, lane, column);
    const T *y = static_cast<const T *>(p.y) + lane * p.y_lane + column;
    T *a = static_cast<T *>(p.a) + lane * p.a_lane + column;
    uint4 raw_h[R], raw_y[R];
    load_rows<T>(at.rows, at.stride, first, p.of_lane, inside, raw_h);
    if (ADD)
        load_rows<T>(y, p.y_row, first, p.of_lane, own, raw_y);
    struct kept<T> k;
    keep<T, ADD, NORM>(p, lane, column, k);
    for (; first < p.of_lane; first += step) {
        float v[R][vec<T>::N];
#pragma unroll
        for (int r = 0; r < R; r++)
            unpack<T>(raw_h[r], v[r]);
        if (!ADD)
            load_rows<T>(at.rows, at.stride, first + step, p.of_lane, inside, raw_h);
        if (ADD)
            add_rows<T>(p, k, raw_y, at.rows, first, own, v);
        if (NORM)
            norm_rows<T>(p, k, a, first, inside, v, scratch);
        if (!stays<THREADS, ADD>::yes)
            return;
        if (ADD) {
            load_rows<T>(at.rows, at.stride, first + step, p.of_lane, inside, raw_h);
            load_rows<T>(y, p.y_row, first + step, p.of_lane, own, raw_y);
        }
    }
}

/* Column c of a row of the norm. */
template <typename T>
__device__ inline float element(const struct rows &p, const T *h, const T *beside, int c)
{
    return to_float(c < p.own ? h[c] : beside[c - p.own]);
}

template <typename T>
__device__ inline void norm_row(const struct rows &p, int64_t lane, int64_t n, const T *h)
{
    const T *beside = static_cast<const T *>(p.beside) + lane * p.beside_lane + n * p.beside_row;
    T *a = static_cast<T *>(p.a) + lane * p.a_lane + n * p.a_row;
    int first = threadIdx.x % WARP;
    float sum = 0.0f, squares = 0.0f;
    for (int c = first; c < p.width; c += WARP)
        sum += element(p, h, beside, c);
    float mean = warp_sum(sum) * p.per_width;
    for (int c = first; c < p.width; c += WARP)
        squares += (element(p, h, beside, c) - mean) * (element(p, h, beside, c) - mean);
    float inverse = rsqrtf(warp_sum(squares) * p.per_width + p.eps);
    for (int c = first; c < p.width; c += WARP) {
        float v = (element(p, h, beside, c) - mean) * inverse;
        v = v * (p.weight ? p.weight[c] : 1.0f) + (p.added ? p.added[c] : 0.0f);
        v *= 1.0f + (p.scale ? p.scale[lane * p.scale_lane + c] : 0.0f);
        a[c] = from_float<T>(v + (p.shift ? p.shift[lane * p.shift_lane + c] : 0.0f));
    }
}

/* Any width and alignment, element by element; a row is read again for its mean, its variance and
 * its output. */
template <typename T, bool ADD, bool NORM>
static __global__ void __launch_bounds__(WARPS *WARP) scalar_rows(const struct rows p)
{
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (row >= (int64_t)p.lanes * p.of_lane)
        return;
    int64_t lane = row / p.of_lane;
    int64_t n = row % p.of_lane;
    T *h = static_cast<T *>(p.h) + lane * p.h_lane + n * p.h_row;
    const T *y = static_cast<const T *>(p.y) + lane * p.y_lane + n * p.y_row;
    const T *bias = static_cast<const T *>(p.bias);
    for (int c = threadIdx.x % WARP; ADD && c < p.own; c += WARP) {
        float add = to_float(y[c]) + (bias ? to_float(bias[c]) : 0.0f);
        float gate = p.gate ? p.gate[lane * p.gate_lane + c] : 1.0f;
        h[c] = from_float<T>(held<T>(to_float(h[c]) + gate * add));
    }
    if (NORM)
        norm_row<T>(p, lane, n, h); // a lane reads what it wrote itself
}

static bool fits_vectors(const struct rows *p, int n)
{
    const void *address[] = {p->h,    p->y,      p->a,     p->bias,  p->beside,
                             p->gate, p->weight, p->added, p->shift, p->scale};
    int64_t elements = p->own | p->width | p->h_lane | p->h_row | p->y_lane | p->y_row | p->a_lane |
                       p->a_row | p->beside_lane | p->beside_row;
    int64_t floats = p->gate_lane | p->shift_lane | p->scale_lane;
    bool fits = elements % n == 0 && floats % 4 == 0;
    for (int i = 0; i < 10; i++)
        fits = fits && aligned16(address[i]);
    return fits;
}

/* Blocks that stay are as many as the SMs hold, or fewer with as many turns each; those that do
 * not, one for each group of rows. */
template <typename T, int THREADS, int BLOCKS, int R, bool ADD, bool NORM>
static void launch_vectors(const struct cuda_target *at, const struct rows *p, int threads)
{
    int64_t groups = blocks_for(p->of_lane, R);
    int64_t most = (int64_t)at->multiprocessors * BLOCKS / p->lanes;
    int64_t turns = !stays<THREADS, ADD>::yes ? 1 : most > 0 ? (groups + most - 1) / most : groups;
    dim3 blocks(blocks_for(groups, (int)turns), p->lanes);
    vector_rows<T, THREADS, BLOCKS, R, ADD, NORM><<<blocks, threads, 0, stream_of(at)>>>(*p);
}

template <typename T, bool ADD, bool NORM>
static enum status launch(const struct cuda_target *at, const struct rows *p)
{
    int threads = (p->width / vec<T>::N + WARP - 1) / WARP * WARP;
    if (!fits_vectors(p, vec<T>::N) || threads > WIDE || p->lanes > 65535) {
        unsigned all = blocks_for((int64_t)p->lanes * p->of_lane, WARPS);
        scalar_rows<T, ADD, NORM><<<all, WARPS * WARP, 0, stream_of(at)>>>(*p);
    } else if (threads <= NARROW - WARP) {
        launch_vectors<T, NARROW - WARP, 4, 4, ADD, NORM>(at, p, threads);
    } else if (threads <= NARROW) {
        launch_vectors<T, NARROW, 3, 4, ADD, NORM>(at, p, threads);
    } else if (threads <= MIDDLE) {
        launch_vectors<T, MIDDLE, ADD ? 2 : 3, 2, ADD, NORM>(at, p, threads);
    } else {
        launch_vectors<T, WIDE, ADD ? 1 : 2, 2, ADD, NORM>(at, p, threads);
    }
    return cuda_launched(NORM ? ADD ? "gate_add_norm" : "norm" : "gate_add");
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
    p->own = p->width = (int)h->dim[2];
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

static const float *floats_of(const struct tensor *t)
{
    return t ? static_cast<const float *>(t->data) : NULL;
}

static void set_norm(struct rows *p, const struct tensor *a, const struct norm *norm)
{
    p->a = a->data;
    p->a_lane = a->stride[0];
    p->a_row = a->stride[1];
    p->width = (int)a->dim[2];
    p->per_width = 1.0f / (float)a->dim[2];
    p->weight = floats_of(norm->weight);
    p->added = floats_of(norm->bias);
    p->shift = floats_of(norm->shift);
    p->scale = floats_of(norm->scale);
    p->shift_lane = norm->shift ? norm->shift->stride[0] : 0;
    p->scale_lane = norm->scale ? norm->scale->stride[0] : 0;
    p->eps = norm->eps;
    if (norm->beside) {
        p->beside = norm->beside->data;
        p->beside_lane = norm->beside->stride[0];
        p->beside_row = norm->beside->stride[1];
    }
}

enum status cuda_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct norm *norm)
{
    struct rows p = {};
    set_h(&p, x);
    set_norm(&p, y, norm);
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
                               struct tensor *a, const struct norm *norm)
{
    struct rows p = {};
    set_h(&p, h);
    set_add(&p, y, bias, gate);
    set_norm(&p, a, norm);
    return launch_for<true, true>(q, h->dtype, &p);
}
