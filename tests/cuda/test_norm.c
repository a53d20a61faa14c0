/* SPDX-License-Identifier: Apache-2.0 */
/* The three ops over rows of h against double. */
#include "tests/cuda/gpu.h"

#include "kernels/base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { SUM = 1, NORM = 2 };

struct operands {
    struct gpu_tensor *h, *y, *bias, *gate, *a, *shift, *scale;
};

static double rounded(struct gpu *gpu, double x, enum dtype dtype)
{
    uint16_t bits;
    float exact = (float)x, back;
    struct tensor from = tensor_of(&exact, NULL, DTYPE_F32, GPU_DIM(1));
    struct tensor narrow = tensor_of(&bits, NULL, dtype, GPU_DIM(1));
    struct tensor wide = tensor_of(&back, NULL, DTYPE_F32, GPU_DIM(1));
    if (dtype == DTYPE_F32)
        return x;
    OK(op_copy(gpu->hq, &narrow, &from));
    OK(op_copy(gpu->hq, &wide, &narrow));
    return back;
}

/* The norm is that of the h that was stored, as the contract has it. */
static void want_of(struct gpu *gpu, const struct operands *o, int what, double *h, double *a)
{
    int64_t B = o->h->t.dim[0], N = o->h->t.dim[1], C = o->h->t.dim[2];
    for (int64_t row = 0; row < B * N; row++) {
        int64_t b = row / N;
        double mean = 0.0, variance = 0.0;
        double *at = h + row * C;
        for (int64_t c = 0; c < C; c++) {
            at[c] = o->h->value[row * C + c];
            if (what & SUM) {
                double add = o->y->value[row * C + c] + (o->bias ? o->bias->value[c] : 0.0);
                at[c] += (o->gate ? o->gate->value[b * C + c] : 1.0) * add;
                if (what & NORM)
                    at[c] = rounded(gpu, at[c], o->h->t.dtype);
            }
            mean += at[c] / (double)C;
        }
        for (int64_t c = 0; c < C; c++)
            variance += (at[c] - mean) * (at[c] - mean) / (double)C;
        for (int64_t c = 0; (what & NORM) && c < C; c++)
            a[row * C + c] =
                (at[c] - mean) / sqrt(variance + 1e-6) * (1.0 + o->scale->value[b * C + c]) +
                o->shift->value[b * C + c];
    }
}

static void run(struct gpu *gpu, const struct operands *o, int what)
{
    struct tensor *bias = o->bias ? &o->bias->t : NULL, *gate = o->gate ? &o->gate->t : NULL;
    if (what == NORM)
        OK(op_norm_modulate(gpu->q, &o->a->t, &o->h->t,
                            &(struct modulation){&o->shift->t, &o->scale->t, 1e-6f}));
    else if (what == SUM)
        OK(op_gate_add(gpu->q, &o->h->t, &o->y->t, bias, gate));
    else
        OK(op_gate_add_norm(gpu->q, &o->h->t, &o->y->t, bias, gate, &o->a->t,
                            &(struct modulation){&o->shift->t, &o->scale->t, 1e-6f}));
}

static void check(struct gpu *gpu, enum dtype dtype, int what, int B, int N, int C, bool in_place)
{
    int64_t size = (int64_t)B * N * C;
    double *h = malloc((size_t)size * sizeof(double)), *a = malloc((size_t)size * sizeof(double));
    struct operands o = {
        .h = gpu_random(gpu, dtype, 2.0f, GPU_DIM(B, N, C)),
        .y = gpu_random(gpu, dtype, 1.0f, GPU_DIM(B, N, C)),
        .bias = gpu_pick(gpu, 0, 1) ? gpu_random(gpu, dtype, 1.0f, GPU_DIM(C)) : NULL,
        .gate = gpu_pick(gpu, 0, 2) ? gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)) : NULL,
        .shift = gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
        .scale = gpu_random(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
    };
    o.a = in_place ? o.h : gpu_blank(gpu, dtype, GPU_DIM(B, N, C));
    want_of(gpu, &o, what, h, a);
    run(gpu, &o, what);
    if (what & NORM)
        gpu_near(gpu, what == NORM ? "norm_modulate" : "gate_add_norm", o.a, a);
    if (what & SUM)
        gpu_near(gpu, "gate_add", o.h, h);
    free(h);
    free(a);
    gpu_forget(gpu);
}

/* Widths of models, where a thread has 1 to 12 vectors, odd ones and wider ones. */
static void widths(int what, uint64_t seed)
{
    static const int C[] = {1152, 1408, 1536, 2432, 3072, 96, 8, 1, 33, 1000, 4096, 8200};
    struct gpu gpu;
    gpu_open(&gpu, seed);
    for (int round = 0; round < 36; round++)
        check(&gpu, gpu_dtype(round), what, gpu_pick(&gpu, 1, 3), gpu_pick(&gpu, 1, 23),
              C[round / 3], false);
    gpu_close(&gpu);
}

static void test_norm_modulate(void)
{
    widths(NORM, 21);
}

static void test_gate_add(void)
{
    widths(SUM, 22);
}

static void test_gate_add_norm(void)
{
    widths(SUM | NORM, 23);
}

static void test_in_place(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 24);
    for (int round = 0; round < 6; round++)
        check(&gpu, gpu_dtype(round), NORM, 2, 9, round < 3 ? 1152 : 77, true);
    gpu_close(&gpu);
}

/* A mean a thousand times the deviation: fp32 must not lose the variance in the squares. */
static void test_large_mean(void)
{
    enum { N = 5, C = 1152 };
    struct gpu gpu;
    gpu_open(&gpu, 25);
    struct gpu_tensor *x = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(1, N, C));
    struct gpu_tensor *y = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(1, N, C));
    struct gpu_tensor *shift = gpu_dense(&gpu, DTYPE_F32, 1.0f, GPU_DIM(1, C));
    struct gpu_tensor *scale = gpu_dense(&gpu, DTYPE_F32, 1.0f, GPU_DIM(1, C));
    static float value[N * C];
    static double h[N * C], want[N * C];
    rng_uniform(1, 2, 0, N * C, value);
    for (int i = 0; i < N * C; i++)
        value[i] = 1000.0f + value[i];
    gpu_write(&gpu, x, value);
    struct operands o = {.h = x, .a = y, .shift = shift, .scale = scale};
    want_of(&gpu, &o, NORM, h, want);
    OK(op_norm_modulate(gpu.q, &y->t, &x->t, &(struct modulation){&shift->t, &scale->t, 1e-6f}));
    float *got = gpu_read(&gpu, &y->t);
    for (int i = 0; i < N * C; i++) // the mean itself is known to fp32: 3e-5 of the deviation
        CHECK(fabs(got[i] - want[i]) < 1e-3, "element %d: %g instead of %g", i, (double)got[i],
              want[i]);
    free(got);
    gpu_close(&gpu);
}

const struct gpu_test tests_norm[] = {
    {"norm/norm_modulate", test_norm_modulate}, {"norm/gate_add", test_gate_add},
    {"norm/gate_add_norm", test_gate_add_norm}, {"norm/in_place", test_in_place},
    {"norm/large_mean", test_large_mean},       {NULL, NULL},
};
