/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products for Hopper, y = x w^T + bias, GELU of that, or y += that: by warpgroups, one of which
 * prepares and finishes its tile under another's products. A block stays on its SM. One thread
 * brings steps of x and w in; two warpgroups compute tiles in turn ("ping-pong", as of Shah et al.
 * 2024, "FlashAttention-3", section 3.1, and of CUTLASS's kernels of that name). Sums begin with
 * the bias and with what y holds: the accumulators wait for them before their turn, when nothing
 * else needs registers. Tiles are wide or narrow, whichever leaves fewer multiprocessors idle at
 * the end; the caller says.
 *
 * Why nothing overtakes. Steps are numbered through: those of the block's first tile, of its
 * second, and so on; step g lies in slot g % STAGES, in round g / STAGES. A slot's barrier `full`
 * ends phase r when all bytes of round r are there, `empty` when all warps that read it are
 * through. A wait by parity must not come a whole phase early: the loading thread goes from round
 * to round; a warpgroup waits for step g only after step g - STAGES is known to be there, since
 * that was its own or of the tile before, and it has its turn only when the other warpgroup has
 * waited for all of that tile's steps.
 */
#include "kernels/cuda/linear_hopper.cuh"
#include "kernels/cuda/tensor_map.h"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* ---- the thread that loads ---- */

template <int COLUMNS>
__device__ inline void load_all(const struct task &p, const struct layout<COLUMNS> &at)
{
    ring<sizes<COLUMNS>::STAGES> now = {0, 1}; // every slot is empty at first
    struct tile t;
    for (int n = blockIdx.x; find_tile<COLUMNS>(p, n, &t); n += gridDim.x) {
#pragma unroll 1
        for (int step = 0; step < p.steps; step++, now.advance()) {
            uint32_t full = at.full(now.slot);
            barrier_wait(at.empty(now.slot), now.parity);
            barrier_expect(full, sizes<COLUMNS>::STAGE_BYTES);
            copy_box(at.x(now.slot), p.x, full, step * DEPTH, t.row, t.lane, 0);
            copy_box(at.w(now.slot), p.w, full, step * DEPTH, t.column, 0, 0);
        }
    }
}

/* ---- the warpgroups that compute ---- */

/* Two neighbours of a row; zeros where they are not valid. */
template <typename T>
__device__ inline void load_pair(const void *row, int column, bool valid, float (&out)[2])
{
    uint32_t two = 0;
    if (valid)
        two = *reinterpret_cast<const uint32_t *>(static_cast<const T *>(row) + column);
    const T *each = reinterpret_cast<const T *>(&two);
    out[0] = to_float(each[0]);
    out[1] = to_float(each[1]);
}

/* What the sums of a tile begin with: the bias, and what y holds. `row`: the warp's first one. */
template <typename T, int COLUMNS, enum result WANTED>
__device__ inline void begin_tile(const struct task &p, const struct tile &t, int row,
                                  float (&y)[TILE_ROWS / 64][COLUMNS / 8][4])
{
    int lane = threadIdx.x % WARP, column = t.column + lane % 4 * 2;
    float two[2];
#pragma unroll
    for (int i = 0; i < COLUMNS / 8; i++) {
        load_pair<T>(p.bias, column + i * 8, p.bias && column + i * 8 < p.columns, two);
#pragma unroll
        for (int r = 0; r < TILE_ROWS / 64; r++) {
            y[r][i][0] = y[r][i][2] = two[0];
            y[r][i][1] = y[r][i][3] = two[1];
        }
    }
#pragma unroll
    for (int k = 0; WANTED == SUM && k < TILE_ROWS / 32; k++) {
        int at = row + k / 2 * 64 + k % 2 * 8 + lane / 4;
        const T *from = static_cast<const T *>(p.y_before) + t.lane * p.y_lane + at * p.y_row;
#pragma unroll
        for (int i = 0; i < COLUMNS / 8; i++) {
            load_pair<T>(from, column + i * 8, at < p.rows && column + i * 8 < p.columns, two);
            y[k / 2][i][k % 2 * 2] += two[0];
            y[k / 2][i][k % 2 * 2 + 1] += two[1];
        }
    }
}

/* y += the sums of a tile: all its products are issued, and all but the last step's are done.
 * `now`: the first step's slot, at the end that after the last one's. Returns the slot of the last
 * step, which is still being read. */
template <typename T, int COLUMNS>
__device__ inline int multiply_tile(float (&y)[TILE_ROWS / 64][COLUMNS / 8][4],
                                    const struct layout<COLUMNS> &at,
                                    ring<sizes<COLUMNS>::STAGES> &now, int steps)
{
    int before = 0;
#pragma unroll 1
    for (int step = 0; step < steps; step++, now.advance()) {
        barrier_wait(at.full(now.slot), now.parity);
        multiply_step<T, COLUMNS>(y, factor_low(at.x(now.slot), 16));
        products_wait<1>();
        if (step > 0)
            warp_arrive(at.empty(before));
        before = now.slot;
    }
    return before;
}

/* The tanh form of GELU of two numbers, x / (1 + 2^t) where t = -2 log2(e) sqrt(2 / pi) (x +
 * 0.044715 x^3), with one reciprocal for both. Within 1.2e-6 of the result for x > -4 and 5e-6 for
 * x > -7; bf16 rounds by up to 2e-3, fp16 by 5e-4. tanh.approx would be cheaper, and wrong by 2^-12
 * of x, which is 1% of the result at x = -2. Where t > 60, x < -7.5, the result is below 1e-17 of
 * x, though not as small as it should be. */
__device__ inline void gelu_pair(float &a, float &b)
{
    const float linear = -2.302208198f, cubic = linear * 0.044715f;
    float s = a * fmaf(a * a, cubic, linear), t = b * fmaf(b * b, cubic, linear), inverse;
    s = 1.0f + exp2_fast(fminf(s, 60.0f));
    t = 1.0f + exp2_fast(fminf(t, 60.0f));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(s * t));
    a *= inverse * t;
    b *= inverse * s;
}

