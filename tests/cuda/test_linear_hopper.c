/* SPDX-License-Identifier: Apache-2.0 */
/* Our own kernel for products against sums in double, called straight, and who computes op_linear
 * and op_linear_add where it is one of several. */
#include "kernels/base/rng.h"
#include "kernels/cuda/launch.h"
#include "kernels/device.h"
#include "tests/cuda/gpu.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct shape {
    int lanes, rows, in, out;
};

/* What becomes of x w^T + bias: y, GELU of it, or it is added to what y holds. */
enum kind { PLAIN, GELU, SUM, KINDS };

static const char *const bounds[KINDS] = {"linear", "linear+act", "linear"};
static const int forms[] = {CUDA_LINEAR_WIDE, CUDA_LINEAR_NARROW};

struct operands {
    struct gpu_tensor *x, *w, *bias; /* bias NULL: none */
    struct gpu_tensor *before;       /* what y holds, for SUM */
    struct shape s;
};

/* False, and the test is passed over, where the kernel cannot run. */
static bool open_hopper(struct gpu *gpu, uint64_t seed, const char *kernel)
{
    setenv("DITBENCH_CACHE", "/proc/no/such/folder", 1);
    setenv("DITBENCH_LINEAR", kernel, 1);
    gpu_open(gpu, seed);
    if (cuda_target(gpu->q).compute == 90)
        return true;
    gpu_close(gpu);
    gpu_skip("no GPU of compute capability 9.0");
    return false;
}

/* Aligned rows within a wider and longer buffer of NaNs; without values where size is 0. */
static struct gpu_tensor *strided(struct gpu *gpu, enum dtype dtype, float size, int lanes,
                                  int rows, int columns)
{
    int64_t count = (int64_t)lanes * rows * columns;
    struct gpu_tensor *g = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(lanes, rows + 2, columns + 24));
    g->t = tensor_slice(&g->t, 1, 1, rows);
    g->t = tensor_slice(&g->t, 2, 8, columns);
    if (size == 0.0f)
        return g;
    float *value = malloc((size_t)count * sizeof(*value));
    rng_uniform(gpu->seed, 4, gpu->drawn, count, value);
    gpu->drawn += (uint64_t)count;
    for (int64_t i = 0; i < count; i++)
        value[i] *= size;
    gpu_write(gpu, g, value);
    free(value);
    return g;
}

static struct operands make(struct gpu *gpu, enum dtype dtype, struct shape s, float bias)
{
    struct operands o = {.s = s};
    o.x = strided(gpu, dtype, 1.0f, s.lanes, s.rows, s.in);
    o.w = strided(gpu, dtype, 1.0f / sqrtf((float)s.in) * 3.0f, 1, s.out, s.in);
    o.bias = bias > 0.0f ? gpu_dense(gpu, dtype, bias, GPU_DIM(s.out)) : NULL;
    o.before = strided(gpu, dtype, 5.0f, s.lanes, s.rows, s.out);
    return o;
}

static double sum_at(const struct operands *o, int64_t row, int64_t column)
{
    const float *x = o->x->value + row * o->s.in, *w = o->w->value + column * o->s.in;
    double sum = o->bias ? o->bias->value[column] : 0.0;
    for (int k = 0; k < o->s.in; k++)
        sum += (double)x[k] * w[k];
    return sum;
}

/* Element i of y, where the sum is known. */
static double want_at(const struct operands *o, enum kind kind, int64_t i, double sum)
{
    if (kind == GELU)
        return 0.5 * sum * (1.0 + tanh(sqrt(2.0 / M_PI) * (sum + 0.044715 * sum * sum * sum)));
    return kind == SUM ? sum + o->before->value[i] : sum;
}

static int64_t count_of(const struct operands *o)
{
    return (int64_t)o->s.lanes * o->s.rows * o->s.out;
}

static double *sums_of(const struct operands *o)
{
    double *sum = malloc((size_t)count_of(o) * sizeof(*sum));
    for (int64_t i = 0; i < count_of(o); i++)
        sum[i] = sum_at(o, i / o->s.out, i % o->s.out);
    return sum;
}

static double *want_of(const struct operands *o, enum kind kind, const double *sum)
{
    double *want = malloc((size_t)count_of(o) * sizeof(*want));
    for (int64_t i = 0; i < count_of(o); i++)
        want[i] = want_at(o, kind, i, sum[i]);
    return want;
}

