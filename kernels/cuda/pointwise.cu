/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element-wise ops. A thread does one unit: sixteen bytes of a row where alignment allows it, else
 * one element. Conditioning ops are in fp32 and small.
 */
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

/* Units of a tensor [outer, inner, columns]. */
struct units {
    struct divisor columns, inner;
    uint32_t count;
};

/* Where a unit lies: its row (outer, inner) and first column. */
struct place {
    int64_t outer, inner, column;
};

__device__ inline bool find_unit(const struct units &u, int width, struct place *at)
{
    uint32_t unit = blockIdx.x * THREADS + threadIdx.x;
    if (unit >= u.count)
        return false;
    uint32_t row = divide(unit, u.columns);
    uint32_t outer = divide(row, u.inner);
    at->column = (int64_t)(unit - row * u.columns.by) * width;
    at->outer = outer;
    at->inner = row - outer * u.inner.by;
    return true;
}

static struct units units_of(int64_t outer, int64_t inner, int64_t columns)
{
    struct units u = {};
    BUG_ON(outer * inner * columns > INT32_MAX,
           "a tensor of %lld x %lld x %lld units in one launch", (long long)outer, (long long)inner,
           (long long)columns);
    u.columns = divisor_of((uint32_t)columns);
    u.inner = divisor_of((uint32_t)inner);
    u.count = (uint32_t)(outer * inner * columns);
    return u;
}

static bool even(const struct tensor *t, int n)
{
    bool fits = aligned16(t->data);
    for (int a = 0; a + 1 < t->ndim; a++)
        fits = fits && t->stride[a] % n == 0;
    return fits && t->dim[t->ndim - 1] % n == 0;
}

/* ---- activate ---- */

template <typename T, bool WIDE>
static __global__ void activate_units(const struct units u, T *y, int64_t y_outer, int64_t y_inner,
                                      const T *x, int64_t x_outer, int64_t x_inner, int act)
{
    enum { N = WIDE ? vec<T>::N : 1 };
    struct place at;
    if (!find_unit(u, N, &at))
        return;
    y += at.outer * y_outer + at.inner * y_inner + at.column;
    x += at.outer * x_outer + at.inner * x_inner + at.column;
    if (!WIDE) {
        *y = from_float<T>(activated(to_float(*x), act));
        return;
    }
    float v[vec<T>::N];
    load_vec(x, v);
#pragma unroll
    for (int i = 0; i < vec<T>::N; i++)
        v[i] = activated(v[i], act);
    store_vec(y, v);
}

template <typename T>
static enum status activate(const struct cuda_target *at, const struct tensor *y,
                            const struct tensor *x, int act)
{
    bool wide = even(y, vec<T>::N) && even(x, vec<T>::N);
    struct units u = units_of(y->dim[0], y->dim[1], y->dim[2] / (wide ? (int)vec<T>::N : 1));
    T *to = static_cast<T *>(y->data);
    const T *from = static_cast<const T *>(x->data);
    unsigned blocks = blocks_for(u.count, THREADS);
    if (wide)
        activate_units<T, true><<<blocks, THREADS, 0, stream_of(at)>>>(
            u, to, y->stride[0], y->stride[1], from, x->stride[0], x->stride[1], act);
    else
        activate_units<T, false><<<blocks, THREADS, 0, stream_of(at)>>>(
            u, to, y->stride[0], y->stride[1], from, x->stride[0], x->stride[1], act);
    return cuda_launched("activate");
}

/* The same with three axes: axes of length 1 in front, or one launch for each index of further
 * ones. */
enum status cuda_activate(struct queue *q, struct tensor *y, const struct tensor *x, enum act act)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(y) == 0)
        return ST_OK;
    if (y->ndim > 3) {
        for (int64_t i = 0; i < y->dim[0]; i++) {
            struct tensor to = tensor_at(y, i);
            struct tensor from = tensor_at(x, i);
            TRY(cuda_activate(q, &to, &from, act));
        }
        return ST_OK;
    }
    struct tensor to = *y, from = *x;
    while (to.ndim < 3) {
        to = tensor_split(&to, 0, 1, to.ndim > 0 ? to.dim[0] : 1);
        from = tensor_split(&from, 0, 1, from.ndim > 0 ? from.dim[0] : 1);
    }
    switch (y->dtype) {
    case DTYPE_F32:
        return activate<float>(&at, &to, &from, act);
    case DTYPE_BF16:
        return activate<bf16>(&at, &to, &from, act);
    default:
        return activate<fp16>(&at, &to, &from, act);
    }
}

/* ---- add_rows: h [B, N, C] += table [N, C] ---- */

template <typename T, bool WIDE>
static __global__ void add_rows_units(const struct units u, T *h, int64_t h_lane, int64_t h_row,
                                      const float *table, int64_t table_row)
{
    enum { N = WIDE ? vec<T>::N : 1 };
    struct place at;
    if (!find_unit(u, N, &at))
        return;
    h += at.outer * h_lane + at.inner * h_row + at.column;
    table += at.inner * table_row + at.column;
    if (!WIDE) {
        *h = from_float<T>(to_float(*h) + *table);
        return;
    }
    float v[vec<T>::N], add[vec<T>::N];
    load_vec(h, v);
    load_floats<vec<T>::N>(table, add);
#pragma unroll
    for (int i = 0; i < vec<T>::N; i++)
        v[i] += add[i];
    store_vec(h, v);
}