/* Sixteen rows and PIECE columns of a warp, from accumulators 8i.. of y on, to shared memory: rows
 * of 128 bytes, swizzled as the box is. */
template <typename T, enum result WANTED, int n>
__device__ inline void finish_piece(const float (&y)[n][4], int first, uint32_t piece)
{
    int lane = threadIdx.x % WARP;
    uint32_t row = piece + lane % 16 * 128, m[PIECE / 16][4];
#pragma unroll
    for (int i = 0; i < PIECE / 8; i++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float a = y[first + i][2 * h], b = y[first + i][2 * h + 1];
            if (WANTED == GELU)
                gelu_pair(a, b);
            m[i / 2][i % 2 * 2 + h] = pair_of(a, b, T());
        }
    }
    if (lane == 0)
        stores_wait_read();
    __syncwarp();
#pragma unroll
    for (int i = 0; i < PIECE / 16; i++)
        store_matrices(row + (((2 * i + lane / 16) ^ lane % 8) * 16), m[i]);
    products_see_writes();
    __syncwarp();
}

/* The way out of a tile, each warp for itself. Where it is no multiple of pieces wide, the last two
 * pieces share columns, which are written twice. `row`: the warp's first one. */
template <typename T, int COLUMNS, enum result WANTED>
__device__ inline void finish_tile(const struct task &p, uint32_t piece, const struct tile &t,
                                   int row, const float (&y)[TILE_ROWS / 64][COLUMNS / 8][4])
{
#pragma unroll
    for (int c = 0; c < sizes<COLUMNS>::PIECES; c++) {
        int first = c * PIECE < COLUMNS - PIECE ? c * PIECE : COLUMNS - PIECE;
#pragma unroll
        for (int r = 0; r < TILE_ROWS / 64; r++) {
            finish_piece<T, WANTED>(y[r], first / 8, piece);
            if (threadIdx.x % WARP == 0) {
                store_box(piece, p.y, t.column + first, row + r * 64, t.lane, 0);
                stores_commit();
            }
        }
    }
}

