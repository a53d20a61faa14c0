/* SPDX-License-Identifier: Apache-2.0 */
/* Copies in all directions, fills, the independence of uploads from what the host does next,
 * events, memory that is not there. */
#include "tests/cuda/gpu.h"

#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void random_dims(struct gpu *gpu, int *ndim, int64_t dim[5])
{
    *ndim = gpu_pick(gpu, 1, 5);
    for (int a = 0; a < *ndim; a++)
        dim[a] = gpu_pick(gpu, 1, a + 1 == *ndim ? 70 : 9);
}

/* From any strides and dtype into any: exactly what the CPU's conversion of the same values gives.
 */
static void test_strided(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 1);
    for (int round = 0; round < 90; round++) {
        int ndim;
        int64_t dim[5];
        random_dims(&gpu, &ndim, dim);
        struct gpu_tensor *src = gpu_random(&gpu, gpu_dtype(round), 3.0f, ndim, dim);
        struct gpu_tensor *dst = gpu_blank(&gpu, gpu_dtype(round / 3), ndim, dim);
        struct gpu_tensor *same = gpu_dense(&gpu, gpu_dtype(round / 3), 0.0f, ndim, dim);
        gpu_write(&gpu, same, src->value); // rounds as the CPU does
        OK(op_copy(gpu.q, &dst->t, &src->t));
        float *got = gpu_read(&gpu, &dst->t);
        CHECK(near_equal("copy", got, same->value, tensor_count(&dst->t)), "round %d", round);
        free(got);
        gpu_untouched(&gpu, "copy", dst);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Axes in another order, as heads are exchanged: [B, N, H, D] in the order of [H, B, N, D]. */
static void test_permuted(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 2);
    for (int round = 0; round < 6; round++) {
        int64_t B = 2, N = 37, H = 6, D = round < 3 ? 72 : 11;
        struct gpu_tensor *src = gpu_random(&gpu, gpu_dtype(round), 1.0f, GPU_DIM(B, N, H, D));
        struct gpu_tensor *dst = gpu_blank(&gpu, gpu_dtype(round), GPU_DIM(H, B, N, D));
        struct tensor view = dst->t;
        view.dim[0] = B, view.dim[1] = N, view.dim[2] = H;
        view.stride[0] = dst->t.stride[1], view.stride[1] = dst->t.stride[2];
        view.stride[2] = dst->t.stride[0];
        OK(op_copy(gpu.q, &view, &src->t));
        float *got = gpu_read(&gpu, &view);
        CHECK(near_equal("permute", got, src->value, B * N * H * D), "round %d", round);
        free(got);
        gpu_untouched(&gpu, "permute", dst);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* Pieces larger than the staging memory, strided on both sides, there and back. */
static void test_large_host(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 3);
    int64_t dim[2] = {3001, 701}, all = 3001 * 750;
    float *from = malloc((size_t)all * sizeof(float));
    float *back = calloc((size_t)all, sizeof(float));
    for (int64_t i = 0; i < all; i++)
        from[i] = (float)(i % 8191);
    struct tensor host = tensor_of(from, NULL, DTYPE_F32, 2, dim);
    struct tensor to = tensor_of(back, NULL, DTYPE_F32, 2, dim);
    host.stride[0] = to.stride[0] = 750;
    struct gpu_tensor *t = gpu_blank(&gpu, DTYPE_F32, 2, dim);
    OK(op_copy(gpu.q, &t->t, &host));
    OK(op_copy(gpu.q, &to, &t->t));
    OK(queue_sync(gpu.q));
    for (int64_t i = 0; i < all; i++)
        CHECK(back[i] == (i % 750 < 701 ? from[i] : 0.0f), "element %lld is %g", (long long)i,
              (double)back[i]);
    gpu_untouched(&gpu, "copy", t);
    free(from);
    free(back);
    gpu_close(&gpu);
}

/* The host overwrites its memory right after the call, while the queue still has work before it. */
static void test_upload_is_taken_at_once(void)
{
    enum { STEPS = 40, LARGE = 5000 };
    struct gpu gpu;
    gpu_open(&gpu, 4);
    struct gpu_tensor *busy = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(64 << 20));
    struct gpu_tensor *small = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(STEPS, 3));
    struct gpu_tensor *large = gpu_dense(&gpu, DTYPE_BF16, 0.0f, GPU_DIM(STEPS, LARGE));
    float times[3], rows[LARGE];
    for (int i = 0; i < STEPS; i++) {
        struct tensor from = tensor_of(times, NULL, DTYPE_F32, GPU_DIM(1, 3));
        struct tensor wide = tensor_of(rows, NULL, DTYPE_F32, GPU_DIM(1, LARGE));
        struct tensor to = tensor_slice(&small->t, 0, i, 1);
        struct tensor to_wide = tensor_slice(&large->t, 0, i, 1);
        for (int k = 0; k < 3; k++)
            times[k] = (float)(10 * i + k);
        for (int k = 0; k < LARGE; k++)
            rows[k] = (float)(i + k % 7);
        OK(op_fill(gpu.q, &busy->t, 1.0f));
        OK(op_copy(gpu.q, &to, &from));
        OK(op_copy(gpu.q, &to_wide, &wide));
        memset(times, 0xff, sizeof(times));
        memset(rows, 0xff, sizeof(rows));
    }
    float *got = gpu_read(&gpu, &small->t);
    float *wide = gpu_read(&gpu, &large->t);
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < 3; k++)
            CHECK(got[3 * i + k] == (float)(10 * i + k), "step %d: %g", i, (double)got[3 * i + k]);
        for (int k = 0; k < LARGE; k++)
            CHECK(wide[LARGE * i + k] == (float)(i + k % 7), "step %d, row %d", i, k);
    }
    free(got);
    free(wide);
    gpu_close(&gpu);
}