template <typename T>
static enum status add_rows(const struct cuda_target *at, const struct tensor *h,
                            const struct tensor *table)
{
    bool wide = even(h, vec<T>::N) && even(table, 4);
    struct units u = units_of(h->dim[0], h->dim[1], h->dim[2] / (wide ? (int)vec<T>::N : 1));
    T *to = static_cast<T *>(h->data);
    const float *from = static_cast<const float *>(table->data);
    unsigned blocks = blocks_for(u.count, THREADS);
    if (wide)
        add_rows_units<T, true><<<blocks, THREADS, 0, stream_of(at)>>>(
            u, to, h->stride[0], h->stride[1], from, table->stride[0]);
    else
        add_rows_units<T, false><<<blocks, THREADS, 0, stream_of(at)>>>(
            u, to, h->stride[0], h->stride[1], from, table->stride[0]);
    return cuda_launched("add_rows");
}

enum status cuda_add_rows(struct queue *q, struct tensor *h, const struct tensor *table)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(h) == 0)
        return ST_OK;
    switch (h->dtype) {
    case DTYPE_F32:
        return add_rows<float>(&at, h, table);
    case DTYPE_BF16:
        return add_rows<bf16>(&at, h, table);
    default:
        return add_rows<fp16>(&at, h, table);
    }
}

/* ---- add: dense y += x ---- */

template <typename T>
static __global__ void add_elements(T *y, const T *x, int64_t count, bool wide)
{
    int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * vec<T>::N;
    int64_t last = first + vec<T>::N < count ? first + vec<T>::N : count;
    if (wide && first + vec<T>::N <= count) {
        float a[vec<T>::N], b[vec<T>::N];
        load_vec(y + first, a);
        load_vec(x + first, b);
#pragma unroll
        for (int i = 0; i < vec<T>::N; i++)
            a[i] += b[i];
        store_vec(y + first, a);
        return;
    }
    for (int64_t i = first; i < last; i++)
        y[i] = from_float<T>(to_float(y[i]) + to_float(x[i]));
}

template <typename T>
static enum status add(const struct cuda_target *at, const struct tensor *y, const struct tensor *x)
{
    int64_t count = tensor_count(y);
    unsigned blocks = blocks_for((count + vec<T>::N - 1) / vec<T>::N, THREADS);
    add_elements<T><<<blocks, THREADS, 0, stream_of(at)>>>(
        static_cast<T *>(y->data), static_cast<const T *>(x->data), count,
        aligned16(y->data) && aligned16(x->data));
    return cuda_launched("add");
}

enum status cuda_add(struct queue *q, struct tensor *y, const struct tensor *x)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(y) == 0)
        return ST_OK;
    switch (y->dtype) {
    case DTYPE_F32:
        return add<float>(&at, y, x);
    case DTYPE_BF16:
        return add<bf16>(&at, y, x);
    default:
        return add<fp16>(&at, y, x);
    }
}

/* ---- conditioning ---- */

static __global__ void add_outer_units(const struct units u, float *out, int64_t out_layer,
                                       int64_t out_lane, const float *table, int64_t table_layer,
                                       const float *t, int64_t t_lane)
{
    struct place at;
    if (find_unit(u, 1, &at))
        out[at.outer * out_layer + at.inner * out_lane + at.column] =
            table[at.outer * table_layer + at.column] + t[at.inner * t_lane + at.column];
}

enum status cuda_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                           const struct tensor *t)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(out) == 0)
        return ST_OK;
    struct units u = units_of(out->dim[0], out->dim[1], out->dim[2]);
    add_outer_units<<<blocks_for(u.count, THREADS), THREADS, 0, stream_of(&at)>>>(
        u, static_cast<float *>(out->data), out->stride[0], out->stride[1],
        static_cast<const float *>(table->data), table->stride[0],
        static_cast<const float *>(t->data), t->stride[0]);
    return cuda_launched("add_outer");
}

/* Rounded to fp32 where the CPU's code rounds, and exact in between: at phases of 1000 radians
 * another last bit of the frequency would show in the fourth digit. */
static __global__ void timestep_features(const struct units u, float *out, int64_t out_lane,
                                         const float *t, int64_t t_stride, float freq_shift)
{
    struct place at;
    if (!find_unit(u, 1, &at))
        return;
    int half = u.columns.by;
    float exponent = -9.210340371976184f * (float)at.column / ((float)half - freq_shift);
    float phase = t[at.inner * t_stride] * (float)exp((double)exponent);
    float *row = out + at.inner * out_lane + at.column;
    row[0] = (float)cos((double)phase);
    row[half] = (float)sin((double)phase);
}

enum status cuda_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                          float freq_shift)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(out) == 0)
        return ST_OK;
    struct units u = units_of(1, out->dim[0], out->dim[1] / 2);
    timestep_features<<<blocks_for(u.count, THREADS), THREADS, 0, stream_of(&at)>>>(
        u, static_cast<float *>(out->data), out->stride[0], static_cast<const float *>(t->data),
        t->stride[0], freq_shift);
    return cuda_launched("timestep");
}