/* So many steps further, which the other warpgroup takes. */
template <int n> __device__ inline void pass_over(ring<n> &now, int steps)
{
    int next = now.slot + steps;
    now.parity ^= next / n & 1;
    now.slot = next % n;
}

template <typename T, int COLUMNS, enum result WANTED>
__device__ inline void compute_all(const struct task &p, const struct layout<COLUMNS> &at)
{
    int team = threadIdx.x / TEAM - 1, warp = threadIdx.x / WARP - TEAM / WARP;
    ring<sizes<COLUMNS>::STAGES> now = {0, 0};
    struct tile t, next;
    if (team == 1) {
        turn_give(1, TEAMS * TEAM); // to the first: its own waits for what the second gives
        pass_over(now, p.steps);
    }
#pragma unroll 1
    for (int n = blockIdx.x + team * gridDim.x; find_tile<COLUMNS>(p, n, &t);
         n += TEAMS * gridDim.x) {
        int row = t.row + warp % (TEAM / WARP) * 16;
        float y[TILE_ROWS / 64][COLUMNS / 8][4];
        begin_tile<T, COLUMNS, WANTED>(p, t, row, y);
        settle(y[0]);
        settle(y[1]);
        turn_wait(1 + team, TEAMS * TEAM);
        int last = multiply_tile<T, COLUMNS>(y, at, now, p.steps);
        if (find_tile<COLUMNS>(p, n + gridDim.x, &next))
            turn_give(2 - team, TEAMS * TEAM);
        products_wait<0>();
        settle(y[0]);
        settle(y[1]);
        warp_arrive(at.empty(last));
        finish_tile<T, COLUMNS, WANTED>(p, at.piece(warp), t, row, y);
        pass_over(now, p.steps);
    }
    if (threadIdx.x % WARP == 0)
        stores_wait();
}

/* `empty` counts the warps of a warpgroup. */
template <int COLUMNS> __device__ inline void prepare(const struct layout<COLUMNS> &at)
{
    if (threadIdx.x == 0) {
        for (int slot = 0; slot < sizes<COLUMNS>::STAGES; slot++) {
            barrier_init(at.full(slot), 1);
            barrier_init(at.empty(slot), TEAM / WARP);
        }
        products_see_writes();
    }
    __syncthreads();
}

#endif

/* Of a thread, once the warpgroup that loads has given up what the others want; all of a block's
 * are the 168 that it starts with (65536 for 384 threads, in steps of 8). */
static const int LOAD_REGISTERS = 24, COMPUTE_REGISTERS = 240;
static_assert(LOAD_REGISTERS + TEAMS * COMPUTE_REGISTERS <= 168 * (TEAMS + 1), "registers");

template <typename T, int COLUMNS, enum result WANTED>
static __global__ void __launch_bounds__(THREADS, 1) multiply(const __grid_constant__ struct task p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint4 shared[];
    struct layout<COLUMNS> at;
    at.start = ((uint32_t)__cvta_generic_to_shared(shared) + 1023) / 1024 * 1024;
    prepare<COLUMNS>(at);
    if (threadIdx.x < TEAM) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(LOAD_REGISTERS));
        if (threadIdx.x == 0)
            load_all<COLUMNS>(p, at);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COMPUTE_REGISTERS));
        compute_all<T, COLUMNS, WANTED>(p, at);
    }
#endif
}

/* ---- launch ---- */

/* Boxes of `rows` rows and 64 columns. */
static enum status map_rows(enum dtype dtype, const void *data, int64_t columns, int64_t rows,
                            int64_t lanes, int64_t row, int64_t lane, int box, CUtensorMap *out)
{
    struct cuda_boxes boxes = {
        data, dtype, {columns, rows, lanes, 1}, {row, lane, 0}, {64, box, 1, 1},
    };
    return cuda_tensor_map(&boxes, out);
}

