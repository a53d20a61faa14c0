/* SPDX-License-Identifier: Apache-2.0 */
/* Two attentions over parts of the keys into one, by their log-sum-exps. A block owns some heads of
 * rows, so that all who read a log-sum-exp have done so before one of them writes it. */
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

struct merge {
    void *o;
    const void *o2;
    float *lse;
    const float *lse2;
    int64_t o_stride[3], o2_stride[3], lse_stride[3], lse2_stride[3]; /* [B, N, H] */
    struct divisor rows, heads;
    struct divisor members; /* threads of a head: a unit of its columns for each */
    uint32_t count;         /* of heads of rows */
    int of_block;           /* heads */
    int width;
};

__device__ inline int64_t offset(const int64_t (&stride)[3], uint32_t b, uint32_t n, uint32_t h)
{
    return b * stride[0] + n * stride[1] + h * stride[2];
}

/* With m = max(lse, lse2): o = (e^(lse-m) o + e^(lse2-m) o2) / (e^(lse-m) + e^(lse2-m)). */
template <typename T, bool WIDE> static __global__ void merge_heads(const struct merge p)
{
    enum { N = WIDE ? vec<T>::N : 1 };
    uint32_t local = divide(threadIdx.x, p.members);
    int member = threadIdx.x - local * p.members.by;
    uint32_t i = blockIdx.x * p.of_block + local;
    bool inside = (int)local < p.of_block && i < p.count;
    uint32_t row = divide(inside ? i : 0, p.heads);
    uint32_t h = (inside ? i : 0) - row * p.heads.by;
    uint32_t b = divide(row, p.rows);
    uint32_t n = row - b * p.rows.by;
    float *lse = p.lse + offset(p.lse_stride, b, n, h);
    float first = *lse;
    float second = p.lse2[offset(p.lse2_stride, b, n, h)];
    __syncthreads();
    if (!inside || second == -CUDART_INF_F)
        return;
    float most = fmaxf(first, second);
    float x = expf(first - most), y = expf(second - most);
    float total = x + y;
    x /= total;
    y /= total;
    bool none = first == -CUDART_INF_F; // then o may hold anything
    T *o = static_cast<T *>(p.o) + offset(p.o_stride, b, n, h);
    const T *o2 = static_cast<const T *>(p.o2) + offset(p.o2_stride, b, n, h);
    for (int d = member * N; d < p.width; d += p.members.by * N) {
        if (!WIDE) {
            o[d] = none ? o2[d] : from_float<T>(x * to_float(o[d]) + y * to_float(o2[d]));
            continue;
        }
        float u[vec<T>::N], v[vec<T>::N];
        load_vec(o + d, u);
        load_vec(o2 + d, v);
#pragma unroll
        for (int k = 0; k < vec<T>::N; k++)
            u[k] = none ? v[k] : x * u[k] + y * v[k];
        store_vec(o + d, u);
    }
    if (member == 0)
        *lse = most + logf(total);
}

static void set_strides(int64_t stride[3], const struct tensor *t)
{
    for (int a = 0; a < 3; a++)
        stride[a] = t->stride[a];
}

static bool even(const void *p, const int64_t stride[3], int n)
{
    return aligned16(p) && stride[0] % n == 0 && stride[1] % n == 0 && stride[2] % n == 0;
}

template <typename T> static enum status launch(const struct cuda_target *at, struct merge *p)
{
    enum { N = vec<T>::N };
    bool wide = p->width % N == 0 && even(p->o, p->o_stride, N) && even(p->o2, p->o2_stride, N);
    int units = wide ? p->width / N : p->width;
    int members = units < THREADS ? units : THREADS;
    p->members = divisor_of((uint32_t)members);
    p->of_block = THREADS / members;
    unsigned blocks = blocks_for(p->count, p->of_block);
    if (wide)
        merge_heads<T, true><<<blocks, THREADS, 0, stream_of(at)>>>(*p);
    else
        merge_heads<T, false><<<blocks, THREADS, 0, stream_of(at)>>>(*p);
    return cuda_launched("merge");
}

enum status cuda_merge(struct queue *q, struct tensor *o, struct tensor *lse,
                       const struct tensor *o2, const struct tensor *lse2)
{
    struct cuda_target at = cuda_target(q);
    struct merge p = {};
    int64_t count = o->dim[0] * o->dim[1] * o->dim[2];
    if (tensor_count(o) == 0)
        return ST_OK;
    BUG_ON(count > INT32_MAX, "a merge of %lld heads in one launch", (long long)count);
    p.o = o->data;
    p.o2 = o2->data;
    p.lse = static_cast<float *>(lse->data);
    p.lse2 = static_cast<const float *>(lse2->data);
    set_strides(p.o_stride, o);
    set_strides(p.o2_stride, o2);
    set_strides(p.lse_stride, lse);
    set_strides(p.lse2_stride, lse2);
    p.rows = divisor_of((uint32_t)o->dim[1]);
    p.heads = divisor_of((uint32_t)o->dim[2]);
    p.count = (uint32_t)count;
    p.width = (int)o->dim[3];
    switch (o->dtype) {
    case DTYPE_F32:
        return launch<float>(&at, &p);
    case DTYPE_BF16:
        return launch<bf16>(&at, &p);
    default:
        return launch<fp16>(&at, &p);
    }
}
