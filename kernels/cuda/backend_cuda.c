/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA's table: GPUs, streams, events, memory. The ops themselves are in the files beside it. */
#include "kernels/cuda/backend_cuda.h"

#include "kernels/backend.h"
#include "kernels/cuda/activity_cupti.h"
#include "kernels/cuda/counters_cupti.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/linear_cublas.h"
#include "kernels/identity.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- devices ---- */

/* Without a driver, or with one older than this program's runtime, there are none. */
static enum status count(int *devices)
{
    if (cudaGetDeviceCount(devices) != cudaSuccess) {
        cudaGetLastError();
        *devices = 0;
    }
    return ST_OK;
}

/* bf16 needs compute capability 8.0, of every GPU that is seen. Asked for by every op, so the
 * answer is kept. */
static bool has_bf16(void)
{
    static _Thread_local int known = -1;
    int devices, major;
    if (known >= 0)
        return known;
    count(&devices);
    known = 1;
    for (int i = 0; i < devices; i++) {
        if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i) == cudaSuccess &&
            major < 8)
            known = 0;
    }
    return known;
}

static bool supports(enum dtype dtype)
{
    return dtype != DTYPE_BF16 || has_bf16();
}

/* Asks a library that is loaded already for its version; 0: it is not. */
static size_t loaded_version(const char *library, const char *function)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    void *address = handle ? dlsym(handle, function) : NULL;
    size_t (*version)(void);
    size_t number = 0;
    memcpy(&version, &address, sizeof(version)); // ISO C has no cast from object to function
    if (address)
        number = version();
    if (handle)
        dlclose(handle); // only our count of it
    return number;
}

