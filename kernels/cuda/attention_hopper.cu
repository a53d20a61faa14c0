/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention for Hopper and heads 72 wide, those of DiT-XL and PixArt, by asynchronous products of
 * warpgroups (Shah et al. 2024, "FlashAttention-3"). A block stays on its SM: one warpgroup brings
 * keys and values in, two own 64 queries each; the products of one overlap with the softmax of the
 * other and, by one tile, with its own. Built for sm_90a alone.
 */
#include "kernels/cuda/tensor_core.cuh"

#ifndef HK
#define HK 128
#endif
#ifndef HT
#define HT 2
#endif
enum {
    WIDTH = 72,
    GROUPS = WIDTH / 8, /* of eight columns: sixteen bytes of a row */
    STEPS = 5,          /* of 16 columns in q k^T: the last half of them are zeros */
    KEYS = HK,          /* of a tile */
    TILES8 = KEYS / 8,
    STAGES = 4, /* tiles in shared memory */
    TEAM = 128, /* threads of a warpgroup */
    TEAMS = HT, /* that compute */
    QUERIES = TEAMS * 64,
    THREADS = TEAM * (TEAMS + 1),
};

/*
 * Matrices lie in shared memory by groups of eight columns: [group][row][8]. So eight rows of a
 * group are 128 bytes on end, the unit that products read, with rows (keys) in the role of either
 * index. A group is followed by 16 bytes of nothing: then a row's groups lie in different banks.
 */
enum {
    GROUP_BYTES = KEYS * 16 + 16,
    KEY_BYTES = 2 * STEPS * GROUP_BYTES,
    VALUE_BYTES = GROUPS * GROUP_BYTES,
    STAGE_BYTES = KEY_BYTES + VALUE_BYTES,
    QUERY_GROUP_BYTES = QUERIES * 16 + 16,
    QUERY_BYTES = 2 * STEPS * QUERY_GROUP_BYTES,
    BARRIERS_AT = QUERY_BYTES + STAGES * STAGE_BYTES,
    SHARED_BYTES = BARRIERS_AT + (2 * STAGES + 2) * 8,
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- barriers in shared memory ---- */

__device__ inline void barrier_init(uint32_t barrier, int count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count));
}

__device__ inline void barrier_arrive(uint32_t barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
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

/* Ordinary writes to shared memory before this are seen by products after it. */
__device__ inline void products_fence()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* ---- products ---- */

/* Where a factor begins, and the distances of its 8x8 pieces: `along` from one to the next in the
 * index that is summed over, `across` in the other. */
__device__ inline uint64_t factor_at(uint32_t address, uint32_t along, uint32_t across)
{
    return (uint64_t)(address >> 4) | (uint64_t)(along >> 4) << 16 | (uint64_t)(across >> 4) << 32;
}

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

#define FOUR(x, i)  "+f"(x[i][0]), "+f"(x[i][1]), "+f"(x[i][2]), "+f"(x[i][3])
#define EIGHT(x, i) FOUR(x, i), FOUR(x, i + 1)

/* s [64, KEYS] = or += q [64, 16] k [KEYS, 16]^T. */
#if HK == 128
#define MULTIPLY_KEYS(type)                                                                        \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %66, 0;\n"                                  \
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {"                 \
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, "     \
                 "%31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "     \
                 "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, "     \
                 "%61, %62, %63}, %64, %65, add, 1, 1, 0, 0;\n}\n"                                 \
                 : EIGHT(s, 0), EIGHT(s, 2), EIGHT(s, 4), EIGHT(s, 6), EIGHT(s, 8), EIGHT(s, 10),  \
                   EIGHT(s, 12), EIGHT(s, 14)                                                      \
                 : "l"(q), "l"(k), "r"(add))
#elif HK == 112
#define MULTIPLY_KEYS(type)                                                                        \
    asm volatile(                                                                                  \
        "{\n.reg .pred add;\nsetp.ne.b32 add, %58, 0;\n"                                           \
        "wgmma.mma_async.sync.aligned.m64n112k16.f32." type "." type " {"                          \
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                   \
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, "              \
        "%31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "              \
        "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55}, %56, %57, add, 1, 1, 0, 0;\n}\n"       \
        : EIGHT(s, 0), EIGHT(s, 2), EIGHT(s, 4), EIGHT(s, 6), EIGHT(s, 8), EIGHT(s, 10),           \
          EIGHT(s, 12)                                                                             \
        : "l"(q), "l"(k), "r"(add))
