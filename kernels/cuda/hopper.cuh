/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only Hopper has (compute capability 9.0, target sm_90a): barriers in shared memory, boxes of
 * tensors that the copy engine brings in, products of warpgroups. The vocabulary of the
 * kernels in *_hopper.cu; names and rules are those of the PTX ISA. Launches nothing.
 */
#ifndef KERNELS_CUDA_HOPPER_CUH
#define KERNELS_CUDA_HOPPER_CUH

#include "kernels/cuda/tensor_core.cuh"

#include <cuda.h>

enum { TEAM = 128 }; /* threads of a warpgroup */

/* ---- barriers ---- */

__device__ inline void barrier_init(uint32_t barrier, int count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count));
}

__device__ inline void barrier_arrive(uint32_t barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/* An arrival that `bytes` of copies belong to. */
__device__ inline void barrier_expect(uint32_t barrier, int bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}

/* Until the phase of this parity is over. */
__device__ inline void barrier_wait(uint32_t barrier, uint32_t parity)
{
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again;\n"
                 "}\n" ::"r"(barrier),
                 "r"(parity)
                 : "memory");
}

/* Waits for the other threads of this warpgroup, the n-th of its block. */
__device__ inline void team_sync(int n)
{
    asm volatile("bar.sync %0, %1;" ::"r"(n + 1), "r"(TEAM) : "memory"); // 0 is __syncthreads
}

/* The same; whether any of them says yes. */
__device__ inline bool team_any(int n, bool yes)
{
    int any;
    asm volatile("{\n"
                 ".reg .pred said, any;\n"
                 "setp.ne.b32 said, %3, 0;\n"
                 "bar.red.or.pred any, %1, %2, said;\n"
                 "selp.b32 %0, 1, 0, any;\n"
                 "}\n"
                 : "=r"(any)
                 : "r"(n + 1), "r"(TEAM), "r"((int)yes)
                 : "memory");
    return any;
}

__device__ inline void store_shared(uint32_t to, uint32_t word)
{
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(word) : "memory");
}

/* One lane speaks for its warp, once all of it got here: what the others read may be overwritten
 * then. */
__device__ inline void warp_arrive(uint32_t barrier)
{
    __syncwarp();
    if (threadIdx.x % WARP == 0)
        barrier_arrive(barrier);
}

/* Ordinary writes to shared memory before this are seen by products and copies after it. */
__device__ inline void products_see_writes()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* A slot of a ring of n, and the parity of the round. */
template <int n> struct ring {
    int slot;
    uint32_t parity;

    __device__ inline void advance()
    {
        slot = slot + 1 == n ? 0 : slot + 1;
        parity ^= slot == 0;
    }
};

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

/* ---- copies ---- */

/* The box at the given coordinates, the first one fastest, to shared memory; zeros where the tensor
 * ends. `barrier` counts its bytes, those zeros included. */
__device__ inline void copy_box(uint32_t to, const CUtensorMap &map, uint32_t barrier, int c0,
                                int c1, int c2, int c3)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
                 "l"(&map), "r"(barrier), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
                 : "memory");
}

/*
 * ---- products: of the four warps of a warpgroup, which all call the same ----
 *
 * An accumulator [64, 8n] is x[n][4]: of lane l of warp w, x[i][0] and x[i][1] are in row 16w + l /
 * 4, columns 8i + 2(l % 4) and the next one; x[i][2] and x[i][3] eight rows below.
 */

enum factor_layout { FACTOR_128B = 1, FACTOR_64B = 2, FACTOR_32B = 3 }; /* width of the swizzle */

/* A factor in shared memory, in two words. Its rows are as wide as the swizzle, eight of them a
 * block of `down` bytes; a factor that is summed over its rows goes on `across` bytes further where
 * a row ends. The low word has the address, in units of sixteen bytes, and may be added to. One
 * that all lanes know to be the same stays in a register of the warp. */
__device__ inline uint32_t factor_low(uint32_t address, uint32_t across)
{
    return __shfl_sync(0xffffffffu, (address & 0x3ffff) >> 4 | across >> 4 << 16, 0);
}

__device__ inline uint64_t factor_of(uint32_t low, enum factor_layout layout, uint32_t down)
{
    return low | (uint64_t)(down >> 4 | (uint32_t)layout << 30) << 32;
}

/* Registers written before this may be used by products after it. */
__device__ inline void products_begin()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ inline void products_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* All but the last `left` commits are done. */
template <int left> __device__ inline void products_wait()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}

/* Keeps the compiler from moving uses of a product's result before the wait for it. */
template <int n> __device__ inline void settle(float (&x)[n][4])
{
#pragma unroll
    for (int i = 0; i < n; i++)
        asm volatile("" : "+f"(x[i][0]), "+f"(x[i][1]), "+f"(x[i][2]), "+f"(x[i][3])::"memory");
}

/* Operands of an asm statement that are accumulators: x[i] and those that follow; how: "=f" where a
 * product sets them, "+f" where it adds to them. */
#define HOPPER_4(how, x, i)  how(x[i][0]), how(x[i][1]), how(x[i][2]), how(x[i][3])
#define HOPPER_8(how, x, i)  HOPPER_4(how, x, i), HOPPER_4(how, x, i + 1)
#define HOPPER_16(how, x, i) HOPPER_8(how, x, i), HOPPER_8(how, x, i + 2)
#define HOPPER_32(how, x, i) HOPPER_16(how, x, i), HOPPER_16(how, x, i + 4)

/* Their numbers. */
#define HOPPER_0_15 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define HOPPER_16_31                                                                               \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define HOPPER_16_23 "%16, %17, %18, %19, %20, %21, %22, %23"
#define HOPPER_32_39 "%32, %33, %34, %35, %36, %37, %38, %39"
#define HOPPER_32_43 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43"
#define HOPPER_32_47                                                                               \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define HOPPER_48_63                                                                               \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

#endif
