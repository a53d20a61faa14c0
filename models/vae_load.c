/* SPDX-License-Identifier: Apache-2.0 */
/* Which parameter of a checkpoint goes where in a decoder, and in what order of its elements. Not
 * file formats. */
#include "models/vae_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- convolutions ---- */

/* to [O, k, k, I] := from [O, I, k, k]. */
static void put_channels_last(const float *from, int64_t out, int64_t in, int64_t places, float *to)
{
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t p = 0; p < places; p++)
                to[(o * places + p) * in + i] = from[(o * in + i) * places + p];
}

/* out [O, k, k, I], dense := parameter `name` [O, I, k, k]. */
static enum status fill_kernel(struct loader *ld, const char *name, const struct tensor *out)
{
    const int64_t *dim = out->dim;
    const int64_t shape[4] = {dim[0], dim[3], dim[1], dim[2]};
    int64_t count = tensor_count(out);
    float *host = malloc(2 * (size_t)count * sizeof *host);
    if (!host)
        return fail(ST_OOM, "parameter %s: %lld bytes of host memory to turn it in", name,
                    2 * (long long)count * (long long)sizeof *host);
    struct weights_slice whole = {0, dim[0], 0, count / dim[0]};
    struct tensor read = tensor_of(host, NULL, DTYPE_F32, 4, shape);
    struct tensor turned = tensor_of(host + count, NULL, DTYPE_F32, 4, dim);
    struct tensor to = *out;
    enum status st = weights_fill(ld->weights, name, 4, shape, &whole, NULL, &read);
    if (st == ST_OK) {
        put_channels_last(host, dim[0], dim[3], dim[1] * dim[2], host + count);
        st = op_copy(ld->q, &to, &turned);
    }
    if (st == ST_OK)
        st = queue_sync(ld->q); // the host memory goes
    free(host);
    return st;
}

/* "<prefix>.weight" [O, I, k, k] and "<prefix>.bias" [O]. */
static enum status load_convolution(struct loader *ld, const char *prefix, int64_t out, int64_t in,
                                    int64_t kernel, struct vae_conv *conv)
{
    struct load_name weight = load_join(prefix, "weight");
    struct load_name bias = load_join(prefix, "bias");
    int64_t dim[4] = {out, kernel, kernel, in};
    int64_t shape[4] = {out, in, kernel, kernel};
    TRY(arena_tensor(ld->arena, ld->dtype, 4, dim, &conv->w));
    TRY(load_vector(ld, bias.text, out, &conv->b));
    if (ld->names)
        return load_named(ld, weight.text, 4, shape);
    return arena_measuring(ld->arena) ? ST_OK : fill_kernel(ld, weight.text, &conv->w);
}

/* The same for the convolution behind an enlargement, folded. */
static enum status load_folded(struct loader *ld, const struct vae *vae, const char *prefix,
                               int64_t channels, struct vae_conv *conv)
{
    struct load_name weight = load_join(prefix, "weight");
    struct load_name bias = load_join(prefix, "bias");
    int64_t dim[4] = {channels, 3, 3, channels};
    int64_t shape[4] = {channels, channels, 3, 3};
    int64_t folded[5] = {4, channels, 2, 2, channels};
    TRY(arena_tensor(ld->arena, ld->dtype, 5, folded, &conv->w));
    TRY(load_vector(ld, bias.text, channels, &conv->b));
    if (ld->names)
        return load_named(ld, weight.text, 4, shape);
    if (arena_measuring(ld->arena))
        return ST_OK;
    struct tensor plain = tensor_slice(&vae->folding, 0, 0, 9 * channels * channels);
    plain = tensor_reshape(&plain, 4, dim);
    TRY(fill_kernel(ld, weight.text, &plain));
    return op_conv_fold(ld->q, &conv->w, &plain);
}

static enum status load_norm(struct loader *ld, const char *prefix, int64_t channels,
                             struct vae_norm *norm)
{
    return load_affine(ld, prefix, channels, &norm->weight, &norm->bias);
}

/* ---- what the latent goes through first ---- */

/* w := w / scaling, b := b + w * shift, with the w before: what latent / scaling + shift becomes.
 */
static void take_scaling(const struct vae_config *c, float *w, float *b)
{
    int channels = c->latent_channels;
    for (int o = 0; o < channels; o++) {
        double sum = b[o];
        for (int i = 0; i < channels; i++) {
            sum += w[o * channels + i] * c->shift;
            w[o * channels + i] = (float)(w[o * channels + i] / c->scaling);
        }
        b[o] = (float)sum;
    }
}

