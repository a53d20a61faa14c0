/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs by stream capture. */
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>

/* Relaxed: other threads of the process go on, and a library that allocates when it meets a shape
 * first does no harm. */
enum status cuda_graph_begin(struct queue *q)
{
    struct cuda_target at = cuda_target(q);
    return CU(cudaStreamBeginCapture(at.stream, cudaStreamCaptureModeRelaxed));
}

enum status cuda_graph_end(struct queue *q, struct graph *out)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    struct cuda_target at = cuda_target(q);
    TRY(CU(cudaStreamEndCapture(at.stream, &graph)));
    enum status st = CU(cudaGraphInstantiate(&exec, graph, 0));
    cudaGraphDestroy(graph);
    if (st == ST_OK)
        out->state = exec;
    return st;
}

enum status cuda_graph_launch(struct queue *q, const struct graph *graph)
{
    struct cuda_target at = cuda_target(q);
    return CU(cudaGraphLaunch(graph->state, at.stream));
}

void cuda_graph_release(struct device *dev, struct graph *graph)
{
    (void)dev;
    cudaGraphExecDestroy(graph->state);
}
