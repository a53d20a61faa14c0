/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a launch of attention on resident keys divides its work, and where a block's share lies in
 * shared memory. For attention_resident_hopper.cu only.
 */
#ifndef KERNELS_CUDA_ATTENTION_RESIDENT_HOPPER_CUH
#define KERNELS_CUDA_ATTENTION_RESIDENT_HOPPER_CUH

#include "kernels/cuda/attention_tiles.cuh"
#include "kernels/cuda/hopper_out.cuh"

enum {
    TILE = 64,      /* queries of a warpgroup at a time */
    MOST_TEAMS = 4, /* warpgroups of a block */
    MOST_BUFFERS = 3,
    KEYS = 96,      /* of a tile after the first */
    MOST_KEYS = 512 /* two boxes */
};

/* How a launch divides the work and its shared memory. */
struct division {
    int teams, buffers; /* buffers of each team */
    int blocks;         /* that share the queries of a lane and head */
    int first;          /* keys of the tile that comes first: 48, 80 or 128 */
    int keys;           /* rows of keys and values in shared memory, a multiple of 16 */
    int boxes;          /* that bring them, of equally many rows */
    bool clear;         /* lanes end before others: what lies between must not be NaN */
};

struct maps {
    CUtensorMap queries, queries_tail, keys, keys_tail, values, outputs, outputs_tail;
};

/* Addresses in shared memory. What is swizzled in rows of 128 bytes begins at multiples of 1024. */
template <int WIDTH> struct layout {
    typedef struct head<WIDTH> H;
    enum {
        QUERY_BYTES = TILE * H::ROW_BYTES, /* and of outputs, in the same place */
        BARRIERS = 2 + MOST_TEAMS * MOST_BUFFERS
    };
    uint32_t start;
    struct division d;

    __host__ __device__ inline uint32_t keys() const
    {
        return start;
    }
    __host__ __device__ inline uint32_t values() const
    {
        return keys() + d.keys * 128;
    }
    __host__ __device__ inline uint32_t queries(int team, int buffer) const
    {
        return values() + d.keys * H::VALUE_BYTES + (team * d.buffers + buffer) * QUERY_BYTES;
    }
    __host__ __device__ inline uint32_t keys_tail() const
    {
        return queries(d.teams, 0);
    }
    __host__ __device__ inline uint32_t barriers() const
    {
        return keys_tail() + d.keys * H::TAIL * 2;
    }
    __host__ __device__ inline uint32_t keys_full() const
    {
        return barriers();
    }
    __host__ __device__ inline uint32_t values_full() const
    {
        return barriers() + 8;
    }
    __host__ __device__ inline uint32_t queries_full(int team, int buffer) const
    {
        return barriers() + 16 + (team * MOST_BUFFERS + buffer) * 8;
    }
    __host__ __device__ inline uint32_t end() const
    {
        return barriers() + BARRIERS * 8;
    }
};

/* Full tiles beside the first one, which has the rest. */
static __host__ __device__ inline int tiles_after(int keys, int first)
{
    return keys > first ? (keys - first + KEYS - 1) / KEYS : 0;
}

#endif