#else
#define MULTIPLY_KEYS(type)                                                                        \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %50, 0;\n"                                  \
                 "wgmma.mma_async.sync.aligned.m64n96k16.f32." type "." type " {"                  \
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, "     \
                 "%31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "     \
                 "%46, %47}, %48, %49, add, 1, 1, 0, 0;\n}\n"                                      \
                 : EIGHT(s, 0), EIGHT(s, 2), EIGHT(s, 4), EIGHT(s, 6), EIGHT(s, 8), EIGHT(s, 10)   \
                 : "l"(q), "l"(k), "r"(add))
#endif

__device__ inline void multiply_keys(float (&s)[TILES8][4], uint64_t q, uint64_t k, int add, bf16)
{
    MULTIPLY_KEYS("bf16");
}

__device__ inline void multiply_keys(float (&s)[TILES8][4], uint64_t q, uint64_t k, int add, fp16)
{
    MULTIPLY_KEYS("f16");
}

/* o [64, 72] = or += p [64, 16] v [16, 72], p from registers. */
#define MULTIPLY_VALUES(type)                                                                      \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %41, 0;\n"                                  \
                 "wgmma.mma_async.sync.aligned.m64n72k16.f32." type "." type " {"                  \
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, "     \
                 "%31, %32, %33, %34, %35}, {%36, %37, %38, %39}, %40, add, 1, 1, 1;\n}\n"         \
                 : EIGHT(o, 0), EIGHT(o, 2), EIGHT(o, 4), EIGHT(o, 6), FOUR(o, 8)                  \
                 : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "l"(v), "r"(add))

__device__ inline void multiply_values(float (&o)[GROUPS][4], const uint32_t (&p)[4], uint64_t v,
                                       int add, bf16)
{
    MULTIPLY_VALUES("bf16");
}

__device__ inline void multiply_values(float (&o)[GROUPS][4], const uint32_t (&p)[4], uint64_t v,
                                       int add, fp16)
{
    MULTIPLY_VALUES("f16");
}

/* ---- what all warpgroups know ---- */

/* Addresses in shared memory. */
struct layout {
    uint32_t queries, stages, barriers;

    __device__ inline uint32_t keys(int stage) const
    {
        return stages + stage * STAGE_BYTES;
    }
    __device__ inline uint32_t values(int stage) const
    {
        return keys(stage) + KEY_BYTES;
    }
    __device__ inline uint32_t full(int stage) const
    {
        return barriers + stage * 8;
    }
    __device__ inline uint32_t empty(int stage) const
    {
        return barriers + (STAGES + stage) * 8;
    }
    __device__ inline uint32_t queries_full() const
    {
        return barriers + 2 * STAGES * 8;
    }
    __device__ inline uint32_t queries_empty() const
    {
        return barriers + (2 * STAGES + 1) * 8;
    }
};

/* The n-th piece of work: blocks of queries of a head follow each other, so that blocks that run at
 * a time share keys. */
struct work {
    int64_t lane, head;
    int first, keys, tiles;
};

__device__ inline bool find_work(const struct cuda_attention &p, int n, struct work *w)
{
    int blocks = (p.rows + QUERIES - 1) / QUERIES;
    if (n >= blocks * p.heads * p.lanes)
        return false;
    w->first = n % blocks * QUERIES;
    w->head = n / blocks % p.heads;
    w->lane = n / blocks / p.heads;
    w->keys = p.keys[w->lane];
    w->tiles = (w->keys + KEYS - 1) / KEYS;
    return true;
}

/* ---- the warpgroup that loads ---- */

/* The sixteen bytes of a tile that a thread of the loading warpgroup brings in. */
struct shares {
    enum { COUNT = (KEYS * GROUPS + TEAM - 1) / TEAM };
    int row[COUNT], column[COUNT]; /* bytes */
    uint32_t to[COUNT];            /* from the start of a tile */
};

