/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel computes an attention: our own for short lanes, for Hopper (resident keys or many),
 * cuDNN's, our own on tensor cores (few keys or many), or the plain one; of heads wider than all of
 * these take, two products. */
#include "kernels/cuda/attention_cudnn.h"

enum {
    FEW_KEYS = 512, /* up to these, lanes of different counts go into one launch of our own */
    WIDEST = 256,   /* head that a kernel takes */
};

static void set_strides(int64_t stride[3], const struct tensor *t)
{
    for (int i = 0; i < 3; i++)
        stride[i] = t->stride[i];
}

/* Lanes first .. first+a->lanes-1. */
static struct cuda_attention lanes_of(const struct cuda_attention *a, int first, int lanes)
{
    struct cuda_attention part = *a;
    int64_t size = (int64_t)dtype_size(a->dtype);
    part.lanes = lanes;
    part.q = (const char *)a->q + first * a->q_stride[0] * size;
    part.k = (const char *)a->k + first * a->k_stride[0] * size;
    part.v = (const char *)a->v + first * a->v_stride[0] * size;
    part.o = (char *)a->o + first * a->o_stride[0] * size;
    part.lse = a->lse ? a->lse + first * a->lse_stride[0] : NULL;
    return part;
}

static bool multiples(const void *p, const int64_t stride[3])
{
    return (uintptr_t)p % 16 == 0 && stride[0] % 8 == 0 && stride[1] % 8 == 0 && stride[2] % 8 == 0;
}

static bool cudnn_takes(const struct cuda_device *dev, const struct cuda_attention *a)
{
    return dev->dnn && dev->attention <= CUDA_ATTENTION_CUDNN && a->dtype != DTYPE_F32 &&
           a->width % 8 == 0 && a->width <= WIDEST && multiples(a->q, a->q_stride) &&
           multiples(a->k, a->k_stride) && multiples(a->v, a->v_stride) &&
           multiples(a->o, a->o_stride);
}

static enum status attend_hopper(struct queue *q, const struct cuda_target *at,
                                 const struct cuda_attention *a,
                                 const struct attention_split *split)
{
    size_t bytes = (size_t)split->slots * attention_split_slot(a->width);
    void *work = NULL;
    if (bytes > 0)
        TRY(cuda_workspace(q, bytes, &work));
    return cuda_attention_hopper(at, a, split, work);
}

/* The first that takes the shape; our own for Hopper behind cuDNN's where that promises to be
 * faster, unless asked for by name. cuDNN wants equal counts; for text of several lengths one
 * launch of our own is faster than its launches lane by lane. */
static enum status attend(struct queue *q, const struct cuda_attention *a)
{
    const struct cuda_device *dev = cuda_device_of(q);
    struct cuda_target at = cuda_target(q);
    struct attention_split split = {0};
    bool equal = true, pays = false, done = false;
    for (int i = 1; i < a->lanes; i++)
        equal = equal && a->keys[i] == a->keys[0];
    if (a->width > WIDEST)
        return cuda_attention_wide(q, a);
    if (dev->attention <= CUDA_ATTENTION_RESIDENT && cuda_attention_resident_takes(&at, a))
        return cuda_attention_resident(&at, a);
    bool hopper = dev->attention <= CUDA_ATTENTION_HOPPER && cuda_attention_hopper_takes(&at, a);
    if (hopper)
        split = cuda_attention_hopper_split(&at, a, &pays);
    if (hopper && (pays || dev->attention == CUDA_ATTENTION_HOPPER))
        return attend_hopper(q, &at, a, &split);
    if (equal && a->keys[0] > 0 && cudnn_takes(dev, a))
        TRY(cuda_dnn_attend(q, a, &done));
    if (done)
        return ST_OK;
    if (hopper)
        return attend_hopper(q, &at, a, &split);
    if (dev->attention <= CUDA_ATTENTION_FEW && cuda_attention_few_takes(&at, a))
        return cuda_attention_few(&at, a);
    if (dev->attention <= CUDA_ATTENTION_FLASH && cuda_attention_flash_takes(&at, a))
        return cuda_attention_flash(&at, a);
    return cuda_attention_plain(&at, a);
}

