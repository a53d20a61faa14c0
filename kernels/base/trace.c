/* SPDX-License-Identifier: Apache-2.0 */
/* Hands named ranges to this thread's sink. Keeps nothing itself. */
#include "kernels/base/trace.h"

#include <stddef.h>

static _Thread_local const struct trace_sink *current;
static _Thread_local int layer_at_hand = -1;

void trace_set(const struct trace_sink *sink)
{
    current = sink;
}

void trace_push(const char *name)
{
    if (current)
        current->push(name);
}

void trace_pop(void)
{
    if (current)
        current->pop();
}

void trace_set_layer(int layer)
{
    layer_at_hand = layer;
}

int trace_layer(void)
{
    return layer_at_hand;
}
