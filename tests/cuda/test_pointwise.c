/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise and conditioning ops, the sampler's step and its noise, against double and the CPU.
 */
#include "tests/cuda/gpu.h"

#include "kernels/base/rng.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

static void test_activate(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 31);
    for (int round = 0; round < 24; round++) {
        enum dtype dtype = gpu_dtype(round);
        int64_t dim[4] = {gpu_pick(&gpu, 1, 3), gpu_pick(&gpu, 1, 5), gpu_pick(&gpu, 1, 9),
                          round % 2 ? 8 * gpu_pick(&gpu, 1, 40) : gpu_pick(&gpu, 1, 300)};
        int ndim = gpu_pick(&gpu, 1, 4);
        enum act act = (enum act)(round / 3 % 3);
        struct gpu_tensor *x = gpu_random(&gpu, dtype, 4.0f, ndim, dim + 4 - ndim);
        struct gpu_tensor *y = round < 12 ? gpu_blank(&gpu, dtype, ndim, dim + 4 - ndim) : x;
        int64_t count = tensor_count(&x->t);
        double *want = malloc((size_t)count * sizeof(*want));
        for (int64_t i = 0; i < count; i++) {
            double v = x->value[i];
            double gelu = 0.5 * v * (1.0 + tanh(sqrt(2.0 / M_PI) * (v + 0.044715 * v * v * v)));
            want[i] = act == ACT_NONE ? v : act == ACT_SILU ? v / (1.0 + exp(-v)) : gelu;
        }
        OK(op_activate(gpu.q, &y->t, &x->t, act));
        gpu_near(&gpu, "activate", y, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Large negative and positive values stay finite and right. */
static void test_activate_extremes(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 32);
    struct gpu_tensor *x = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(8));
    float value[8] = {-1e4f, -100.0f, -30.0f, 0.0f, 30.0f, 100.0f, 1e4f, 1e-20f};
    for (int act = ACT_GELU_TANH; act <= ACT_SILU; act++) {
        gpu_write(&gpu, x, value);
        OK(op_activate(gpu.q, &x->t, &x->t, (enum act)act));
        float *got = gpu_read(&gpu, &x->t);
        for (int i = 0; i < 7; i++)
            CHECK(fabsf(got[i] - (value[i] > 0.0f ? value[i] : 0.0f)) < 1e-6f, "act(%g) = %g",
                  (double)value[i], (double)got[i]);
        free(got);
    }
    gpu_close(&gpu);
}

