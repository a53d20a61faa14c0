/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel of exchange_lsa.h, and the call whose types only this compiler reads. */
#include "kernels/cuda/exchange_lsa.h"

#include "kernels/cuda/vector.cuh"

#if __has_include(<nccl_device.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <nccl_device.h>
#pragma GCC diagnostic pop

enum { THREADS = 512, AT_ONCE = 4, LOOKS_A_STOP = 256 };

/* A job in units of one load. */
struct lsa_walk {
    bool out;
    int tensors, ranks, rank, first_peer;
    struct divisor segment, peers, rows, lanes;
    uint32_t count;
    int64_t lane_stride, row_stride, peer_stride, first_row, all_rows;
    char *narrow[EXCHANGE_LSA_TENSORS];
    ncclWindow_t window[EXCHANGE_LSA_TENSORS];
    int64_t offset[EXCHANGE_LSA_TENSORS]; /* bytes */
    ncclWindow_t meeting;
    unsigned *met;
    const unsigned *stop;
};

/* ---- where all ranks meet ---- */

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
    unsigned number;      /* of the last meeting */
};

static __device__ inline place_to_meet place_of(const struct lsa_walk &w)
{
    place_to_meet place = {};
    unsigned first = blockIdx.x * (EXCHANGE_LSA_RANKS + 1);
    place.number = w.met[first + EXCHANGE_LSA_RANKS];
    if (threadIdx.x < w.ranks) {
        place.theirs =
            static_cast<unsigned *>(ncclGetLsaPointer(w.meeting, 0, threadIdx.x)) + first + w.rank;
        place.mine = w.met + first + threadIdx.x;
    }
    return place;
}

/* What any thread of these blocks wrote before is seen by all of them after. False: it is told to
 * stop. A peer may be one meeting ahead. */
static __device__ inline bool meet(const struct lsa_walk &w, place_to_meet &place)
{
    bool stopped = false;
    place.number++;
    __syncthreads();
    if (place.theirs) {
        store_release(place.theirs, place.number);
        for (int look = 1; (int)(load_acquire(place.mine) - place.number) < 0 && !stopped; look++)
            stopped = look % LOOKS_A_STOP == 0 && load_acquire(w.stop) != 0;
    }
    return !__syncthreads_or(stopped);
}

/* For the next launch. */
static __device__ inline void remember(const struct lsa_walk &w, const place_to_meet &place)
{
    if (threadIdx.x == 0)
        w.met[blockIdx.x * (EXCHANGE_LSA_RANKS + 1) + EXCHANGE_LSA_RANKS] = place.number;
}

/* ---- rows ---- */

/* Where unit i lies here and in which wide tensor. Neighbouring segments belong to different peers,
 * and each rank begins with another, so that all links are busy at all times. */
template <typename Unit>
static __device__ inline void places(const struct lsa_walk &w, char *const *wide, uint32_t i,
                                     Unit **narrow_at, Unit **wide_at)
{
    uint32_t part = divide(i, w.segment);
    uint32_t unit = i - part * w.segment.by;
    uint32_t rest = divide(part, w.peers);
    uint32_t peer = part - rest * w.peers.by + w.first_peer;
    peer -= peer >= (uint32_t)w.ranks ? w.ranks : 0;
    uint32_t lane = divide(rest, w.rows);
    int64_t row = rest - lane * w.rows.by;
    uint32_t tensor = divide(lane, w.lanes);
    lane -= tensor * w.lanes.by;
    int64_t near = lane * w.lane_stride + row * w.row_stride + peer * w.peer_stride + unit;
    int64_t far = (lane * w.all_rows + w.first_row + row) * w.segment.by + unit;
    *narrow_at = reinterpret_cast<Unit *>(w.narrow[tensor]) + near;
    *wide_at = reinterpret_cast<Unit *>(wide[tensor * w.ranks + peer]) + far;
}

/* Loads of other GPUs' memory take long, so that each thread has several under way. They pass by
 * the first cache, which knows nothing of what peers write. */
template <typename Unit>
static __device__ inline void move_some(const struct lsa_walk &w, char *const *wide, uint32_t first,
                                        uint32_t step)
{
    Unit value[AT_ONCE];
    Unit *to[AT_ONCE];
#pragma unroll
    for (int k = 0; k < AT_ONCE; k++) {
        Unit *narrow_at, *wide_at;
        uint32_t i = first + k * step;
        if (i < w.count) {
            places(w, wide, i, &narrow_at, &wide_at);
            to[k] = w.out ? wide_at : narrow_at;
            value[k] = __ldcg(w.out ? narrow_at : wide_at);
        }
    }
#pragma unroll
    for (int k = 0; k < AT_ONCE; k++)
        if (first + k * step < w.count)
            *to[k] = value[k];
}