__device__ inline void share_out(struct shares &mine)
{
#pragma unroll
    for (int i = 0; i < shares::COUNT; i++) {
        int unit = i * TEAM + threadIdx.x % TEAM;
        mine.row[i] = unit / GROUPS;
        mine.column[i] = unit % GROUPS * 16;
        mine.to[i] = unit % GROUPS * GROUP_BYTES + mine.row[i] * 16;
    }
}

__device__ inline void copy_shared(uint32_t to, const char *from, int bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}

/* A tile of keys or values; rows beyond `rows` are zeros. stride: bytes. */
__device__ inline void load_tile(const struct shares &mine, uint32_t shared, const char *from,
                                 int stride, int rows)
{
#pragma unroll
    for (int i = 0; i < shares::COUNT; i++) {
        if (mine.row[i] >= KEYS)
            continue;
        bool valid = mine.row[i] < rows;
        copy_shared(shared + mine.to[i],
                    from + (valid ? (int64_t)mine.row[i] * stride + mine.column[i] : 0),
                    valid ? 16 : 0);
    }
}

__device__ inline void load_queries(uint32_t shared, const char *from, int stride, int rows)
{
#pragma unroll 1
    for (int unit = threadIdx.x % TEAM; unit < QUERIES * GROUPS; unit += TEAM) {
        int row = unit / GROUPS, group = unit % GROUPS;
        bool valid = row < rows;
        copy_shared(shared + group * QUERY_GROUP_BYTES + row * 16,
                    from + (valid ? (int64_t)row * stride + group * 16 : 0), valid ? 16 : 0);
    }
}

/* What was loaded before the last commit is there: says so at `barrier` (0: nothing to say). */
template <int left> __device__ inline void announce(uint32_t barrier)
{
    if (barrier == 0)
        return;
    copies_wait<left>();
    products_fence();
    barrier_arrive(barrier);
}

__device__ inline const char *head_of(const void *p, const int64_t stride[3], const struct work &w)
{
    return static_cast<const char *>(p) + 2 * (w.lane * stride[0] + w.head * stride[2]);
}

__device__ inline void load_all(const struct cuda_attention &p, const struct layout &at)
{
    uint32_t count = 0, pieces = 0, pending = 0; // tiles and works so far; a barrier to tell
    int q_stride = 2 * (int)p.q_stride[1], k_stride = 2 * (int)p.k_stride[1];
    int v_stride = 2 * (int)p.v_stride[1];
    struct shares mine;
    struct work w;
    share_out(mine);
    for (int n = blockIdx.x; find_work(p, n, &w); n += gridDim.x, pieces++) {
        const char *q = head_of(p.q, p.q_stride, w) + (int64_t)w.first * q_stride;
        const char *k = head_of(p.k, p.k_stride, w), *v = head_of(p.v, p.v_stride, w);
        announce<0>(pending);
        barrier_wait(at.queries_empty(), (pieces & 1) ^ 1);
        load_queries(at.queries, q, q_stride, p.rows - w.first);
        copies_commit();
        pending = at.queries_full();
        for (int left = w.keys; left > 0; left -= KEYS, count++) {
            int stage = count % STAGES;
            barrier_wait(at.empty(stage), (count / STAGES & 1) ^ 1);
            load_tile(mine, at.keys(stage), k, k_stride, left);
            load_tile(mine, at.values(stage), v, v_stride, left);
            copies_commit();
            announce<1>(pending);
            pending = at.full(stage);
            k += (int64_t)KEYS * k_stride;
            v += (int64_t)KEYS * v_stride;
        }
    }
    announce<0>(pending);
}

/* ---- the warpgroups that compute ---- */

/* The state of a thread's two rows, h * 8 + lane / 4 of its warp's sixteen. */
struct softmax {
    float largest[2], sum[2];
    float scale; /* in powers of two */
};

/* s := exp(scale s - largest) of the `keys` columns that there are, 0 for others. factor: what sums
 * and outputs so far are to be multiplied with. */
