/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of exchange_lsa.h, and the calls whose types only this compiler reads. */
#include "kernels/cuda/exchange_meet.cuh"
#include "kernels/cuda/vector.cuh"

#ifdef HAVE_NCCL_DEVICE

enum { THREADS = 512, AT_ONCE = 4 };

/* A job in units of one load. */
struct lsa_walk {
    struct exchange_lsa_ranks all;
    bool out;
    int tensors, first_peer;
    struct divisor segment, peers, rows, lanes;
    uint32_t count;
    int64_t lane_stride, row_stride, peer_stride, first_row, all_rows;
    char *narrow[EXCHANGE_LSA_TENSORS];
    struct exchange_lsa_place wide[EXCHANGE_LSA_TENSORS];
};

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
    peer -= peer >= (uint32_t)w.all.ranks ? w.all.ranks : 0;
    uint32_t lane = divide(rest, w.rows);
    int64_t row = rest - lane * w.rows.by;
    uint32_t tensor = divide(lane, w.lanes);
    lane -= tensor * w.lanes.by;
    int64_t near = lane * w.lane_stride + row * w.row_stride + peer * w.peer_stride + unit;
    int64_t far = (lane * w.all_rows + w.first_row + row) * w.segment.by + unit;
    *narrow_at = reinterpret_cast<Unit *>(w.narrow[tensor]) + near;
    *wide_at = reinterpret_cast<Unit *>(wide[tensor * w.all.ranks + peer]) + far;
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
    place_to_meet place = place_of(w.all);
    __shared__ char *wide[EXCHANGE_LSA_TENSORS * EXCHANGE_LSA_RANKS];
    for (int i = threadIdx.x; i < w.tensors * w.all.ranks; i += THREADS)
        wide[i] = at_rank(w.wide[i / w.all.ranks], i % w.all.ranks);
    if (!meet(place))
        return;
    uint32_t step = gridDim.x * THREADS;
    for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < w.count; i += AT_ONCE * step)
        move_some<Unit>(w, wide, i, step);
    if (meet(place))
        remember(place);
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
static int unit_of(const struct exchange_lsa_rows *job)
{
    uint64_t mixed = (uint64_t)(job->segment | job->lane_stride | job->row_stride);
    int unit = 16;
    for (int i = 0; i < job->tensors; i++)
        mixed |= (uint64_t)(uintptr_t)job->narrow[i] | (uint64_t)job->wide[i].offset;
    while (mixed % unit != 0)
        unit /= 2;
    return unit;
}

/* Every rank launches, also one without rows: the peers wait for it. */
template <typename Unit>
static enum status launch(const struct cuda_target *at, const struct exchange_lsa_rows *job)
{
    int unit = sizeof(Unit);
    int64_t count = job->tensors * job->lanes * job->rows * job->peers * job->segment / unit;
    if (count > INT32_MAX) /* addresses were worse than shapes (exchange_lsa_takes) */
        return fail(ST_UNSUPPORTED, "exchange of rows: %lld loads of %d bytes", (long long)count,
                    unit);
    struct lsa_walk w = {};
    w.all = job->all;
    w.out = job->out;
    w.tensors = job->tensors;
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
    for (int i = 0; i < job->tensors; i++) {
        w.narrow[i] = job->narrow[i];
        w.wide[i] = job->wide[i];
    }
    exchange_rows<Unit><<<EXCHANGE_LSA_BLOCKS, THREADS, 0, stream_of(at)>>>(w);
    return cuda_launched("exchange of rows");
}

enum status exchange_lsa_launch_rows(const struct cuda_target *at,
                                     const struct exchange_lsa_rows *job)
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

enum status exchange_lsa_launch_rows(const struct cuda_target *at,
                                     const struct exchange_lsa_rows *job)
{
    (void)at;
    (void)job;
    return fail(ST_UNSUPPORTED, "built without NCCL's device interface");
}

#endif