/* y before a product. */
static struct gpu_tensor *output(struct gpu *gpu, const struct operands *o, enum kind kind)
{
    struct gpu_tensor *y = strided(gpu, o->x->t.dtype, 0.0f, o->s.lanes, o->s.rows, o->s.out);
    if (kind == SUM)
        gpu_write(gpu, y, o->before->value);
    return y;
}

static struct cuda_products product_of(const struct operands *o, const struct gpu_tensor *y,
                                       enum kind kind)
{
    struct cuda_products g = {.lanes = o->s.lanes};
    g.each.y = y->t.data;
    g.each.x = o->x->t.data;
    g.each.w = o->w->t.data;
    g.each.bias = o->bias ? o->bias->t.data : NULL;
    g.each.rows = o->s.rows;
    g.each.out = o->s.out;
    g.each.in = o->s.in;
    g.each.y_stride = y->t.stride[1];
    g.each.x_stride = o->x->t.stride[1];
    g.each.w_stride = o->w->t.stride[1];
    g.each.dtype = y->t.dtype;
    g.each.act = kind == GELU ? ACT_GELU_TANH : ACT_NONE;
    g.each.add = kind == SUM;
    g.x_lane = o->x->t.stride[0];
    g.y_lane = y->t.stride[0];
    return g;
}

/* In wide and in narrow tiles. */
static void check(struct gpu *gpu, const struct operands *o, enum kind kind, const double *sum)
{
    struct cuda_target at = cuda_target(gpu->q);
    double *want = want_of(o, kind, sum);
    for (int i = 0; i < 2; i++) {
        struct gpu_tensor *y = output(gpu, o, kind);
        struct cuda_products product = product_of(o, y, kind);
        CHECK(cuda_linear_hopper_takes(&at, &product), "%d x %d x %d is refused", o->s.rows,
              o->s.out, o->s.in);
        OK(cuda_linear_hopper(&at, &product, forms[i]));
        gpu_near(gpu, bounds[kind], y, want);
    }
    free(want);
}

