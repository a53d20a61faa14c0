/* SPDX-License-Identifier: Apache-2.0 */
/* Random strided tensors on a GPU and the table of bounds. */
#include "tests/cuda/gpu.h"

#include "kernels/base/rng.h"
#include "tests/support/near.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Relative L2 error over all elements that an op may have. Storing in bf16 alone costs up to 2^-9,
 * 1.1e-3 on average; fp16 an eighth of that.
 */
static const struct {
    const char *op;
    double bound[DTYPE_COUNT];
} bounds[] = {
    {"linear", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 2.5e-3, [DTYPE_F16] = 3.5e-4}},
    {"linear+act", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 3.5e-3, [DTYPE_F16] = 5e-4}},
    {"attention", {[DTYPE_F32] = 2e-6, [DTYPE_BF16] = 4e-3, [DTYPE_F16] = 6e-4}},
    {"lse", {[DTYPE_F32] = 2e-6}},
    {"merge", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 2.5e-3, [DTYPE_F16] = 3.5e-4}},
    {"norm", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 2.5e-3, [DTYPE_F16] = 3.5e-4}},
    {"gate_add", {[DTYPE_F32] = 3e-7, [DTYPE_BF16] = 2.5e-3, [DTYPE_F16] = 3.5e-4}},
    {"gate_add_norm", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 4e-3, [DTYPE_F16] = 6e-4}},
    {"qk_norm_rope", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 2.5e-3, [DTYPE_F16] = 3.5e-4}},
    {"activate", {[DTYPE_F32] = 1e-6, [DTYPE_BF16] = 4e-3, [DTYPE_F16] = 5e-4}},
    {"add", {[DTYPE_F32] = 1e-7, [DTYPE_BF16] = 4e-3, [DTYPE_F16] = 5e-4}},
    /* Kernels may be folded, sums rounded before bias and summand are added. */
    {"conv", {[DTYPE_F32] = 2e-6, [DTYPE_BF16] = 4e-3, [DTYPE_F16] = 6e-4}},
    {"group_norm", {[DTYPE_F32] = 2e-6, [DTYPE_BF16] = 3e-3, [DTYPE_F16] = 4e-4}},
    {"advance", {[DTYPE_F32] = 1e-6}},
    {"timestep", {[DTYPE_F32] = 1e-6}},
    {"random_normal", {[DTYPE_F32] = 1e-7}},
    {"copy", {[DTYPE_F32] = 1e-9, [DTYPE_BF16] = 1e-9, [DTYPE_F16] = 1e-9}},
};

double gpu_bound(const char *op, enum dtype dtype)
{
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (strcmp(bounds[i].op, op) == 0)
            return bounds[i].bound[dtype];
    }
    CHECK(false, "no bound for %s", op);
}

