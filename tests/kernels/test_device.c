/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the CPU: which there are, their memory, and marks in their queues. */
#include "kernels/device.h"

#include "tests/kernels/ops.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

Test(device, no_such_device)
{
    struct device_options options = {.ordinal = 1, .threads = 1};
    struct device *dev;
    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_DEVICE);
    cr_assert_not_null(strstr(status_message(), "cpu device 1"), "%s", status_message());
}

Test(device, capacity_and_oom)
{
    struct ops ops;
    ops_open(&ops, 1, 1);
    size_t available;
    cr_assert_eq(device_capacity(ops.dev, &available), ST_OK);
    cr_assert_gt(available, (size_t)1 << 20);
    void *p;
    cr_assert_eq(device_alloc(ops.dev, (size_t)1 << 50, &p), ST_OOM);
    cr_assert_not_null(strstr(status_message(), "1125899906842624 bytes"), "%s", status_message());
    cr_assert_eq(device_alloc(ops.dev, 3 << 20, &p), ST_OK);
    cr_assert_eq((uintptr_t)p % 256, 0);
    memset(p, 1, 3 << 20);
    device_release(ops.dev, p);
    ops_close(&ops);
}

Test(device, events_measure_time)
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
