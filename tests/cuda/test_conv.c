/* SPDX-License-Identifier: Apache-2.0 */
/* op_conv and op_conv_fold on GPUs against a plain loop in double: cuDNN's kernels and our own. */
#include "tests/cuda/gpu.h"

#include "kernels/device.h"
#include "tests/support/near.h"

#include <stdlib.h>
#include <string.h>

struct sizes {
    int b, h, w, in, out, k;
    bool upsample, folded;
};

struct operands {
    struct gpu_tensor *x, *w, *folded, *bias, *add, *y; /* bias, add may be NULL */
    struct conv conv;
};

/* [B, H, W, C] with gaps between images; `size` 0: NaNs. */
static struct gpu_tensor *image(struct gpu *gpu, enum dtype dtype, float size, const int64_t dim[4])
{
    int64_t flat[2] = {dim[0], dim[1] * dim[2] * dim[3]};
    struct gpu_tensor *g =
        size > 0.0f ? gpu_random(gpu, dtype, size, 2, flat) : gpu_blank(gpu, dtype, 2, flat);
    g->t.ndim = 4;
    for (int a = 1; a < 4; a++)
        g->t.dim[a] = dim[a];
    g->t.stride[1] = dim[2] * dim[3];
    g->t.stride[2] = dim[3];
    g->t.stride[3] = 1;
    return g;
}

/* Element n of y, in order; the formula of op_image.h. */
static double element(const struct operands *o, int64_t n)
{
    const struct tensor *x = &o->x->t, *y = &o->y->t, *w = &o->w->t;
    int64_t k = w->dim[1], C = y->dim[3], line = y->dim[2] * C, I = x->dim[3];
    int64_t b = n / line / y->dim[1], i = n / line % y->dim[1], j = n / C % y->dim[2], c = n % C;
    int64_t scale = o->conv.upsample ? 2 : 1;
    double sum = o->bias ? (double)o->bias->value[c] : 0.0;
    sum += o->add ? (double)o->add->value[n] : 0.0;
    for (int64_t place = 0; place < k * k; place++) {
        int64_t row = i + place / k - o->conv.above, column = j + place % k - (k - 1) / 2;
        if (row < 0 || row >= scale * x->dim[1] || column < 0 || column >= scale * x->dim[2])
            continue;
        const float *from =
            o->x->value + ((b * x->dim[1] + row / scale) * x->dim[2] + column / scale) * I;
        const float *by = o->w->value + (c * k * k + place) * I;
        for (int64_t e = 0; e < I; e++)
            sum += (double)from[e] * (double)by[e];
    }
    return sum;
}

/* Kernels of about 1 / sqrt(places), so that results are of the size of the summand. */
static struct operands make(struct gpu *gpu, enum dtype dtype, const struct sizes *s,
                            struct conv conv, int with)
{
    struct operands o = {.conv = conv};
    int64_t scale = s->upsample ? 2 : 1;
    int64_t y_dim[4] = {s->b, scale * s->h + conv.above + conv.below - (s->k - 1), scale * s->w,
                        s->out};
    o.conv.upsample = s->upsample;
    o.x = image(gpu, dtype, 1.0f, (int64_t[]){s->b, s->h, s->w, s->in});
    o.w = gpu_dense(gpu, dtype, 0.2f, GPU_DIM(s->out, s->k, s->k, s->in));
    o.folded = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(4, s->out, 2, 2, s->in));
    o.bias = with & 1 ? gpu_dense(gpu, dtype, 1.0f, GPU_DIM(s->out)) : NULL;
    o.add = with & 2 ? image(gpu, dtype, 1.0f, y_dim) : NULL;
    o.y = with & 4 && o.add ? o.add : image(gpu, dtype, 0.0f, y_dim);
    o.conv.bias = o.bias ? &o.bias->t : NULL;
    o.conv.add = o.add ? &o.add->t : NULL;
    return o;
}

