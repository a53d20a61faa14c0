/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attention and convolution share of cuDNN (9.13.1 or later), which is found at run time: its
 * functions, and plans, each of which is an operation graph that was compiled for one shape. The
 * graphs themselves are in *_cudnn.c. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_DNN_H
#define KERNELS_CUDA_DNN_H

#include "kernels/cuda/cuda_private.h"

/* ST_UNSUPPORTED: there is no cuDNN, an old one, or this program was built without its headers. */
enum status cuda_dnn_open(struct cuda_dnn **out);
void cuda_dnn_close(struct cuda_dnn *dnn);

#if __has_include(<cudnn_graph.h>)
#include <cudnn_graph.h>
#endif

#if defined(CUDNN_VERSION) && CUDNN_VERSION >= 91301
#define DNN_BUILT 1

enum {
    DNN_CONFIGURATIONS = 16, /* engine configurations that are tried, of each way to find some */
    DNN_DESCRIPTORS = 24 + 2 * DNN_CONFIGURATIONS,
};

/* The functions that are called. */
struct dnn_api {
    __typeof__(cudnnGetVersion) *version;
    __typeof__(cudnnGetErrorString) *text;
    __typeof__(cudnnCreate) *create;
    __typeof__(cudnnDestroy) *destroy;
    __typeof__(cudnnSetStream) *set_stream;
    __typeof__(cudnnBackendCreateDescriptor) *descriptor_create;
    __typeof__(cudnnBackendDestroyDescriptor) *descriptor_destroy;
    __typeof__(cudnnBackendSetAttribute) *set;
    __typeof__(cudnnBackendGetAttribute) *get;
    __typeof__(cudnnBackendFinalize) *finalize;
    __typeof__(cudnnBackendExecute) *execute;
};

/* The first member of what a file keeps of a shape. */
struct dnn_plan {
    struct dnn_plan *next;
    int n;
    cudnnBackendDescriptor_t descriptor[DNN_DESCRIPTORS]; /* all that belong to the plan */
    cudnnBackendDescriptor_t execution; /* one of them; NULL: cuDNN refuses the shape */
    int64_t workspace;                  /* bytes */
};

struct cuda_dnn {
    struct dnn_api api;
    cudnnHandle_t handle;              /* made when the first shape comes: it takes long */
    struct dnn_plan *attention, *conv; /* plans, the latest first */
};

/* Calls within a function that has a `dnn`, as statuses. */
#define CUDNN(call) dnn_check(dnn, (call), #call)

enum status dnn_check(const struct cuda_dnn *dnn, cudnnStatus_t code, const char *call);

/* ---- descriptors, which die with their plan ---- */

enum status dnn_descriptor(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                           cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out);
enum status dnn_set(const struct cuda_dnn *dnn, cudnnBackendDescriptor_t descriptor,
                    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    int64_t count, const void *values);

struct dnn_tensor {
    int64_t uid; /* its name within the graph */
    cudnnDataType_t type;
    int64_t dim[4], stride[4];
    int64_t alignment; /* bytes */
    bool by_value;     /* a number that the host hands over with every launch; dim and stride 1 */
    bool inner;        /* between two nodes, never in memory */
};

enum status dnn_tensor(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                       const struct dnn_tensor *of, cudnnBackendDescriptor_t *out);
cudnnDataType_t dnn_type(enum dtype dtype);

/* ---- plans ---- */

/* Which of an engine's properties (bits of CUDNN_NUMERICAL_NOTE_*) rule it out, and the largest
 * workspace in bytes; 0: any. */
struct dnn_wish {
    unsigned notes;
    int64_t workspace;
};

/* Compiles the graph of these nodes: the first of cuDNN's proposals that can be. ST_UNSUPPORTED
 * where there is none. */
enum status dnn_compile(const struct cuda_dnn *dnn, struct dnn_plan *plan, int64_t nodes,
                        const cudnnBackendDescriptor_t *node, const struct dnn_wish *wish);

/* Makes the handle where there is none. */
enum status dnn_wake(struct queue *q, struct cuda_dnn *dnn);

/* Destroys the descriptors; there is no execution then. */
void dnn_empty(const struct cuda_dnn *dnn, struct dnn_plan *plan);

/* Launches a plan on n tensors by name. */
enum status dnn_launch(struct queue *q, const struct cuda_dnn *dnn, const struct dnn_plan *plan,
                       void *workspace, int64_t n, const int64_t *uid, void *const *pointer);

#endif
#endif
