/* SPDX-License-Identifier: Apache-2.0 */
/* Operation graphs of a convolution and up to two sums behind it, one for each shape. */
#include "kernels/cuda/conv_cudnn.h"

#include "kernels/cuda/dnn.h"

#ifdef DNN_BUILT

#include <stdlib.h>
#include <string.h>

enum {
    WORKSPACE = 192 << 20, /* bytes that an engine may want */
    ALIGNMENT = 16,        /* bytes; engines want it of all addresses, whatever a graph says */
};

/* What a kernel is made for; all int64_t, compared byte by byte. */
struct shape {
    int64_t images, rows, columns, in, out, taps, above, below, beside;
    int64_t x_image, y_image, add_image;
    int64_t dtype, bias, add;
};

struct plan {
    struct dnn_plan base;
    struct shape shape;
};

/* Names of the tensors within a graph; the last two are never in memory. */
enum { UID_X = 1, UID_W, UID_Y, UID_BIAS, UID_ADD, UID_SUM, UID_BIASED };

static int64_t out_rows(const struct shape *s)
{
    return s->rows + s->above + s->below - (s->taps - 1);
}

static int64_t out_columns(const struct shape *s)
{
    return s->columns + 2 * s->beside - (s->taps - 1);
}

/* An image tensor in cuDNN's order [B, C, H, W]; `inner`: fp32 between two nodes. */
static enum status image_open(const struct cuda_dnn *dnn, struct plan *plan, int64_t uid,
                              const int64_t dim[4], int64_t image, bool inner,
                              cudnnBackendDescriptor_t *out)
{
    struct dnn_tensor of = {
        .uid = uid,
        .type = inner ? CUDNN_DATA_FLOAT : dnn_type((enum dtype)plan->shape.dtype),
        .dim = {dim[0], dim[1], dim[2], dim[3]},
        .stride = {image, 1, dim[3] * dim[1], dim[1]},
        .alignment = ALIGNMENT,
        .inner = inner,
    };
    return dnn_tensor(dnn, &plan->base, &of, out);
}

/* One like y. */
static enum status result_open(const struct cuda_dnn *dnn, struct plan *plan, int64_t uid,
                               bool inner, cudnnBackendDescriptor_t *out)
{
    const struct shape *s = &plan->shape;
    int64_t dim[4] = {s->images, s->out, out_rows(s), out_columns(s)};
    int64_t dense = dim[1] * dim[2] * dim[3];
    int64_t image = inner ? dense : uid == UID_ADD ? s->add_image : s->y_image;
    return image_open(dnn, plan, uid, dim, image, inner, out);
}

static enum status conv_describe(const struct cuda_dnn *dnn, struct plan *plan,
                                 cudnnBackendDescriptor_t *conv)
{
    static const int64_t one[2] = {1, 1};
    const struct shape *s = &plan->shape;
    int64_t before[2] = {s->above, s->beside}, after[2] = {s->below, s->beside}, axes = 2;
    cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    TRY(dnn_descriptor(dnn, &plan->base, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, conv));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
                &mode));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one));
    TRY(dnn_set(dnn, *conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, one));
    return CUDNN(dnn->api.finalize(*conv));
}

/* The node y = x * w; y is given. */
static enum status conv_node(const struct cuda_dnn *dnn, struct plan *plan,
                             cudnnBackendDescriptor_t y, cudnnBackendDescriptor_t *node)
{
    static const float alpha = 1.0f, beta = 0.0f;
    const struct shape *s = &plan->shape;
    cudnnBackendDescriptor_t x, w, conv;
    int64_t x_dim[4] = {s->images, s->in, s->rows, s->columns};
    int64_t w_dim[4] = {s->out, s->in, s->taps, s->taps};
    TRY(image_open(dnn, plan, UID_X, x_dim, s->x_image, false, &x));
    TRY(image_open(dnn, plan, UID_W, w_dim, s->taps * s->taps * s->in, false, &w));
    TRY(conv_describe(dnn, plan, &conv));
    TRY(dnn_descriptor(dnn, &plan->base, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                       node));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1,
                &alpha));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1,
                &beta));
    return CUDNN(dnn->api.finalize(*node));
}

/* The node out = a + b in fp32. */
static enum status sum_node(const struct cuda_dnn *dnn, struct plan *plan,
                            cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b,
                            cudnnBackendDescriptor_t out, cudnnBackendDescriptor_t *node)
{
    cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
    cudnnDataType_t precision = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t sum;
    TRY(dnn_descriptor(dnn, &plan->base, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, &sum));
    TRY(dnn_set(dnn, sum, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode));
    TRY(dnn_set(dnn, sum, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &precision));
    TRY(CUDNN(dnn->api.finalize(sum)));
    TRY(dnn_descriptor(dnn, &plan->base, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, node));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &sum));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                &a));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                &b));
    TRY(dnn_set(dnn, *node, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                &out));
    return CUDNN(dnn->api.finalize(*node));
}

