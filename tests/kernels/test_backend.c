/* SPDX-License-Identifier: Apache-2.0 */
/* The registry and the front end: what is listed, refused and checked, and how it is traced. */
#include "kernels/backend.h"

#include "kernels/base/trace.h"
#include "tests/kernels/ops.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Test(backend, registry)
{
    cr_assert_null(backend_find("abacus"));
    cr_assert_null(backend_at(-1));
    int n = 0;
    for (; backend_at(n); n++) {
        cr_assert_eq(backend_find(backend_at(n)->name), backend_at(n), "the name %s twice",
                     backend_at(n)->name);
        cr_assert_gt(strlen(backend_at(n)->summary), 0);
        /* Every slot up to those of graphs is mandatory: function pointers from `supports` on. */
        void *const *slot = (void *const *)(const void *)&backend_at(n)->supports;
        void *const *end = (void *const *)(const void *)&backend_at(n)->graph_begin;
        for (; slot < end; slot++)
            cr_assert_not_null(*slot);
    }
    cr_assert_gt(n, 0);
    cr_assert_not_null(backend_find("cpu"));
}

Test(backend, cpu_computes_in_fp32)
{
    const struct backend_ops *cpu = backend_find("cpu");
    cr_assert(cpu->supports(DTYPE_F32));
    cr_assert_not(cpu->supports(DTYPE_BF16));
    cr_assert_not(cpu->supports(DTYPE_F16));
}

Test(backend, no_such_device)
{
    struct device_options options = {.ordinal = 1, .threads = 1};
    struct device *dev;
    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_DEVICE);
    cr_assert_not_null(strstr(status_message(), "cpu device 1"), "%s", status_message());
}

Test(backend, capacity_and_oom)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    size_t available;
    cr_assert_eq(device_capacity(ops.dev, &available), ST_OK);
    cr_assert_gt(available, (size_t)1 << 20);
    void *p;
    cr_assert_eq(ops.dev->ops->alloc(ops.dev, (size_t)1 << 50, &p), ST_OOM);
    cr_assert_not_null(strstr(status_message(), "1125899906842624 bytes"), "%s", status_message());
    cr_assert_eq(ops.dev->ops->alloc(ops.dev, 3 << 20, &p), ST_OK);
    cr_assert_eq((uintptr_t)p % 256, 0);
    memset(p, 1, 3 << 20);
    ops.dev->ops->release(ops.dev, p);
    ops_close(&ops);
}

Test(backend, events_measure_time)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct event from, to;
    cr_assert_eq(event_open(ops.dev, &from), ST_OK);
    cr_assert_eq(event_open(ops.dev, &to), ST_OK);
    cr_assert_eq(queue_mark(ops.q, &from), ST_OK);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    cr_assert_eq(queue_mark(ops.q, &to), ST_OK);
    cr_assert_eq(queue_await(ops.q, &to), ST_OK);
    cr_assert_eq(queue_sync(ops.q), ST_OK);
    double ms;
    cr_assert_eq(event_elapsed(ops.dev, &from, &to, &ms), ST_OK);
    cr_assert(ms >= 3.0 && ms < 3000.0, "%f ms", ms);
    event_close(ops.dev, &from);
    event_close(ops.dev, &to);
    ops_close(&ops);
}

static char traced[256];
static int depth;

static void push(const char *name)
{
    depth++;
    strcat(strcat(traced, name), ";");
}

static void pop(void)
{
    depth--;
}

Test(backend, ops_are_traced)
{
    static const struct trace_sink sink = {push, pop};
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor t = ops_random(&ops, 1.0f, OPS_DIM(2, 3, 4)),
                  table = ops_random(&ops, 1.0f, OPS_DIM(3, 4));
    trace_set(&sink);
    op_fill(ops.q, &t, 1.0f);
    op_add_rows(ops.q, &t, &table);
    trace_set(NULL);
    op_fill(ops.q, &t, 1.0f);
    cr_assert_str_eq(traced, "op fill;op add_rows;");
    cr_assert_eq(depth, 0);
    ops_close(&ops);
}

/* ---- a caller's mistakes abort ---- */

Test(backend, other_shape_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(4, 5)),
                  w = ops_random(&ops, 1.0f, OPS_DIM(3, 6));
    struct tensor y = ops_blank(&ops, OPS_DIM(4, 3));
    op_linear(ops.q, &y, &x, &w, NULL, ACT_NONE);
}

Test(backend, sparse_last_axis_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(2, 3, 4)),
                  v = ops_random(&ops, 1.0f, OPS_DIM(2, 4));
    x.stride[2] = 2;
    op_norm_modulate(ops.q, &x, &x, &v, &v, 1e-6f);
}

Test(backend, unsupported_dtype_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    uint16_t data[8] = {0};
    struct tensor x = tensor_of(data, NULL, DTYPE_BF16, 2, (const int64_t[]){2, 4});
    op_activate(ops.q, &x, &x, ACT_SILU);
}

Test(backend, key_count_beyond_the_keys_aborts, .signal = SIGABRT)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    struct tensor q = ops_random(&ops, 1.0f, OPS_DIM(1, 3, 2, 4)),
                  o = ops_blank(&ops, OPS_DIM(1, 3, 2, 4));
    op_attention(ops.q, &o, NULL, &q, &q, &q, (const int[]){4}, 0.5f);
}
