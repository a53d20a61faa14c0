/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder around its layers: memory, stem and head, images in turn. Not the layers between. */
#include "models/vae_internal.h"

#include <stdlib.h>

/* ---- a walk ---- */

enum status vae_count(struct vae_walk *walk, struct trace_work work)
{
    walk->work.flops += work.flops;
    walk->work.bytes += work.bytes;
    return ST_OK;
}

struct tensor vae_view(struct vae_walk *walk, enum vae_buffer buffer, int64_t rows, int64_t columns,
                       int64_t channels)
{
    int64_t dim[4] = {1, rows, columns, channels};
    const struct tensor *flat = &walk->vae->buffer[buffer];
    struct tensor view = tensor_of(flat->data, flat->dev, walk->vae->extent.dtype, 4, dim);
    int64_t count = tensor_count(&view);
    BUG_ON(walk->call && count > tensor_count(flat), "%lld elements of buffer %d, which has %lld",
           (long long)count, (int)buffer, (long long)tensor_count(flat));
    if (count > walk->need[buffer])
        walk->need[buffer] = count;
    return view;
}

enum vae_buffer vae_other(const struct vae_walk *walk)
{
    return walk->side == VAE_EVEN ? VAE_ODD : VAE_EVEN;
}

static int64_t latent_rows(const struct vae *vae)
{
    return vae->extent.row_end - vae->extent.row_begin;
}

bool vae_whole(const struct vae *vae)
{
    return latent_rows(vae) == vae->extent.height;
}

struct tensor vae_input(struct vae_walk *walk, const struct vae_layer *layer)
{
    const struct vae *vae = walk->vae;
    return vae_view(walk, (enum vae_buffer)walk->side, latent_rows(vae) << layer->level,
                    (int64_t)vae->extent.width << layer->level, layer->in);
}

int64_t vae_chunk_rows(const struct vae_walk *walk, int64_t rows)
{
    int chunk = walk->vae->extent.chunk;
    return chunk > 0 && chunk < rows ? chunk : rows;
}

/* ---- stem and head ---- */

/* latent_in holds the image; scaling, shift and post-quant convolution are one product in fp32. */
static enum status stem(struct vae_walk *walk, const struct vae_block *block)
{
    struct vae *vae = walk->vae;
    struct dit_linear *l = &vae->latent;
    struct tensor z = vae_input(walk, &block->layer);
    struct tensor y = vae_view(walk, vae_other(walk), z.dim[1], z.dim[2], block->layer.out);
    struct tensor made = tensor_reshape(&vae->latent_out, 4, z.dim);
    struct vae_conv_job job = {.conv = &block->conv};
    if (walk->call)
        TRY(op_linear(walk->call->queue, &vae->latent_out, &vae->latent_in, &l->w, &l->b,
                      ACT_NONE));
    else
        TRY(vae_count(walk, op_work_linear(&vae->latent_out, &vae->latent_in, &l->w, &l->b)));
    TRY(VAE_RUN(walk, copy, &z, &made));
    TRY(vae_convolve(walk, &job, &z, &y));
    walk->side = vae_other(walk);
    return ST_OK;
}

static enum status head(struct vae_walk *walk, const struct vae_block *block)
{
    struct tensor x = vae_input(walk, &block->layer);
    struct tensor y = vae_view(walk, vae_other(walk), x.dim[1], x.dim[2], block->layer.out);
    struct vae_conv_job job = {.conv = &block->conv, .norm = &block->norm};
    TRY(vae_convolve(walk, &job, &x, &y));
    walk->side = vae_other(walk);
    return ST_OK;
}

static enum status run_layer(struct vae_walk *walk, const struct vae_block *block)
{
    switch (block->layer.kind) {
    case VAE_STEM:
        return VAE_TRACED(walk, "stem", stem(walk, block));
    case VAE_RESNET:
        return vae_resnet(walk, block);
    case VAE_ATTENTION:
        return vae_attention(walk, block);
    case VAE_UPSAMPLE:
        return vae_upsample(walk, block);
    case VAE_HEAD:
        return VAE_TRACED(walk, "head", head(walk, block));
    }
    BUG_ON(true, "layer of kind %d", (int)block->layer.kind);
}

static enum status run_layers(struct vae_walk *walk)
{
    const struct vae *vae = walk->vae;
    for (int i = 0; i < vae->layers; i++)
        TRY(walk->call ? TRACED_LAYER(i, run_layer(walk, &vae->block[i]))
                       : run_layer(walk, &vae->block[i]));
    return ST_OK;
}

/* ---- memory ---- */

static enum status latent_init(struct vae *vae, struct arena *arena)
{
    int64_t dim[2] = {latent_rows(vae) * vae->extent.width, vae->config->latent_channels};
    int64_t sums[3] = {1, 2, vae->config->groups};
    int64_t own_sum[3] = {1, 1, vae->config->groups};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &vae->latent_in));
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &vae->latent_out));
    TRY(arena_tensor(arena, DTYPE_F32, 3, sums, &vae->sums));
    if (vae_whole(vae))
        return ST_OK;
    return arena_tensor(arena, DTYPE_F32, 3, own_sum, &vae->own_sum);
}

