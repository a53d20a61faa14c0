/* SPDX-License-Identifier: Apache-2.0 */
/* cuDNN's C backend interface, found at run time: descriptors, and plans out of its proposals.
 * Knows no operation. */
#include "kernels/cuda/dnn.h"

#ifdef DNN_BUILT

#include "kernels/cuda/library.h"

#include <stddef.h>
#include <stdlib.h>

enum { OLDEST = 91301 };

static const struct {
    const char *function;
    size_t at;
} api_table[] = {
    {"cudnnGetVersion", offsetof(struct dnn_api, version)},
    {"cudnnGetErrorString", offsetof(struct dnn_api, text)},
    {"cudnnCreate", offsetof(struct dnn_api, create)},
    {"cudnnDestroy", offsetof(struct dnn_api, destroy)},
    {"cudnnSetStream", offsetof(struct dnn_api, set_stream)},
    {"cudnnBackendCreateDescriptor", offsetof(struct dnn_api, descriptor_create)},
    {"cudnnBackendDestroyDescriptor", offsetof(struct dnn_api, descriptor_destroy)},
    {"cudnnBackendSetAttribute", offsetof(struct dnn_api, set)},
    {"cudnnBackendGetAttribute", offsetof(struct dnn_api, get)},
    {"cudnnBackendFinalize", offsetof(struct dnn_api, finalize)},
    {"cudnnBackendExecute", offsetof(struct dnn_api, execute)},
};

enum status dnn_check(const struct cuda_dnn *dnn, cudnnStatus_t code, const char *call)
{
    if (code == CUDNN_STATUS_SUCCESS)
        return ST_OK;
    enum status st = ST_DEVICE;
    if (code == CUDNN_STATUS_ALLOC_FAILED)
        st = ST_OOM;
    else if (code / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000)
        st = ST_UNSUPPORTED;
    return fail(st, "%s: %s", call, dnn->api.text(code));
}

/* ---- life ---- */

static enum status load(struct cuda_dnn *dnn)
{
    static const char name[] = "libcudnn.so.9";
    void *library;
    TRY(cuda_library_open(name, &library));
    for (size_t i = 0; i < sizeof(api_table) / sizeof(api_table[0]); i++)
        TRY(cuda_library_find(library, name, api_table[i].function,
                              (char *)&dnn->api + api_table[i].at));
    if (dnn->api.version() < OLDEST)
        return fail(ST_UNSUPPORTED, "%s is cuDNN %zu; 9.13.1 is needed", name, dnn->api.version());
    return ST_OK;
}

enum status cuda_dnn_open(struct cuda_dnn **out)
{
    struct cuda_dnn *dnn = calloc(1, sizeof(*dnn));
    if (!dnn)
        return fail(ST_OOM, "cuDNN: no host memory for its table");
    enum status st = load(dnn);
    if (st != ST_OK) {
        free(dnn);
        return st;
    }
    *out = dnn;
    return ST_OK;
}

enum status dnn_wake(struct queue *q, struct cuda_dnn *dnn)
{
    cuda_target(q);
    return dnn->handle ? ST_OK : CUDNN(dnn->api.create(&dnn->handle));
}

void dnn_empty(const struct cuda_dnn *dnn, struct dnn_plan *plan)
{
    while (plan->n > 0)
        dnn->api.descriptor_destroy(plan->descriptor[--plan->n]);
    plan->execution = NULL;
}

static void close_plans(const struct cuda_dnn *dnn, struct dnn_plan *plan)
{
    while (plan) {
        struct dnn_plan *next = plan->next;
        dnn_empty(dnn, plan);
        free(plan);
        plan = next;
    }
}

/* The library itself stays loaded. */
void cuda_dnn_close(struct cuda_dnn *dnn)
{
    if (!dnn)
        return;
    close_plans(dnn, dnn->attention);
    close_plans(dnn, dnn->conv);
    if (dnn->handle)
        dnn->api.destroy(dnn->handle);
    free(dnn);
}

/* ---- descriptors ---- */

enum status dnn_descriptor(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                           cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out)
{
    BUG_ON(plan->n == DNN_DESCRIPTORS, "more than %d descriptors of a plan", DNN_DESCRIPTORS);
    TRY(CUDNN(dnn->api.descriptor_create(type, out)));
    plan->descriptor[plan->n++] = *out;
    return ST_OK;
}

enum status dnn_set(const struct cuda_dnn *dnn, cudnnBackendDescriptor_t descriptor,
                    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    int64_t count, const void *values)
{
    return CUDNN(dnn->api.set(descriptor, name, type, count, values));
}

enum status dnn_tensor(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                       const struct dnn_tensor *of, cudnnBackendDescriptor_t *out)
{
    TRY(dnn_descriptor(dnn, plan, CUDNN_BACKEND_TENSOR_DESCRIPTOR, out));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &of->type));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, of->dim));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, of->stride));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &of->uid));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &of->alignment));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &of->by_value));
    TRY(dnn_set(dnn, *out, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &of->inner));
    return CUDNN(dnn->api.finalize(*out));
}

cudnnDataType_t dnn_type(enum dtype dtype)
{
    return dtype == DTYPE_F32    ? CUDNN_DATA_FLOAT
           : dtype == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16
                                 : CUDNN_DATA_HALF;
}

/* ---- plans ---- */