static void test_add_rows(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 33);
    for (int round = 0; round < 18; round++) {
        enum dtype dtype = gpu_dtype(round);
        int64_t B = gpu_pick(&gpu, 1, 3), N = gpu_pick(&gpu, 1, 20);
        int64_t C = round % 2 ? 8 * gpu_pick(&gpu, 1, 150) : gpu_pick(&gpu, 1, 300);
        struct gpu_tensor *h = gpu_random(&gpu, dtype, 2.0f, GPU_DIM(B, N, C));
        struct gpu_tensor *table = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(N, C));
        double *want = malloc((size_t)(B * N * C) * sizeof(*want));
        for (int64_t i = 0; i < B * N * C; i++)
            want[i] = (double)h->value[i] + table->value[i % (N * C)];
        OK(op_add_rows(gpu.q, &h->t, &table->t));
        gpu_near(&gpu, "add", h, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Counts that are no multiple of a vector, and starts that are not aligned. */
static void test_add(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 34);
    for (int round = 0; round < 18; round++) {
        enum dtype dtype = gpu_dtype(round);
        int64_t count = gpu_pick(&gpu, 1, 5000);
        struct gpu_tensor *y = gpu_random(&gpu, dtype, 2.0f, 1, &count);
        struct gpu_tensor *x = gpu_random(&gpu, dtype, 2.0f, 1, &count);
        double *want = malloc((size_t)count * sizeof(*want));
        for (int64_t i = 0; i < count; i++)
            want[i] = (double)y->value[i] + x->value[i];
        OK(op_add(gpu.q, &y->t, &x->t));
        gpu_near(&gpu, "add", y, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

static void test_add_outer(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 35);
    for (int round = 0; round < 6; round++) {
        int64_t L = gpu_pick(&gpu, 1, 5), B = gpu_pick(&gpu, 1, 4), K = gpu_pick(&gpu, 1, 700);
        struct gpu_tensor *table = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(L, K));
        struct gpu_tensor *t = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(B, K));
        struct gpu_tensor *out = gpu_blank(&gpu, DTYPE_F32, GPU_DIM(L, B, K));
        double *want = malloc((size_t)(L * B * K) * sizeof(*want));
        for (int64_t i = 0; i < L * B * K; i++)
            want[i] = (double)table->value[i / (B * K) * K + i % K] + t->value[i % (B * K)];
        OK(op_add_outer(gpu.q, &out->t, &table->t, &t->t));
        gpu_near(&gpu, "add", out, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* As the CPU has it, to the last bits: samplers on both see the same features. */
static void test_timestep(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 36);
    for (int round = 0; round < 4; round++) {
        int64_t B = 7, D = round % 2 ? 256 : 66;
        float time[7] = {999.0f, 0.0f, 1.0f, 500.5f, 951.0f, 0.25f, 19.0f}, host[7 * 256];
        double want[7 * 256];
        float shift = round < 2 ? 0.0f : 1.0f;
        struct tensor at = tensor_of(time, NULL, DTYPE_F32, 1, &B);
        struct tensor of = tensor_of(host, NULL, DTYPE_F32, GPU_DIM(B, D));
        OK(op_timestep(gpu.hq, &of, &at, shift));
        for (int64_t i = 0; i < B * D; i++)
            want[i] = host[i];
        struct gpu_tensor *t = gpu_dense(&gpu, DTYPE_F32, 0.0f, 1, &B);
        struct gpu_tensor *out = gpu_blank(&gpu, DTYPE_F32, GPU_DIM(B, D));
        gpu_write(&gpu, t, time);
        OK(op_timestep(gpu.q, &out->t, &t->t, shift));
        gpu_near(&gpu, "timestep", out, want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

static void test_random_normal(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 37);
    for (int round = 0; round < 12; round++) {
        struct latent_geometry g = {.channels = round % 2 ? 4 : 3,
                                    .height = 22,
                                    .width = 12,
                                    .patch = round % 6 < 3 ? 2 : 1};
        g.frames = round < 6 ? 0 : 1 + 5 * (round % 4);
        g.frame = gpu_pick(&gpu, 0, g.frames > 0 ? g.frames - 1 : 0);
        int64_t K = g.channels * g.patch * g.patch, columns = g.width / g.patch, N = 31;
        int first = gpu_pick(&gpu, 0, 30);
        uint64_t seed = 77u + ((uint64_t)round << 40), stream = (uint64_t)round << 33;
        struct gpu_tensor *out = gpu_blank(&gpu, DTYPE_F32, GPU_DIM(N, K));
        double *want = malloc((size_t)(N * K) * sizeof(*want));
        for (int64_t i = 0; i < N * K; i++) {
            int64_t token = first + i / K, k = i % K, c = k / (g.patch * g.patch);
            int64_t y = token / columns * g.patch + k / g.patch % g.patch;
            int64_t x = token % columns * g.patch + k % g.patch;
            y += (c * (g.frames ? g.frames : 1) + g.frame) * g.height;
            want[i] = rng_normal(seed, stream, (uint64_t)(y * g.width + x));
        }
        OK(op_random_normal(gpu.q, &out->t, &g, first, seed, stream));
        gpu_near(&gpu, "random_normal", out, want);
        free(want);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Bit for bit what the CPU draws, for rectangles that begin anywhere in a block of the generator.
 */
static void test_random_uniform(void)
{
    static const uint64_t starts[] = {0, 1, 6, 3, 1000003, (UINT64_C(1) << 34) - 37};
    struct gpu gpu;
    gpu_open(&gpu, 39);
    for (int round = 0; round < 36; round++) {
        enum dtype dtype = gpu_dtype(round);
        int64_t rows = gpu_pick(&gpu, 1, 40), cols = gpu_pick(&gpu, 1, round % 4 ? 70 : 3000);
        int64_t step = cols + gpu_pick(&gpu, 0, 9), count = rows * cols;
        float scale = round % 5 ? 0.037f : 1e-6f; // with fp16's subnormal numbers, too
        uint64_t first = starts[round / 3 % 6], seed = 5u + ((uint64_t)round << 40);
        struct gpu_tensor *out = gpu_blank(&gpu, dtype, GPU_DIM(rows, cols));
        void *bits = malloc((size_t)count * sizeof(float));
        float *want = malloc((size_t)count * sizeof(float));
        struct tensor host = tensor_of(bits, NULL, dtype, GPU_DIM(rows, cols));
        struct tensor wide = tensor_of(want, NULL, DTYPE_F32, GPU_DIM(rows, cols));
        OK(op_random_uniform(gpu.hq, &host, scale, seed, UINT64_C(1) << 33, first, step));
        OK(op_copy(gpu.hq, &wide, &host));
        OK(op_random_uniform(gpu.q, &out->t, scale, seed, UINT64_C(1) << 33, first, step));
        float *got = gpu_read(&gpu, &out->t);
        CHECK(near_equal("random_uniform", got, want, count), "round %d in %s", round,
              dtype_name(dtype));
        gpu_untouched(&gpu, "random_uniform", out);
        free(bits);
        free(want);
        free(got);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

static struct advance_coef draw_coef(struct gpu *gpu, int round)
{
    float v[9];
    rng_uniform(gpu->seed, 9, (uint64_t)round * 9, 9, v);
    return (struct advance_coef){
        .guidance = 4.5f,
        .x0_x = v[0],
        .x0_m = v[1],
        .clip = round % 2 ? 0.5f : 0.0f,
        .c_x = v[2],
        .c_m = v[3],
        .c_x0 = v[4],
        .c_hist = round % 4 < 2 ? 0.0f : v[5],
        .c_noise = v[6],
    };
}

/* Some steps one after the other on one queue, each with its own coefficients; hist holds NaN where
 * its coefficient is 0. */
static void test_advance(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 38);
    for (int round = 0; round < 24; round++) {
        int64_t R = gpu_pick(&gpu, 1, 3), N = gpu_pick(&gpu, 1, 40), K = gpu_pick(&gpu, 1, 33);
        int64_t count = R * N * K;
        struct advance_coef c = draw_coef(&gpu, round);
        struct gpu_tensor *x = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(R, N, K));
        struct gpu_tensor *hist = c.c_hist == 0.0f
                                      ? gpu_blank(&gpu, DTYPE_F32, GPU_DIM(R, N, K))
                                      : gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(R, N, K));
        struct gpu_tensor *e = gpu_random(&gpu, gpu_dtype(round), 1.0f, GPU_DIM(R, N, K));
        struct gpu_tensor *u =
            round % 3 ? gpu_random(&gpu, gpu_dtype(round), 1.0f, GPU_DIM(R, N, K)) : NULL;
        struct gpu_tensor *noise =
            round % 5 < 2 ? gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(R, N, K)) : NULL;
        double *next = malloc((size_t)count * sizeof(double));
        double *old = malloc((size_t)count * sizeof(double));
        for (int64_t i = 0; i < count; i++) {
            double m = e->value[i], v = x->value[i];
            m = u ? u->value[i] + (double)c.guidance * (m - u->value[i]) : m;
            double x0 = (double)c.x0_x * v + (double)c.x0_m * m;
            if (c.clip > 0.0f)
                x0 = fmax(-(double)c.clip, fmin((double)c.clip, x0));
            next[i] = (double)c.c_x * v + (double)c.c_m * m + (double)c.c_x0 * x0;
            next[i] += c.c_hist == 0.0f ? 0.0 : (double)c.c_hist * hist->value[i];
            next[i] += noise ? (double)c.c_noise * noise->value[i] : 0.0;
            old[i] = x0;
        }
        struct gpu_tensor *coef = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(ADVANCE_COEFS));
        gpu_write(&gpu, coef, (const float *)&c);
        OK(op_advance(gpu.q, &x->t, &hist->t, u ? &u->t : NULL, &e->t, noise ? &noise->t : NULL,
                      &coef->t));
        gpu_near(&gpu, "advance", x, next);
        gpu_near(&gpu, "advance", hist, old);
        free(next);
        free(old);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

const struct gpu_test tests_pointwise[] = {
    {"pointwise/activate", test_activate},
    {"pointwise/activate_extremes", test_activate_extremes},
    {"pointwise/add_rows", test_add_rows},
    {"pointwise/add", test_add},
    {"pointwise/add_outer", test_add_outer},
    {"pointwise/timestep", test_timestep},
    {"pointwise/random_normal", test_random_normal},
    {"pointwise/random_uniform", test_random_uniform},
    {"pointwise/advance", test_advance},
    {NULL, NULL},
};