/* The post-quant convolution, or none: the identity. w [L, L], b [L] on the host, zeroed. */
static enum status read_latent(struct loader *ld, const struct vae_config *c, float *w, float *b)
{
    int64_t L = c->latent_channels;
    int64_t shape[4] = {L, L, 1, 1};
    struct weights_slice all = {0, L, 0, L};
    struct weights_slice row = {0, 1, 0, L};
    struct tensor to_w = tensor_of(w, NULL, DTYPE_F32, 4, shape);
    struct tensor to_b = tensor_of(b, NULL, DTYPE_F32, 1, &L);
    for (int64_t i = 0; i < L && !c->post_quant; i++)
        w[i * L + i] = 1;
    if (!c->post_quant)
        return ST_OK;
    TRY(weights_fill(ld->weights, "post_quant_conv.weight", 4, shape, &all, NULL, &to_w));
    return weights_fill(ld->weights, "post_quant_conv.bias", 1, &L, &row, NULL, &to_b);
}

static enum status fill_latent(struct loader *ld, struct vae *vae)
{
    int64_t L = vae->config->latent_channels;
    int64_t dim[2] = {L, L};
    float *w = calloc((size_t)(L * L + L), sizeof *w);
    if (!w)
        return fail(ST_OOM, "scaling of %lld latent channels: no host memory", (long long)L);
    float *b = w + L * L;
    struct tensor from_w = tensor_of(w, NULL, DTYPE_F32, 2, dim);
    struct tensor from_b = tensor_of(b, NULL, DTYPE_F32, 1, &L);
    enum status st = read_latent(ld, vae->config, w, b);
    if (st == ST_OK) {
        take_scaling(vae->config, w, b);
        st = op_copy(ld->q, &vae->latent.w, &from_w);
    }
    if (st == ST_OK)
        st = op_copy(ld->q, &vae->latent.b, &from_b);
    if (st == ST_OK)
        st = queue_sync(ld->q);
    free(w);
    return st;
}

static enum status load_latent(struct loader *ld, struct vae *vae)
{
    int64_t L = vae->config->latent_channels;
    struct loader exact = *ld;
    exact.dtype = DTYPE_F32;
    TRY(load_room(&exact, L, L, true, &vae->latent));
    if (ld->names && vae->config->post_quant) {
        int64_t shape[4] = {L, L, 1, 1};
        TRY(load_named(ld, "post_quant_conv.weight", 4, shape));
        return load_named(ld, "post_quant_conv.bias", 1, &L);
    }
    return ld->names || arena_measuring(ld->arena) ? ST_OK : fill_latent(ld, vae);
}

/* ---- layers ---- */

static struct load_name resnet_name(const struct vae_layer *l)
{
    struct load_name out;
    if (l->block < 0)
        snprintf(out.text, sizeof out.text, "decoder.mid_block.resnets.%d", l->index);
    else
        snprintf(out.text, sizeof out.text, "decoder.up_blocks.%d.resnets.%d", l->block, l->index);
    return out;
}

static enum status load_resnet(struct loader *ld, struct vae_block *block)
{
    const struct vae_layer *l = &block->layer;
    struct load_name prefix = resnet_name(l);
    struct load_name norm1 = load_join(prefix.text, "norm1");
    struct load_name conv1 = load_join(prefix.text, "conv1");
    struct load_name norm2 = load_join(prefix.text, "norm2");
    struct load_name conv2 = load_join(prefix.text, "conv2");
    struct load_name shortcut = load_join(prefix.text, "conv_shortcut");
    TRY(load_norm(ld, norm1.text, l->in, &block->norm));
    TRY(load_convolution(ld, conv1.text, l->out, l->in, 3, &block->conv));
    TRY(load_norm(ld, norm2.text, l->out, &block->norm2));
    TRY(load_convolution(ld, conv2.text, l->out, l->out, 3, &block->conv2));
    if (l->in == l->out)
        return ST_OK;
    return load_convolution(ld, shortcut.text, l->out, l->in, 1, &block->shortcut);
}

static bool has_tensor(const struct weights *weights, const char *name)
{
    const char *found;
    for (int i = 0; weights && (found = weights_name_at(weights, i)); i++)
        if (strcmp(found, name) == 0)
            return true;
    return false;
}

