/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between host memory and the GPU. An upload has read its source when it returns, and does not wait
 * for the queue; a download has written its destination when it returns. Neither can be captured: a
 * launched graph would read what the staging memory holds by then.
 */
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <string.h>

enum { STAGE_UNIT = 256 }; /* alignment of what is staged */

/* Between a host tensor of any strides and a dense copy of it: into the copy (gather), or back. */
static void walk_rows(const struct tensor *t, char *dense, bool gather)
{
    size_t size = dtype_size(t->dtype);
    int64_t width = t->ndim > 0 ? t->dim[t->ndim - 1] : 1;
    int64_t stride = t->ndim > 0 ? t->stride[t->ndim - 1] : 1;
    int64_t rows = width > 0 ? tensor_count(t) / width : 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t offset = 0;
        int64_t rest = row;
        for (int a = t->ndim - 2; a >= 0; a--) {
            offset += rest % t->dim[a] * t->stride[a];
            rest /= t->dim[a];
        }
        char *p = (char *)t->data + offset * (int64_t)size;
        int64_t runs = stride == 1 ? 1 : width;
        size_t bytes = (size_t)(width / runs) * size;
        for (int64_t i = 0; i < runs; i++, dense += bytes, p += stride * (int64_t)size)
            memcpy(gather ? dense : p, gather ? p : dense, bytes);
    }
}

static enum status staging_init(struct cuda_staging *s)
{
    void *memory;
    TRY(CU(cudaHostAlloc(&memory, (size_t)CUDA_CHUNKS * CUDA_CHUNK, cudaHostAllocDefault)));
    for (int i = 0; i < CUDA_CHUNKS; i++) {
        cudaEvent_t event;
        enum status st = CU(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
        if (st != ST_OK) {
            while (i-- > 0)
                cudaEventDestroy(s->read[i]);
            cudaFreeHost(memory);
            return st;
        }
        s->read[i] = event;
    }
    s->memory = memory;
    return ST_OK;
}

void cuda_staging_release(struct cuda_staging *s)
{
    if (!s->memory)
        return;
    for (int i = 0; i < CUDA_CHUNKS; i++)
        cudaEventDestroy(s->read[i]);
    cudaFreeHost(s->memory);
    s->memory = NULL;
}

/* `bytes` of pinned memory that no earlier launch still reads. */
static enum status staging_take(struct cuda_queue *q, size_t bytes, char **out)
{
    struct cuda_staging *s = &q->staging;
    if (!s->memory)
        TRY(staging_init(s));
    if (s->used + bytes > CUDA_CHUNK) {
        TRY(CU(cudaEventRecord(s->read[s->chunk], q->stream)));
        s->chunk = (s->chunk + 1) % CUDA_CHUNKS;
        s->used = 0;
        TRY(CU(cudaEventSynchronize(s->read[s->chunk])));
    }
    *out = s->memory + (size_t)s->chunk * CUDA_CHUNK + s->used;
    s->used += (bytes + STAGE_UNIT - 1) / STAGE_UNIT * STAGE_UNIT;
    return ST_OK;
}

/* Cut along leading axes until a piece fits into a chunk. */
static enum status in_pieces(struct queue *q, const struct tensor *host,
                             const struct tensor *device,
                             enum status (*move)(struct queue *q, const struct tensor *host,
                                                 const struct tensor *device))
{
    if (tensor_bytes(host) <= CUDA_CHUNK)
        return move(q, host, device);
    int axis = 0;
    while (host->dim[axis] == 1)
        axis++;
    int64_t half = host->dim[axis] / 2;
    struct tensor part = tensor_slice(host, axis, 0, half);
    struct tensor of_device = tensor_slice(device, axis, 0, half);
    TRY(in_pieces(q, &part, &of_device, move));
    part = tensor_slice(host, axis, half, host->dim[axis] - half);
    of_device = tensor_slice(device, axis, half, host->dim[axis] - half);
    return in_pieces(q, &part, &of_device, move);
}

static enum status upload_piece(struct queue *q, const struct tensor *host,
                                const struct tensor *device)
{
    char *stage;
    size_t bytes = tensor_bytes(host);
    struct cuda_target at = cuda_target(q);
    TRY(staging_take(cuda_queue_of(q), bytes, &stage));
    walk_rows(host, stage, true);
    if (device->dtype == host->dtype && tensor_contiguous(device))
        return CU(cudaMemcpyAsync(device->data, stage, bytes, cudaMemcpyHostToDevice, at.stream));
    struct tensor dense = tensor_of(stage, NULL, host->dtype, host->ndim, host->dim);
    return cuda_copy_strided(&at, device, &dense);
}

/* `bytes` (at most CUDA_SMALL) into q->small. */
static enum status upload_scratch(struct queue *q, const void *host, size_t bytes)
{
    struct cuda_target at = cuda_target(q);
    char padded[CUDA_SMALL] = {0};
    memcpy(padded, host, bytes);
    return cuda_upload_small(&at, cuda_queue_of(q)->small, padded, (bytes + 3) / 4 * 4);
}

static enum status upload_small(struct queue *q, const struct tensor *dst,
                                const struct tensor *host)
{
    char bytes[CUDA_SMALL] = {0};
    size_t size = tensor_bytes(host);
    struct cuda_target at = cuda_target(q);
    walk_rows(host, bytes, true);
    if (dst->dtype == host->dtype && tensor_contiguous(dst) && size % 4 == 0 &&
        (uintptr_t)dst->data % 4 == 0)
        return cuda_upload_small(&at, dst->data, bytes, size);
    TRY(upload_scratch(q, bytes, size));
    struct tensor dense =
        tensor_of(cuda_queue_of(q)->small, q->dev, host->dtype, host->ndim, host->dim);
    return cuda_copy_strided(&at, dst, &dense);
}

enum status cuda_upload(struct queue *q, const struct tensor *dst, const struct tensor *host)
{
    BUG_ON(cuda_capturing(q), "a copy from host memory into a graph: it would be frozen");
    if (tensor_bytes(host) <= CUDA_SMALL)
        return upload_small(q, dst, host);
    return in_pieces(q, host, dst, upload_piece);
}

/* Rounded to the host's dtype on the GPU, then copied through pinned memory. */
static enum status download_piece(struct queue *q, const struct tensor *host,
                                  const struct tensor *device)
{
    char *stage;
    struct cuda_target at = cuda_target(q);
    TRY(staging_take(cuda_queue_of(q), tensor_bytes(host), &stage));
    if (device->dtype == host->dtype && tensor_contiguous(device)) {
        TRY(CU(cudaMemcpyAsync(stage, device->data, tensor_bytes(host), cudaMemcpyDeviceToHost,
                               at.stream)));
    } else {
        struct tensor dense = tensor_of(stage, NULL, host->dtype, host->ndim, host->dim);
        TRY(cuda_copy_strided(&at, &dense, device));
    }
    TRY(CU(cudaStreamSynchronize(at.stream)));
    walk_rows(host, stage, false);
    return ST_OK;
}

enum status cuda_download(struct queue *q, const struct tensor *host, const struct tensor *src)
{
    BUG_ON(cuda_capturing(q), "a copy to host memory inside a graph: it would be lost");
    return in_pieces(q, host, src, download_piece);
}
