/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NVIDIA GPU as a device: what the host files of this folder and the NCCL transport share;
 * CUDA's own types are named in comments, so that it is read where there is no CUDA.
 *
 * One thread at a time calls ops of a device; several devices of one process may share a GPU. A
 * queue is a stream. Whatever a shape needs (a plan, a workspace, staging memory) is made when a
 * queue meets it first, outside a capture, and kept.
 */
#ifndef KERNELS_CUDA_CUDA_PRIVATE_H
#define KERNELS_CUDA_CUDA_PRIVATE_H

#include "kernels/cuda/launch.h"
#include "kernels/device.h"
#include "kernels/op_image.h"

struct cuda_blas; /* linear_cublas.c */
struct cuda_dnn;  /* dnn.h */

/* The first kernel that attention may use; each is followed by those below it, but that short lanes
 * come before all others, and not after cuDNN's. */
enum cuda_attention_choice {
    CUDA_ATTENTION_RESIDENT,
    CUDA_ATTENTION_HOPPER,
    CUDA_ATTENTION_CUDNN,
    CUDA_ATTENTION_SHORT,
    CUDA_ATTENTION_FEW,
    CUDA_ATTENTION_FLASH,
    CUDA_ATTENTION_PLAIN,
};

/* Who computes products where our own kernel can. */
enum cuda_linear_choice {
    CUDA_LINEAR_TIMED, /* the fastest */
    CUDA_LINEAR_CUBLAS,
    CUDA_LINEAR_HOPPER, /* our kernel */
};

/* Who computes convolutions where cuDNN can. */
enum cuda_conv_choice { CUDA_CONV_CUDNN, CUDA_CONV_OWN };

struct cuda_device {
    struct device base;
    struct cuda_target target; /* its stream is that of a queue */
    int multiprocessors;       /* of the GPU, those that are held, too */
    char name[80];             /* of the GPU, without spaces: a key */
    struct cuda_blas *blas;
    struct cuda_dnn *dnn; /* NULL: there is no cuDNN that can be used */
    enum cuda_attention_choice attention;
    enum cuda_linear_choice linear;
    enum cuda_conv_choice conv;
};

enum { CUDA_CHUNKS = 4, CUDA_CHUNK = 1 << 20, CUDA_WORKSPACES = 8 };

/* Pinned memory on the way to the GPU: chunks in a ring, each filled from its begin to its end. */
struct cuda_staging {
    char *memory;            /* [CUDA_CHUNKS][CUDA_CHUNK], NULL: not needed so far */
    void *read[CUDA_CHUNKS]; /* cudaEvent_t: the queue has read all of a chunk */
    int chunk;               /* being filled */
    size_t used;             /* of it */
};

struct cuda_queue {
    struct queue base;
    void *stream; /* cudaStream_t */
    struct cuda_staging staging;
    char *small; /* device: CUDA_SMALL bytes that the next launch reads, then CUDA_ZEROS */
    void *workspace[CUDA_WORKSPACES]; /* of cuBLAS and cuDNN; the last one is in use */
    int workspaces;
    size_t workspace_bytes; /* of the last one */
    uint64_t asked;         /* bit of each GPU: access to its memory and ours was asked for */
    uint64_t peers;         /* and there is */
};

static inline struct cuda_device *cuda_device_of(const struct queue *q)
{
    return (struct cuda_device *)q->dev;
}

/* So many SMs are held by kernels that wait beside computing: grids and products that come from now
 * on leave them out, or their last blocks would be a round of their own. 0: none. */
void cuda_hold(struct device *dev, int multiprocessors);

/* SMs that are left where some are held; 0: none is. */
int cuda_rest(const struct queue *q);

static inline struct cuda_queue *cuda_queue_of(struct queue *q)
{
    return (struct cuda_queue *)q;
}

/* ---- stream.c, and what launch.h has of it ---- */

/* Foreign calls as statuses: TRY(CU(cudaMalloc(...))). A failed allocation is ST_OOM, all else
 * ST_DEVICE. */
#define CU(call) cuda_check((int)(call), #call)

/* The queue is being captured into a graph. */
bool cuda_capturing(const struct queue *q);

/* The table's alloc. */
enum status cuda_alloc(struct device *dev, size_t bytes, void **out);

/* At least `bytes` of memory for the queue's next launch. */
enum status cuda_workspace(struct queue *q, size_t bytes, void **out);

/* ---- staging.c ---- */
enum status cuda_upload(struct queue *q, const struct tensor *dst, const struct tensor *host);
enum status cuda_download(struct queue *q, const struct tensor *host, const struct tensor *src);
void cuda_staging_release(struct cuda_staging *staging);

/* ---- copy.c ---- */
enum status cuda_copy(struct queue *q, struct tensor *dst, const struct tensor *src);
enum status cuda_fill(struct queue *q, struct tensor *t, float value);

/* ---- linear.c ---- */
enum status cuda_linear(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct tensor *w, const struct tensor *bias, enum act act);
enum status cuda_linear_add(struct queue *q, struct tensor *h, const struct tensor *x,
                            const struct tensor *w, const struct tensor *bias);

/* ---- attention.c ---- */
enum status cuda_attention(struct queue *q, struct tensor *o, struct tensor *lse,
                           const struct tensor *query, const struct tensor *key,
                           const struct tensor *value, const int *key_count, float scale);

/* ---- attention_wide.c ---- */

/* Heads of any width, through products; every lane's count may differ. */
enum status cuda_attention_wide(struct queue *q, const struct cuda_attention *a);

/* ---- conv.c ---- */
enum status cuda_conv(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct tensor *w, const struct conv *conv);
enum status cuda_group_sums(struct queue *q, struct tensor *sums, const struct tensor *x);

/* ---- graph_cuda.c ---- */
enum status cuda_graph_begin(struct queue *q);
enum status cuda_graph_end(struct queue *q, struct graph *out);
enum status cuda_graph_launch(struct queue *q, const struct graph *graph);
void cuda_graph_release(struct device *dev, struct graph *graph);

#endif