/* Older files call the projections otherwise, as diffusers still reads them. */
static enum status load_attention(struct loader *ld, struct vae_block *block)
{
    static const char prefix[] = "decoder.mid_block.attentions.0";
    static const char *const names[2][4] = {{"to_q", "to_k", "to_v", "to_out.0"},
                                            {"query", "key", "value", "proj_attn"}};
    bool old = has_tensor(ld->weights, "decoder.mid_block.attentions.0.query.weight");
    const char *const *name = names[old];
    int64_t C = block->layer.in;
    struct load_name group_norm = load_join(prefix, "group_norm");
    struct load_name out = load_join(prefix, name[3]);
    TRY(load_norm(ld, group_norm.text, C, &block->norm));
    TRY(load_room(ld, 3 * C, C, true, &block->qkv));
    for (int i = 0; i < 3; i++) {
        struct load_name part = load_join(prefix, name[i]);
        struct dit_linear to = {tensor_slice(&block->qkv.w, 0, i * C, C),
                                tensor_slice(&block->qkv.b, 0, i * C, C)};
        TRY(load_rows(ld, part.text, C, C, (struct load_part){0, C, 0}, &to));
    }
    return load_linear(ld, out.text, C, C, true, &block->out);
}

static enum status load_layer(struct loader *ld, const struct vae *vae, struct vae_block *block)
{
    const struct vae_layer *l = &block->layer;
    char name[64];
    switch (l->kind) {
    case VAE_STEM:
        return load_convolution(ld, "decoder.conv_in", l->out, l->in, 3, &block->conv);
    case VAE_RESNET:
        return load_resnet(ld, block);
    case VAE_ATTENTION:
        return load_attention(ld, block);
    case VAE_UPSAMPLE:
        snprintf(name, sizeof name, "decoder.up_blocks.%d.upsamplers.0.conv", l->block);
        return load_folded(ld, vae, name, l->in, &block->conv);
    case VAE_HEAD:
        TRY(load_norm(ld, "decoder.conv_norm_out", l->in, &block->norm));
        return load_convolution(ld, "decoder.conv_out", l->out, l->in, 3, &block->conv);
    }
    BUG_ON(true, "layer of kind %d", (int)l->kind);
}

static enum status load_all(struct loader *ld, struct vae *vae)
{
    TRY(arena_host(ld->arena, sizeof(*vae->block) * (size_t)vae->layers, (void **)&vae->block));
    TRY(load_latent(ld, vae));
    for (int i = 0; i < vae->layers; i++) {
        vae->block[i].layer = vae_config_layer(vae->config, i);
        TRY(load_layer(ld, vae, &vae->block[i]));
    }
    return ST_OK;
}

enum status vae_load(struct vae *vae, struct weights *weights, struct queue *q, struct arena *arena)
{
    struct loader ld = {weights, q, arena, vae->extent.dtype, NULL};
    TRY(load_all(&ld, vae));
    return arena_measuring(arena) ? ST_OK : queue_sync(q); // other queues may use them at once
}

/* ---- what a checkpoint has ---- */

static bool is_encoder(const char *name)
{
    return strncmp(name, "encoder.", 8) == 0 || strncmp(name, "quant_conv.", 11) == 0;
}

static enum status check_names(const struct weights *weights, const struct load_names *names)
{
    const char *name;
    for (int i = 0; (name = weights_name_at(weights, i)); i++) {
        bool known = is_encoder(name);
        for (int k = 0; k < names->n && !known; k++)
            known = strcmp(names->name[k], name) == 0;
        if (!known)
            return fail(ST_INVALID,
                        "tensor \"%.200s\": the decoder has no use for it; its config.json says "
                        "other blocks or flags than the weights have",
                        name);
    }
    return ST_OK;
}

enum status vae_check_weights(const struct vae_config *config, const struct weights *weights)
{
    struct load_names names = {0};
    struct vae vae = {.config = config, .layers = vae_config_layers(config)};
    struct loader ld = {.weights = (struct weights *)weights, .names = &names};
    enum status st = arena_open(NULL, ARENA_WEIGHTS, &ld.arena);
    if (st == ST_OK)
        st = load_all(&ld, &vae);
    if (st == ST_OK)
        st = check_names(weights, &names);
    arena_close(ld.arena);
    free(names.name);
    return st == ST_OK ? st : fail_prefix(st, "%s", config->name);
}
