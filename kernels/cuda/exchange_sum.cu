/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of exchange_lsa.h. Two ranks read each other's part whole. Of more each sums one share,
 * reading it from all, and then reads the others' shares: what leaves a rank is 2(P-1)/P of the
 * buffer in both cases, and all ranks get the same bits.
 */
#include "kernels/cuda/exchange_meet.cuh"
#include "kernels/cuda/vector.cuh"

#ifdef HAVE_NCCL_DEVICE

/* Loads of other GPUs' memory take long, so that each thread has several under way. */
enum { THREADS = 512, AT_ONCE = 4 };

/* In units of sixteen bytes, or of one element. */
struct sum {
    struct exchange_lsa_ranks all;
    struct exchange_lsa_place part;
    void *out;
    uint32_t units;
    uint32_t grain; /* shares begin at multiples of it */
};

template <typename T, bool WIDE> struct unit {
    typedef uint4 type;
    enum { N = vec<T>::N };
    static __device__ inline void open(const uint4 &raw, float (&x)[N])
    {
        unpack<T>(raw, x);
    }
    static __device__ inline uint4 close(const float (&x)[N])
    {
        return pack<T>(x);
    }
};

template <typename T> struct unit<T, false> {
    typedef T type;
    enum { N = 1 };
    static __device__ inline void open(const T &raw, float (&x)[1])
    {
        x[0] = to_float(raw);
    }
    static __device__ inline T close(const float (&x)[1])
    {
        return from_float<T>(x[0]);
    }
};

/* Past the first cache, which knows nothing of what peers write. */
static __device__ inline uint4 load_past(const uint4 *p)
{
    return __ldcg(p);
}

static __device__ inline float load_past(const float *p)
{
    return __ldcg(p);
}

template <typename T> static __device__ inline T load_past(const T *p)
{
    unsigned short raw = __ldcg(reinterpret_cast<const unsigned short *>(p));
    return *reinterpret_cast<const T *>(&raw);
}

/* The first unit of a rank's share, or where the last one's ends. */
static __device__ inline uint32_t share_of(const struct sum &w, int rank)
{
    return (uint32_t)((uint64_t)(w.units / w.grain) * rank / w.all.ranks) * w.grain;
}

/* value := units first, first + step, ... below end. */
template <typename Unit>
static __device__ inline void load_some(const Unit *from, uint32_t first, uint32_t step,
                                        uint32_t end, Unit (&value)[AT_ONCE])
{
#pragma unroll
    for (int k = 0; k < AT_ONCE; k++)
        if (first + k * step < end)
            value[k] = load_past(from + first + k * step);
}

/* Those units of all ranks' parts, added up rank by rank. */
template <typename T, bool WIDE>
static __device__ inline void add_some(const struct sum &w, char *const *part, uint32_t first,
                                       uint32_t step, uint32_t end)
{
    typedef struct unit<T, WIDE> U;
    typedef typename U::type raw;
    float sum[AT_ONCE][U::N] = {};
    for (int r = 0; r < w.all.ranks; r++) {
        raw value[AT_ONCE];
        load_some(reinterpret_cast<const raw *>(part[r]), first, step, end, value);
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) {
            float x[U::N];
            U::open(value[k], x);
#pragma unroll
            for (int n = 0; n < U::N; n++)
                sum[k][n] += x[n];
        }
    }
    raw *mine = reinterpret_cast<raw *>(part[w.all.rank]);
#pragma unroll
    for (int k = 0; k < AT_ONCE; k++) {
        uint32_t i = first + k * step;
        if (i >= end)
            continue;
        raw all = U::close(sum[k]);
        static_cast<raw *>(w.out)[i] = all;
        if (w.all.ranks > 2)
            mine[i] = all;
    }
}

template <typename T, bool WIDE>
static __device__ inline void copy_share(const struct sum &w, const char *part, int rank)
{
    typedef typename unit<T, WIDE>::type raw;
    uint32_t end = share_of(w, rank + 1), step = gridDim.x * THREADS;
    uint32_t i = share_of(w, rank) + blockIdx.x * THREADS + threadIdx.x;
    const raw *from = reinterpret_cast<const raw *>(part);
    raw *to = static_cast<raw *>(w.out);
    for (; i < end; i += AT_ONCE * step) {
        raw value[AT_ONCE];
        load_some(from, i, step, end, value);
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++)
            if (i + k * step < end)
                to[i + k * step] = value[k];
    }
}

template <typename T, bool WIDE>
static __global__ __launch_bounds__(THREADS) void exchange_sum(const struct sum w)
{
    place_to_meet place = place_of(w.all);
    __shared__ char *part[EXCHANGE_LSA_RANKS];
    int ranks = w.all.ranks, rank = w.all.rank;
    if (threadIdx.x < ranks)
        part[threadIdx.x] = at_rank(w.part, threadIdx.x);
    if (!meet(place))
        return;
    bool whole = ranks == 2;
    uint32_t end = whole ? w.units : share_of(w, rank + 1), step = gridDim.x * THREADS;
    uint32_t i = (whole ? 0 : share_of(w, rank)) + blockIdx.x * THREADS + threadIdx.x;
    for (; i < end; i += AT_ONCE * step)
        add_some<T, WIDE>(w, part, i, step, end);
    if (!whole && !meet(place))
        return;
    for (int d = 1; d < ranks && !whole; d++) {
        int peer = (rank + d) % ranks; // each begins with another: all links are busy
        copy_share<T, WIDE>(w, part[peer], peer);
    }
    if (meet(place))
        remember(place);
}

/* ---- launch ---- */

template <typename T, bool WIDE>
static enum status launch(const struct cuda_target *at, const struct exchange_lsa_sum_job *job)
{
    int64_t n = unit<T, WIDE>::N;
    struct sum w = {};
    w.all = job->all;
    w.part = job->part;
    w.out = job->out;
    w.units = (uint32_t)(job->count / n);
    w.grain = WIDE || job->count % vec<T>::N != 0 ? 1 : vec<T>::N;
    exchange_sum<T, WIDE><<<EXCHANGE_LSA_BLOCKS, THREADS, 0, stream_of(at)>>>(w);
    return cuda_launched("sum over ranks");
}

/* Shares are those of the shape, so that ranks agree on them. Of more than two, all must load as
 * wide as each other: a block copies what blocks of its number have summed, and met only those. */
template <typename T>
static enum status launch_for(const struct cuda_target *at, const struct exchange_lsa_sum_job *job)
{
    bool wide = job->count % vec<T>::N == 0 && job->part.offset % 16 == 0 && aligned16(job->out);
    return wide ? launch<T, true>(at, job) : launch<T, false>(at, job);
}

enum status exchange_lsa_launch_sum(const struct cuda_target *at,
                                    const struct exchange_lsa_sum_job *job)
{
    switch (job->dtype) {
    case DTYPE_F32:
        return launch_for<float>(at, job);
    case DTYPE_BF16:
        return launch_for<bf16>(at, job);
    default:
        return launch_for<fp16>(at, job);
    }
}

#else /* this toolkit has no NCCL that knows the device interface */

enum status exchange_lsa_launch_sum(const struct cuda_target *at,
                                    const struct exchange_lsa_sum_job *job)
{
    (void)at;
    (void)job;
    return fail(ST_UNSUPPORTED, "built without NCCL's device interface");
}

#endif