/* As much as a pass through the layers asks for, found out by one in which nothing runs. */
static enum status buffers_init(struct vae *vae, struct arena *arena)
{
    struct vae_walk walk = {.vae = vae};
    TRY(latent_init(vae, arena));
    TRY(run_layers(&walk));
    vae->work = walk.work;
    for (int i = 0; i < VAE_BUFFERS; i++)
        if (walk.need[i] > 0)
            TRY(arena_tensor(arena, vae->extent.dtype, 1, &walk.need[i], &vae->buffer[i]));
    return ST_OK;
}

/* A kernel of the most channels, before it is folded. */
static enum status folding_init(struct vae *vae, struct arena *arena)
{
    int64_t most = 0;
    for (int i = 0; i < vae->layers; i++) {
        struct vae_layer layer = vae_config_layer(vae->config, i);
        int64_t count = 9 * (int64_t)layer.in * layer.out;
        if (layer.kind == VAE_UPSAMPLE && count > most)
            most = count;
    }
    return most > 0 ? arena_tensor(arena, vae->extent.dtype, 1, &most, &vae->folding) : ST_OK;
}

static enum status open_parts(struct vae *vae, struct weights *weights, struct queue *q,
                              struct arena *weights_arena, struct arena *activations)
{
    TRY(folding_init(vae, activations));
    TRY(TRACED("load", vae_load(vae, weights, q, weights_arena)));
    return buffers_init(vae, activations);
}

enum status vae_open(const struct vae_config *config, const struct vae_extent *extent,
                     struct weights *weights, struct queue *q, struct arena *weights_arena,
                     struct arena *activations, struct vae **out)
{
    BUG_ON(extent->row_begin < 0 || extent->row_begin >= extent->row_end ||
               extent->row_end > extent->height || extent->width < 1 || extent->chunk < 0,
           "rows %d to %d of a latent of %d x %d, %d at a time", extent->row_begin, extent->row_end,
           extent->height, extent->width, extent->chunk);
    struct vae *vae = calloc(1, sizeof *vae);
    if (!vae)
        return fail(ST_OOM, "decoder %s: %zu bytes of host memory", config->name, sizeof *vae);
    vae->config = config;
    vae->extent = *extent;
    vae->layers = vae_config_layers(config);
    vae->run = (struct token_run){extent->row_begin * extent->width,
                                  (extent->row_end - extent->row_begin) * extent->width};
    vae->span = (struct span){1, 1, &vae->run};
    enum status st = open_parts(vae, weights, q, weights_arena, activations);
    if (st != ST_OK) {
        vae_close(vae);
        return fail_prefix(st, "decoder %s", config->name);
    }
    *out = vae;
    return ST_OK;
}

void vae_close(struct vae *vae)
{
    free(vae);
}

struct trace_work vae_work(const struct vae *vae)
{
    return vae->work;
}

/* ---- images ---- */

static enum status attend_serial(void *self, const struct attn_call *call)
{
    (void)self;
    struct tensor o = call->o;
    return op_attention(call->queue, &o, call->lse, &call->q, &call->k, &call->v, NULL,
                        call->scale);
}

const struct vae_hooks vae_hooks_serial = {
    .attend = attend_serial,
};

/* latent [L, h, W], pixels [H, W, channels] of one image. */
static enum status decode_image(struct vae *vae, const struct vae_call *call,
                                const struct tensor *latent, struct tensor *pixels)
{
    struct vae_walk walk = {.vae = vae, .call = call};
    int64_t rows[3] = {latent_rows(vae), vae->extent.width, latent->dim[0]};
    struct tensor last = tensor_swap(latent, 0, 1);
    struct tensor in = tensor_reshape(&vae->latent_in, 3, rows);
    last = tensor_swap(&last, 1, 2);
    TRY(TRACED("latent", op_copy(call->queue, &in, &last)));
    TRY(run_layers(&walk));
    struct tensor made =
        vae_view(&walk, (enum vae_buffer)walk.side, pixels->dim[0], pixels->dim[1], pixels->dim[2]);
    made = tensor_at(&made, 0);
    return TRACED("pixels", op_copy(call->queue, pixels, &made));
}

enum status vae_decode(struct vae *vae, const struct vae_call *call, const struct tensor *latent,
                       struct tensor *pixels)
{
    const struct vae_config *c = vae->config;
    int scale = vae_config_scale(c);
    BUG_ON(latent->ndim != 4 || pixels->ndim != 4 || latent->dim[0] != pixels->dim[0] ||
               latent->dim[1] != c->latent_channels || latent->dim[2] != latent_rows(vae) ||
               latent->dim[3] != vae->extent.width || pixels->dim[1] != latent->dim[2] * scale ||
               pixels->dim[2] != latent->dim[3] * scale || pixels->dim[3] != c->out_channels,
           "a latent [%lld, %lld, %lld, %lld] to pixels [%lld, %lld, %lld, %lld]",
           (long long)latent->dim[0], (long long)latent->dim[1], (long long)latent->dim[2],
           (long long)latent->dim[3], (long long)pixels->dim[0], (long long)pixels->dim[1],
           (long long)pixels->dim[2], (long long)pixels->dim[3]);
    for (int64_t b = 0; b < latent->dim[0]; b++) {
        struct tensor image = tensor_at(latent, b);
        struct tensor out = tensor_at(pixels, b);
        TRY(decode_image(vae, call, &image, &out));
    }
    return ST_OK;
}
