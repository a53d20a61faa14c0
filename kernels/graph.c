/* SPDX-License-Identifier: Apache-2.0 */
/* Front end of the optional slots for recorded work. */
#include "kernels/graph.h"

#include "kernels/base/trace.h"

bool graph_supported(const struct device *dev)
{
    return dev->ops->graph_begin != NULL;
}

enum status graph_begin(struct queue *q)
{
    BUG_ON(!graph_supported(q->dev), "backend %s records no graphs", q->dev->ops->name);
    return q->dev->ops->graph_begin(q);
}

enum status graph_end(struct queue *q, struct graph *out)
{
    return q->dev->ops->graph_end(q, out);
}

enum status graph_launch(struct queue *q, const struct graph *graph)
{
    BUG_ON(!graph->state, "a graph that was not recorded");
    trace_push("graph launch");
    enum status st = q->dev->ops->graph_launch(q, graph);
    trace_pop();
    return st;
}

void graph_release(struct device *dev, struct graph *graph)
{
    if (graph->state)
        dev->ops->graph_release(dev, graph);
    graph->state = NULL;
}
