/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What blocks of a cluster do for each other on Hopper, turns of warpgroups within a block, and
 * boxes on their way out of shared memory: further words of hopper.cuh's vocabulary. Launches
 * nothing.
 */
#ifndef KERNELS_CUDA_HOPPER_CLUSTER_CUH
#define KERNELS_CUDA_HOPPER_CLUSTER_CUH

#include "kernels/cuda/hopper.cuh"

/* ---- clusters: the same offset in each block's shared memory has the same thing ---- */

/* What this block has at `address`, in the block of that rank. May be added to. */
__device__ inline uint32_t address_in(uint32_t address, int rank)
{
    uint32_t there;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
    return there;
}

/* At a barrier that address_in tells. */
__device__ inline void barrier_arrive_there(uint32_t barrier)
{
    asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier)
                 : "memory");
}

/* Barriers that were initialised by this thread are so for the copies of all blocks, once
 * cluster_sync is through. */
__device__ inline void barriers_are_ready()
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/* Until all threads of all blocks got here. */
__device__ inline void cluster_sync()
{
    asm volatile("barrier.cluster.arrive.release;\n"
                 "barrier.cluster.wait.acquire;" ::
                     : "memory");
}

/* copy_box to all blocks whose bit is set: to the same place, counted by the same barrier of each.
 */
__device__ inline void copy_box_to(uint16_t blocks, uint32_t to, const CUtensorMap &map,
                                   uint32_t barrier, int c0, int c1, int c2, int c3)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1, {%3, %4, %5, %6}], [%2], %7;" ::"r"(to),
                 "l"(&map), "r"(barrier), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "h"(blocks)
                 : "memory");
}

/* ---- turns: barrier 0 is that of __syncthreads ---- */

/* `threads`: of those that wait and those that let them go. */
__device__ inline void turn_wait(int barrier, int threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

__device__ inline void turn_give(int barrier, int threads)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

/* ---- out: the thread that stores a box commits it and waits for it ---- */

/* Until all that this thread has committed is written. */
__device__ inline void stores_wait()
{
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

/* Four 8x8 matrices of 16-bit elements, as accumulators hold them; lane 8i+r gives the address of
 * row r of matrix i. */
__device__ inline void store_matrices(uint32_t row, const uint32_t (&m)[4])
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row),
                 "r"(m[0]), "r"(m[1]), "r"(m[2]), "r"(m[3])
                 : "memory");
}

#endif