static void test_fill(void)
{
    struct gpu gpu;
    gpu_open(&gpu, 5);
    for (int round = 0; round < 18; round++) {
        int ndim;
        int64_t dim[5];
        random_dims(&gpu, &ndim, dim);
        struct gpu_tensor *t = gpu_blank(&gpu, gpu_dtype(round), ndim, dim);
        float value = round % 2 ? 0.0f : -1.25f;
        OK(op_fill(gpu.q, &t->t, value));
        float *got = gpu_read(&gpu, &t->t);
        for (int64_t i = 0; i < tensor_count(&t->t); i++)
            CHECK(got[i] == value, "round %d: %g", round, (double)got[i]);
        free(got);
        gpu_untouched(&gpu, "fill", t);
        gpu_forget(&gpu);
    }
    gpu_close(&gpu);
}

/* A queue that awaits another's mark sees what was done before the mark, and time goes forward. */
static void test_two_queues(void)
{
    struct gpu gpu;
    struct queue *other;
    struct event start = {0}, filled = {0}, copied = {0};
    gpu_open(&gpu, 6);
    OK(queue_open(gpu.dev, &other));
    OK(event_open(gpu.dev, &start));
    OK(event_open(gpu.dev, &filled));
    OK(event_open(gpu.dev, &copied));
    struct gpu_tensor *a = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(32 << 20));
    struct gpu_tensor *b = gpu_dense(&gpu, DTYPE_F32, 0.0f, GPU_DIM(32 << 20));
    for (int i = 1; i <= 20; i++) {
        OK(queue_mark(gpu.q, &start));
        OK(op_fill(gpu.q, &a->t, (float)i));
        OK(queue_mark(gpu.q, &filled));
        OK(queue_await(other, &filled));
        OK(op_copy(other, &b->t, &a->t));
        OK(queue_mark(other, &copied));
        OK(queue_await(gpu.q, &copied));
        struct tensor last = tensor_slice(&b->t, 0, (32 << 20) - 1, 1);
        float *got = gpu_read(&gpu, &last);
        CHECK(got[0] == (float)i, "round %d: %g", i, (double)got[0]);
        free(got);
        double ms;
        OK(event_elapsed(gpu.dev, &start, &copied, &ms));
        CHECK(ms > 0.0 && ms < 1000.0, "%g ms", ms);
    }
    event_close(gpu.dev, &start);
    event_close(gpu.dev, &filled);
    event_close(gpu.dev, &copied);
    queue_close(other);
    gpu_close(&gpu);
}

/* Too much is ST_OOM with the number of bytes, and the device works on. */
static void test_oom(void)
{
    struct gpu gpu;
    void *p;
    size_t available;
    gpu_open(&gpu, 7);
    OK(device_capacity(gpu.dev, &available));
    CHECK(available > (size_t)1 << 28, "%zu bytes are available", available);
    CHECK(device_alloc(gpu.dev, (size_t)1 << 46, &p) == ST_OOM, "no ST_OOM");
    CHECK(strstr(status_message(), "70368744177664 bytes"), "%s", status_message());
    OK(device_alloc(gpu.dev, 0, &p));
    CHECK(p && (uintptr_t)p % 256 == 0, "%p", p);
    device_release(gpu.dev, p);
    struct gpu_tensor *t = gpu_random(&gpu, DTYPE_F32, 1.0f, GPU_DIM(7, 5));
    float *got = gpu_read(&gpu, &t->t);
    CHECK(near_equal("after oom", got, t->value, 35), "wrong");
    free(got);
    struct device_options options = {.ordinal = 99, .threads = 1};
    struct device *none;
    CHECK(device_open(backend_find("cuda"), &options, &none) == ST_DEVICE, "GPU 99");
    gpu_close(&gpu);
}

const struct gpu_test tests_copy[] = {
    {"copy/strided", test_strided},
    {"copy/permuted", test_permuted},
    {"copy/large_host", test_large_host},
    {"copy/upload_is_taken_at_once", test_upload_is_taken_at_once},
    {"copy/fill", test_fill},
    {"copy/two_queues", test_two_queues},
    {"copy/oom", test_oom},
    {NULL, NULL},
};
