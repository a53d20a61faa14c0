/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes of tensors on their way out of shared memory on Hopper: the thread that stores one commits
 * it and waits for it. A part of hopper.cuh's vocabulary; launches nothing.
 */
#ifndef KERNELS_CUDA_HOPPER_OUT_CUH
#define KERNELS_CUDA_HOPPER_OUT_CUH

#include "kernels/cuda/hopper.cuh"

/* From shared memory to the box at the given coordinates, nothing where the tensor ends. */
__device__ inline void store_box(uint32_t from, const CUtensorMap &map, int c0, int c1, int c2,
                                 int c3)
{
    asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], "
                 "[%1];" ::"l"(&map),
                 "r"(from), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
                 : "memory");
}

__device__ inline void stores_commit()
{
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/* Shared memory of all that this thread has committed may be written again. */
__device__ inline void stores_wait_read()
{
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

/* All that this thread has committed is written. */
__device__ inline void stores_wait()
{
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

/* Four 8x8 matrices of 16-bit elements, as accumulators hold them, to shared memory; lane 8i+r
 * gives the address of row r of matrix i. */
__device__ inline void store_matrices(uint32_t row, const uint32_t (&m)[4])
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row),
                 "r"(m[0]), "r"(m[1]), "r"(m[2]), "r"(m[3])
                 : "memory");
}

#endif