template <typename Unit>
static __global__ __launch_bounds__(THREADS) void exchange_rows(const struct lsa_walk w)
{
    place_to_meet place = place_of(w);
    __shared__ char *wide[EXCHANGE_LSA_TENSORS * EXCHANGE_LSA_RANKS];
    for (int i = threadIdx.x; i < w.tensors * w.ranks; i += THREADS)
        wide[i] = static_cast<char *>(
            ncclGetLsaPointer(w.window[i / w.ranks], w.offset[i / w.ranks], i % w.ranks));
    if (!meet(w, place))
        return;
    uint32_t step = gridDim.x * THREADS;
    for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < w.count; i += AT_ONCE * step)
        move_some<Unit>(w, wide, i, step);
    if (meet(w, place))
        remember(w, place);
}

int exchange_lsa_version(void)
{
    return NCCL_VERSION_CODE;
}

int exchange_lsa_team(void *team, void *nccl_comm)
{
    auto ask = reinterpret_cast<ncclTeam_t (*)(ncclComm_t)>(team);
    return ask(static_cast<ncclComm_t>(nccl_comm)).nRanks;
}

/* Bytes of the largest load that every address and length is a multiple of. */
static int unit_of(const struct exchange_lsa_job *job)
{
    uint64_t mixed = (uint64_t)(job->segment | job->lane_stride | job->row_stride);
    int unit = 16;
    for (int i = 0; i < job->tensors; i++)
        mixed |= (uint64_t)(uintptr_t)job->narrow[i] | (uint64_t)job->offset[i];
    while (mixed % unit != 0)
        unit /= 2;
    return unit;
}

/* Every rank launches, also one without rows: the peers wait for it. */
template <typename Unit>
static enum status launch(const struct cuda_target *at, const struct exchange_lsa_job *job)
{
    int unit = sizeof(Unit);
    int64_t count = job->tensors * job->lanes * job->rows * job->peers * job->segment / unit;
    if (count > INT32_MAX) /* addresses were worse than shapes (exchange_lsa_takes) */
        return fail(ST_UNSUPPORTED, "exchange of rows: %lld loads of %d bytes", (long long)count,
                    unit);
    struct lsa_walk w = {};
    w.out = job->out;
    w.tensors = job->tensors;
    w.ranks = job->ranks;
    w.rank = job->rank;
    w.first_peer = job->first_peer;
    w.segment = divisor_of((uint32_t)(job->segment / unit));
    w.peers = divisor_of((uint32_t)job->peers);
    w.rows = divisor_of((uint32_t)(job->rows > 0 ? job->rows : 1));
    w.lanes = divisor_of((uint32_t)job->lanes);
    w.count = (uint32_t)count;
    w.lane_stride = job->lane_stride / unit;
    w.row_stride = job->row_stride / unit;
    w.peer_stride = job->same ? 0 : job->segment / unit;
    w.first_row = job->first_row;
    w.all_rows = job->all_rows;
    w.meeting = static_cast<ncclWindow_t>(job->meeting);
    w.met = job->met;
    w.stop = job->stop;
    for (int i = 0; i < job->tensors; i++) {
        w.narrow[i] = job->narrow[i];
        w.window[i] = static_cast<ncclWindow_t>(job->window[i]);
        w.offset[i] = job->offset[i];
    }
    exchange_rows<Unit><<<EXCHANGE_LSA_BLOCKS, THREADS, 0, stream_of(at)>>>(w);
    return cuda_launched("exchange of rows");
}

enum status exchange_lsa_launch(const struct cuda_target *at, const struct exchange_lsa_job *job)
{
    switch (unit_of(job)) {
    case 16:
        return launch<uint4>(at, job);
    case 8:
        return launch<uint2>(at, job);
    case 4:
        return launch<unsigned int>(at, job);
    default:
        return launch<unsigned short>(at, job);
    }
}

#else /* this toolkit has no NCCL that knows the device interface */

int exchange_lsa_version(void)
{
    return 0;
}

int exchange_lsa_team(void *team, void *nccl_comm)
{
    (void)team;
    (void)nccl_comm;
    return 0;
}

enum status exchange_lsa_launch(const struct cuda_target *at, const struct exchange_lsa_job *job)
{
    (void)at;
    (void)job;
    return fail(ST_UNSUPPORTED, "built without NCCL's device interface");
}

#endif