static void run(struct gpu *gpu, const struct operands *o, bool folded)
{
    if (folded)
        OK(op_conv_fold(gpu->q, &o->folded->t, &o->w->t));
    OK(op_conv(gpu->q, &o->y->t, &o->x->t, folded ? &o->folded->t : &o->w->t, &o->conv));
}

static void check(struct gpu *gpu, enum dtype dtype, const struct sizes *s, struct conv conv,
                  int with)
{
    struct operands o = make(gpu, dtype, s, conv, with);
    int64_t count = tensor_count(&o.y->t);
    double *want = malloc((size_t)(count + 1) * sizeof(*want));
    for (int64_t n = 0; n < count; n++)
        want[n] = element(&o, n);
    run(gpu, &o, s->folded);
    gpu_near(gpu, "conv", o.y, want);
    free(want);
    gpu_forget(gpu);
}

/* All that a convolution may have or lack; channels as models have them, and others. */
static void random_shapes(const char *kernel, bool upsample, bool folded, uint64_t seed)
{
    static const int channels[] = {1, 3, 4, 8, 16, 33, 64, 96};
    struct gpu gpu;
    setenv("DITBENCH_CONV", kernel, 1);
    gpu_open(&gpu, seed);
    for (int round = 0; round < 90; round++) {
        struct sizes s = {
            .b = gpu_pick(&gpu, 1, 3),
            .h = gpu_pick(&gpu, 2, 20),
            .w = gpu_pick(&gpu, 1, 24),
            .in = channels[gpu_pick(&gpu, 0, 7)],
            .out = channels[gpu_pick(&gpu, 0, 7)],
            .k = folded || gpu_pick(&gpu, 0, 4) ? 3 : 1,
            .upsample = upsample,
            .folded = folded,
        };
        struct conv conv = {0};
        if (s.k == 3) {
            conv.above = gpu_pick(&gpu, upsample ? -1 : 0, 1);
            conv.below = gpu_pick(&gpu, upsample ? -1 : 0, 1);
        }
        if (upsample && conv.above + conv.below == -2)
            s.h++; // so that a row is left
        check(&gpu, gpu_dtype(round), &s, conv, gpu_pick(&gpu, 0, 7));
    }
    gpu_close(&gpu);
}

static void test_random(void)
{
    random_shapes("cudnn", false, false, 70);
}

static void test_random_own(void)
{
    random_shapes("own", false, false, 71);
}

static void test_enlarged(void)
{
    random_shapes("cudnn", true, false, 72);
}

static void test_folded(void)
{
    random_shapes("cudnn", true, true, 73);
}

static void test_folded_own(void)
{
    random_shapes("own", true, true, 74);
}

/* To the three colours: widths of a block's strip of 62 pixels, of two and beside them, bands of
 * rows and their ends, channels of all lanes and of a few. */
static void test_colours(void)
{
    static const int in[] = {128, 96, 4, 64, 8, 24, 40};
    static const int widths[] = {1, 2, 61, 62, 63, 64, 65, 124, 125};
    struct gpu gpu;
    gpu_open(&gpu, 75);
    for (int round = 0; round < 63; round++) {
        struct sizes s = {1 + round % 2,
                          gpu_pick(&gpu, 2, 40),
                          round % 3 ? widths[round % 9] : gpu_pick(&gpu, 1, 140),
                          in[round % 7],
                          3,
                          3,
                          false,
                          false};
        struct conv conv = {.above = gpu_pick(&gpu, 0, 1), .below = gpu_pick(&gpu, 0, 1)};
        check(&gpu, gpu_dtype(round / 2), &s, conv, round % 8);
    }
    gpu_close(&gpu);
}

