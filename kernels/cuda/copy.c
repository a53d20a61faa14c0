/* SPDX-License-Identifier: Apache-2.0 */
/* Which way a copy goes: staged from or to host memory, between GPUs, or within one. */
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <stdint.h>

static bool on_gpu(const struct queue *q, const struct tensor *t)
{
    return t->dev && t->dev->ops == q->dev->ops;
}

/* Launchers count elements in 31 bits; larger tensors go in halves. */
static enum status in_halves(struct queue *q, const struct tensor *dst, const struct tensor *src,
                             float value)
{
    struct cuda_target at = cuda_target(q);
    if (tensor_count(dst) <= INT32_MAX)
        return src ? cuda_copy_strided(&at, dst, src) : cuda_fill_strided(&at, dst, value);
    int axis = 0;
    while (dst->dim[axis] == 1)
        axis++;
    for (int64_t begin = 0; begin < dst->dim[axis]; begin += dst->dim[axis] / 2) {
        int64_t left = dst->dim[axis] - begin;
        int64_t count = left < dst->dim[axis] / 2 ? left : dst->dim[axis] / 2;
        struct tensor to = tensor_slice(dst, axis, begin, count);
        struct tensor from = src ? tensor_slice(src, axis, begin, count) : to;
        TRY(in_halves(q, &to, src ? &from : NULL, value));
    }
    return ST_OK;
}

/* What GPU `here` is given may then read and write the other's memory; else *possible is false. */
static enum status allow_peer(int here, int there, bool *possible)
{
    int can = 0;
    TRY(CU(cudaDeviceCanAccessPeer(&can, here, there)));
    *possible = *possible && can;
    if (!can)
        return ST_OK;
    TRY(CU(cudaSetDevice(here)));
    cudaError_t error = cudaDeviceEnablePeerAccess(there, 0);
    if (error == cudaErrorPeerAccessAlreadyEnabled) {
        cudaGetLastError();
        return ST_OK;
    }
    return CU(error);
}

/* Once for a queue and a GPU, both ways. Where that cannot be, dense copies go through the host. */
static enum status reach_peer(struct queue *q, const struct tensor *dst, const struct tensor *src,
                              bool dense)
{
    int to = dst->dev->options.ordinal, from = src->dev->options.ordinal;
    int other = q->dev->options.ordinal == to ? from : to;
    struct cuda_queue *queue = cuda_queue_of(q);
    bool possible = true;
    uint64_t bit = other < 64 ? UINT64_C(1) << other : 0;
    if (to == from || (dense ? queue->asked : queue->peers) & bit)
        return ST_OK;
    TRY(allow_peer(to, from, &possible));
    TRY(allow_peer(from, to, &possible));
    if (!possible && !dense)
        return fail(ST_UNSUPPORTED,
                    "a strided copy from GPU %d to GPU %d: they cannot see each other's memory; "
                    "use --transport nccl",
                    from, to);
    queue->asked |= bit;
    queue->peers |= possible ? bit : 0;
    return ST_OK;
}

static enum status copy_on_gpu(struct queue *q, const struct tensor *dst, const struct tensor *src)
{
    bool dense = dst->dtype == src->dtype && tensor_contiguous(dst) && tensor_contiguous(src);
    TRY(reach_peer(q, dst, src, dense));
    if (!dense)
        return in_halves(q, dst, src, 0.0f);
    struct cuda_target at = cuda_target(q);
    return CU(
        cudaMemcpyAsync(dst->data, src->data, tensor_bytes(dst), cudaMemcpyDefault, at.stream));
}

enum status cuda_copy(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    bool to_gpu = on_gpu(q, dst);
    bool from_gpu = on_gpu(q, src);
    BUG_ON(!to_gpu && !from_gpu, "a copy within host memory on a queue of a GPU");
    if (tensor_count(dst) == 0)
        return ST_OK;
    if (!from_gpu)
        return cuda_upload(q, dst, src);
    if (!to_gpu)
        return cuda_download(q, dst, src);
    return copy_on_gpu(q, dst, src);
}

enum status cuda_fill(struct queue *q, struct tensor *t, float value)
{
    struct cuda_target at = cuda_target(q);
    BUG_ON(!on_gpu(q, t), "a fill of host memory on a queue of a GPU");
    if (tensor_count(t) == 0)
        return ST_OK;
    if (value == 0.0f && tensor_contiguous(t)) // all our dtypes write 0 as zero bytes
        return CU(cudaMemsetAsync(t->data, 0, tensor_bytes(t), at.stream));
    return in_halves(q, t, NULL, value);
}
