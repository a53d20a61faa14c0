/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in fp32 arithmetic for any dtype, alignment and head dim up to 256: what results are
 * checked with, and the last resort. Softmax online over tiles of 32 keys, one for each lane of a
 * warp; a warp owns four queries. Tensor cores are left alone.
 */
#include "kernels/cuda/vector.cuh"

enum { WARPS = 8, THREADS = WARPS * WARP, OWN = 4, QUERIES = WARPS * OWN, KEYS = WARP };

/* Floats of a row in shared memory: a multiple of four, and eight rows start in different banks. */
static __host__ __device__ inline int row_floats(int width)
{
    return (width + 3) / 4 * 4 + ((width + 3) / 4 % 2 == 0 ? 4 : 0);
}

template <typename T>
__device__ inline void load_rows(float *shared, const T *global, int64_t stride, int rows,
                                 int width)
{
    int row = row_floats(width);
    for (int i = threadIdx.x; i < WARP * row; i += THREADS) {
        int r = i / row, c = i % row;
        shared[i] = r < rows && c < width ? to_float(global[r * stride + c]) : 0.0f;
    }
}

__device__ inline float warp_max(float x)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

/* Scores of this warp's queries against the key of this lane. */
__device__ inline void multiply_keys(float (&s)[OWN], const float *queries, const float *keys,
                                     int row, float scale)
{
    const float *key = keys + threadIdx.x % WARP * row;
    const float *query = queries + threadIdx.x / WARP * OWN * row;
#pragma unroll
    for (int r = 0; r < OWN; r++)
        s[r] = 0.0f;
    for (int d = 0; d < row; d += 4) {
        float4 k = *reinterpret_cast<const float4 *>(key + d);
#pragma unroll
        for (int r = 0; r < OWN; r++) {
            float4 q = *reinterpret_cast<const float4 *>(query + r * row + d);
            s[r] += q.x * k.x + q.y * k.y + q.z * k.z + q.w * k.w;
        }
    }
#pragma unroll
    for (int r = 0; r < OWN; r++)
        s[r] *= scale;
}

/* Rows of o and lse; without keys o = 0 and lse = -inf. D32: head dim in units of 32, rounded up;
 * lane l of the warp has columns l, l + 32, ... */
template <typename T, int D32>
__device__ inline void write_rows(const struct cuda_attention &p, const float (&o)[OWN][D32],
                                  const float (&sum)[OWN], const float (&largest)[OWN], int own)
{
    int64_t lane = blockIdx.z, head = blockIdx.y;
    int column = threadIdx.x % WARP;
#pragma unroll
    for (int r = 0; r < OWN; r++) {
        if (own + r >= p.rows)
            continue;
        float inverse = sum[r] == 0.0f ? 0.0f : 1.0f / sum[r];
        T *to = static_cast<T *>(p.o) + lane * p.o_stride[0] + (own + r) * p.o_stride[1] +
                head * p.o_stride[2];
#pragma unroll
        for (int d = 0; d < D32; d++) {
            if (column + d * WARP < p.width)
                to[column + d * WARP] = from_float<T>(o[r][d] * inverse);
        }
        if (p.lse && column == 0)
            p.lse[lane * p.lse_stride[0] + (own + r) * p.lse_stride[1] + head * p.lse_stride[2]] =
                sum[r] == 0.0f ? -CUDART_INF_F : largest[r] + logf(sum[r]);
    }
}

template <typename T, int D32>
static __global__ void __launch_bounds__(THREADS) attend(const struct cuda_attention p)
{
    extern __shared__ float shared[];
    int row = row_floats(p.width);
    float *queries = shared, *keys = queries + QUERIES * row, *values = keys + KEYS * row;
    int64_t lane = blockIdx.z, head = blockIdx.y;
    int first = blockIdx.x * QUERIES, count = p.keys[lane];
    int own = first + threadIdx.x / WARP * OWN, column = threadIdx.x % WARP;
    const T *q = static_cast<const T *>(p.q) + lane * p.q_stride[0] + first * p.q_stride[1] +
                 head * p.q_stride[2];
    const T *k = static_cast<const T *>(p.k) + lane * p.k_stride[0] + head * p.k_stride[2];
    const T *v = static_cast<const T *>(p.v) + lane * p.v_stride[0] + head * p.v_stride[2];
    float o[OWN][D32] = {}, sum[OWN] = {}, largest[OWN];
#pragma unroll
    for (int r = 0; r < OWN; r++)
        largest[r] = -CUDART_INF_F;

    load_rows(queries, q, p.q_stride[1], p.rows - first, p.width);
    for (int begin = 0; begin < count; begin += KEYS) {
        __syncthreads();
        load_rows(keys, k + begin * p.k_stride[1], p.k_stride[1], count - begin, p.width);
        load_rows(values, v + begin * p.v_stride[1], p.v_stride[1], count - begin, p.width);
        __syncthreads();
        float s[OWN];
        multiply_keys(s, queries, keys, row, p.scale);
#pragma unroll
        for (int r = 0; r < OWN; r++) {
            if (begin + column >= count)
                s[r] = -CUDART_INF_F;
            float most = fmaxf(largest[r], warp_max(s[r]));
            float base = most == -CUDART_INF_F ? 0.0f : most; // no finite score: all 0
            float factor = expf(largest[r] - base);
            largest[r] = most;
            s[r] = expf(s[r] - base);
            sum[r] = sum[r] * factor + warp_sum(s[r]);
#pragma unroll
            for (int d = 0; d < D32; d++)
                o[r][d] *= factor;
        }
        for (int j = 0; j < KEYS; j++) {
            float weight[OWN];
#pragma unroll
            for (int r = 0; r < OWN; r++)
                weight[r] = __shfl_sync(0xffffffffu, s[r], j);
#pragma unroll
            for (int d = 0; d < D32; d++) {
                float value = column + d * WARP < p.width ? values[j * row + column + d * WARP] : 0;
#pragma unroll
                for (int r = 0; r < OWN; r++)
                    o[r][d] += weight[r] * value;
            }
        }
    }
    write_rows<T, D32>(p, o, sum, largest, own);
}

template <typename T, int D32>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    size_t bytes = sizeof(float) * (QUERIES + 2 * KEYS) * row_floats(a->width);
    const void *kernel = reinterpret_cast<const void *>(attend<T, D32>);
    dim3 blocks(blocks_for(a->rows, QUERIES), a->heads, a->lanes);
    if (bytes > at->shared_limit || a->width > D32 * WARP)
        return fail(ST_UNSUPPORTED,
                    "attention with heads %d wide: this GPU has %zu bytes of shared memory for a "
                    "block, %zu are needed; heads of up to 256 can be computed",
                    a->width, at->shared_limit, bytes);
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
        "cudaFuncSetAttribute(shared memory of plain attention)"));
    attend<T, D32><<<blocks, THREADS, bytes, stream_of(at)>>>(*a);
    return cuda_launched("attention_plain");
}

template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct cuda_attention *a)
{
    if (a->width <= 32)
        return launch<T, 1>(at, a);
    if (a->width <= 96)
        return launch<T, 3>(at, a);
    return launch<T, 8>(at, a);
}

enum status cuda_attention_plain(const struct cuda_target *at, const struct cuda_attention *a)
{
    switch (a->dtype) {
    case DTYPE_F32:
        return launch_for<float>(at, a);
    case DTYPE_BF16:
        return launch_for<bf16>(at, a);
    default:
        return launch_for<fp16>(at, a);
    }
}
