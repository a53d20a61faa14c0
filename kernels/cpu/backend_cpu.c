/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's table: devices, empty queues and clocks. The ops are in the files beside it. */
#include "kernels/cpu/backend_cpu.h"

#include "kernels/backend.h"
#include "kernels/base/clock.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/copy.h"
#include "kernels/cpu/group_norm.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/norm.h"
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/qk_norm.h"
#include "kernels/cpu/random.h"

#include <stdlib.h>

static bool supports(enum dtype dtype)
{
    return dtype == DTYPE_F32;
}

static enum status count(int *devices)
{
    *devices = 1;
    return ST_OK;
}

static void device_free(struct device *dev)
{
    if (!dev)
        return;
    struct cpu_device *cpu = (struct cpu_device *)dev;
    pool_close(cpu->pool);
    memory_release(cpu->scratch);
    free(cpu);
}

static enum status device_make(const struct device_options *options, struct device **out)
{
    struct cpu_device *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return fail(ST_OOM, "the CPU device: no memory for itself");
    cpu->base.options = *options;
    cpu->simd = simd_best();
    size_t scratch = (size_t)options->threads * CPU_SCRATCH * sizeof(float);
    enum status st = memory_alloc(scratch, (void **)&cpu->scratch);
    if (st == ST_OK)
        st = pool_open(options->threads, &cpu->pool);
    if (st != ST_OK) {
        device_free(&cpu->base);
        return st;
    }
    *out = &cpu->base;
    return ST_OK;
}

static enum status alloc(struct device *dev, size_t bytes, void **out)
{
    (void)dev;
    return memory_alloc(bytes, out);
}

static void release(struct device *dev, void *p)
{
    (void)dev;
    memory_release(p);
}

static enum status capacity(struct device *dev, size_t *available)
{
    *available = memory_available(dev->options.threads);
    return ST_OK;
}

static enum status queue_make(struct device *dev, struct queue **out)
{
    struct queue *q = malloc(sizeof(*q));
    if (!q)
        return fail(ST_OOM, "a queue of the CPU device: no memory for itself");
    q->dev = dev;
    *out = q;
    return ST_OK;
}

static void queue_free(struct queue *q)
{
    free(q);
}

static enum status queue_drain(struct queue *q)
{
    (void)q;
    return ST_OK;
}

static enum status event_make(struct device *dev, struct event *out)
{
    (void)dev;
    out->state = calloc(1, sizeof(double)); /* clock_seconds */
    return out->state ? ST_OK : fail(ST_OOM, "an event of the CPU device: no memory for its time");
}

static void event_free(struct device *dev, struct event *event)
{
    (void)dev;
    free(event->state);
    event->state = NULL;
}

static enum status mark(struct queue *q, struct event *event)
{
    (void)q;
    *(double *)event->state = clock_seconds();
    return ST_OK;
}

static enum status await(struct queue *q, const struct event *event)
{
    (void)q;
    (void)event;
    return ST_OK;
}

static enum status elapsed(const struct event *from, const struct event *to, double *ms)
{
    *ms = 1e3 * (*(double *)to->state - *(double *)from->state);
    return ST_OK;
}

const struct backend_ops backend_cpu = {
    .name = "cpu",
    .summary = "fp32 on the host's cores: OpenBLAS products, own vectorised kernels",
    .on_host = true,
    .supports = supports,
    .count = count,
    .open = device_make,
    .close = device_free,
    .alloc = alloc,
    .release = release,
    .capacity = capacity,
    .queue_open = queue_make,
    .queue_close = queue_free,
    .queue_sync = queue_drain,
    .event_open = event_make,
    .event_close = event_free,
    .mark = mark,
    .await = await,
    .elapsed = elapsed,
    .copy = copy_tensor,
    .fill = copy_fill,
    .linear = linear_run,
    .linear_add = linear_run_add,
    .activate = pointwise_activate,
    .norm = norm_run,
    .gate_add = norm_gate_add,
    .gate_add_norm = norm_gate_add_norm,
    .qk_norm_rope = qk_norm_rope,
    .add_rows = pointwise_add_rows,
    .add = pointwise_add,
    .add_outer = pointwise_add_outer,
    .timestep = pointwise_timestep,
    .attention = attention_run,
    .merge = attention_merge,
    .advance = pointwise_advance,
    .random_normal = random_draw_normal,
    .random_uniform = random_draw_uniform,
    .conv = conv_run,
    .conv_fold = conv_fold,
    .group_sums = group_sums,
    .group_centre = group_centre,
    .group_norm = group_norm_run,
};
