/* SPDX-License-Identifier: Apache-2.0 */
/* op_linear and op_linear_add against sums in double, and the file that remembers algorithms. */
#include "kernels/base/rng.h"
#include "kernels/cuda/linear_cache.h"
#include "kernels/device.h"
#include "tests/cuda/gpu.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double activated(double x, enum act act)
{
    if (act == ACT_GELU_TANH)
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    return act == ACT_SILU ? x / (1.0 + exp(-x)) : x;
}

struct shape {
    int lanes, rows, in, out; /* lanes 0: two axes */
};

struct operands {
    struct gpu_tensor *x, *w, *bias, *y;
};

static double want_at(const struct operands *o, int64_t row, int64_t column, enum act act)
{
    int64_t in = o->w->t.dim[1];
    double sum = o->bias ? o->bias->value[column] : 0.0;
    for (int64_t k = 0; k < in; k++)
        sum += (double)o->x->value[row * in + k] * o->w->value[column * in + k];
    return activated(sum, act);
}

static struct operands make(struct gpu *gpu, enum dtype dtype, struct shape s, bool bias)
{
    struct operands o = {0};
    int64_t x[3] = {s.lanes, s.rows, s.in}, y[3] = {s.lanes, s.rows, s.out};
    int skip = s.lanes == 0;
    o.x = gpu_random(gpu, dtype, 1.0f, 3 - skip, x + skip);
    o.w = gpu_random(gpu, dtype, 1.0f, GPU_DIM(s.out, s.in));
    o.bias = bias ? gpu_random(gpu, dtype, 1.0f, GPU_DIM(s.out)) : NULL;
    o.y = gpu_blank(gpu, dtype, 3 - skip, y + skip);
    return o;
}

static void check(struct gpu *gpu, const struct operands *o, enum act act)
{
    int64_t count = tensor_count(&o->y->t), out = o->w->t.dim[0];
    double *want = malloc((size_t)(count + 1) * sizeof(*want));
    for (int64_t i = 0; i < count; i++)
        want[i] = want_at(o, i / out, i % out, act);
    OK(op_linear(gpu->q, &o->y->t, &o->x->t, &o->w->t, o->bias ? &o->bias->t : NULL, act));
    gpu_near(gpu, act == ACT_NONE ? "linear" : "linear+act", o->y, want);
    free(want);
}