__device__ inline void soften(float (&s)[TILES8][4], struct softmax &m, float (&factor)[2],
                              int keys)
{
    int column = threadIdx.x % 4 * 2;
    if (keys < KEYS) {
#pragma unroll
        for (int n = 0; n < TILES8; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[n][i] = n * 8 + column + i % 2 < keys ? s[n][i] : -CUDART_INF_F;
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float most = m.largest[h];
#pragma unroll
        for (int n = 0; n < TILES8; n++)
            most = fmaxf(most, fmaxf(s[n][2 * h], s[n][2 * h + 1]));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
        float base = most == -CUDART_INF_F ? 0.0f : most * m.scale; // no finite score: all 0
        factor[h] = exp2_fast(m.largest[h] * m.scale - base);
        m.largest[h] = most;
        float added = 0.0f;
#pragma unroll
        for (int n = 0; n < TILES8; n++) {
            s[n][2 * h] = exp2_fast(s[n][2 * h] * m.scale - base);
            s[n][2 * h + 1] = exp2_fast(s[n][2 * h + 1] * m.scale - base);
            added += s[n][2 * h] + s[n][2 * h + 1];
        }
        m.sum[h] = m.sum[h] * factor[h] + added;
    }
}

template <typename T>
__device__ inline void pack_weights(uint32_t (&p)[KEYS / 16][4], const float (&s)[TILES8][4])
{
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        p[n][0] = pair_of(s[2 * n][0], s[2 * n][1], T());
        p[n][1] = pair_of(s[2 * n][2], s[2 * n][3], T());
        p[n][2] = pair_of(s[2 * n + 1][0], s[2 * n + 1][1], T());
        p[n][3] = pair_of(s[2 * n + 1][2], s[2 * n + 1][3], T());
    }
}

template <typename T>
__device__ inline void begin_keys(float (&s)[TILES8][4], uint32_t queries, uint32_t keys)
{
#pragma unroll
    for (int k = 0; k < STEPS; k++)
        multiply_keys(s, factor_at(queries + 2 * k * QUERY_GROUP_BYTES, QUERY_GROUP_BYTES, 128),
                      factor_at(keys + 2 * k * GROUP_BYTES, GROUP_BYTES, 128), k > 0, T());
    products_commit();
}

template <typename T>
__device__ inline void begin_values(float (&o)[GROUPS][4], const uint32_t (&p)[KEYS / 16][4],
                                    uint32_t values, bool add)
{
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++)
        multiply_values(o, p[n], factor_at(values + n * 256, 128, GROUP_BYTES), add || n > 0, T());
    products_commit();
}

template <typename T>
__device__ inline void write_rows(const struct cuda_attention &p, const struct work &w,
                                  const float (&o)[GROUPS][4], const struct softmax &m, int row)
{
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float total = m.sum[h];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        int n = row + h * 8;
        if (n >= p.rows)
            continue;
        T *to = static_cast<T *>(p.o) + w.lane * p.o_stride[0] + n * p.o_stride[1] +
                w.head * p.o_stride[2] + column;
#pragma unroll
        for (int d = 0; d < GROUPS; d++)
            *reinterpret_cast<uint32_t *>(to + d * 8) =
                pair_of(o[d][2 * h] * inverse, o[d][2 * h + 1] * inverse, T());
        if (p.lse && column == 0)
            p.lse[w.lane * p.lse_stride[0] + n * p.lse_stride[1] + w.head * p.lse_stride[2]] =
                total == 0.0f ? -CUDART_INF_F : m.largest[h] * p.scale + logf(total);
    }
}

/* One lane speaks for its warp. */
__device__ inline void release(uint32_t barrier)
{
    if (threadIdx.x % WARP == 0)
        barrier_arrive(barrier);
}

/* 64 queries against all keys. While the scores of a tile are softened, the tile before is
 * multiplied with its values. `count`: tiles that this warpgroup has seen. */
template <typename T>
__device__ inline void attend_queries(const struct cuda_attention &p, const struct layout &at,
                                      const struct work &w, uint32_t queries, uint32_t *count,
                                      float (&o)[GROUPS][4], struct softmax &m)
{
    float s[TILES8][4], factor[2];
    uint32_t weights[KEYS / 16][4];
    m.largest[0] = m.largest[1] = -CUDART_INF_F;
    m.sum[0] = m.sum[1] = 0.0f;
    m.scale = p.scale * 1.4426950408889634f; // log2(e)
    int stage = *count % STAGES;
    barrier_wait(at.full(stage), *count / STAGES & 1);
    products_begin();
    begin_keys<T>(s, queries, at.keys(stage));
    products_wait<0>();
    settle(s);
    soften(s, m, factor, w.keys);
    pack_weights<T>(weights, s);
    for (int j = 1; j < w.tiles; j++) {
        int before = stage;
        ++*count;
        stage = *count % STAGES;
        barrier_wait(at.full(stage), *count / STAGES & 1);
        products_begin();
        begin_keys<T>(s, queries, at.keys(stage));
        begin_values<T>(o, weights, at.values(before), j > 1);
        products_wait<1>();
        settle(s);
        soften(s, m, factor, w.keys - j * KEYS);
        products_wait<0>();
        settle(o);
        release(at.empty(before));
#pragma unroll
        for (int d = 0; d < GROUPS; d++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                o[d][i] *= factor[i / 2];
        }
        pack_weights<T>(weights, s);
    }
    release(at.queries_empty());
    products_begin();
    begin_values<T>(o, weights, at.values(stage), w.tiles > 1);
    products_wait<0>();
    settle(o);
    release(at.empty(stage));
    ++*count;
}

