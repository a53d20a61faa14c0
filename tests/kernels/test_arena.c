/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas over a device that counts, so that every byte and every release is seen. */
#include "kernels/base/arena.h"

#include "kernels/backend.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct counting_device {
    struct device base;
    int live;     /* blocks not released */
    size_t bytes; /* asked for in all */
    size_t limit; /* a larger block does not fit */
};

static enum status counting_alloc(struct device *dev, size_t bytes, void **out)
{
    struct counting_device *counting = (struct counting_device *)dev;
    if (bytes > counting->limit)
        return fail(ST_OOM, "%zu bytes do not fit", bytes);
    cr_assert_eq(posix_memalign(out, ARENA_ALIGN, bytes), 0);
    counting->live++;
    counting->bytes += bytes;
    return ST_OK;
}

static void counting_release(struct device *dev, void *p)
{
    ((struct counting_device *)dev)->live--;
    free(p);
}

static const struct backend_ops counting_ops = {
    .name = "cpu",
    .alloc = counting_alloc,
    .release = counting_release,
};

static struct counting_device counting_device(void)
{
    return (struct counting_device){.base.ops = &counting_ops, .limit = 1 << 20};
}

static const int64_t shape[2] = {3, 5};

Test(arena, tensors_are_dense_aligned_and_apart)
{
    struct counting_device dev = counting_device();
    struct arena *arena;
    struct tensor t[100];
    cr_assert_eq(arena_open(&dev.base, ARENA_ACTIVATIONS, &arena), ST_OK);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t[i]), ST_OK);
        cr_assert_eq((uintptr_t)t[i].data % ARENA_ALIGN, 0);
        cr_assert_eq(t[i].dev, &dev.base);
        cr_assert(tensor_contiguous(&t[i]));
        memset(t[i].data, i, 60);
    }
    for (int i = 0; i < 100; i++)
        for (int b = 0; b < 60; b++)
            cr_assert_eq(((unsigned char *)t[i].data)[b], i);
    cr_assert_eq(arena_peak(arena), 100 * 256);
    cr_assert_eq(dev.live, 100);
    arena_close(arena);
    cr_assert_eq(dev.live, 0);
    arena_close(NULL);
}

/* The same requests, with sizes around the alignment and an empty one. */
static void request_all(struct arena *arena)
{
    static const int64_t count[] = {0, 1, 63, 64, 65, 1000, 4096};
    struct tensor t;
    for (size_t i = 0; i < sizeof count / sizeof count[0]; i++) {
        cr_assert_eq(arena_tensor(arena, DTYPE_F32, 1, &count[i], &t), ST_OK);
        cr_assert_eq(t.data == NULL, arena_measuring(arena));
    }
    void *table;
    cr_assert_eq(arena_host(arena, 12345, &table), ST_OK);
    for (int i = 0; i < 12345; i++)
        cr_assert_eq(((char *)table)[i], 0);
    memset(table, 1, 12345);
}

Test(arena, measuring_counts_what_a_real_one_takes)
{
    struct counting_device dev = counting_device();
    struct arena *real, *measuring;
    cr_assert_eq(arena_open(&dev.base, ARENA_WEIGHTS, &real), ST_OK);
    cr_assert_eq(arena_open(NULL, ARENA_WEIGHTS, &measuring), ST_OK);
    cr_assert(arena_measuring(measuring));
    cr_assert_not(arena_measuring(real));
    request_all(real);
    request_all(measuring);
    size_t want = 256 + 256 + 256 + 256 + 512 + 4096 + 16384; /* host memory is not in it */
    cr_assert_eq(arena_peak(real), want);
    cr_assert_eq(arena_peak(measuring), want);
    arena_close(real);
    arena_close(measuring);
    cr_assert_eq(dev.live, 0);
}

Test(arena, out_of_memory_is_an_answer)
{
    struct counting_device dev = counting_device();
    struct arena *arena;
    struct tensor t;
    cr_assert_eq(arena_open(&dev.base, ARENA_KV_STORE, &arena), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK);
    const int64_t large[] = {1024, 1024};
    cr_assert_eq(arena_tensor(arena, DTYPE_BF16, 2, large, &t), ST_OOM);
    cr_assert_not_null(strstr(status_message(), "kv_store"), "%s", status_message());
    cr_assert_not_null(strstr(status_message(), "2097152"), "%s", status_message());
    cr_assert_eq(arena_peak(arena), 256);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK);
    arena_close(arena);
    cr_assert_eq(dev.live, 0);
}

