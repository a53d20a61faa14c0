/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warps of the product for Hopper share: the sizes of a block's work, where it lies in
 * shared memory, the order of tiles, and the product of a warpgroup. For linear_hopper.cu only.
 */
#ifndef KERNELS_CUDA_LINEAR_HOPPER_CUH
#define KERNELS_CUDA_LINEAR_HOPPER_CUH

#include "kernels/cuda/hopper_out.cuh"

/* A tile of y, of one warpgroup, has TILE_ROWS rows and COLUMNS columns: 192 accumulators of a
 * thread's 240 registers. The nearer to a square, the less it asks of the L2: 40 KB a step, while
 * products take 768 cycles. */
enum {
    TILE_ROWS = 128,
    COLUMNS = 192,
    DEPTH = 64, /* of a step along the sums: 128 bytes, a row of a swizzled box */
    TEAMS = 2,  /* warpgroups that compute, each on a tile of its own */
    THREADS = TEAM * (TEAMS + 1),
    PIECE = 64, /* columns that a warp stores at a time, of 16 rows */
    GROUP = 16, /* tiles under each other that share columns of w while these are in the L2 */
};

/* Bytes of shared memory. */
enum {
    X_BYTES = TILE_ROWS * DEPTH * 2,
    STAGE_BYTES = X_BYTES + COLUMNS * DEPTH * 2,
    STAGES = 5, /* steps in shared memory */
    PIECE_BYTES = 16 * PIECE * 2,
    BARRIERS_AT = STAGES * STAGE_BYTES + TEAMS * TEAM / WARP * PIECE_BYTES,
    SHARED_BYTES = BARRIERS_AT + 2 * STAGES * 8 + 1024, /* 1024: to begin at a multiple of it */
};

/* Of a kernel: x w^T + bias, or GELU of that. */
enum result { PLAIN, GELU };

struct task {
    CUtensorMap x, w, y; /* boxes [64, TILE_ROWS], [64, COLUMNS], [PIECE, 16] */
    const void *bias;    /* NULL: none */
    int lanes, rows, columns;
    int down, across; /* tiles in a lane */
    int steps;        /* along the sums */
};

/* Its first row and column. */
struct tile {
    int lane, row, column;
};

/* The n-th tile: groups of rows, in each of them column after column. False where there is none. */
__device__ inline bool find_tile(const struct task &p, int n, struct tile *t)
{
    int of_lane = p.down * p.across;
    if (n >= of_lane * p.lanes)
        return false;
    t->lane = n / of_lane;
    n -= t->lane * of_lane;
    int first = n / (GROUP * p.across) * GROUP;
    int high = p.down - first < GROUP ? p.down - first : GROUP;
    n -= first * p.across;
    t->row = (first + n % high) * TILE_ROWS;
    t->column = n / high * COLUMNS;
    return true;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Addresses in shared memory. */
struct layout {
    uint32_t start;

    __device__ inline uint32_t x(int slot) const
    {
        return start + slot * STAGE_BYTES;
    }
    __device__ inline uint32_t w(int slot) const
    {
        return x(slot) + X_BYTES;
    }
    __device__ inline uint32_t piece(int warp) const
    {
        return x(STAGES) + warp * PIECE_BYTES;
    }
    __device__ inline uint32_t full(int slot) const
    {
        return start + BARRIERS_AT + slot * 8;
    }
    __device__ inline uint32_t empty(int slot) const
    {
        return full(slot) + STAGES * 8;
    }
};

#define LINEAR_64_95                                                                               \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, "   \
    "%82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"

/* y [64, COLUMNS] += x [64, 16] w [COLUMNS, 16]^T. */
#define LINEAR_MULTIPLY(T, type)                                                                   \
    __device__ inline void multiply_columns(float(&y)[COLUMNS / 8][4], uint64_t x, uint64_t w, T)  \
    {                                                                                              \
        asm volatile("wgmma.mma_async.sync.aligned.m64n192k16.f32." type "." type " {" HOPPER_0_15 \
                     ", " HOPPER_16_31 ", " HOPPER_32_47 ", " HOPPER_48_63 ", " LINEAR_64_95       \
                     "}, %96, %97, 1, 1, 1, 0, 0;\n"                                               \
                     : HOPPER_32("+f", y, 0), HOPPER_32("+f", y, 8), HOPPER_32("+f", y, 16)        \
                     : "l"(x), "l"(w));                                                            \
    }

LINEAR_MULTIPLY(bf16, "bf16")
LINEAR_MULTIPLY(fp16, "f16")

/* A step of a tile: y += x w^T of 64 columns. The low word of x's factor; w's lies behind x. */
template <typename T>
__device__ inline void multiply_step(float (&y)[TILE_ROWS / 64][COLUMNS / 8][4], uint32_t x)
{
    uint32_t w = x + X_BYTES / 16;
    products_begin();
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++) {
#pragma unroll
        for (int r = 0; r < TILE_ROWS / 64; r++)
            multiply_columns(y[r],
                             factor_of(x + r * 64 * DEPTH * 2 / 16 + k * 2, FACTOR_128B, 1024),
                             factor_of(w + k * 2, FACTOR_128B, 1024), T());
    }
    products_commit();
}

#endif
#endif
