/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of queries and keys, normed and rotated in place: one pass over memory, 4 * B * N * H * D
 * elements read or written. A block has one row, some threads side by side a head of it, sixteen
 * bytes each; of several heads they have the same columns, and what belongs to the columns stays in
 * registers. Heads of nine to twelve times sixteen bytes would leave up to seven threads of sixteen
 * without work: they have a kernel in which four threads share a head.
 */
#include "kernels/cuda/tensor_core.cuh"

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
    struct divisor by_rows;
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

/* ---- heads of nine to twelve vectors ---- */

enum {
    SHARERS = 4,              /* lanes that have a head */
    EACH = 3,                 /* vectors of each, SHARERS vectors apart */
    AT_ONCE = WARP / SHARERS, /* heads of a warp */
    STAYING = 3               /* blocks of an SM: as many as registers allow */
};

/* What belongs to the columns, in shared memory: of a vector and of the rows at hand. */
template <int N> struct tables {
    enum { WIDEST = SHARERS * EACH * N };
    float weight[2][WIDEST], bias[2][WIDEST]; /* of query, of key */
    float turn[WARPS][2][WIDEST];             /* of this row and the next one */
};

template <int N> __device__ inline void fill_tables(const struct heads &p, struct tables<N> &table)
{
    for (int i = threadIdx.x; i < 2 * tables<N>::WIDEST; i += THREADS) {
        int part = i / tables<N>::WIDEST, column = i % tables<N>::WIDEST;
        bool inside = part < p.parts && column < p.width;
        table.weight[part][column] = inside && p.weight[part] ? p.weight[part][column] : 1.0f;
        table.bias[part][column] = inside && p.bias[part] ? p.bias[part][column] : 0.0f;
    }
    __syncthreads();
}

/* The columns of a lane in a table of them. */
template <int N> __device__ inline void look_up(const float *table, float (&out)[EACH * N])
{
#pragma unroll
    for (int v = 0; v < EACH; v++) {
        const float *from = table + (threadIdx.x % SHARERS + v * SHARERS) * N;
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            float4 four = *reinterpret_cast<const float4 *>(from + i);
            out[v * N + i] = four.x;
            out[v * N + i + 1] = four.y;
            out[v * N + i + 2] = four.z;
            out[v * N + i + 3] = four.w;
        }
    }
}

/* The query or the key of a row. */
struct unit {
    int part;
    int64_t lane, row;
};

__device__ inline struct unit unit_of(const struct heads &p, uint32_t n)
{
    struct unit u = {};
    uint32_t place = p.parts == 2 ? n / 2 : n;
    u.part = p.parts == 2 ? n % 2 : 0;
    u.lane = divide(place, p.by_rows);
    u.row = place - u.lane * p.by_rows.by;
    return u;
}

/* This lane's vectors of a head that begins at x; zeros beyond its width or where there is none. */
template <typename T>
__device__ inline void load_head(const struct heads &p, const T *x, bool there, uint4 (&raw)[EACH])
{
#pragma unroll
    for (int v = 0; v < EACH; v++) {
        int column = (threadIdx.x % SHARERS + v * SHARERS) * (int)vec<T>::N;
        raw[v] = make_uint4(0, 0, 0, 0);
        if (there && column < p.width)
            raw[v] = *reinterpret_cast<const uint4 *>(x + column);
    }
}

template <typename T>
__device__ inline void store_head(const struct heads &p, T *x, const float (&v)[EACH * vec<T>::N])
{
    enum { N = vec<T>::N };
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        int column = (threadIdx.x % SHARERS + k * SHARERS) * N;
        float part[N];
#pragma unroll
        for (int i = 0; i < N; i++)
            part[i] = v[k * N + i];
        if (column < p.width)
            store_vec(x + column, part);
    }
}