/* [B, L, N, H] of a tensor of these axes, or of one without L. */
static void set_lane_strides(int64_t stride[4], const struct tensor *t, int axes)
{
    stride[0] = t->stride[0];
    stride[1] = axes == 5 ? t->stride[1] : 0;
    stride[2] = t->stride[axes - 3];
    stride[3] = t->stride[axes - 2];
}

/* Many lanes of few rows and keys. *done is false where there is no kernel for them. */
static enum status attend_short(struct queue *q, const struct tensor *o, const struct tensor *lse,
                                const struct tensor *query, const struct tensor *key,
                                const struct tensor *value, float scale, bool *done)
{
    int axes = query->ndim;
    const struct cuda_device *dev = cuda_device_of(q);
    struct cuda_target at = cuda_target(q);
    struct cuda_attention_short a = {
        .o = o->data,
        .lse = lse ? lse->data : NULL,
        .q = query->data,
        .k = key->data,
        .v = value->data,
        .outer = (int)query->dim[0],
        .inner = axes == 5 ? (int)query->dim[1] : 1,
        .rows = (int)query->dim[axes - 3],
        .keys = (int)key->dim[axes - 3],
        .heads = (int)query->dim[axes - 2],
        .width = (int)query->dim[axes - 1],
        .scale = scale,
        .dtype = query->dtype,
    };
    set_lane_strides(a.o_stride, o, axes);
    set_lane_strides(a.q_stride, query, axes);
    set_lane_strides(a.k_stride, key, axes);
    set_lane_strides(a.v_stride, value, axes);
    if (lse)
        set_lane_strides(a.lse_stride, lse, axes);
    bool wanted = dev->attention <= CUDA_ATTENTION_SHORT && dev->attention != CUDA_ATTENTION_CUDNN;
    *done = wanted && cuda_attention_short_takes(&at, &a);
    return *done ? cuda_attention_short(&at, &a) : ST_OK;
}

/* Four axes. */
static enum status attend_lanes(struct queue *q, const struct tensor *o, const struct tensor *lse,
                                const struct tensor *query, const struct tensor *key,
                                const struct tensor *value, const int *key_count, float scale)
{
    int keys = (int)key->dim[1];
    int lanes = (int)query->dim[0];
    struct cuda_attention all = {
        .o = o->data,
        .lse = lse ? lse->data : NULL,
        .q = query->data,
        .k = key->data,
        .v = value->data,
        .rows = (int)query->dim[1],
        .heads = (int)query->dim[2],
        .width = (int)query->dim[3],
        .scale = scale,
        .dtype = query->dtype,
    };
    set_strides(all.o_stride, o);
    set_strides(all.q_stride, query);
    set_strides(all.k_stride, key);
    set_strides(all.v_stride, value);
    if (lse)
        set_strides(all.lse_stride, lse);
    for (int first = 0; first < lanes;) {
        int most = lanes - first < CUDA_LANES ? lanes - first : CUDA_LANES;
        int n = 1;
        while (n < most &&
               (!key_count || keys <= FEW_KEYS || key_count[first + n] == key_count[first]))
            n++;
        struct cuda_attention part = lanes_of(&all, first, n);
        for (int i = 0; i < n; i++)
            part.keys[i] = key_count ? key_count[first + i] : keys;
        TRY(attend(q, &part));
        first += n;
    }
    return ST_OK;
}

enum status cuda_attention(struct queue *q, struct tensor *o, struct tensor *lse,
                           const struct tensor *query, const struct tensor *key,
                           const struct tensor *value, const int *key_count, float scale)
{
    bool done = false;
    if (tensor_count(query) == 0)
        return ST_OK;
    if (!key_count)
        TRY(attend_short(q, o, lse, query, key, value, scale, &done));
    if (done)
        return ST_OK;
    if (query->ndim == 4)
        return attend_lanes(q, o, lse, query, key, value, key_count, scale);
    for (int64_t i = 0; i < query->dim[0]; i++) {
        struct tensor part[] = {tensor_at(o, i), tensor_at(query, i), tensor_at(key, i),
                                tensor_at(value, i), lse ? tensor_at(lse, i) : *o};
        TRY(attend_lanes(q, &part[0], lse ? &part[4] : NULL, &part[1], &part[2], &part[3], NULL,
                         scale));
    }
    return ST_OK;
}