enum dtype gpu_dtype(int n)
{
    static const enum dtype all[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    return all[n % 3];
}

void gpu_failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static bool skipped;

void gpu_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("SKIP: ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    skipped = true;
}

bool gpu_skipped(void)
{
    bool was = skipped;
    skipped = false;
    return was;
}

void gpu_open(struct gpu *gpu, uint64_t seed)
{
    *gpu = (struct gpu){.seed = seed};
    struct device_options options = {.threads = 1};
    OK(device_open(backend_find("cuda"), &options, &gpu->dev));
    OK(device_open(backend_find("cpu"), &options, &gpu->host));
    OK(queue_open(gpu->dev, &gpu->q));
    OK(queue_open(gpu->host, &gpu->hq));
}

void gpu_forget(struct gpu *gpu)
{
    while (gpu->n > 0) {
        struct gpu_tensor *t = gpu->tensor[--gpu->n];
        device_release(gpu->dev, t->whole.data);
        free(t->value);
        free(t);
    }
}

void gpu_close(struct gpu *gpu)
{
    gpu_forget(gpu);
    queue_close(gpu->q);
    queue_close(gpu->hq);
    device_close(gpu->dev);
    device_close(gpu->host);
}

static float draw(struct gpu *gpu)
{
    float value;
    rng_uniform(gpu->seed, 1, gpu->drawn++, 1, &value);
    return value;
}

int gpu_pick(struct gpu *gpu, int first, int last)
{
    int i = (int)((draw(gpu) * 0.5f + 0.5f) * (float)(last - first + 1));
    return first + (i < 0 ? 0 : i > last - first ? last - first : i);
}

/* A buffer of 0xff bytes: NaNs of every dtype. */
static struct tensor poisoned(struct gpu *gpu, size_t bytes)
{
    int64_t words = (int64_t)(bytes + 3) / 4;
    struct tensor whole = tensor_of(NULL, gpu->dev, DTYPE_F32, 1, &words);
    OK(device_alloc(gpu->dev, (size_t)words * 4, &whole.data));
    uint32_t *word = malloc((size_t)words * 4);
    memset(word, 0xff, (size_t)words * 4);
    struct tensor from = tensor_of(word, NULL, DTYPE_F32, 1, &words);
    OK(op_copy(gpu->q, &whole, &from));
    OK(queue_sync(gpu->q));
    free(word);
    return whole;
}

static struct gpu_tensor *make(struct gpu *gpu, enum dtype dtype, int ndim, const int64_t *dim,
                               int unit, bool gaps)
{
    CHECK(gpu->n < GPU_TENSORS, "too many tensors in a test");
    struct gpu_tensor *g = calloc(1, sizeof(*g));
    g->t = tensor_of(NULL, gpu->dev, dtype, ndim, dim);
    int64_t stride = 1;
    for (int a = ndim - 1; a >= 0; a--) {
        g->t.stride[a] = stride;
        stride *= dim[a] > 0 ? dim[a] : 1;
        if (gaps && gpu_pick(gpu, 0, 2) > 0)
            stride += gpu_pick(gpu, 1, 19);
        stride = (stride + unit - 1) / unit * unit;
    }
    int64_t before = gaps ? gpu_pick(gpu, 0, 9) * unit : 0;
    int64_t after = gaps ? 20 : 0;
    g->whole = poisoned(gpu, (size_t)(before + stride + after) * dtype_size(dtype));
    g->t.data = (char *)g->whole.data + before * (int64_t)dtype_size(dtype);
    gpu->tensor[gpu->n++] = g;
    return g;
}

/* Half of them are aligned for sixteen-byte accesses where their widths allow it. */
struct gpu_tensor *gpu_blank(struct gpu *gpu, enum dtype dtype, int ndim, const int64_t *dim)
{
    return make(gpu, dtype, ndim, dim, gpu_pick(gpu, 0, 1) ? 8 : 1, true);
}

void gpu_write(struct gpu *gpu, struct gpu_tensor *g, const float *value)
{
    int64_t count = tensor_count(&g->t);
    struct tensor exact = tensor_of((void *)value, NULL, DTYPE_F32, g->t.ndim, g->t.dim);
    void *bits = malloc((size_t)count * dtype_size(g->t.dtype) + 1);
    float *rounded = malloc((size_t)count * sizeof(float) + 1);
    struct tensor narrow = tensor_of(bits, NULL, g->t.dtype, g->t.ndim, g->t.dim);
    struct tensor wide = tensor_of(rounded, NULL, DTYPE_F32, g->t.ndim, g->t.dim);
    OK(op_copy(gpu->hq, &narrow, &exact));
    OK(op_copy(gpu->hq, &wide, &narrow));
    OK(op_copy(gpu->q, &g->t, &narrow));
    OK(queue_sync(gpu->q));
    free(bits);
    free(g->value);
    g->value = rounded;
}

static void randomise(struct gpu *gpu, struct gpu_tensor *g, float size)
{
    int64_t count = tensor_count(&g->t);
    float *value = malloc((size_t)count * sizeof(float) + 1);
    rng_uniform(gpu->seed, 2, gpu->drawn, count, value);
    gpu->drawn += (uint64_t)count;
    for (int64_t i = 0; i < count; i++)
        value[i] *= size;
    gpu_write(gpu, g, value);
    free(value);
}

struct gpu_tensor *gpu_random(struct gpu *gpu, enum dtype dtype, float size, int ndim,
                              const int64_t *dim)
{
    struct gpu_tensor *g = gpu_blank(gpu, dtype, ndim, dim);
    randomise(gpu, g, size);
    return g;
}

struct gpu_tensor *gpu_dense(struct gpu *gpu, enum dtype dtype, float size, int ndim,
                             const int64_t *dim)
{
    struct gpu_tensor *g = make(gpu, dtype, ndim, dim, 1, false);
    if (size > 0.0f)
        randomise(gpu, g, size);
    return g;
}

float *gpu_read(struct gpu *gpu, const struct tensor *t)
{
    float *value = malloc((size_t)tensor_count(t) * sizeof(float) + 1);
    struct tensor to = tensor_of(value, NULL, DTYPE_F32, t->ndim, t->dim);
    OK(op_copy(gpu->q, &to, t));
    OK(queue_sync(gpu->q));
    return value;
}

void gpu_untouched(struct gpu *gpu, const char *op, const struct gpu_tensor *g)
{
    size_t size = dtype_size(g->t.dtype);
    size_t bytes = (size_t)g->whole.dim[0] * 4;
    unsigned char *now = (unsigned char *)gpu_read(gpu, &g->whole);
    int64_t base = (const char *)g->t.data - (const char *)g->whole.data;
    for (int64_t i = 0; i < tensor_count(&g->t); i++) {
        int64_t at = base, rest = i;
        for (int a = g->t.ndim - 1; a >= 0; a--) {
            at += rest % g->t.dim[a] * g->t.stride[a] * (int64_t)size;
            rest /= g->t.dim[a];
        }
        memset(now + at, 0xff, size);
    }
    for (size_t i = 0; i < bytes; i++)
        CHECK(now[i] == 0xff, "%s wrote beside its output, at byte %zu of %zu", op, i, bytes);
    free(now);
}

void gpu_near(struct gpu *gpu, const char *op, const struct gpu_tensor *g, const double *want)
{
    gpu_near_by(gpu, op, g, want, gpu_bound(op, g->t.dtype));
}

void gpu_near_by(struct gpu *gpu, const char *op, const struct gpu_tensor *g, const double *want,
                 double bound)
{
    char shape[128];
    float *got = gpu_read(gpu, &g->t);
    CHECK(near_doubles(op, got, want, tensor_count(&g->t), bound), "%s %s", op,
          tensor_describe(&g->t, shape, sizeof(shape)));
    free(got);
    gpu_untouched(gpu, op, g);
}