static void test_random_shapes(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 11);
    for (int round = 0; round < 60; round++) {
        bool even = gpu_pick(&gpu, 0, 1);
        struct shape s = {
            .lanes = gpu_pick(&gpu, 0, 3),
            .rows = gpu_pick(&gpu, 1, round % 4 ? 150 : 12),
            .in = even ? 8 * gpu_pick(&gpu, 1, 60) : gpu_pick(&gpu, 1, 300),
            .out = even ? 8 * gpu_pick(&gpu, 1, 60) : gpu_pick(&gpu, 1, 300),
        };
        enum dtype dtype = gpu_dtype(round);
        struct operands o = make(&gpu, dtype, s, gpu_pick(&gpu, 0, 1));
        check(&gpu, &o, (enum act)(round / 3 % 3));
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Some elements of products as a model has them: dense, long rows, every activation. */
static void test_model_shapes(void)
{
    static const struct shape shapes[] = {{2, 1024, 1152, 3456}, {2, 1024, 1152, 4608},
                                          {2, 1024, 4608, 1152}, {0, 1024, 1152, 32},
                                          {2, 120, 4096, 1152},  {0, 4096, 16, 1152}};
    struct gpu gpu;
    gpu_open(&gpu, 12);
    for (int i = 0; i < 18; i++) {
        struct shape s = shapes[i / 3];
        enum dtype dtype = gpu_dtype(i);
        enum act act = s.out == 4608 ? ACT_GELU_TANH : ACT_NONE;
        int64_t rows = s.rows * (s.lanes ? s.lanes : 1);
        struct operands o = {
            .x = gpu_dense(&gpu, dtype, 1.0f, GPU_DIM(rows, s.in)),
            .w = gpu_dense(&gpu, dtype, 0.1f, GPU_DIM(s.out, s.in)),
            .bias = gpu_dense(&gpu, dtype, 1.0f, GPU_DIM(s.out)),
            .y = gpu_dense(&gpu, dtype, 0.0f, GPU_DIM(rows, s.out)),
        };
        OK(op_linear(gpu.q, &o.y->t, &o.x->t, &o.w->t, &o.bias->t, act));
        float *all = gpu_read(&gpu, &o.y->t);
        enum { SAMPLES = 4000 };
        float got[SAMPLES];
        double want[SAMPLES];
        for (int k = 0; k < SAMPLES; k++) {
            int64_t row = gpu_pick(&gpu, 0, (int)rows - 1);
            int64_t column = gpu_pick(&gpu, 0, s.out - 1);
            got[k] = all[row * s.out + column];
            want[k] = want_at(&o, row, column, act);
        }
        CHECK(near_doubles("linear", got, want, SAMPLES,
                           3.0 * gpu_bound(act ? "linear+act" : "linear", dtype)),
              "%d x %d x %d in %s", (int)rows, s.out, s.in, dtype_name(dtype));
        free(all);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* x may be rows of a wider tensor, w rows of a larger one: as slices of a model's tensors are. */
static void test_slices(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 13);
    for (int round = 0; round < 6; round++) {
        enum dtype dtype = gpu_dtype(round);
        struct operands whole = make(&gpu, dtype, (struct shape){2, 40, 96, 64}, true);
        struct operands o = whole;
        struct gpu_tensor x = *whole.x, w = *whole.w, y = *whole.y;
        x.t = tensor_slice(&x.t, 1, 8, 32);
        w.t = tensor_slice(&w.t, 0, 16, 32);
        y.t = tensor_slice(&y.t, 1, 4, 32);
        y.t = tensor_slice(&y.t, 2, 32, 32);
        x.value = gpu_read(&gpu, &x.t);
        w.value = gpu_read(&gpu, &w.t);
        o.x = &x, o.w = &w, o.y = &y, o.bias = NULL;
        check(&gpu, &o, ACT_NONE);
        free(x.value);
        free(w.value);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* What y holds, five times as large as what is added, and what the first call leaves of it: while
 * algorithms are timed, y must not change. */
static void check_add(struct gpu *gpu, enum dtype dtype, struct shape s, bool bias)
{
    struct operands o = make(gpu, dtype, s, bias);
    int64_t count = tensor_count(&o.y->t), out = s.out;
    float *old = malloc((size_t)(count + 1) * sizeof(*old));
    double *want = malloc((size_t)(count + 1) * sizeof(*want));
    rng_uniform(gpu->seed, 3, 0, count, old);
    for (int64_t i = 0; i < count; i++)
        old[i] *= 5.0f * sqrtf((float)s.in);
    for (int call = 0; call < 2; call++) {
        gpu_write(gpu, o.y, old);
        for (int64_t i = 0; i < count; i++)
            want[i] = o.y->value[i] + want_at(&o, i / out, i % out, ACT_NONE);
        OK(op_linear_add(gpu->q, &o.y->t, &o.x->t, &o.w->t, bias ? &o.bias->t : NULL));
        gpu_near(gpu, "linear", o.y, want);
    }
    free(old);
    free(want);
}

/* Without a cache, so that every shape is timed. Few rows go to our own kernel, odd strides to
 * batches of lanes. */
static void test_add(void)
{
    struct gpu gpu;
    setenv("DITBENCH_CACHE", "/proc/no/such/folder", 1);
    gpu_open(&gpu, 15);
    for (int round = 0; round < 36; round++) {
        bool even = gpu_pick(&gpu, 0, 1);
        struct shape s = {
            .lanes = gpu_pick(&gpu, 0, 3),
            .rows = gpu_pick(&gpu, 1, round % 4 ? 150 : 12),
            .in = even ? 8 * gpu_pick(&gpu, 1, 60) : gpu_pick(&gpu, 1, 300),
            .out = even ? 8 * gpu_pick(&gpu, 1, 60) : gpu_pick(&gpu, 1, 300),
        };
        check_add(&gpu, gpu_dtype(round), s, gpu_pick(&gpu, 0, 1));
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Captured at once, and launched twice: added twice. */
static void test_add_in_graph(void)
{
    struct gpu gpu;
    struct graph graph = {0};
    gpu_open(&gpu, 16);
    struct operands o = make(&gpu, DTYPE_F32, (struct shape){2, 60, 64, 72}, true);
    int64_t count = tensor_count(&o.y->t);
    double *want = malloc((size_t)count * sizeof(*want));
    for (int64_t i = 0; i < count; i++)
        want[i] = 1.0 + 2.0 * want_at(&o, i / 72, i % 72, ACT_NONE);
    OK(graph_begin(gpu.q));
    OK(op_linear_add(gpu.q, &o.y->t, &o.x->t, &o.w->t, &o.bias->t));
    OK(graph_end(gpu.q, &graph));
    OK(op_fill(gpu.q, &o.y->t, 1.0f));
    OK(graph_launch(gpu.q, &graph));
    OK(graph_launch(gpu.q, &graph));
    gpu_near(&gpu, "linear", o.y, want);
    graph_release(gpu.dev, &graph);
    free(want);
    gpu_close(&gpu);
}

static void test_cache_file(void)
{
    char folder[] = "/tmp/ditbench-cache-XXXXXX", path[64], key[40];
    uint64_t words[LINEAR_CACHE_WORDS], got[LINEAR_CACHE_WORDS];
    struct linear_cache *cache;
    CHECK(mkdtemp(folder), "no folder");
    setenv("DITBENCH_CACHE", folder, 1);
    OK(linear_cache_open(&cache));
    CHECK(!linear_cache_find(cache, "a", got), "something in an empty cache");
    for (uint64_t i = 0; i < 100; i++) {
        for (int k = 0; k < LINEAR_CACHE_WORDS; k++)
            words[k] = i * 0x123456789abcdef1u + (uint64_t)k;
        snprintf(key, sizeof(key), "key-%d", (int)(i % 80));
        linear_cache_add(cache, key, words);
    }
    linear_cache_close(cache);
    snprintf(path, sizeof(path), "%s/gemm-algorithms", folder);
    FILE *file = fopen(path, "a");
    CHECK(file, "%s", path);
    fputs("\nkey-1 12\nkey-2 zz zz\nkey-3 1 2 3 4 5 6 7", file);
    fclose(file);
    OK(linear_cache_open(&cache));
    for (uint64_t i = 20; i < 100; i++) {
        snprintf(key, sizeof(key), "key-%d", (int)(i % 80));
        CHECK(linear_cache_find(cache, key, got), "%s is lost", key);
        for (int k = 0; k < LINEAR_CACHE_WORDS; k++)
            CHECK(got[k] == i * 0x123456789abcdef1u + (uint64_t)k, "%s word %d", key, k);
    }
    linear_cache_close(cache);
    unlink(path);
    rmdir(folder);
    setenv("DITBENCH_CACHE", "/proc/no/such/folder", 1); // nothing can be written: no failure
    OK(linear_cache_open(&cache));
    linear_cache_add(cache, "a", words);
    CHECK(linear_cache_find(cache, "a", got), "not even in memory");
    linear_cache_close(cache);
}

/* A second device takes the algorithm from the file and computes the same bits. */
static void test_cached_algorithm(void)
{
    char folder[] = "/tmp/ditbench-cache-XXXXXX", path[64];
    float *first = NULL;
    CHECK(mkdtemp(folder), "no folder");
    setenv("DITBENCH_CACHE", folder, 1);
    snprintf(path, sizeof(path), "%s/gemm-algorithms", folder);
    for (int run = 0; run < 2; run++) {
        struct gpu gpu;
        gpu_open(&gpu, 14);
        struct operands o = make(&gpu, DTYPE_BF16, (struct shape){0, 100, 256, 128}, true);
        OK(op_linear(gpu.q, &o.y->t, &o.x->t, &o.w->t, &o.bias->t, ACT_NONE));
        float *got = gpu_read(&gpu, &o.y->t);
        CHECK(access(path, R_OK) == 0, "%s was not written", path);
        if (first)
            CHECK(near_equal("cached", got, first, 100 * 128), "another result");
        else
            first = got;
        gpu_close(&gpu);
    }
    free(first);
    unlink(path);
    rmdir(folder);
}

const struct gpu_test tests_linear[] = {
    {"linear/cache_file", test_cache_file},
    {"linear/random_shapes", test_random_shapes},
    {"linear/model_shapes", test_model_shapes},
    {"linear/slices", test_slices},
    {"linear/add", test_add},
    {"linear/add_in_graph", test_add_in_graph},
    {"linear/cached_algorithm", test_cached_algorithm},
    {NULL, NULL},
};
