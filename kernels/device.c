/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of a backend's device: memory, queues, marks and graphs. */
#include "kernels/device.h"

#include "kernels/backend.h"
#include "kernels/base/trace.h"

enum status device_open(const struct backend_ops *ops, const struct device_options *options,
                        struct device **out)
{
    int devices;
    TRY(ops->count(&devices));
    if (options->ordinal < 0 || options->ordinal >= devices)
        return fail(ST_DEVICE, "%s device %d: there are %d, numbered from 0", ops->name,
                    options->ordinal, devices);
    TRY(ops->open(options, out));
    (*out)->ops = ops;
    return ST_OK;
}

void device_close(struct device *dev)
{
    if (dev)
        dev->ops->close(dev);
}

enum status device_alloc(struct device *dev, size_t bytes, void **out)
{
    return dev->ops->alloc(dev, bytes, out);
}

void device_release(struct device *dev, void *p)
{
    dev->ops->release(dev, p);
}

enum status device_capacity(struct device *dev, size_t *available)
{
    return dev->ops->capacity(dev, available);
}

enum status queue_open(struct device *dev, struct queue **out)
{
    return dev->ops->queue_open(dev, out);
}

void queue_close(struct queue *q)
{
    if (q)
        q->dev->ops->queue_close(q);
}

enum status queue_sync(struct queue *q)
{
    return q->dev->ops->queue_sync(q);
}

enum status event_open(struct device *dev, struct event *out)
{
    return dev->ops->event_open(dev, out);
}

void event_close(struct device *dev, struct event *event)
{
    if (event->state)
        dev->ops->event_close(dev, event);
}

enum status queue_mark(struct queue *q, struct event *event)
{
    return q->dev->ops->mark(q, event);
}

enum status queue_await(struct queue *q, const struct event *event)
{
    return q->dev->ops->await(q, event);
}

enum status event_elapsed(struct device *dev, const struct event *from, const struct event *to,
                          double *ms)
{
    return dev->ops->elapsed(from, to, ms);
}

/* ---- graphs ---- */

bool graph_supported(const struct device *dev)
{
    return dev->ops->graph_begin != NULL;
}

enum status graph_begin(struct queue *q)
{
    BUG_ON(!graph_supported(q->dev), "backend %s captures no graphs", q->dev->ops->name);
    TRY(q->dev->ops->graph_begin(q));
    trace_enter(TRACE_GRAPH, "capture", -1);
    return ST_OK;
}

enum status graph_end(struct queue *q, struct graph *out)
{
    out->queue = q;
    return trace_leave(q->dev->ops->graph_end(q, out));
}

enum status graph_launch(struct queue *q, const struct graph *graph)
{
    BUG_ON(!graph->state, "a graph that was not captured");
    BUG_ON(graph->queue != q, "a graph of another queue");
    return TRACE(TRACE_GRAPH, "launch", -1, q->dev->ops->graph_launch(q, graph));
}

void graph_release(struct device *dev, struct graph *graph)
{
    if (graph->state)
        dev->ops->graph_release(dev, graph);
    graph->state = NULL;
}