Test(arena, products_that_overflow_are_out_of_memory)
{
    struct arena *arena;
    struct tensor t;
    cr_assert_eq(arena_open(NULL, ARENA_BUFFERS, &arena), ST_OK);
    const int64_t square[] = {INT64_C(1) << 32, INT64_C(1) << 32};
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, square, &t), ST_OOM);
    const int64_t line[] = {INT64_C(1) << 62};
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 1, line, &t), ST_OOM);
    const int64_t empty[] = {INT64_C(1) << 40, INT64_C(1) << 40, 0};
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 3, empty, &t), ST_OOM);
    cr_assert_eq(arena_peak(arena), 0);
    const int64_t half[] = {INT64_C(1) << 61};
    cr_assert_eq(arena_tensor(arena, DTYPE_BF16, 1, half, &t), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_BF16, 1, half, &t), ST_OK);
    cr_assert_eq(arena_peak(arena), (size_t)1 << 63);
    cr_assert_eq(arena_tensor(arena, DTYPE_BF16, 1, half, &t), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_BF16, 1, half, &t), ST_OOM, "a sum past 2^64");
    arena_close(arena);
}

Test(arena, the_nth_allocation_fails_on_request)
{
    struct counting_device dev = counting_device();
    struct arena *arena;
    struct tensor t;
    void *table;
    cr_assert_eq(arena_open(&dev.base, ARENA_BUFFERS, &arena), ST_OK);
    arena_fail_after(2);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK);
    cr_assert_eq(arena_host(arena, 8, &table), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OOM);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK, "only the n-th fails");
    arena_fail_after(0);
    cr_assert_eq(arena_host(arena, 8, &table), ST_OOM);
    arena_fail_after(0);
    arena_fail_after(-1);
    cr_assert_eq(arena_host(arena, 8, &table), ST_OK);
    arena_close(arena);
    cr_assert_eq(dev.live, 0);
}

static void *allocate_elsewhere(void *arg)
{
    struct arena *arena;
    struct tensor t;
    (void)arg;
    cr_assert_eq(arena_open(NULL, ARENA_BUFFERS, &arena), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK);
    arena_close(arena);
    return NULL;
}

Test(arena, requested_failures_belong_to_one_thread)
{
    pthread_t id;
    struct arena *arena;
    struct tensor t;
    arena_fail_after(0);
    cr_assert_eq(pthread_create(&id, NULL, allocate_elsewhere, NULL), 0);
    pthread_join(id, NULL);
    cr_assert_eq(arena_open(NULL, ARENA_BUFFERS, &arena), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OOM);
    arena_close(arena);
}

Test(arena, sealed_arenas_give_nothing, .signal = SIGABRT)
{
    struct arena *arena;
    struct tensor t;
    if (arena_open(NULL, ARENA_BUFFERS, &arena) != ST_OK)
        return;
    arena_seal(arena);
    (void)arena_tensor(arena, DTYPE_F32, 2, shape, &t);
}

Test(arena, debug_builds_poison)
{
#ifdef DEBUG
    struct counting_device dev = counting_device();
    struct arena *arena;
    struct tensor t;
    cr_assert_eq(arena_open(&dev.base, ARENA_BUFFERS, &arena), ST_OK);
    cr_assert_eq(arena_tensor(arena, DTYPE_F32, 2, shape, &t), ST_OK);
    for (int i = 0; i < 15; i++)
        cr_assert(isnan(((float *)t.data)[i]));
    arena_close(arena);
#else
    cr_skip("only debug builds (VARIANT=debug, asan) fill new memory with NaN");
#endif
}

static int given_back; // by arena_adopt's release

static void give_back(void *owner)
{
    given_back += *(int *)owner;
}

/* Memory from elsewhere counts like the arena's own and goes back by its own way, once. */
Test(arena, adopted_memory)
{
    struct arena *arena;
    struct tensor t;
    float memory[6];
    int owner = 7;
    const int64_t dim[2] = {2, 3};
    const struct device_options options = {.threads = 1};
    struct device *dev;
    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_OK);
    cr_assert_eq(arena_open(dev, ARENA_BUFFERS, &arena), ST_OK);
    arena_fail_after(0);
    cr_assert_eq(arena_adopt(arena, DTYPE_F32, 2, dim, memory, give_back, &owner, &t), ST_OOM);
    cr_assert_eq(arena_peak(arena), 0);
    cr_assert_eq(arena_adopt(arena, DTYPE_F32, 2, dim, memory, give_back, &owner, &t), ST_OK);
    cr_assert_eq(t.data, memory);
    cr_assert(tensor_contiguous(&t) && t.dim[0] == 2 && t.dim[1] == 3 && t.dev == dev);
    cr_assert_eq(arena_peak(arena), ARENA_ALIGN);
    cr_assert_eq(given_back, 0);
    arena_close(arena);
    cr_assert_eq(given_back, 7);
    device_close(dev);
}
