/* SPDX-License-Identifier: Apache-2.0 */
/* Where all ranks meet in a kernel of exchange_lsa.h, and how it finds its peers' memory. For its
 * .cu files only; needs NCCL's device interface (HAVE_NCCL_DEVICE). */
#ifndef KERNELS_CUDA_EXCHANGE_MEET_CUH
#define KERNELS_CUDA_EXCHANGE_MEET_CUH

#include "kernels/cuda/exchange_lsa.h"

#if __has_include(<nccl_device.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <nccl_device.h>
#pragma GCC diagnostic pop
#define HAVE_NCCL_DEVICE 1

static __device__ inline char *at_rank(const struct exchange_lsa_place &at, int rank)
{
    return static_cast<char *>(
        ncclGetLsaPointer(static_cast<ncclWindow_t>(at.window), at.offset, rank));
}

static __device__ inline void store_release(unsigned *to, unsigned value)
{
    asm volatile("st.release.sys.global.u32 [%0], %1;" : : "l"(to), "r"(value) : "memory");
}

static __device__ inline unsigned load_acquire(const unsigned *from)
{
    unsigned value;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
    return value;
}

/* The blocks of one number on all ranks, one thread for each rank. */
struct place_to_meet {
    unsigned *theirs;     /* my word at that rank */
    const unsigned *mine; /* its word here */
    unsigned *last;       /* the number of the last meeting, kept for the next launch */
    unsigned number;
    const unsigned *stop;
};

static __device__ inline place_to_meet place_of(const struct exchange_lsa_ranks &all)
{
    place_to_meet place = {};
    unsigned first = blockIdx.x * (EXCHANGE_LSA_RANKS + 1);
    place.last = all.met + first + EXCHANGE_LSA_RANKS;
    place.number = *place.last;
    place.stop = all.stop;
    if (threadIdx.x < all.ranks) {
        const struct exchange_lsa_place words = {all.meeting, 0};
        place.theirs = reinterpret_cast<unsigned *>(at_rank(words, threadIdx.x)) + first + all.rank;
        place.mine = all.met + first + threadIdx.x;
    }
    return place;
}

/* What any thread of these blocks wrote before is seen by all of them after. False: it is told to
 * stop. A peer may be one meeting ahead. */
static __device__ inline bool meet(place_to_meet &place)
{
    enum { LOOKS_A_STOP = 256 };
    bool stopped = false;
    place.number++;
    __syncthreads();
    if (place.theirs) {
        store_release(place.theirs, place.number);
        for (int look = 1; (int)(load_acquire(place.mine) - place.number) < 0 && !stopped; look++)
            stopped = look % LOOKS_A_STOP == 0 && load_acquire(place.stop) != 0;
    }
    return !__syncthreads_or(stopped);
}

/* For the next launch. */
static __device__ inline void remember(const place_to_meet &place)
{
    if (threadIdx.x == 0)
        *place.last = place.number;
}

#endif
#endif
