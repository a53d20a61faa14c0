/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements of the three dtypes on the GPU: as fp32, and sixteen bytes at a time. For .cu files
 * only; launches nothing.
 */
#ifndef KERNELS_CUDA_VECTOR_CUH
#define KERNELS_CUDA_VECTOR_CUH

#include "kernels/cuda/launch.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math_constants.h>

typedef __nv_bfloat16 bf16;
typedef __half fp16;

enum { WARP = 32 };

__device__ inline float to_float(float x)
{
    return x;
}

__device__ inline float to_float(bf16 x)
{
    return __bfloat162float(x);
}

__device__ inline float to_float(fp16 x)
{
    return __half2float(x);
}

template <typename T> __device__ inline T from_float(float x);

template <> __device__ inline float from_float<float>(float x)
{
    return x;
}

template <> __device__ inline bf16 from_float<bf16>(float x)
{
    return __float2bfloat16_rn(x);
}

template <> __device__ inline fp16 from_float<fp16>(float x)
{
    return __float2half_rn(x);
}

/* N elements are sixteen bytes. */
template <typename T> struct vec {
    enum { N = 16 / sizeof(T) };
};

template <typename T> __device__ inline void unpack(const uint4 &raw, float (&out)[vec<T>::N])
{
    const T *element = reinterpret_cast<const T *>(&raw);
#pragma unroll
    for (int i = 0; i < vec<T>::N; i++)
        out[i] = to_float(element[i]);
}

template <typename T> __device__ inline void load_vec(const T *p, float (&out)[vec<T>::N])
{
    unpack<T>(*reinterpret_cast<const uint4 *>(p), out);
}

template <typename T> __device__ inline uint4 pack(const float (&in)[vec<T>::N])
{
    uint4 raw;
    T *element = reinterpret_cast<T *>(&raw);
#pragma unroll
    for (int i = 0; i < vec<T>::N; i++)
        element[i] = from_float<T>(in[i]);
    return raw;
}

template <typename T> __device__ inline void store_vec(T *p, const float (&in)[vec<T>::N])
{
    *reinterpret_cast<uint4 *>(p) = pack<T>(in);
}

/* n floats, a multiple of four, sixteen bytes at a time. */
template <int n> __device__ inline void load_floats(const float *p, float (&out)[n])
{
#pragma unroll
    for (int i = 0; i < n; i += 4) {
        float4 four = __ldg(reinterpret_cast<const float4 *>(p + i));
        out[i] = four.x;
        out[i + 1] = four.y;
        out[i + 2] = four.z;
        out[i + 3] = four.w;
    }
}

__device__ inline float warp_sum(float x)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* tanh form of GELU (Hendrycks & Gimpel 2016); x * sigmoid(2u) is x * (1 + tanh(u)) / 2. */
__device__ inline float activated(float x, int act)
{
    if (act == ACT_GELU_TANH) {
        float u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
        return x / (1.0f + expf(-2.0f * u));
    }
    return act == ACT_SILU ? x / (1.0f + expf(-x)) : x;
}

/* Division of 0 <= n < 2^31 by a constant, as a product and a shift (Granlund & Montgomery 1994,
 * "Division by Invariant Integers using Multiplication"). */
struct divisor {
    uint32_t by, factor, shift;
};

inline struct divisor divisor_of(uint32_t by)
{
    struct divisor d;
    d.by = by;
    d.shift = 0;
    while ((UINT64_C(1) << d.shift) < by)
        d.shift++;
    d.factor = (uint32_t)((((UINT64_C(1) << d.shift) - by) << 32) / by + 1);
    return d;
}

__device__ inline uint32_t divide(uint32_t n, const struct divisor &d)
{
    return (__umulhi(n, d.factor) + n) >> d.shift;
}

static inline cudaStream_t stream_of(const struct cuda_target *at)
{
    return static_cast<cudaStream_t>(at->stream);
}

static inline bool aligned16(const void *p)
{
    return reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

static inline unsigned blocks_for(int64_t items, int per_block)
{
    return (unsigned)((items + per_block - 1) / per_block);
}

#endif