/* The runtime is linked in. cuBLASLt and cuDNN count 1000 or 10000 for a major version. */
static void name_libraries(struct identity *out)
{
    char name[40];
    snprintf(name, sizeof(name), "libcublasLt.so.%d", CUDART_VERSION / 1000);
    size_t blas = loaded_version(name, "cublasLtGetVersion");
    size_t dnn = loaded_version("libcudnn.so.9", "cudnnGetVersion");
    identity_add_library(out, "cuda", "%d.%d", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    if (blas > 0)
        identity_add_library(out, "cublasLt", "%zu.%zu.%zu", blas / 10000, blas / 100 % 100,
                             blas % 100);
    if (dnn > 0)
        identity_add_library(out, "cudnn", "%zu.%zu.%zu", dnn / 10000, dnn / 100 % 100, dnn % 100);
}

/* The uuid as NVIDIA's tools write it. Makes no context. */
static enum status identify(int ordinal, struct identity *out)
{
    struct cudaDeviceProp p;
    TRY(CU(cudaGetDeviceProperties(&p, ordinal)));
    snprintf(out->name, sizeof(out->name), "%.79s", p.name);
    size_t used = (size_t)snprintf(out->id, sizeof(out->id), "GPU");
    for (int i = 0; i < 16; i++)
        used += (size_t)snprintf(out->id + used, sizeof(out->id) - used, "%s%02x",
                                 i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                                 (unsigned)(unsigned char)p.uuid.bytes[i]);
    name_libraries(out);
    return ST_OK;
}

static enum status describe(struct cuda_device *cuda, int ordinal)
{
    struct cudaDeviceProp p;
    TRY(CU(cudaSetDevice(ordinal)));
    TRY(CU(cudaFree(NULL))); // makes the context
    TRY(CU(cudaGetDeviceProperties(&p, ordinal)));
    cuda->target.compute = 10 * p.major + p.minor;
    cuda->multiprocessors = cuda->target.multiprocessors = p.multiProcessorCount;
    cuda->target.shared_limit = p.sharedMemPerBlockOptin;
    size_t n = 0;
    for (const char *c = p.name; *c && n + 1 < sizeof(cuda->name); c++)
        cuda->name[n++] = *c == ' ' ? '-' : *c;
    return ST_OK;
}

/* What a variable names among n names that have a number each; 0 where it is not set. */
static enum status choose(const char *variable, int n, const char *const *names, int *out)
{
    const char *name = getenv(variable);
    char all[120] = "";
    if (!name || !*name)
        return ST_OK;
    for (int i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return ST_OK;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    return fail(ST_INVALID, "%s=%s: use one of %s", variable, name, all);
}

/* DITBENCH_ATTENTION, DITBENCH_LINEAR, DITBENCH_CONV: to measure and to test what is not the first
 * choice. */
static enum status choose_kernels(struct cuda_device *cuda)
{
    static const char *const attention[] = {"resident", "hopper", "cudnn", "short",
                                            "few",      "flash",  "plain"};
    static const char *const linear[] = {"timed", "cublas", "hopper"};
    static const char *const conv[] = {"cudnn", "own"};
    int of_attention = 0, of_linear = 0, of_conv = 0;
    TRY(choose("DITBENCH_ATTENTION", 7, attention, &of_attention));
    TRY(choose("DITBENCH_LINEAR", 3, linear, &of_linear));
    TRY(choose("DITBENCH_CONV", 2, conv, &of_conv));
    cuda->attention = (enum cuda_attention_choice)of_attention;
    cuda->linear = (enum cuda_linear_choice)of_linear;
    cuda->conv = (enum cuda_conv_choice)of_conv;
    return ST_OK;
}

static void device_free(struct device *dev)
{
    struct cuda_device *cuda = (struct cuda_device *)dev;
    cudaSetDevice(dev->options.ordinal);
    cuda_dnn_close(cuda->dnn);
    cuda_blas_close(cuda->blas);
    free(cuda);
}

static enum status device_init(struct cuda_device *cuda)
{
    TRY(describe(cuda, cuda->base.options.ordinal));
    TRY(choose_kernels(cuda));
    TRY(cuda_blas_open(cuda->name, &cuda->blas));
    if (cuda_dnn_open(&cuda->dnn) != ST_OK) { // our own kernels do without
        cuda->dnn = NULL;
        status_clear();
    }
    return ST_OK;
}

static enum status device_make(const struct device_options *options, struct device **out)
{
    struct cuda_device *cuda = calloc(1, sizeof(*cuda));
    if (!cuda)
        return fail(ST_OOM, "GPU %d: no host memory for itself", options->ordinal);
    cuda->base.options = *options;
    enum status st = device_init(cuda);
    if (st != ST_OK) {
        device_free(&cuda->base);
        return fail_prefix(st, "GPU %d", options->ordinal);
    }
    *out = &cuda->base;
    return ST_OK;
}

static void release(struct device *dev, void *p)
{
    cudaSetDevice(dev->options.ordinal);
    cudaFree(p);
}

static enum status capacity(struct device *dev, size_t *available)
{
    size_t all;
    TRY(CU(cudaSetDevice(dev->options.ordinal)));
    return CU(cudaMemGetInfo(available, &all));
}

/* ---- queues ---- */

static void queue_free(struct queue *q)
{
    struct cuda_queue *queue = cuda_queue_of(q);
    cudaSetDevice(q->dev->options.ordinal);
    if (queue->stream)
        cudaStreamSynchronize(queue->stream);
    cuda_staging_release(&queue->staging);
    for (int i = 0; i < queue->workspaces; i++)
        cudaFree(queue->workspace[i]);
    cudaFree(queue->small);
    if (queue->stream)
        cudaStreamDestroy(queue->stream);
    free(queue);
}

static enum status queue_make(struct device *dev, struct queue **out)
{
    struct cuda_queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return fail(ST_OOM, "a queue of GPU %d: no host memory for itself", dev->options.ordinal);
    queue->base.dev = dev;
    cudaStream_t stream = NULL;
    enum status st = CU(cudaSetDevice(dev->options.ordinal));
    if (st == ST_OK)
        st = CU(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    queue->stream = stream;
    if (st == ST_OK)
        st = CU(cudaMalloc((void **)&queue->small, CUDA_SMALL + CUDA_ZEROS));
    if (st == ST_OK)
        st = CU(cudaMemsetAsync(queue->small + CUDA_SMALL, 0, CUDA_ZEROS, stream));
    if (st != ST_OK) {
        queue_free(&queue->base);
        return st;
    }
    *out = &queue->base;
    return ST_OK;
}

static enum status queue_drain(struct queue *q)
{
    struct cuda_target at = cuda_target(q);
    return CU(cudaStreamSynchronize(at.stream));
}

/* ---- events ---- */

static enum status event_make(struct device *dev, struct event *out)
{
    cudaEvent_t event;
    TRY(CU(cudaSetDevice(dev->options.ordinal)));
    TRY(CU(cudaEventCreate(&event)));
    out->state = event;
    return ST_OK;
}

static void event_free(struct device *dev, struct event *event)
{
    cudaSetDevice(dev->options.ordinal);
    cudaEventDestroy(event->state);
    event->state = NULL;
}

static enum status mark(struct queue *q, struct event *event)
{
    struct cuda_target at = cuda_target(q);
    return CU(cudaEventRecord(event->state, at.stream));
}

static enum status await(struct queue *q, const struct event *event)
{
    struct cuda_target at = cuda_target(q);
    return CU(cudaStreamWaitEvent(at.stream, event->state, 0));
}

static enum status elapsed(const struct event *from, const struct event *to, double *ms)
{
    float value;
    TRY(CU(cudaEventElapsedTime(&value, from->state, to->state)));
    *ms = value;
    return ST_OK;
}

const struct backend_ops backend_cuda = {
    .name = "cuda",
    .summary = "NVIDIA GPUs, bf16, fp16 and fp32: cuBLASLt products, cuDNN attention and "
               "convolutions, own kernels",
    .supports = supports,
    .count = count,
    .identify = identify,
    .open = device_make,
    .close = device_free,
    .alloc = cuda_alloc,
    .release = release,
    .capacity = capacity,
    .queue_open = queue_make,
    .queue_close = queue_free,
    .queue_sync = queue_drain,
    .event_open = event_make,
    .event_close = event_free,
    .mark = mark,
    .await = await,
    .elapsed = elapsed,
    .copy = cuda_copy,
    .fill = cuda_fill,
    .linear = cuda_linear,
    .linear_add = cuda_linear_add,
    .activate = cuda_activate,
    .norm = cuda_norm,
    .gate_add = cuda_gate_add,
    .gate_add_norm = cuda_gate_add_norm,
    .qk_norm_rope = cuda_qk_norm_rope,
    .add_rows = cuda_add_rows,
    .add = cuda_add,
    .add_outer = cuda_add_outer,
    .timestep = cuda_timestep,
    .attention = cuda_attention,
    .merge = cuda_merge,
    .advance = cuda_advance,
    .random_normal = cuda_random_normal,
    .random_uniform = cuda_random_uniform,
    .conv = cuda_conv,
    .conv_fold = cuda_conv_fold,
    .group_sums = cuda_group_sums,
    .group_centre = cuda_group_centre,
    .group_norm = cuda_group_norm,
    .graph_begin = cuda_graph_begin,
    .graph_end = cuda_graph_end,
    .graph_launch = cuda_graph_launch,
    .graph_release = cuda_graph_release,
    .activity = &activity_cupti,
    .counters = &counters_cupti,
};
