/* SPDX-License-Identifier: Apache-2.0 */
/* The layers between stem and head, each on one rank's rows. */
#include "models/vae_internal.h"

#include <math.h>

/* ---- residual block ---- */

/* x := its 1x1 convolution, from the beginning of the buffer it is in. Rows of the result lie
 * before those that they are made of where it is narrower, and behind where it is wider, so in that
 * order no row is lost that is still to be read. */
static enum status change_width(struct vae_walk *walk, const struct vae_block *block,
                                const struct tensor *x, struct tensor *out)
{
    int64_t all = x->dim[1];
    int64_t rows = vae_chunk_rows(walk, all);
    int64_t parts = (all + rows - 1) / rows;
    struct conv conv = {.bias = &block->shortcut.b};
    *out = vae_view(walk, (enum vae_buffer)walk->side, all, x->dim[2], block->layer.out);
    for (int64_t i = 0; i < parts; i++) {
        int64_t begin = rows * (block->layer.out < block->layer.in ? i : parts - 1 - i);
        int64_t count = begin + rows < all ? rows : all - begin;
        struct tensor from = tensor_slice(x, 1, begin, count);
        struct tensor to = tensor_slice(out, 1, begin, count);
        struct tensor made = vae_view(walk, VAE_CHUNK, count, x->dim[2], block->layer.out);
        TRY(VAE_RUN(walk, conv, &made, &from, &block->shortcut.w, &conv));
        TRY(VAE_RUN(walk, copy, &to, &made));
    }
    return ST_OK;
}

enum status vae_resnet(struct vae_walk *walk, const struct vae_block *block)
{
    struct tensor x = vae_input(walk, &block->layer);
    struct tensor h = vae_view(walk, vae_other(walk), x.dim[1], x.dim[2], block->layer.out);
    struct vae_conv_job first = {.conv = &block->conv, .norm = &block->norm};
    TRY(VAE_TRACED(walk, "conv", vae_convolve(walk, &first, &x, &h)));
    struct tensor sum = x;
    if (block->layer.in != block->layer.out)
        TRY(VAE_TRACED(walk, "shortcut", change_width(walk, block, &x, &sum)));
    struct vae_conv_job second = {.conv = &block->conv2, .norm = &block->norm2, .add = &sum};
    return VAE_TRACED(walk, "conv", vae_convolve(walk, &second, &h, &sum));
}

/* ---- attention ---- */

/* A view of x [.., n] elements as [1, rows, columns]. */
static struct tensor as_rows(const struct tensor *x, int64_t columns)
{
    int64_t dim[3] = {1, tensor_count(x) / columns, columns};
    return tensor_reshape(x, 3, dim);
}

/* qkv [1, N, 3C] of the normed rows of x. */
static enum status project(struct vae_walk *walk, const struct vae_block *block,
                           const struct tensor *x, const struct tensor *qkv)
{
    int64_t C = block->layer.in;
    int64_t rows = vae_chunk_rows(walk, x->dim[1]);
    TRY(vae_norm_sums(walk, x));
    for (int64_t begin = 0; begin < x->dim[1]; begin += rows) {
        int64_t count = begin + rows < x->dim[1] ? rows : x->dim[1] - begin;
        struct tensor from = tensor_slice(x, 1, begin, count);
        struct tensor normed = vae_view(walk, VAE_CHUNK, count, x->dim[2], C);
        struct tensor in = as_rows(&normed, C);
        struct tensor out = tensor_slice(qkv, 1, begin * x->dim[2], count * x->dim[2]);
        TRY(vae_norm_rows(walk, &block->norm, ACT_NONE, &from, &normed));
        if (walk->call)
            TRY(op_linear(walk->call->queue, &out, &in, &block->qkv.w, &block->qkv.b, ACT_NONE));
        else
            TRY(vae_count(walk, op_work_linear(&out, &in, &block->qkv.w, &block->qkv.b)));
    }
    return ST_OK;
}

/* Columns first .. first+C-1 of qkv as one head. */
static struct tensor head_of(const struct tensor *qkv, int64_t first, int64_t C)
{
    struct tensor part = tensor_slice(qkv, 2, first, C);
    return tensor_split(&part, 2, 1, C);
}

static enum status attend(struct vae_walk *walk, const struct tensor *qkv, const struct tensor *o)
{
    const struct vae_extent *e = &walk->vae->extent;
    int64_t C = o->dim[2];
    struct attn_call call = {.queries = TOKENS_ALL,
                             .keys = TOKENS_ALL,
                             .patch = PATCH_ALL,
                             .fresh = true,
                             .span = &walk->vae->span,
                             .q = head_of(qkv, 0, C),
                             .k = head_of(qkv, C, C),
                             .v = head_of(qkv, 2 * C, C),
                             .o = tensor_split(o, 2, 1, C),
                             .scale = (float)(1 / sqrt((double)C))};
    if (walk->call) {
        call.queue = walk->call->queue;
        return walk->call->hooks->attend(walk->call->hooks->self, &call);
    }
    int64_t all[4] = {1, (int64_t)e->height * e->width, 1, C};
    struct tensor keys = tensor_of(NULL, NULL, call.k.dtype, 4, all);
    return vae_count(walk, op_work_attention(&call.o, NULL, &call.q, &keys, NULL));
}

enum status vae_attention(struct vae_walk *walk, const struct vae_block *block)
{
    struct tensor x = vae_input(walk, &block->layer);
    struct tensor rows = as_rows(&x, block->layer.in);
    /* [4N, C]: queries, keys and values side by side in the first 3N, the result in the last N. */
    struct tensor room = vae_view(walk, vae_other(walk), 4 * x.dim[1], x.dim[2], x.dim[3]);
    struct tensor three = tensor_slice(&room, 1, 0, 3 * x.dim[1]);
    struct tensor one = tensor_slice(&room, 1, 3 * x.dim[1], x.dim[1]);
    struct tensor qkv = as_rows(&three, 3 * x.dim[3]);
    struct tensor o = as_rows(&one, x.dim[3]);
    TRY(VAE_TRACED(walk, "qkv", project(walk, block, &x, &qkv)));
    TRY(VAE_TRACED(walk, "attention", attend(walk, &qkv, &o)));
    return VAE_TRACED(walk, "out",
                      VAE_RUN(walk, linear_add, &rows, &o, &block->out.w, &block->out.b));
}

/* ---- enlargement ---- */

enum status vae_upsample(struct vae_walk *walk, const struct vae_block *block)
{
    struct tensor x = vae_input(walk, &block->layer);
    struct tensor y = vae_view(walk, vae_other(walk), 2 * x.dim[1], 2 * x.dim[2], block->layer.out);
    struct vae_conv_job job = {.conv = &block->conv, .upsample = true};
    TRY(VAE_TRACED(walk, "upsample", vae_convolve(walk, &job, &x, &y)));
    walk->side = vae_other(walk);
    return ST_OK;
}
