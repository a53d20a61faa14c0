/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of one backend: its memory, its queues, marks in them, and captured work. Not what is
 * computed there (kernels/op.h) nor which piece of hardware it is (kernels/identity.h).
 */
#ifndef KERNELS_DEVICE_H
#define KERNELS_DEVICE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct backend_ops; /* kernels/backend.h */

/* What device_open needs. */
struct device_options {
    int ordinal; /* GPU index on this host; 0 on the CPU */
    int threads; /* CPU: worker threads of this device, >= 1 */
};

/* A backend embeds this as its first member. */
struct device {
    const struct backend_ops *ops;
    struct device_options options;
};

/* In-order execution; a backend embeds this as its first member. */
struct queue {
    struct device *dev;
};

/* A mark: a point in a queue. Opaque to callers; `state` belongs to the backend. */
struct event {
    void *state;
};

/* Captured work of a queue. Opaque; zeros: none. */
struct graph {
    void *state;
};

/* ST_DEVICE: there is no such device. */
enum status device_open(const struct backend_ops *ops, const struct device_options *options,
                        struct device **out);
void device_close(struct device *dev);

/* Contents undefined. ST_OOM is an answer, not an accident. */
enum status device_alloc(struct device *dev, size_t bytes, void **out);
void device_release(struct device *dev, void *p);

/* Bytes that device_alloc could give now. */
enum status device_capacity(struct device *dev, size_t *available);

/* ---- queues ---- */
enum status queue_open(struct device *dev, struct queue **out);
void queue_close(struct queue *q);
enum status queue_sync(struct queue *q); /* the host waits until q is empty */

/* ---- marks ---- */
enum status event_open(struct device *dev, struct event *out);
void event_close(struct device *dev, struct event *event); /* an event of zeros is fine */

/* The event becomes the point that q was filled to by now; an earlier point is forgotten. */
enum status queue_mark(struct queue *q, struct event *event);

/* What q is given from now on runs after the event's point. The host does not wait. */
enum status queue_await(struct queue *q, const struct event *event);

/* Milliseconds from one marked event to another, both complete. */
enum status event_elapsed(struct device *dev, const struct event *from, const struct event *to,
                          double *ms);

/*
 * ---- graphs: captured work of a queue, launched again as a whole. ----
 *
 * Not an own way to compute: what is captured are ops (kernels/op.h) and whatever other queues were
 * made to wait for between begin and end. While a queue captures, its ops are checked and
 * remembered but not run. The addresses of tensors and all host values that an op was given (a
 * scale, key counts) are remembered with them; memory on the device is read anew in every launch.
 * Copies from and to host memory, queue_sync and allocations do not belong between begin and end. A
 * shape should have been computed once before it is captured: only then is the way to compute it
 * chosen by timing.
 */

/* False: the backend captures nothing; the other functions must not be called. */
bool graph_supported(const struct device *dev);

/* The queue captures from now on. */
enum status graph_begin(struct queue *q);

/* The queue runs again; what it captured goes to *out (release it in any case but failure).
 * ST_DEVICE when something that cannot be captured came between. */
enum status graph_end(struct queue *q, struct graph *out);

/* Runs a graph on a queue, after what the queue was given before. Asynchronous. */
enum status graph_launch(struct queue *q, const struct graph *graph);

/* No launch of it may be under way. A graph of zeros is fine. */
void graph_release(struct device *dev, struct graph *graph);

#endif