template <int N>
__device__ inline void norm_shared_head(const struct heads &p, const struct tables<N> &table,
                                        int part, float (&v)[EACH * N])
{
    float sum = 0.0f, squares = 0.0f, other[EACH * N];
    if (p.centred) {
#pragma unroll
        for (int i = 0; i < EACH * N; i++)
            sum += v[i];
        float mean = group_sum<SHARERS>(sum) * p.per_width;
#pragma unroll
        for (int i = 0; i < EACH * N; i++) {
            bool inside = (threadIdx.x % SHARERS + i / N * SHARERS) * N < p.width;
            v[i] = inside ? v[i] - mean : 0.0f;
        }
    }
#pragma unroll
    for (int i = 0; i < EACH * N; i++)
        squares += v[i] * v[i];
    float inverse = rsqrtf(group_sum<SHARERS>(squares) * p.per_width + p.eps);
    look_up<N>(table.weight[part], other);
#pragma unroll
    for (int i = 0; i < EACH * N; i++)
        v[i] *= inverse * other[i];
    look_up<N>(table.bias[part], other);
#pragma unroll
    for (int i = 0; i < EACH * N; i++)
        v[i] += other[i];
}

/* A unit's row of the rope on its way to one of the warp's two places. */
template <int N>
__device__ inline void load_turn(const struct heads &p, const struct unit &u,
                                 struct tables<N> &table, int place)
{
    int i = threadIdx.x % WARP * 4;
    if (p.rope && i < p.width)
        copy16(table.turn[threadIdx.x / WARP][place] + i, p.rope + u.row * p.rope_row + i, true);
    copies_commit();
}

/* Warps stay, and go from unit to unit, eight heads at a time; the next ones arrive meanwhile. */
template <typename T>
static __global__ void __launch_bounds__(THREADS, STAYING) shared_heads(const struct heads p)
{
    enum { N = vec<T>::N };
    __shared__ __align__(16) struct tables<N> table;
    uint32_t units = (uint32_t)p.lanes * p.rows * p.parts, step = gridDim.x * WARPS;
    uint32_t n = blockIdx.x * WARPS + threadIdx.x / WARP;
    int head = threadIdx.x % WARP / SHARERS;
    struct unit next = unit_of(p, n < units ? n : 0);
    T *x = static_cast<T *>(p.x[next.part]) + next.lane * p.lane[next.part] +
           next.row * p.row[next.part];
    uint4 raw[EACH];
    load_head(p, x + head * p.head[next.part], n < units && head < p.count, raw);
    load_turn<N>(p, next, table, 0);
    fill_tables<N>(p, table);
    for (int place = 0; n < units; n += step, place ^= 1) {
        struct unit u = next;
        T *here = x;
        bool more = n + step < units;
        if (more) {
            next = unit_of(p, n + step);
            x = static_cast<T *>(p.x[next.part]) + next.lane * p.lane[next.part] +
                next.row * p.row[next.part];
        }
        copies_wait<0>();
        __syncwarp(); // the row's table is there, and the one before it was used
        load_turn<N>(p, next, table, place ^ 1);
        for (int first = 0; first < p.count; first += AT_ONCE) {
            float v[EACH * N], turn[EACH * N];
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                float part[N];
                unpack<T>(raw[k], part);
#pragma unroll
                for (int i = 0; i < N; i++)
                    v[k * N + i] = part[i];
            }
            if (first + AT_ONCE < p.count)
                load_head(p, here + (first + AT_ONCE + head) * p.head[u.part],
                          first + AT_ONCE + head < p.count, raw);
            else
                load_head(p, x + head * p.head[next.part], more && head < p.count, raw);
            if (p.normed)
                norm_shared_head<N>(p, table, u.part, v);
            if (p.rope) {
                look_up<N>(table.turn[threadIdx.x / WARP][place], turn);
                rotate<EACH * N>(v, turn);
            }
            if (first + head < p.count)
                store_head<T>(p, here + (first + head) * p.head[u.part], v);
        }
    }
    copies_wait<0>();
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
    } else if (vectors > 2 * SHARERS && vectors <= EACH * SHARERS) {
        int64_t wanted = blocks_for((int64_t)p->parts * p->lanes * p->rows, WARPS);
        int64_t most = (int64_t)at->multiprocessors * STAYING;
        shared_heads<T>
            <<<(unsigned)(wanted < most ? wanted : most), THREADS, 0, stream_of(at)>>>(*p);
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
    p->by_rows = divisor_of((uint32_t)p->rows);
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
