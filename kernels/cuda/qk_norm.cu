/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of queries and keys, normed and rotated in place: one pass over memory. A block has one
 * row, some threads side by side a head of it, sixteen bytes each; of several heads they have the
 * same columns, and what belongs to the columns stays in registers.
 */
#include "kernels/cuda/vector.cuh"

enum {
    THREADS = 256,
    WARPS = THREADS / WARP,
    AHEAD = 4 /* heads of a thread that are on their way */
};

/* Query and key are parts; where there is one of them only, `parts` is 1. Strides in elements. */
struct heads {
    void *x[2];
    int64_t lane[2], row[2], head[2]; /* strides of x */
    const float *weight[2], *bias[2]; /* NULL: 1, 0 */
    const float *rope;                /* NULL: not rotated */
    int64_t rope_row;
    int parts, own;                /* own: groups of threads that have heads of one part */
    int lanes, rows, count, width; /* B, N, H, D */
    int normed, centred;
    float eps, per_width; /* per_width: 1 / D */
};

/* Sums over GROUP lanes, a power of two. */
template <int GROUP> __device__ inline float group_sum(float x)
{
#pragma unroll
    for (int step = GROUP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* What a thread keeps of what belongs to its columns. */
template <int N> struct columns {
    float weight[N], bias[N], turn[N];
};

template <int N>
__device__ inline void keep(const struct heads &p, int part, int64_t row, int column, bool inside,
                            struct columns<N> &k)
{
#pragma unroll
    for (int i = 0; i < N; i++) {
        k.weight[i] = 1.0f;
        k.bias[i] = k.turn[i] = 0.0f;
    }
    if (!inside)
        return;
    if (p.weight[part])
        load_floats<N>(p.weight[part] + column, k.weight);
    if (p.bias[part])
        load_floats<N>(p.bias[part] + column, k.bias);
    if (p.rope)
        load_floats<N>(p.rope + row * p.rope_row + column, k.turn);
}

/* v := normed; the lanes of a group have a head. */
template <int GROUP, int N>
__device__ inline void norm_head(const struct heads &p, const struct columns<N> &k, bool inside,
                                 float (&v)[N])
{
    float sum = 0.0f, squares = 0.0f;
    if (p.centred) {
#pragma unroll
        for (int i = 0; i < N; i++)
            sum += v[i];
        float mean = group_sum<GROUP>(sum) * p.per_width;
#pragma unroll
        for (int i = 0; i < N; i++)
            v[i] = inside ? v[i] - mean : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        squares += v[i] * v[i];
    float inverse = rsqrtf(group_sum<GROUP>(squares) * p.per_width + p.eps);
#pragma unroll
    for (int i = 0; i < N; i++)
        v[i] = v[i] * inverse * k.weight[i] + k.bias[i];
}

template <int N> __device__ inline void rotate(float (&v)[N], const float (&turn)[N])
{
#pragma unroll
    for (int i = 0; i < N; i += 2) {
        float a = v[i], b = v[i + 1];
        v[i] = a * turn[i] - b * turn[i + 1];
        v[i + 1] = a * turn[i + 1] + b * turn[i];
    }
}

/* All addresses and strides are multiples of sixteen bytes; D is at most GROUP vectors. All lanes
 * of a warp take part in its sums, also those without a head or beyond its width. */
template <typename T, int GROUP>
static __global__ void __launch_bounds__(THREADS) vector_heads(const struct heads p)
{
    enum { N = vec<T>::N };
    int64_t lane = blockIdx.x / p.rows, row = blockIdx.x % p.rows;
    int group = threadIdx.x / GROUP, column = threadIdx.x % GROUP * N;
    int part = group < p.own ? 0 : 1;
    bool inside = group < p.own * p.parts && column < p.width;
    group -= part * p.own;
    part = inside ? part : 0;
    T *x = static_cast<T *>(p.x[part]) + lane * p.lane[part] + row * p.row[part] + column;
    struct columns<N> k;
    keep<N>(p, part, row, column, inside, k);
    for (int first = 0; first < p.count; first += AHEAD * p.own) {
        uint4 raw[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int head = first + i * p.own + group;
            raw[i] = make_uint4(0, 0, 0, 0);
            if (inside && head < p.count)
                raw[i] = *reinterpret_cast<const uint4 *>(x + head * p.head[part]);
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            int head = first + i * p.own + group;
            float v[N];
            if (first + i * p.own >= p.count)
                break; // for all groups alike
            unpack<T>(raw[i], v);
            if (p.normed)
                norm_head<GROUP, N>(p, k, inside, v);
            if (p.rope)
                rotate<N>(v, k.turn);
            if (inside && head < p.count)
                store_vec(x + head * p.head[part], v);
        }
    }
}

/* Any width and alignment: a warp for each head, read again for each sum. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) scalar_heads(const struct heads p)
{
    int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (i >= (int64_t)p.parts * p.lanes * p.rows * p.count)
        return;
    int head = i % p.count;
    int64_t row = i / p.count % p.rows, lane = i / p.count / p.rows % p.lanes;
    int part = (int)(i / p.count / p.rows / p.lanes);
    T *x =
        static_cast<T *>(p.x[part]) + lane * p.lane[part] + row * p.row[part] + head * p.head[part];
    float mean = 0.0f, inverse = 1.0f;
    if (p.normed) {
        float sum = 0.0f, squares = 0.0f;
        for (int c = threadIdx.x % WARP; c < p.width; c += WARP)
            sum += to_float(x[c]);
        mean = p.centred ? warp_sum(sum) * p.per_width : 0.0f;
        for (int c = threadIdx.x % WARP; c < p.width; c += WARP)
            squares += (to_float(x[c]) - mean) * (to_float(x[c]) - mean);
        inverse = rsqrtf(warp_sum(squares) * p.per_width + p.eps);
    }
    __syncwarp(); // before elements change that others have summed up
    for (int c = threadIdx.x % WARP * 2; c < p.width; c += WARP * 2) {
        float v[2] = {0.0f, 0.0f};
        int pair = c + 1 < p.width ? 2 : 1; // an odd width is not rotated
        for (int k = 0; k < pair; k++) {
            v[k] = (to_float(x[c + k]) - mean) * inverse;
            v[k] = v[k] * (p.weight[part] ? p.weight[part][c + k] : 1.0f) +
                   (p.bias[part] ? p.bias[part][c + k] : 0.0f);
        }
        if (p.rope) {
            const float *turn = p.rope + row * p.rope_row + c;
            const float both[2] = {turn[0], turn[1]};
            rotate<2>(v, both);
        }
        x[c] = from_float<T>(v[0]);
        if (pair == 2)
            x[c + 1] = from_float<T>(v[1]);
    }
}

static bool fits_vectors(const struct heads *p, int n)
{
    bool fits = p->width % n == 0 && p->rope_row % 4 == 0 && aligned16(p->rope);
    for (int part = 0; part < p->parts; part++) {
        int64_t strides = p->lane[part] | p->row[part] | p->head[part];
        fits = fits && strides % n == 0 && aligned16(p->x[part]) && aligned16(p->weight[part]) &&
               aligned16(p->bias[part]);
    }
    return fits;
}

/* As many groups as share the heads evenly. */
template <typename T, int GROUP>
static void launch_groups(const struct cuda_target *at, struct heads p)
{
    int most = THREADS / GROUP / p.parts;
    int turns = (p.count + most - 1) / most;
    p.own = (p.count + turns - 1) / turns;
    int threads = (p.own * p.parts * GROUP + WARP - 1) / WARP * WARP;
    unsigned blocks = (unsigned)p.lanes * (unsigned)p.rows;
    vector_heads<T, GROUP><<<blocks, threads, 0, stream_of(at)>>>(p);
}

template <typename T> static enum status launch(const struct cuda_target *at, const struct heads *p)
{
    int vectors = p->width / (int)vec<T>::N;
    if (!fits_vectors(p, vec<T>::N) || vectors > WARP) {
        int64_t all = (int64_t)p->parts * p->lanes * p->rows * p->count;
        scalar_heads<T><<<blocks_for(all, WARPS), THREADS, 0, stream_of(at)>>>(*p);
    } else if (vectors <= 4) {
        launch_groups<T, 4>(at, *p);
    } else if (vectors <= 8) {
        launch_groups<T, 8>(at, *p);
    } else if (vectors <= 16) {
        launch_groups<T, 16>(at, *p);
    } else {
        launch_groups<T, 32>(at, *p);
    }
    return cuda_launched("qk_norm_rope");
}

static void add_part(struct heads *p, const struct tensor *x, const struct tensor *weight,
                     const struct tensor *bias)
{
    int part = p->parts++;
    p->x[part] = x->data;
    p->lane[part] = x->stride[0];
    p->row[part] = x->stride[1];
    p->head[part] = x->stride[2];
    p->weight[part] = weight ? static_cast<const float *>(weight->data) : NULL;
    p->bias[part] = bias && p->centred ? static_cast<const float *>(bias->data) : NULL;
    p->lanes = (int)x->dim[0];
    p->rows = (int)x->dim[1];
    p->count = (int)x->dim[2];
    p->width = (int)x->dim[3];
    p->per_width = 1.0f / (float)x->dim[3];
}

enum status cuda_qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                              const struct qk_norm *norm, const struct tensor *rope)
{
    struct cuda_target at = cuda_target(q);
    struct heads p = {};
    const struct qk_norm none = {};
    const struct tensor *x = query ? query : key;
    if (tensor_count(x) == 0 || (!norm && !rope))
        return ST_OK;
    p.normed = norm != NULL;
    norm = norm ? norm : &none;
    p.centred = norm->centred;
    p.eps = norm->eps;
    p.rope = rope ? static_cast<const float *>(rope->data) : NULL;
    p.rope_row = rope ? rope->stride[0] : 0;
    if (query)
        add_part(&p, query, norm->q_weight, norm->q_bias);
    if (key)
        add_part(&p, key, norm->k_weight, norm->k_bias);
    switch (x->dtype) {
    case DTYPE_F32:
        return launch<float>(&at, &p);
    case DTYPE_BF16:
        return launch<bf16>(&at, &p);
    default:
        return launch<fp16>(&at, &p);
    }
}