/* Channels of a decoder's mid block, a residual in place. */
static void test_deep(void)
{
    static const struct sizes s[] = {{1, 16, 24, 512, 512, 3, false, false},
                                     {1, 12, 16, 512, 256, 3, true, true},
                                     {2, 8, 8, 256, 512, 1, false, false}};
    struct gpu gpu;
    gpu_open(&gpu, 76);
    for (int round = 0; round < 9; round++) {
        int pad = s[round / 3].k / 2;
        check(&gpu, gpu_dtype(round), &s[round / 3], (struct conv){.above = pad, .below = pad}, 7);
    }
    gpu_close(&gpu);
}

/* A result that needs several parts: rows where they meet, and some others. */
static void check_parts(struct gpu *gpu, enum dtype dtype, const struct sizes *s)
{
    struct operands o = make(gpu, dtype, s, (struct conv){.above = 1, .below = 1}, 3);
    int64_t count = tensor_count(&o.y->t), line = o.y->t.dim[2] * s->out;
    enum { SAMPLES = 6 };
    float got[SAMPLES];
    double want[SAMPLES];
    run(gpu, &o, s->folded);
    float *all = gpu_read(gpu, &o.y->t);
    for (int64_t row = 0; row < count / line; row++) {
        for (int i = 0; i < SAMPLES; i++) {
            int64_t n = row * line + gpu_pick(gpu, 0, (int)line - 1);
            got[i] = all[n];
            want[i] = element(&o, n);
        }
        CHECK(near_doubles("conv", got, want, SAMPLES, 3 * gpu_bound("conv", dtype)), "row %lld",
              (long long)row);
    }
    free(all);
    gpu_forget(gpu);
}

static void test_parts(void)
{
    static const struct sizes s[] = {{1, 220, 512, 8, 128, 3, true, true},
                                     {1, 420, 512, 8, 128, 3, false, false}};
    struct gpu gpu;
    gpu_open(&gpu, 77);
    check_parts(&gpu, DTYPE_BF16, &s[0]);
    check_parts(&gpu, DTYPE_F32, &s[1]);
    gpu_close(&gpu);
}

/* Little of everything of our own, for tools that follow every access. */
static void test_small(void)
{
    struct gpu gpu;
    setenv("DITBENCH_CONV", "own", 1);
    gpu_open(&gpu, 78);
    for (int i = 0; i < 6; i++) {
        struct sizes s = {2, 5, 9, 20, i % 2 ? 3 : 70, 3, i / 2 > 0, i / 2 == 2};
        check(&gpu, gpu_dtype(i), &s, (struct conv){.above = 1, .below = 1}, 3);
    }
    gpu_close(&gpu);
}

/* A captured one writes the same bits. */
static void test_graph(void)
{
    struct gpu gpu;
    struct graph graph = {0};
    gpu_open(&gpu, 79);
    struct sizes s = {1, 24, 24, 64, 64, 3, true, true};
    struct operands o = make(&gpu, DTYPE_BF16, &s, (struct conv){.above = 1, .below = 1}, 3);
    run(&gpu, &o, true);
    float *want = gpu_read(&gpu, &o.y->t);
    OK(op_fill(gpu.q, &o.y->t, 0.0f));
    OK(graph_begin(gpu.q));
    run(&gpu, &o, true);
    OK(graph_end(gpu.q, &graph));
    OK(graph_launch(gpu.q, &graph));
    float *got = gpu_read(&gpu, &o.y->t);
    CHECK(near_equal("captured", got, want, tensor_count(&o.y->t)), "a captured convolution");
    free(got);
    free(want);
    graph_release(gpu.dev, &graph);
    gpu_close(&gpu);
}

const struct gpu_test tests_conv[] = {
    {"conv/random", test_random},
    {"conv/random_own", test_random_own},
    {"conv/enlarged", test_enlarged},
    {"conv/folded", test_folded},
    {"conv/folded_own", test_folded_own},
    {"conv/colours", test_colours},
    {"conv/deep", test_deep},
    {"conv/parts", test_parts},
    {"conv/small", test_small},
    {"conv/graph", test_graph},
    {NULL, NULL},
};
