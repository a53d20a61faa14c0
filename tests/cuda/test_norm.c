/* SPDX-License-Identifier: Apache-2.0 */
/* The three ops over rows of h against double. */
#include "tests/cuda/gpu.h"

#include "kernels/base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { SUM = 1, NORM = 2 };

struct operands {
    struct gpu_tensor *h, *y, *bias, *gate, *a;
    struct gpu_tensor *weight, *added, *shift, *scale, *beside; /* of the norm; each may be NULL */
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

static double element(const struct gpu_tensor *t, int64_t i, double otherwise)
{
    return t ? (double)t->value[i] : otherwise;
}

/* One row [C], and what it goes on with, normed to a [W]. */
static void norm_row(const struct operands *o, int64_t row, const double *h, double *a)
{
    int64_t N = o->h->t.dim[1], C = o->h->t.dim[2], W = o->a->t.dim[2], b = row / N;
    double mean = 0.0, variance = 0.0;
    for (int64_t c = 0; c < W; c++) {
        a[c] = c < C ? h[c] : (double)o->beside->value[row * (W - C) + c - C];
        mean += a[c] / (double)W;
    }
    for (int64_t c = 0; c < W; c++)
        variance += (a[c] - mean) * (a[c] - mean) / (double)W;
    for (int64_t c = 0; c < W; c++) {
        double v = (a[c] - mean) / sqrt(variance + 1e-6);
        v = v * element(o->weight, c, 1.0) + element(o->added, c, 0.0);
        a[c] = v * (1.0 + element(o->scale, b * W + c, 0.0)) + element(o->shift, b * W + c, 0.0);
    }
}

/* The norm is that of the h that was stored, as the contract has it. */
static void want_of(struct gpu *gpu, const struct operands *o, int what, double *h, double *a)
{
    int64_t B = o->h->t.dim[0], N = o->h->t.dim[1], C = o->h->t.dim[2];
    for (int64_t row = 0; row < B * N; row++) {
        double *at = h + row * C;
        for (int64_t c = 0; c < C; c++) {
            at[c] = o->h->value[row * C + c];
            if (!(what & SUM))
                continue;
            at[c] += element(o->gate, row / N * C + c, 1.0) *
                     (o->y->value[row * C + c] + element(o->bias, c, 0.0));
            if (what & NORM)
                at[c] = rounded(gpu, at[c], o->h->t.dtype);
        }
        if (what & NORM)
            norm_row(o, row, at, a + row * o->a->t.dim[2]);
    }
}

static struct tensor *view_of(struct gpu_tensor *t)
{
    return t ? &t->t : NULL;
}

static void run(struct gpu *gpu, const struct operands *o, int what)
{
    struct tensor *bias = view_of(o->bias), *gate = view_of(o->gate);
    struct norm norm = {view_of(o->weight), view_of(o->added),  view_of(o->shift),
                        view_of(o->scale),  view_of(o->beside), 1e-6f};
    if (what == NORM)
        OK(op_norm(gpu->q, &o->a->t, &o->h->t, &norm));
    else if (what == SUM)
        OK(op_gate_add(gpu->q, &o->h->t, &o->y->t, bias, gate));
    else
        OK(op_gate_add_norm(gpu->q, &o->h->t, &o->y->t, bias, gate, &o->a->t, &norm));
}

struct shape {
    int B, N, C, E; /* E: columns beside h */
};

static struct gpu_tensor *maybe(struct gpu *gpu, enum dtype dtype, int ndim, const int64_t *dim)
{
    return gpu_pick(gpu, 0, 2) ? gpu_random(gpu, dtype, 1.0f, ndim, dim) : NULL;
}

static void check(struct gpu *gpu, enum dtype dtype, int what, struct shape s, bool in_place)
{
    int B = s.B, N = s.N, C = s.C, W = s.C + s.E;
    double *h = malloc((size_t)B * (size_t)N * (size_t)C * sizeof(double));
    double *a = malloc((size_t)B * (size_t)N * (size_t)W * sizeof(double));
    struct operands o = {
        .h = gpu_random(gpu, dtype, 2.0f, GPU_DIM(B, N, C)),
        .y = gpu_random(gpu, dtype, 1.0f, GPU_DIM(B, N, C)),
        .bias = maybe(gpu, dtype, GPU_DIM(C)),
        .gate = maybe(gpu, DTYPE_F32, GPU_DIM(B, C)),
        .weight = maybe(gpu, DTYPE_F32, GPU_DIM(W)),
        .added = maybe(gpu, DTYPE_F32, GPU_DIM(W)),
        .shift = maybe(gpu, DTYPE_F32, GPU_DIM(B, W)),
        .scale = maybe(gpu, DTYPE_F32, GPU_DIM(B, W)),
        .beside = s.E > 0 ? gpu_random(gpu, dtype, 2.0f, GPU_DIM(B, N, s.E)) : NULL,
    };
    o.a = in_place ? o.h : gpu_blank(gpu, dtype, GPU_DIM(B, N, W));
    want_of(gpu, &o, what, h, a);
    run(gpu, &o, what);
    if (what & NORM)
        gpu_near(gpu, what == NORM ? "norm" : "gate_add_norm", o.a, a);
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
        check(&gpu, gpu_dtype(round), what,
              (struct shape){gpu_pick(&gpu, 1, 3), gpu_pick(&gpu, 1, 23), C[round / 3], 0}, false);
    gpu_close(&gpu);
}

static void test_norm(void)
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

/* More groups of rows than blocks stay, so that each takes several turns. */
static void test_many_rows(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 26);
    for (int round = 0; round < 6; round++) {
        int what = round < 3 ? NORM : SUM | NORM;
        check(&gpu, gpu_dtype(round), what, (struct shape){2, 2301, 96, 0}, false);
        check(&gpu, gpu_dtype(round), what, (struct shape){1, 1703, 1600, 0}, false);
    }
    gpu_close(&gpu);
}

