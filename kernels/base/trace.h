/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named ranges around operations, communications and launches of graphs, for whoever sets a sink;
 * so far only tests do. Callers: the front ends op_*, comm_* and graph_launch. And the layer at
 * hand, which the model tells.
 */
#ifndef KERNELS_BASE_TRACE_H
#define KERNELS_BASE_TRACE_H

struct trace_sink {
    void (*push)(const char *name);
    void (*pop)(void);
};

/* Sets the sink of this thread; NULL switches off. Borrowed. */
void trace_set(const struct trace_sink *sink);

void trace_push(const char *name);
void trace_pop(void);

/* The layer that this thread works on, or -1: for messages about what it posted there. */
void trace_set_layer(int layer);
int trace_layer(void);

#endif
