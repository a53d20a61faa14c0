/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation graph of one node (scaled dot-product attention, forward; cuDNN 9.13.1 or later)
 * for each shape, through the C backend interface of a cuDNN that is found at run time.
 */
#include "kernels/cuda/attention_cudnn.h"

#include "kernels/cuda/dnn.h"

#ifdef DNN_BUILT

#include <stdlib.h>
#include <string.h>

/* What a kernel is made for; all int64_t, compared byte by byte. */
struct shape {
    int64_t lanes, rows, keys, heads, width, dtype, lse;
    int64_t q[3], k[3], v[3], o[3], lse_stride[3]; /* [B, N, H] */
};

struct plan {
    struct dnn_plan base;
    struct shape shape;
};

/* Names of the tensors within a graph. */
enum { UID_Q = 1, UID_K, UID_V, UID_O, UID_LSE, UID_SCALE };

/* One tensor of the node: rows and strides in our order [B, N, H], told in cuDNN's. */
static enum status attach(const struct cuda_dnn *dnn, struct plan *plan,
                          cudnnBackendDescriptor_t node, cudnnBackendAttributeName_t role,
                          int64_t uid, int64_t rows, const int64_t stride[3])
{
    const struct shape *s = &plan->shape;
    cudnnBackendDescriptor_t tensor;
    bool lse = uid == UID_LSE;
    struct dnn_tensor of = {
        .uid = uid,
        .type = lse ? CUDNN_DATA_FLOAT : dnn_type((enum dtype)s->dtype),
        .dim = {s->lanes, s->heads, rows, lse ? 1 : s->width},
        .stride = {stride[0], stride[2], stride[1], 1},
        .alignment = lse ? 4 : 16,
    };
    TRY(dnn_tensor(dnn, &plan->base, &of, &tensor));
    return dnn_set(dnn, node, role, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &tensor);
}

static enum status plan_make(const struct cuda_dnn *dnn, struct plan *plan)
{
    static const struct dnn_wish any = {0, 0};
    static const struct dnn_tensor number = {
        UID_SCALE, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, 4, true, false};
    const struct shape *s = &plan->shape;
    cudnnBackendDescriptor_t node, scale;
    TRY(dnn_descriptor(dnn, &plan->base, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, &node));
    TRY(attach(dnn, plan, node, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, UID_Q, s->rows, s->q));
    TRY(attach(dnn, plan, node, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, UID_K, s->keys, s->k));
    TRY(attach(dnn, plan, node, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, UID_V, s->keys, s->v));
    TRY(attach(dnn, plan, node, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, UID_O, s->rows, s->o));
    if (s->lse)
        TRY(attach(dnn, plan, node, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, UID_LSE, s->rows,
                   s->lse_stride));
    TRY(dnn_tensor(dnn, &plan->base, &number, &scale));
    TRY(dnn_set(dnn, node, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                1, &scale));
    TRY(CUDNN(dnn->api.finalize(node)));
    return dnn_compile(dnn, &plan->base, 1, &node, &any);
}

/* A shape that cuDNN refuses is remembered too. */
static enum status plan_open(struct queue *q, struct cuda_dnn *dnn, const struct shape *shape,
                             struct dnn_plan **out)
{
    TRY(dnn_wake(q, dnn));
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return fail(ST_OOM, "a plan of attention: no host memory");
    plan->shape = *shape;
    enum status st = plan_make(dnn, plan);
    if (st != ST_OK) {
        dnn_empty(dnn, &plan->base);
        status_clear();
    }
    plan->base.next = dnn->attention;
    dnn->attention = *out = &plan->base;
    return ST_OK;
}

static struct dnn_plan *plan_find(const struct cuda_dnn *dnn, const struct shape *shape)
{
    struct dnn_plan *plan = dnn->attention;
    while (plan && memcmp(&((struct plan *)plan)->shape, shape, sizeof(*shape)) != 0)
        plan = plan->next;
    return plan;
}

/* ---- launch ---- */

static enum status launch(struct queue *q, const struct cuda_dnn *dnn, const struct dnn_plan *plan,
                          void *workspace, const struct cuda_attention *a)
{
    float scale = a->scale;
    void *pointer[] = {(void *)a->q, (void *)a->k, (void *)a->v, a->o, &scale, a->lse};
    int64_t uid[] = {UID_Q, UID_K, UID_V, UID_O, UID_SCALE, UID_LSE};
    return dnn_launch(q, dnn, plan, workspace, a->lse ? 6 : 5, uid, pointer);
}

static struct shape shape_of(const struct cuda_attention *a)
{
    struct shape s = {
        .lanes = a->lanes,
        .rows = a->rows,
        .keys = a->keys[0],
        .heads = a->heads,
        .width = a->width,
        .dtype = a->dtype,
        .lse = a->lse != NULL,
    };
    for (int i = 0; i < 3; i++) {
        s.q[i] = a->q_stride[i];
        s.k[i] = a->k_stride[i];
        s.v[i] = a->v_stride[i];
        s.o[i] = a->o_stride[i];
        s.lse_stride[i] = a->lse ? a->lse_stride[i] : 0;
    }
    return s;
}

enum status cuda_dnn_attend(struct queue *q, const struct cuda_attention *a, bool *done)
{
    struct cuda_dnn *dnn = cuda_device_of(q)->dnn;
    struct shape shape = shape_of(a);
    struct dnn_plan *plan = plan_find(dnn, &shape);
    void *workspace;
    *done = false;
    if (!plan && cuda_capturing(q))
        return ST_OK;
    if (!plan)
        TRY(plan_open(q, dnn, &shape, &plan));
    if (!plan->execution)
        return ST_OK;
    TRY(cuda_workspace(q, (size_t)plan->workspace, &workspace));
    TRY(launch(q, dnn, plan, workspace, a));
    *done = true;
    return ST_OK;
}

#else /* built without cuDNN's headers, or with old ones */

enum status cuda_dnn_attend(struct queue *q, const struct cuda_attention *a, bool *done)
{
    (void)q;
    (void)a;
    *done = false;
    return ST_OK;
}

#endif