template <typename T>
__device__ inline void attend_all(const struct cuda_attention &p, const struct layout &at)
{
    int team = threadIdx.x / TEAM - 1;
    int row = team * 64 + threadIdx.x % TEAM / WARP * 16 + threadIdx.x % WARP / 4;
    uint32_t count = 0, pieces = 0;
    struct work w;
    for (int n = blockIdx.x; find_work(p, n, &w); n += gridDim.x, pieces++) {
        float o[GROUPS][4];
        struct softmax m;
        barrier_wait(at.queries_full(), pieces & 1);
        attend_queries<T>(p, at, w, at.queries + team * 64 * 16, &count, o, m);
        write_rows<T>(p, w, o, m, w.first + row);
    }
}

/* The columns beyond the head's width, of queries and of keys, are zeros from the start on. */
__device__ inline void prepare(const struct layout &at)
{
    for (int i = threadIdx.x; i < STAGES * KEYS + QUERIES; i += THREADS) {
        uint32_t to = i < QUERIES ? at.queries + GROUPS * QUERY_GROUP_BYTES + i * 16
                                  : at.keys((i - QUERIES) / KEYS) + GROUPS * GROUP_BYTES +
                                        (i - QUERIES) % KEYS * 16;
        asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(to), "r"(0));
    }
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            barrier_init(at.full(s), TEAM);
            barrier_init(at.empty(s), TEAMS * TEAM / WARP);
        }
        barrier_init(at.queries_full(), TEAM);
        barrier_init(at.queries_empty(), TEAMS * TEAM / WARP);
    }
    products_fence();
    __syncthreads();
}

#endif

template <typename T>
static __global__ void __launch_bounds__(THREADS, 1)
    attend(const __grid_constant__ struct cuda_attention p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint4 shared[];
    struct layout at;
    at.queries = (uint32_t)__cvta_generic_to_shared(shared);
    at.stages = at.queries + QUERY_BYTES;
    at.barriers = at.queries + BARRIERS_AT;
    prepare(at);
    if (threadIdx.x < TEAM) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(TEAMS == 2 ? 72 : 56));
        load_all(p, at);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(TEAMS == 2 ? 216 : 152));
        attend_all<T>(p, at);
    }
#endif
}

template <typename T>
static enum status launch(const struct cuda_target *at, const struct cuda_attention *a)
{
    int64_t pieces = (int64_t)blocks_for(a->rows, QUERIES) * a->heads * a->lanes;
    int blocks = pieces < at->multiprocessors ? (int)pieces : at->multiprocessors;
    const void *kernel = reinterpret_cast<const void *>(attend<T>);
    TRY(cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES),
        "cudaFuncSetAttribute(shared memory of attention for Hopper)"));
    attend<T><<<blocks, THREADS, SHARED_BYTES, stream_of(at)>>>(*a);
    return cuda_launched("attention_hopper");
}

bool cuda_attention_hopper_takes(const struct cuda_target *at, const struct cuda_attention *a)
{
    bool any = true;
    for (int i = 0; i < a->lanes; i++)
        any = any && a->keys[i] > 0;
    return at->compute == 90 && any && a->width == WIDTH && cuda_attention_flash_takes(at, a);
}

enum status cuda_attention_hopper(const struct cuda_target *at, const struct cuda_attention *a)
{
    return a->dtype == DTYPE_BF16 ? launch<bf16>(at, a) : launch<fp16>(at, a);
}