template <typename T, int COLUMNS>
static enum status launch(const struct cuda_target *at, const struct cuda_products *g)
{
    const struct cuda_product *p = &g->each;
    const int bytes = sizes<COLUMNS>::SHARED_BYTES;
    void (*kernel)(const struct task) = p->act == ACT_GELU_TANH ? multiply<T, COLUMNS, GELU>
                                        : p->add                ? multiply<T, COLUMNS, SUM>
                                                                : multiply<T, COLUMNS, PLAIN>;
    struct task task = {};
    TRY(map_rows(p->dtype, p->x, p->in, p->rows, g->lanes, p->x_stride, g->x_lane, TILE_ROWS,
                 &task.x));
    TRY(map_rows(p->dtype, p->w, p->in, p->out, 1, p->w_stride, 0, COLUMNS, &task.w));
    TRY(map_rows(p->dtype, p->y, p->out, p->rows, g->lanes, p->y_stride, g->y_lane, 16, &task.y));
    task.bias = p->bias;
    task.y_before = p->y;
    task.y_row = p->y_stride;
    task.y_lane = g->y_lane;
    task.lanes = (int)g->lanes;
    task.rows = (int)p->rows;
    task.columns = (int)p->out;
    task.down = (int)blocks_for(p->rows, TILE_ROWS);
    task.across = (int)blocks_for(p->out, COLUMNS);
    task.steps = (int)blocks_for(p->in, DEPTH);
    int64_t tiles = g->lanes * task.down * task.across;
    int64_t blocks = tiles < at->multiprocessors ? tiles : at->multiprocessors;
    TRY(cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                        cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                   "cudaFuncSetAttribute(shared memory of products)"));
    kernel<<<(unsigned)blocks, THREADS, bytes, stream_of(at)>>>(task);
    return cuda_launched("linear_hopper");
}

/* All that are added up to numbers of tiles stays within 32 bits. */
static bool is_small(const struct cuda_products *g)
{
    const struct cuda_product *p = &g->each;
    const int64_t most = INT64_C(1) << 30;
    return g->lanes <= 65536 && p->rows <= most && p->in <= most && p->out <= most &&
           (double)g->lanes * (double)(p->rows + TILE_ROWS) *
                   (double)(p->out + CUDA_LINEAR_NARROW) <
               (double)most * TILE_ROWS * CUDA_LINEAR_NARROW;
}

bool cuda_linear_hopper_takes(const struct cuda_target *at, const struct cuda_products *g)
{
    const struct cuda_product *p = &g->each;
    int64_t strides = p->x_stride | p->w_stride | p->y_stride;
    if (g->lanes > 1)
        strides |= g->x_lane | g->y_lane;
    return at->compute == 90 && at->shared_limit >= SHARED_LIMIT &&
           (p->dtype == DTYPE_BF16 || p->dtype == DTYPE_F16) &&
           (p->act == ACT_NONE || (p->act == ACT_GELU_TANH && !p->add)) && is_small(g) &&
           p->in > 0 && p->in % 8 == 0 && p->out % 8 == 0 && strides % 8 == 0 &&
           (g->lanes == 1 || (g->x_lane > 0 && g->y_lane > 0)) && aligned16(p->x) &&
           aligned16(p->w) && aligned16(p->y) && aligned16(p->bias);
}

enum status cuda_linear_hopper(const struct cuda_target *at, const struct cuda_products *g,
                               int columns)
{
    if (g->each.dtype == DTYPE_BF16)
        return columns == CUDA_LINEAR_WIDE ? launch<bf16, CUDA_LINEAR_WIDE>(at, g)
                                           : launch<bf16, CUDA_LINEAR_NARROW>(at, g);
    return columns == CUDA_LINEAR_WIDE ? launch<fp16, CUDA_LINEAR_WIDE>(at, g)
                                       : launch<fp16, CUDA_LINEAR_NARROW>(at, g);
}
