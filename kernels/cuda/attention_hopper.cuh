/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the warps of the attention for Hopper share: the sizes of a block's work, and where it lies
 * in shared memory. For attention_hopper.cu only.
 */
#ifndef KERNELS_CUDA_ATTENTION_HOPPER_CUH
#define KERNELS_CUDA_ATTENTION_HOPPER_CUH

#include "kernels/cuda/attention_split.h"
#include "kernels/cuda/attention_tiles.cuh"

enum { ITEM_WORDS = 8 }; /* of an item's description in shared memory */

/* By the width of a head. */
template <int WIDTH> struct size {
    enum {
        TEAMS = ATTENTION_TEAMS(WIDTH), /* warpgroups that compute, of 64 queries each */
        THREADS = TEAM * (TEAMS + 1),
        QUERIES = ATTENTION_QUERIES(WIDTH),
        KEYS = ATTENTION_TILE(WIDTH),
        STAGES = WIDTH == 128 ? 3 : 4, /* tiles of keys and values in shared memory */
        TAIL = head<WIDTH>::TAIL,
        WIDE_BYTES = KEYS * 128,
        KEY_BYTES = KEYS * head<WIDTH>::ROW_BYTES,
        TILE_BYTES = KEY_BYTES + KEYS * head<WIDTH>::VALUE_BYTES, /* keys, then values */
        QUERY_BYTES = QUERIES * head<WIDTH>::ROW_BYTES,
        BARRIERS_AT = QUERY_BYTES + STAGES * TILE_BYTES,
        ITEM_AT = BARRIERS_AT + 2 * (STAGES + 1) * 8,
        SHARED_BYTES = ITEM_AT + 2 * ITEM_WORDS * 4 + 1024 /* to begin at a multiple of 1024 */
    };
};

struct maps {
    CUtensorMap queries, queries_tail, keys, keys_tail, values;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Addresses in shared memory. */
template <int WIDTH> struct layout {
    typedef struct size<WIDTH> S;
    enum { STAGES = S::STAGES };
    uint32_t start;

    __device__ inline uint32_t queries(int team) const
    {
        return start + team * 64 * 128;
    }
    __device__ inline uint32_t queries_tail(int team) const
    {
        return start + S::QUERIES * 128 + team * 64 * S::TAIL * 2;
    }
    __device__ inline uint32_t keys(int slot) const
    {
        return start + S::QUERY_BYTES + slot * S::TILE_BYTES;
    }
    __device__ inline uint32_t full(int slot) const
    {
        return start + S::BARRIERS_AT + slot * 8;
    }
    __device__ inline uint32_t empty(int slot) const
    {
        return full(slot) + (STAGES + 1) * 8;
    }
    __device__ inline uint32_t queries_full() const
    {
        return full(STAGES);
    }
    __device__ inline uint32_t queries_empty() const
    {
        return empty(STAGES);
    }
    __device__ inline uint32_t item(uint32_t which) const
    {
        return start + S::ITEM_AT + which * ITEM_WORDS * 4;
    }
};

#endif
#endif