/* One way's engine configurations for a graph, the best first. */
static enum status propose(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                           cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode,
                           cudnnBackendDescriptor_t configuration[DNN_CONFIGURATIONS],
                           int64_t *found)
{
    cudnnBackendDescriptor_t heuristics;
    TRY(dnn_descriptor(dnn, plan, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics));
    TRY(dnn_set(dnn, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
    TRY(dnn_set(dnn, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    TRY(CUDNN(dnn->api.finalize(heuristics)));
    for (int i = 0; i < DNN_CONFIGURATIONS; i++)
        TRY(dnn_descriptor(dnn, plan, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configuration[i]));
    return CUDNN(dnn->api.get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                              CUDNN_TYPE_BACKEND_DESCRIPTOR, DNN_CONFIGURATIONS, found,
                              configuration));
}

/* The properties of a configuration's engine, as bits. */
static enum status notes_of(const struct cuda_dnn *dnn, cudnnBackendDescriptor_t configuration,
                            unsigned *notes)
{
    cudnnBackendDescriptor_t engine;
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;
    TRY(CUDNN(dnn->api.descriptor_create(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine)));
    enum status st = CUDNN(dnn->api.get(configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine));
    if (st == ST_OK)
        st = CUDNN(dnn->api.get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, note));
    *notes = 0;
    for (int64_t i = 0; i < n && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT && st == ST_OK; i++)
        *notes |= 1u << note[i];
    dnn->api.descriptor_destroy(engine);
    return st;
}

static enum status execution_make(const struct cuda_dnn *dnn, struct dnn_plan *plan,
                                  cudnnBackendDescriptor_t configuration,
                                  const struct dnn_wish *wish)
{
    cudnnBackendDescriptor_t execution;
    unsigned notes = 0;
    if (wish->notes)
        TRY(notes_of(dnn, configuration, &notes));
    if (notes & wish->notes)
        return fail(ST_UNSUPPORTED, "an engine of cuDNN with properties %#x", notes);
    TRY(CUDNN(dnn->api.descriptor_create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &execution)));
    enum status st = dnn_set(dnn, execution, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                             &dnn->handle);
    if (st == ST_OK)
        st = dnn_set(dnn, execution, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &configuration);
    if (st == ST_OK)
        st = CUDNN(dnn->api.finalize(execution));
    if (st == ST_OK)
        st = CUDNN(dnn->api.get(execution, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                CUDNN_TYPE_INT64, 1, NULL, &plan->workspace));
    if (st == ST_OK && wish->workspace > 0 && plan->workspace > wish->workspace)
        st = fail(ST_UNSUPPORTED, "an engine of cuDNN that wants %lld bytes of workspace",
                  (long long)plan->workspace);
    if (st != ST_OK) {
        dnn->api.descriptor_destroy(execution);
        return st;
    }
    plan->descriptor[plan->n++] = execution;
    plan->execution = execution;
    return ST_OK;
}

enum status dnn_compile(const struct cuda_dnn *dnn, struct dnn_plan *plan, int64_t nodes,
                        const cudnnBackendDescriptor_t *node, const struct dnn_wish *wish)
{
    static const cudnnBackendHeurMode_t mode[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    cudnnBackendDescriptor_t graph, configuration[DNN_CONFIGURATIONS];
    TRY(dnn_descriptor(dnn, plan, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &graph));
    TRY(dnn_set(dnn, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, nodes,
                node));
    TRY(dnn_set(dnn, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn->handle));
    TRY(CUDNN(dnn->api.finalize(graph)));
    enum status st = fail(ST_UNSUPPORTED, "cuDNN proposes nothing");
    for (int way = 0; way < 2 && st != ST_OK; way++) {
        int64_t found = 0;
        enum status proposed = propose(dnn, plan, graph, mode[way], configuration, &found);
        for (int64_t i = 0; i < found && i < DNN_CONFIGURATIONS && proposed == ST_OK && st != ST_OK;
             i++)
            st = execution_make(dnn, plan, configuration[i], wish);
    }
    return st;
}

enum status dnn_launch(struct queue *q, const struct cuda_dnn *dnn, const struct dnn_plan *plan,
                       void *workspace, int64_t n, const int64_t *uid, void *const *pointer)
{
    struct cuda_target at = cuda_target(q);
    cudnnBackendDescriptor_t pack;
    TRY(CUDNN(dnn->api.set_stream(dnn->handle, at.stream)));
    TRY(CUDNN(dnn->api.descriptor_create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack)));
    enum status st =
        dnn_set(dnn, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointer);
    if (st == ST_OK)
        st = dnn_set(dnn, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uid);
    if (st == ST_OK)
        st = dnn_set(dnn, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                     &workspace);
    if (st == ST_OK)
        st = CUDNN(dnn->api.finalize(pack));
    if (st == ST_OK)
        st = CUDNN(dnn->api.execute(dnn->handle, plan->execution, pack));
    dnn->api.descriptor_destroy(pack);
    return st;
}

#else /* built without cuDNN's headers, or with old ones */

enum status cuda_dnn_open(struct cuda_dnn **out)
{
    *out = NULL;
    return fail(ST_UNSUPPORTED, "this program was built without the headers of cuDNN 9.13.1");
}

void cuda_dnn_close(struct cuda_dnn *dnn)
{
    (void)dnn;
}

#endif
