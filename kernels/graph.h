/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded work of a queue, launched again as a whole. Not an own way to compute: what is recorded
 * are the ops of kernels/backend.h and whatever other queues were made to wait for between begin
 * and end.
 *
 * While a queue records, its ops are checked and remembered but not run. The addresses of tensors
 * and all host values that an op was given (a scale, key counts) are remembered with them; memory
 * on the device is read anew in every launch. Copies from and to host memory, queue_sync and
 * allocations do not belong between begin and end. A shape should have been computed once before it
 * is recorded: only then is the way to compute it chosen by timing.
 */
#ifndef KERNELS_GRAPH_H
#define KERNELS_GRAPH_H

#include "kernels/backend.h"

/* False: the backend records nothing; the other functions must not be called. */
bool graph_supported(const struct device *dev);

/* The queue records from now on. */
enum status graph_begin(struct queue *q);

/* The queue runs again; what it recorded goes to *out (release it in any case but failure).
 * ST_DEVICE when something that cannot be recorded came between. */
enum status graph_end(struct queue *q, struct graph *out);

/* Runs a graph on a queue, after what the queue was given before. Asynchronous. */
enum status graph_launch(struct queue *q, const struct graph *graph);

/* No launch of it may be under way. A graph of zeros is fine. */
void graph_release(struct device *dev, struct graph *graph);

#endif
