/* SPDX-License-Identifier: Apache-2.0 */
/* Hands ranges to this thread's sinks. Keeps nothing itself. */
#include "kernels/base/trace.h"

_Thread_local struct trace_sink *trace_sinks;
static _Thread_local int layer_at_hand = -1;

const char *trace_kind_name(enum trace_kind kind)
{
    static const char *const name[TRACE_KINDS] = {
        [TRACE_LOOP] = "loop",   [TRACE_STEP] = "step",   [TRACE_PASS] = "pass",
        [TRACE_LAYER] = "layer", [TRACE_MODEL] = "model", [TRACE_OP] = "op",
        [TRACE_COMM] = "comm",   [TRACE_WAIT] = "wait",   [TRACE_GRAPH] = "graph",
        [TRACE_GROUP] = "group", [TRACE_MARK] = "mark",
    };
    BUG_ON((unsigned)kind >= TRACE_KINDS, "kind of range %d does not exist", (int)kind);
    return name[kind];
}

void trace_add(struct trace_sink *sink)
{
    sink->depth = 0;
    sink->next = trace_sinks;
    trace_sinks = sink;
}

void trace_remove(struct trace_sink *sink)
{
    struct trace_sink **at = &trace_sinks;
    while (*at && *at != sink)
        at = &(*at)->next;
    BUG_ON(!*at, "a sink that this thread does not have");
    *at = sink->next;
    for (; sink->depth > 0; sink->depth--)
        sink->pop(sink->self);
}

void trace_push(const struct trace_range *range)
{
    for (struct trace_sink *sink = trace_sinks; sink; sink = sink->next) {
        sink->depth++;
        sink->push(sink->self, range);
    }
}

void trace_push_named(enum trace_kind kind, const char *name, int index)
{
    const struct trace_range range = {.kind = kind, .name = name, .index = index, .peer = -1};
    trace_push(&range);
}

/* A range that was open before a sink came is none of its. */
void trace_pop(void)
{
    for (struct trace_sink *sink = trace_sinks; sink; sink = sink->next) {
        if (sink->depth == 0)
            continue;
        sink->depth--;
        sink->pop(sink->self);
    }
}

int trace_layer(void)
{
    return layer_at_hand;
}

void trace_enter_layer(int layer)
{
    layer_at_hand = layer;
    trace_enter(TRACE_LAYER, "layer", layer);
}

enum status trace_leave_layer(enum status st)
{
    layer_at_hand = -1;
    return trace_leave(st);
}