/* `every`: each kind at each shape, else they take turns. */
static void check_shapes(uint64_t seed, bool every, int n, const struct shape *shapes)
{
    struct gpu gpu;
    if (!open_hopper(&gpu, seed, "timed"))
        return;
    for (int i = 0; i < 2 * n; i++) {
        float bias = i / 2 % 3 == 2 ? 0.0f : i / 2 % 3 == 1 ? 20.0f : 1.0f;
        struct operands o = make(&gpu, gpu_dtype(1 + i % 2), shapes[i / 2], bias);
        double *sum = sums_of(&o);
        for (int kind = 0; kind < KINDS; kind++) {
            if (every || kind == i % KINDS)
                check(&gpu, &o, (enum kind)kind, sum);
        }
        free(sum);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* A tile and less, tiles that end in all directions, lanes: fewer tiles than multiprocessors, and
 * sums of one step to more steps than there are slots. */
static void test_small(void)
{
    static const struct shape shapes[] = {
        {1, 1, 8, 8},       {1, 128, 64, 192}, {1, 129, 72, 200}, {2, 128, 128, 144},
        {2, 300, 136, 392}, {3, 77, 40, 584},  {1, 9, 320, 384},  {2, 130, 328, 16},
        {1, 257, 384, 208}, {1, 64, 1160, 96},
    };
    check_shapes(71, true, sizeof(shapes) / sizeof(shapes[0]), shapes);
}

/* Several tiles for each warpgroup, an even and an odd number of steps, below and above the number
 * of slots; groups of rows that end early. */
static void test_many_tiles(void)
{
    static const struct shape shapes[] = {
        {1, 2200, 72, 3200}, {2, 2100, 200, 1160}, {1, 4500, 8, 3000},
        {5, 1030, 136, 776}, {1, 700, 520, 4800},
    };
    check_shapes(72, false, sizeof(shapes) / sizeof(shapes[0]), shapes);
}

/* Long sums. */
static void test_deep(void)
{
    static const struct shape shapes[] = {{1, 260, 4616, 200}, {2, 150, 12288, 72}};
    check_shapes(73, true, 2, shapes);
}

/* All places of products as a model has them, some of which are computed here. */
static void test_model_shapes(void)
{
    static const struct shape shapes[] = {
        {1, 8192, 1152, 4608}, {2, 4429, 3072, 1544}, {1, 8192, 4608, 1152}};
    enum { SAMPLES = 4000, CASES = 3 * KINDS * 2 };
    struct gpu gpu;
    if (!open_hopper(&gpu, 74, "timed"))
        return;
    for (int i = 0; i < CASES; i++) {
        enum kind kind = (enum kind)(i / 2 % KINDS);
        struct operands o = make(&gpu, gpu_dtype(1 + i / 2 % 2), shapes[i / 2 / KINDS], 1.0f);
        struct gpu_tensor *y = output(&gpu, &o, kind);
        struct cuda_products product = product_of(&o, y, kind);
        struct cuda_target at = cuda_target(gpu.q);
        float got[SAMPLES], *all;
        double want[SAMPLES];
        OK(cuda_linear_hopper(&at, &product, forms[i % 2]));
        all = gpu_read(&gpu, &y->t);
        for (int k = 0; k < SAMPLES; k++) {
            int64_t row = gpu_pick(&gpu, 0, o.s.lanes * o.s.rows - 1);
            int64_t column = gpu_pick(&gpu, 0, o.s.out - 1), element = row * o.s.out + column;
            got[k] = all[element];
            want[k] = want_at(&o, kind, element, sum_at(&o, row, column));
        }
        CHECK(near_doubles(bounds[kind], got, want, SAMPLES,
                           1.5 * gpu_bound(bounds[kind], y->t.dtype)),
              "%d x %d x %d, kind %d, tiles of %d columns", o.s.rows, o.s.out, o.s.in, (int)kind,
              forms[i % 2]);
        gpu_untouched(&gpu, bounds[kind], y);
        free(all);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* NaNs where they are wanted and nowhere else; the numbers are near. */
static void check_nans(struct gpu *gpu, enum kind kind, const struct gpu_tensor *y, double *want)
{
    int64_t count = tensor_count(&y->t);
    float *got = gpu_read(gpu, &y->t);
    for (int64_t i = 0; i < count; i++) {
        CHECK(isnan(got[i]) == isnan(want[i]), "kind %d, element %lld: %g instead of %g", (int)kind,
              (long long)i, (double)got[i], want[i]);
        if (isnan(want[i]))
            got[i] = 0.0f, want[i] = 0.0;
    }
    CHECK(near_doubles(bounds[kind], got, want, count, gpu_bound(bounds[kind], y->t.dtype)),
          "kind %d", (int)kind);
    gpu_untouched(gpu, bounds[kind], y);
    free(got);
}

/* A NaN stays in its row, its column or its element, though two numbers share a reciprocal. */
static void test_nan(void)
{
    enum { ROWS = 200, IN = 72, OUT = 208 };
    struct gpu gpu;
    if (!open_hopper(&gpu, 75, "timed"))
        return;
    struct operands o = make(&gpu, DTYPE_BF16, (struct shape){1, ROWS, IN, OUT}, 60.0f);
    struct cuda_target at = cuda_target(gpu.q);
    o.x->value[150 * IN + 5] = o.before->value[77 * OUT + 100] = NAN;
    o.bias->value[3] = o.bias->value[190] = NAN;
    struct gpu_tensor *const changed[] = {o.x, o.bias};
    for (int i = 0; i < 2; i++) {
        float *value = changed[i]->value;
        changed[i]->value = NULL;
        gpu_write(&gpu, changed[i], value);
        free(value);
    }
    double *sum = sums_of(&o);
    for (int i = 0; i < 2 * KINDS; i++) {
        enum kind kind = (enum kind)(i / 2);
        struct gpu_tensor *y = output(&gpu, &o, kind);
        struct cuda_products product = product_of(&o, y, kind);
        double *want = want_of(&o, kind, sum);
        OK(cuda_linear_hopper(&at, &product, forms[i % 2]));
        check_nans(&gpu, kind, y, want);
        free(want);
    }
    free(sum);
    gpu_close(&gpu);
}

/* What is not for this kernel. */
static void test_refusals(void)
{
    struct gpu gpu;
    if (!open_hopper(&gpu, 76, "timed"))
        return;
    struct operands o = make(&gpu, DTYPE_F16, (struct shape){2, 40, 64, 64}, 1.0f);
    struct gpu_tensor *y = strided(&gpu, DTYPE_F16, 0.0f, 2, 40, 64);
    struct cuda_target at = cuda_target(gpu.q);
    for (int i = 0; i < 12; i++) {
        struct cuda_products g = product_of(&o, y, i == 10 ? GELU : (enum kind)(i % KINDS));
        int64_t *const numbers[] = {&g.each.out,      &g.each.in,       &g.each.x_stride,
                                    &g.each.w_stride, &g.each.y_stride, &g.x_lane};
        CHECK(cuda_linear_hopper_takes(&at, &g), "good one %d is refused", i);
        if (i < 6)
            *numbers[i] += 4;
        else if (i == 6)
            g.each.x = (const char *)g.each.x + 8;
        else if (i == 7)
            g.each.bias = (const char *)g.each.bias + 2;
        else if (i == 8)
            g.each.dtype = DTYPE_F32;
        else if (i == 9)
            g.each.act = ACT_SILU;
        else if (i == 10)
            g.each.add = 1;
        else
            g.y_lane = -g.y_lane;
        CHECK(!cuda_linear_hopper_takes(&at, &g), "number %d is taken", i);
    }
    gpu_close(&gpu);
}

static void call(struct gpu *gpu, const struct operands *o, enum kind kind, struct gpu_tensor *y)
{
    struct tensor w = tensor_merge(&o->w->t, 0);
    enum act act = kind == GELU ? ACT_GELU_TANH : ACT_NONE;
    if (kind == SUM)
        OK(op_linear_add(gpu->q, &y->t, &o->x->t, &w, &o->bias->t));
    else
        OK(op_linear(gpu->q, &y->t, &o->x->t, &w, &o->bias->t, act));
}

static void check_choice(struct gpu *gpu, enum kind kind, bool exact)
{
    struct graph graph = {0};
    struct operands o = make(gpu, DTYPE_BF16, (struct shape){2, 600, 136, 392}, 1.0f);
    struct gpu_tensor *y = output(gpu, &o, kind), *captured = output(gpu, &o, kind);
    double *sum = sums_of(&o), *want = want_of(&o, kind, sum);
    OK(graph_begin(gpu->q));
    call(gpu, &o, kind, captured);
    OK(graph_end(gpu->q, &graph));
    OK(graph_launch(gpu->q, &graph));
    gpu_near(gpu, bounds[kind], captured, want);
    call(gpu, &o, kind, y);
    gpu_near(gpu, bounds[kind], y, want);
    float *got = gpu_read(gpu, &y->t), *of_graph = gpu_read(gpu, &captured->t);
    if (exact)
        CHECK(near_equal("in a graph", of_graph, got, count_of(&o)), "kind %d", (int)kind);
    free(of_graph);
    free(got);
    free(want);
    free(sum);
    graph_release(gpu->dev, &graph);
    gpu_forget(gpu);
}

/* The ops by every kernel, two lanes of strided rows: as near, and our own with the same bits
 * captured at once, when nothing can be timed, as in a call. */
static void test_choice(void)
{
    static const char *const kernels[] = {"cublas", "timed", "hopper", "hopper-narrow"};
    for (int k = 0; k < 4; k++) {
        struct gpu gpu;
        if (!open_hopper(&gpu, 77, kernels[k]))
            return;
        for (int kind = 0; kind < KINDS; kind++)
            check_choice(&gpu, (enum kind)kind, k >= 2);
        gpu_close(&gpu);
    }
}

/* What was timed once is taken from the file: the same bits from a second device. */
static void test_remembered(void)
{
    char folder[] = "/tmp/ditbench-cache-XXXXXX", path[64];
    float *first = NULL;
    CHECK(mkdtemp(folder), "no folder");
    snprintf(path, sizeof(path), "%s/gemm-algorithms", folder);
    for (int run = 0; run < 2; run++) {
        struct gpu gpu;
        if (!open_hopper(&gpu, 78, "timed"))
            break;
        gpu_close(&gpu);
        setenv("DITBENCH_CACHE", folder, 1);
        gpu_open(&gpu, 78);
        struct operands o = make(&gpu, DTYPE_F16, (struct shape){1, 1500, 200, 400}, 1.0f);
        struct gpu_tensor *y = output(&gpu, &o, SUM);
        call(&gpu, &o, SUM, y);
        float *got = gpu_read(&gpu, &y->t);
        CHECK(access(path, R_OK) == 0, "%s was not written", path);
        if (first)
            CHECK(near_equal("remembered", got, first, tensor_count(&y->t)), "another result");
        free(first);
        first = got;
        gpu_close(&gpu);
    }
    free(first);
    unlink(path);
    rmdir(folder);
}

const struct gpu_test tests_linear_hopper[] = {
    {"linear_hopper/small", test_small},
    {"linear_hopper/many_tiles", test_many_tiles},
    {"linear_hopper/deep", test_deep},
    {"linear_hopper/model_shapes", test_model_shapes},
    {"linear_hopper/nan", test_nan},
    {"linear_hopper/refusals", test_refusals},
    {"linear_hopper/choice", test_choice},
    {"linear_hopper/remembered", test_remembered},
    {NULL, NULL},
};