/* Rows that go on in another tensor: HunyuanDiT's skips, and widths that fit no vector. */
static void test_beside(void)
{
    static const int widths_of[][2] = {{1408, 1408}, {96, 40}, {64, 7}, {5, 64}, {1000, 3000}};
    struct gpu gpu;
    gpu_open(&gpu, 27);
    for (int round = 0; round < 30; round++) {
        const int *C = widths_of[round / 6];
        struct shape s = {gpu_pick(&gpu, 1, 3), gpu_pick(&gpu, 1, 23), C[0], C[1]};
        check(&gpu, gpu_dtype(round), round % 2 ? SUM | NORM : NORM, s, false);
    }
    gpu_close(&gpu);
}

static void test_in_place(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 24);
    for (int round = 0; round < 6; round++)
        check(&gpu, gpu_dtype(round), NORM, (struct shape){2, 9, round < 3 ? 1152 : 77, 0}, true);
    gpu_close(&gpu);
}

/* fp16's sums end at its largest number, and only a NaN is one. */
static void test_held(void)
{
    enum { C = 16 };
    struct gpu gpu;
    gpu_open(&gpu, 28);
    for (int width = C - 1; width <= C; width++) { // element by element, and in vectors
        struct gpu_tensor *h = gpu_dense(&gpu, DTYPE_F16, 0.0f, GPU_DIM(1, 1, width));
        struct gpu_tensor *y = gpu_dense(&gpu, DTYPE_F16, 0.0f, GPU_DIM(1, 1, width));
        float from[C] = {60000, -60000, 1, NAN}, by[C] = {60000, -60000, INFINITY, 1};
        const float want[] = {65504, -65504, 65504};
        gpu_write(&gpu, h, from);
        gpu_write(&gpu, y, by);
        OK(op_gate_add(gpu.q, &h->t, &y->t, NULL, NULL));
        float *got = gpu_read(&gpu, &h->t);
        for (int i = 0; i < 3; i++)
            CHECK(got[i] == want[i], "%g + %g = %g", (double)from[i], (double)by[i],
                  (double)got[i]);
        CHECK(isnan(got[3]) && got[4] == 0.0f, "%g, %g", (double)got[3], (double)got[4]);
        free(got);
        gpu_forget(&gpu);
    }
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
    static float value[N * C];
    static double h[N * C], want[N * C];
    rng_uniform(1, 2, 0, N * C, value);
    for (int i = 0; i < N * C; i++)
        value[i] = 1000.0f + value[i];
    gpu_write(&gpu, x, value);
    struct operands o = {.h = x, .a = y};
    want_of(&gpu, &o, NORM, h, want);
    run(&gpu, &o, NORM);
    float *got = gpu_read(&gpu, &y->t);
    for (int i = 0; i < N * C; i++) // the mean itself is known to fp32: 3e-5 of the deviation
        CHECK(fabs(got[i] - want[i]) < 1e-3, "element %d: %g instead of %g", i, (double)got[i],
              want[i]);
    free(got);
    gpu_close(&gpu);
}

const struct gpu_test tests_norm[] = {
    {"norm/norm", test_norm},
    {"norm/gate_add", test_gate_add},
    {"norm/gate_add_norm", test_gate_add_norm},
    {"norm/many_rows", test_many_rows},
    {"norm/beside", test_beside},
    {"norm/in_place", test_in_place},
    {"norm/held", test_held},
    {"norm/large_mean", test_large_mean},
    {NULL, NULL},
};