/* x * w, then + bias, then + add; the last one's result is y. */
static enum status plan_make(const struct cuda_dnn *dnn, struct plan *plan)
{
    const struct shape *s = &plan->shape;
    cudnnBackendDescriptor_t node[3], operand, result, y;
    int64_t n = 0;
    unsigned notes = 1u << CUDNN_NUMERICAL_NOTE_FFT | 1u << CUDNN_NUMERICAL_NOTE_WINOGRAD |
                     1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC |
                     1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
    if (s->dtype == DTYPE_F32)
        notes |=
            1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE | 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    TRY(result_open(dnn, plan, UID_Y, false, &y));
    result = y;
    if (s->bias || s->add)
        TRY(result_open(dnn, plan, UID_SUM, true, &result));
    TRY(conv_node(dnn, plan, result, &node[n++]));
    if (s->bias) {
        int64_t dim[4] = {1, s->out, 1, 1};
        cudnnBackendDescriptor_t sum = result;
        TRY(image_open(dnn, plan, UID_BIAS, dim, s->out, false, &operand));
        result = y;
        if (s->add)
            TRY(result_open(dnn, plan, UID_BIASED, true, &result));
        TRY(sum_node(dnn, plan, sum, operand, result, &node[n++]));
    }
    if (s->add) {
        TRY(result_open(dnn, plan, UID_ADD, false, &operand));
        TRY(sum_node(dnn, plan, result, operand, y, &node[n++]));
    }
    return dnn_compile(dnn, &plan->base, n, node, &(struct dnn_wish){notes, WORKSPACE});
}

/* A shape that cuDNN refuses is remembered too. */
static enum status plan_open(struct queue *q, struct cuda_dnn *dnn, const struct shape *shape,
                             struct dnn_plan **out)
{
    TRY(dnn_wake(q, dnn));
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return fail(ST_OOM, "a plan of a convolution: no host memory");
    plan->shape = *shape;
    enum status st = plan_make(dnn, plan);
    if (st != ST_OK) {
        dnn_empty(dnn, &plan->base);
        status_clear();
    }
    plan->base.next = dnn->conv;
    dnn->conv = *out = &plan->base;
    return ST_OK;
}

static struct dnn_plan *plan_find(const struct cuda_dnn *dnn, const struct shape *shape)
{
    struct dnn_plan *plan = dnn->conv;
    while (plan && memcmp(&((struct plan *)plan)->shape, shape, sizeof(*shape)) != 0)
        plan = plan->next;
    return plan;
}

/* The stride of a single image means nothing: one number for all, so that they share a plan. */
static struct shape shape_of(const struct cuda_dnn_conv *c)
{
    struct shape s = {
        .images = c->images,
        .rows = c->rows,
        .columns = c->columns,
        .in = c->in,
        .out = c->out,
        .taps = c->taps,
        .above = c->above,
        .below = c->below,
        .beside = c->beside,
        .dtype = c->dtype,
        .bias = c->bias != NULL,
        .add = c->add != NULL,
    };
    bool one = c->images == 1;
    int64_t dense = out_rows(&s) * out_columns(&s) * c->out;
    s.x_image = one ? c->rows * c->columns * c->in : c->x_image;
    s.y_image = one || !c->y ? dense : c->y_image;
    s.add_image = !c->add ? 0 : one ? dense : c->add_image;
    return s;
}

/* Addresses that engines take, and images without gaps: of several with gaps some engines make
 * wrong results of all but the first. */
static bool takes(const struct cuda_dnn_conv *c, const struct shape *s)
{
    uintptr_t all = (uintptr_t)c->x | (uintptr_t)c->w | (uintptr_t)c->y | (uintptr_t)c->bias |
                    (uintptr_t)c->add;
    int64_t dense = out_rows(s) * out_columns(s) * c->out;
    bool gaps = s->x_image != c->rows * c->columns * c->in || s->y_image != dense ||
                (c->add && s->add_image != dense);
    if (c->images > 1)
        all |= (uintptr_t)(s->x_image | s->y_image) * dtype_size(c->dtype);
    return all % ALIGNMENT == 0 && !(c->images > 1 && gaps);
}

enum status cuda_dnn_convolve(struct queue *q, const struct cuda_dnn_conv *c, size_t room,
                              void **own, bool *done)
{
    struct cuda_dnn *dnn = cuda_device_of(q)->dnn;
    struct shape shape = shape_of(c);
    struct dnn_plan *plan = plan_find(dnn, &shape);
    void *workspace;
    *done = false;
    if (!takes(c, &shape) || (!plan && cuda_capturing(q)))
        return ST_OK;
    if (!plan)
        TRY(plan_open(q, dnn, &shape, &plan));
    if (!plan->execution)
        return ST_OK;
    size_t begin = ((size_t)plan->workspace + 255) / 256 * 256;
    TRY(cuda_workspace(q, begin + room, &workspace));
    if (!c->y)
        *own = (char *)workspace + begin;
    void *pointer[5] = {(void *)c->x, (void *)c->w, c->y ? c->y : *own};
    int64_t uid[5] = {UID_X, UID_W, UID_Y}, n = 3;
    if (c->bias)
        uid[n] = UID_BIAS, pointer[n++] = (void *)c->bias;
    if (c->add)
        uid[n] = UID_ADD, pointer[n++] = (void *)c->add;
    TRY(dnn_launch(q, dnn, plan, workspace, n, uid, pointer));
    *done = true;
    return ST_OK;
}

#else /* built without cuDNN's headers, or with old ones */

enum status cuda_dnn_convolve(struct queue *q, const struct cuda_dnn_conv *c, size_t room,
                              void **own, bool *done)
{
    (void)q;
    (void)c;
    (void)room;
    (void)own;
    *done = false;
    return ST_OK;
}

#endif
