/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warps of the product for Hopper share: the sizes of a block's work, where it lies in
 * shared memory, the order of tiles, and the product of a warpgroup. For linear_hopper.cu only.
 */
#ifndef KERNELS_CUDA_LINEAR_HOPPER_CUH
#define KERNELS_CUDA_LINEAR_HOPPER_CUH

#include "kernels/cuda/hopper_out.cuh"

/* A tile of y, of one warpgroup, has TILE_ROWS rows and COLUMNS columns (CUDA_LINEAR_WIDE or
 * _NARROW). A wide one is 192 accumulators of a thread's 240 registers, and the nearer to a square,
 * the less it asks of the L2: 40 KB a step, while products take 768 cycles; 34 KB in 576 where it
 * is narrow. */
enum {
    TILE_ROWS = 128,
    DEPTH = 64, /* of a step along the sums: 128 bytes, a row of a swizzled box */
    TEAMS = 2,  /* warpgroups that compute, each on a tile of its own */
    THREADS = TEAM * (TEAMS + 1),
    PIECE = 64, /* columns that a warp stores at a time, of 16 rows */
    PIECE_BYTES = 16 * PIECE * 2,
    GROUP = 16, /* tiles under each other that share columns of w while these are in the L2 */
    SHARED_LIMIT = 232448, /* bytes of a block on Hopper */
    BESIDE = 2048,         /* for barriers, and to begin at a multiple of 1024 */
};

template <int COLUMNS> struct sizes {
    enum {
        X_BYTES = TILE_ROWS * DEPTH * 2,
        STAGE_BYTES = X_BYTES + COLUMNS * DEPTH * 2,
        PIECES_BYTES = TEAMS * TEAM / WARP * PIECE_BYTES,
        STAGES = (SHARED_LIMIT - PIECES_BYTES - BESIDE) / STAGE_BYTES, /* steps in shared memory */
        BARRIERS_AT = STAGES * STAGE_BYTES + PIECES_BYTES,
        SHARED_BYTES = BARRIERS_AT + BESIDE,
        PIECES = (COLUMNS + PIECE - 1) / PIECE, /* beside each other */
    };
};

/* Of a kernel: x w^T + bias, GELU of that, or the sum of that and what y holds. */
enum result { PLAIN, GELU, SUM };

struct task {
    CUtensorMap x, w, y;   /* boxes [64, TILE_ROWS], [64, COLUMNS], [PIECE, 16] */
    const void *bias;      /* NULL: none */
    const void *y_before;  /* what y holds, read where it is added to */
    int64_t y_row, y_lane; /* strides of y in elements */
    int lanes, rows, columns;
    int down, across; /* tiles in a lane */
    int steps;        /* along the sums */
};

/* Its first row and column. */
struct tile {
    int lane, row, column;
};

/* The n-th tile: groups of rows, in each of them column after column. False where there is none. */
template <int COLUMNS> __device__ inline bool find_tile(const struct task &p, int n, struct tile *t)
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
template <int COLUMNS> struct layout {
    typedef struct sizes<COLUMNS> size;
    uint32_t start;

    __device__ inline uint32_t x(int slot) const
    {
        return start + slot * size::STAGE_BYTES;
    }
    __device__ inline uint32_t w(int slot) const
    {
        return x(slot) + size::X_BYTES;
    }
    __device__ inline uint32_t piece(int warp) const
    {
        return x(size::STAGES) + warp * PIECE_BYTES;
    }
    __device__ inline uint32_t full(int slot) const
    {
        return start + size::BARRIERS_AT + slot * 8;
    }
    __device__ inline uint32_t empty(int slot) const
    {
        return full(slot) + size::STAGES * 8;
    }
};

#define LINEAR_64_71 "%64, %65, %66, %67, %68, %69, %70, %71"
#define LINEAR_72_95                                                                               \
    "%72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, "   \
    "%90, %91, %92, %93, %94, %95"
#define LINEAR_0_71                                                                                \
    HOPPER_0_15 ", " HOPPER_16_31 ", " HOPPER_32_47 ", " HOPPER_48_63 ", " LINEAR_64_71

/* y [64, columns] += x [64, 16] w [columns, 16]^T: numbers of the operands that are accumulators,
 * of the two that are factors, and the accumulators beyond the first 64. */
#define LINEAR_MULTIPLY(T, type, columns, numbers, factors, ...)                                   \
    __device__ inline void multiply_columns(float(&y)[columns / 8][4], uint64_t x, uint64_t w, T)  \
    {                                                                                              \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type         \
                     " {" numbers "}, " factors ", 1, 1, 1, 0, 0;\n"                               \
                     : HOPPER_32("+f", y, 0), HOPPER_32("+f", y, 8), __VA_ARGS__                   \
                     : "l"(x), "l"(w));                                                            \
    }

#define LINEAR_MULTIPLIES(T, type)                                                                 \
    LINEAR_MULTIPLY(T, type, 192, LINEAR_0_71 ", " LINEAR_72_95, "%96, %97",                       \
                    HOPPER_32("+f", y, 16))                                                        \
    LINEAR_MULTIPLY(T, type, 144, LINEAR_0_71, "%72, %73", HOPPER_8("+f", y, 16))

LINEAR_MULTIPLIES(bf16, "bf16")
LINEAR_MULTIPLIES(fp16, "f16")

/* A step of a tile: y += x w^T of 64 columns. The low word of x's factor; w's lies behind x. */
template <typename T, int COLUMNS>
__device__ inline void multiply_step(float (&y)[TILE_ROWS / 64][COLUMNS / 8][4], uint32_t x)
{
    uint32_t w = x + sizes<COLUMNS>::X_BYTES / 16;
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
