/* SPDX-License-Identifier: Apache-2.0 */
/* What every file here that launches something wants of a queue and its GPU: the stream, whether it
 * is being captured, a workspace; and statuses of CUDA's calls. The lowest file of this folder. */
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>

enum status cuda_check(int error, const char *call)
{
    if (error == cudaSuccess)
        return ST_OK;
    cudaGetLastError(); // forgotten, where it can be
    return fail(error == cudaErrorMemoryAllocation ? ST_OOM : ST_DEVICE, "%s: %s", call,
                cudaGetErrorString((cudaError_t)error));
}

enum status cuda_launched(const char *kernel)
{
    return cuda_check(cudaGetLastError(), kernel);
}

struct cuda_target cuda_target(const struct queue *q)
{
    struct cuda_target at = cuda_device_of(q)->target;
    at.stream = ((const struct cuda_queue *)q)->stream;
    at.zeros = ((const struct cuda_queue *)q)->small + CUDA_SMALL;
    cudaSetDevice(q->dev->options.ordinal); // a failure shows in the call that follows
    return at;
}

void cuda_hold(struct device *dev, int multiprocessors)
{
    struct cuda_device *cuda = (struct cuda_device *)dev;
    cuda->target.multiprocessors = cuda->multiprocessors - multiprocessors;
}

int cuda_rest(const struct queue *q)
{
    const struct cuda_device *cuda = cuda_device_of(q);
    int rest = cuda->target.multiprocessors;
    return rest < cuda->multiprocessors ? rest : 0;
}

bool cuda_capturing(const struct queue *q)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    const struct cuda_queue *queue = (const struct cuda_queue *)q;
    return cudaStreamIsCapturing(queue->stream, &status) == cudaSuccess &&
           status == cudaStreamCaptureStatusActive;
}

enum status cuda_alloc(struct device *dev, size_t bytes, void **out)
{
    TRY(CU(cudaSetDevice(dev->options.ordinal)));
    cudaError_t error = cudaMalloc(out, bytes > 0 ? bytes : 1);
    if (error != cudaErrorMemoryAllocation)
        return CU(error);
    size_t available = 0, all = 0;
    cudaGetLastError();
    cudaMemGetInfo(&available, &all);
    return fail(ST_OOM, "%zu bytes on GPU %d: %zu of %zu are available", bytes,
                dev->options.ordinal, available, all);
}

/* Captured graphs hold the address of the workspace that they were made with, so one that became
 * too small is kept; each is at least twice the one before. */
enum status cuda_workspace(struct queue *q, size_t bytes, void **out)
{
    enum { LEAST = 64 << 20 };
    struct cuda_queue *queue = cuda_queue_of(q);
    if (queue->workspaces == 0 || bytes > queue->workspace_bytes) {
        size_t size = queue->workspaces == 0 ? LEAST : 2 * queue->workspace_bytes;
        size = bytes > size ? bytes : size;
        BUG_ON(queue->workspaces == CUDA_WORKSPACES, "a workspace of %zu bytes", bytes);
        TRY(cuda_alloc(q->dev, size, &queue->workspace[queue->workspaces]));
        queue->workspaces++;
        queue->workspace_bytes = size;
    }
    *out = queue->workspace[queue->workspaces - 1];
    return ST_OK;
}
