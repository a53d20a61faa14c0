/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor cores by mma.sync, the copies that feed them, and rows on their way back to memory: the
 * vocabulary of attention and convolution. For .cu files only; launches nothing.
 */
#ifndef KERNELS_CUDA_TENSOR_CORE_CUH
#define KERNELS_CUDA_TENSOR_CORE_CUH

#include "kernels/cuda/vector.cuh"

/* 16 bytes from global to shared memory; zeros where not `valid`. */
__device__ inline void copy16(void *shared, const void *global, bool valid)
{
#if __CUDA_ARCH__ >= 800
    unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global),
                 "r"(valid ? 16 : 0));
#else
    *static_cast<uint4 *>(shared) =
        valid ? *static_cast<const uint4 *>(global) : make_uint4(0, 0, 0, 0);
#endif
}

__device__ inline void copies_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;");
#endif
}

/* All groups of this thread but the last `left` have arrived. */
template <int left> __device__ inline void copies_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(left));
#endif
}

/* `count` rows of a strided matrix to rows of DP + 8 elements, by `threads` threads; rows beyond
 * `rows` and columns beyond `width` are zeros. */
template <typename T, int DP>
__device__ inline void load_tile(T *shared, const T *global, int64_t stride, int count, int rows,
                                 int width, int thread, int threads)
{
    for (int i = thread; i < count * (DP / 8); i += threads) {
        int r = i / (DP / 8), c = i % (DP / 8) * 8;
        bool valid = r < rows && c < width;
        copy16(shared + r * (DP + 8) + c, global + (valid ? r * stride + c : 0), valid);
    }
}

/* Four 8x8 matrices of 16-bit elements; lane 8i+r gives the address of row r of matrix i. */
__device__ inline void load_matrices(uint32_t (&out)[4], const void *row)
{
    unsigned from = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(from));
}

__device__ inline void load_transposed(uint32_t (&out)[4], const void *row)
{
    unsigned from = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(from));
}

/* c [16,8] += a [16,16] b [16,8] in fp32. */
__device__ inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                bf16)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

__device__ inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                fp16)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, "
                 "{%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, "
                 "{%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

__device__ inline float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ inline float reciprocal_fast(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Two elements in one register, the first in the low half. */
__device__ inline uint32_t pair_of(float a, float b, bf16)
{
    __nv_bfloat162 two = __floats2bfloat162_rn(a, b);
    return *reinterpret_cast<uint32_t *>(&two);
}

__device__ inline uint32_t pair_of(float a, float b, fp16)
{
    __half2 two = __floats2half2_rn(a, b);
    return *reinterpret_cast<uint32_t *>(&two);
}

/* A matrix factor of 16 rows and 16 columns from shared memory: the address for this lane. */
template <typename T> __device__ inline const T *left_factor(const T *rows, int row_length)
{
    int lane = threadIdx.x % WARP;
    return rows + lane % 16 * row_length + lane / 16 * 8;
}

/* Sixteen rows of a warp's output, times `inverse` of each half (rows h * 8 + lane / 4), to memory:
 * through `staging` (16 rows in shared memory that this warp alone uses), so that sixteen bytes are
 * written at a time. width <= DP. */
template <typename T, int DP>
__device__ inline void store_rows(const float (&o)[DP / 8][4], const float (&inverse)[2],
                                  T *staging, T *to, int64_t stride, int rows, int width)
{
    enum { ROW = DP + 8 };
    int lane = threadIdx.x % WARP;
    T *own = staging + lane / 4 * ROW + lane % 4 * 2;
    __syncwarp();
#pragma unroll
    for (int d = 0; d < DP / 8; d++) {
#pragma unroll
        for (int h = 0; h < 2; h++)
            *reinterpret_cast<uint32_t *>(own + h * 8 * ROW + d * 8) =
                pair_of(o[d][2 * h] * inverse[h], o[d][2 * h + 1] * inverse[h], T());
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < (16 * DP / 8 + WARP - 1) / WARP; i++) {
        int unit = i * WARP + lane;
        int r = unit / (DP / 8), c = unit % (DP / 8) * 8;
        if (r < rows && r < 16 && c < width)
            *reinterpret_cast<uint4 *>(to + r * stride + c) =
                *reinterpret_cast<const uint4 *>(staging + r * ROW + c);
    }
    __syncwarp();
}

#endif
