/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel of exchange_lsa.h, and the two calls whose types only this compiler reads. */
#include "kernels/cuda/exchange_lsa.h"

#include "kernels/cuda/vector.cuh"

#include <stdlib.h>

#if __has_include(<nccl_device.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <nccl_device.h>
#pragma GCC diagnostic pop

enum { THREADS = 512, AT_ONCE = 4 };

/* A job in units of one load. */
struct lsa_walk {
    bool to_heads;
    int tensors, ranks, rank;
    struct divisor segment, peers, rows, lanes;
    uint32_t count;
    int64_t lane_stride, row_stride, first_row, all_rows;
    char *narrow[EXCHANGE_LSA_TENSORS];
    ncclWindow_t window[EXCHANGE_LSA_TENSORS];
    int64_t offset[EXCHANGE_LSA_TENSORS]; /* bytes */
};

/* Where unit i lies here and in which wide tensor. Neighbouring segments belong to different peers,
 * and each rank begins with itself, so that all links are busy at all times. */
template <typename Unit>
static __device__ inline void places(const struct lsa_walk &w, char *const *wide, uint32_t i,
                                     Unit **narrow_at, Unit **wide_at)
{
    uint32_t part = divide(i, w.segment);
    uint32_t unit = i - part * w.segment.by;
    uint32_t rest = divide(part, w.peers);
    uint32_t peer = part - rest * w.peers.by + w.rank;
    peer -= peer >= w.peers.by ? w.peers.by : 0;
    uint32_t lane = divide(rest, w.rows);
    int64_t row = rest - lane * w.rows.by;
    uint32_t tensor = divide(lane, w.lanes);
    lane -= tensor * w.lanes.by;
    int64_t near = lane * w.lane_stride + row * w.row_stride + (int64_t)peer * w.segment.by + unit;
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
            to[k] = w.to_heads ? wide_at : narrow_at;
            value[k] = __ldcg(w.to_heads ? narrow_at : wide_at);
        }
    }
#pragma unroll
    for (int k = 0; k < AT_ONCE; k++)
        if (first + k * step < w.count)
            *to[k] = value[k];
}

template <typename Unit>
static __global__ __launch_bounds__(THREADS) void exchange_rows(const struct lsa_walk w,
                                                                const ncclDevComm comm)
{
    __shared__ char *wide[EXCHANGE_LSA_TENSORS * EXCHANGE_LSA_RANKS];
    for (int i = threadIdx.x; i < w.tensors * w.ranks; i += THREADS)
        wide[i] = static_cast<char *>(
            ncclGetLsaPointer(w.window[i / w.ranks], w.offset[i / w.ranks], i % w.ranks));
    ncclLsaBarrierSession<ncclCoopCta> barrier(ncclCoopCta(), comm, ncclTeamTagLsa(), blockIdx.x);
    barrier.sync(ncclCoopCta(), cuda::memory_order_acq_rel);
    uint32_t step = gridDim.x * THREADS;
    for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < w.count; i += AT_ONCE * step)
        move_some<Unit>(w, wide, i, step);
    barrier.sync(ncclCoopCta(), cuda::memory_order_acq_rel);
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

int exchange_lsa_device(void *create, void *nccl_comm, void **device)
{
    auto make = reinterpret_cast<ncclResult_t (*)(ncclComm_t, const ncclDevCommRequirements_t *,
                                                  ncclDevComm_t *)>(create);
    ncclDevCommRequirements_t wanted = {};
    wanted.lsaBarrierCount = EXCHANGE_LSA_BLOCKS;
    *device = calloc(1, sizeof(ncclDevComm_t));
    if (!*device)
        return ncclSystemError;
    return make(static_cast<ncclComm_t>(nccl_comm), &wanted, static_cast<ncclDevComm_t *>(*device));
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
static enum status launch(const struct cuda_target *at, const struct exchange_lsa_job *job,
                          const void *device)
{
    int unit = sizeof(Unit);
    struct lsa_walk w = {};
    w.to_heads = job->to_heads;
    w.tensors = job->tensors;
    w.ranks = job->ranks;
    w.rank = job->rank;
    w.segment = divisor_of((uint32_t)(job->segment / unit));
    w.peers = divisor_of((uint32_t)job->ranks);
    w.rows = divisor_of((uint32_t)(job->rows > 0 ? job->rows : 1));
    w.lanes = divisor_of((uint32_t)job->lanes);
    w.count = (uint32_t)(job->tensors * job->lanes * job->rows * job->ranks * job->segment / unit);
    w.lane_stride = job->lane_stride / unit;
    w.row_stride = job->row_stride / unit;
    w.first_row = job->first_row;
    w.all_rows = job->all_rows;
    for (int i = 0; i < job->tensors; i++) {
        w.narrow[i] = job->narrow[i];
        w.window[i] = static_cast<ncclWindow_t>(job->window[i]);
        w.offset[i] = job->offset[i];
    }
    exchange_rows<Unit><<<EXCHANGE_LSA_BLOCKS, THREADS, 0, stream_of(at)>>>(
        w, *static_cast<const ncclDevComm *>(device));
    return cuda_launched("exchange of heads");
}

enum status exchange_lsa_launch(const struct cuda_target *at, const struct exchange_lsa_job *job,
                                const void *device)
{
    switch (unit_of(job)) {
    case 16:
        return launch<uint4>(at, job, device);
    case 8:
        return launch<uint2>(at, job, device);
    case 4:
        return launch<unsigned int>(at, job, device);
    default:
        return launch<unsigned short>(at, job, device);
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

int exchange_lsa_device(void *create, void *nccl_comm, void **device)
{
    (void)create;
    (void)nccl_comm;
    *device = NULL;
    return -1;
}

enum status exchange_lsa_launch(const struct cuda_target *at, const struct exchange_lsa_job *job,
                                const void *device)
{
    (void)at;
    (void)job;
    (void)device;
    return fail(ST_UNSUPPORTED, "built without NCCL's device interface");
}

#endif
