/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the decoder share: its weights, its memory, and the walk through its layers.
 * For models/vae*.c only. */
#ifndef MODELS_VAE_INTERNAL_H
#define MODELS_VAE_INTERNAL_H

#include "kernels/op_image.h"
#include "kernels/op_work.h"
#include "models/dit_load.h"
#include "models/vae.h"

/* w [O, k, k, I], or folded [4, O, 2, 2, I]; b [O]. */
struct vae_conv {
    struct tensor w, b;
};

/* fp32 [C]. */
struct vae_norm {
    struct tensor weight, bias;
};

struct vae_block {
    struct vae_layer layer;
    struct vae_norm norm, norm2;           /* norm2: of a residual block's second convolution */
    struct vae_conv conv, conv2, shortcut; /* shortcut: 1x1, where the width changes */
    struct dit_linear qkv, out;            /* of the attention: [3C, C], [C, C] */
};

/* Flat memory, cut anew for each layer. */
enum vae_buffer {
    VAE_EVEN, /* the activation is in one of these two, what is made of it in the other */
    VAE_ODD,
    VAE_CHUNK, /* the rows that a convolution reads */
    VAE_ABOVE, /* a row of each neighbour */
    VAE_BELOW,
    VAE_BUFFERS
};

struct vae {
    const struct vae_config *config;
    struct vae_extent extent;
    int layers;
    struct vae_block *block;  /* [layers] */
    struct dit_linear latent; /* fp32 [L, L]: scaling, shift and post-quant convolution */
    struct tensor latent_in;  /* fp32 [h*W, L] as given, channels last */
    struct tensor latent_out; /* fp32 [h*W, L] through `latent` */
    struct tensor folding;    /* flat: a kernel before it is folded */
    struct tensor sums;       /* fp32 [1, 2, G] */
    struct tensor own_sum;    /* fp32 [1, 1, G], where a rank has some of the rows */
    struct tensor buffer[VAE_BUFFERS];
    struct token_run run; /* this rank's pixels of the latent */
    struct span span;
    struct trace_work work; /* of an image */
};

/*
 * One pass through the layers: of an image, or without a call, to find out what that takes. A view
 * is asked for where it is needed and nowhere else, so that both cannot differ.
 */
struct vae_walk {
    struct vae *vae;
    const struct vae_call *call; /* NULL: nothing runs */
    int side;                    /* the buffer that the activation is in */
    int site;                    /* of the next 3x3 convolution */
    int64_t need[VAE_BUFFERS];   /* elements asked for, at most */
    struct trace_work work;
};

/* An operation of kernels/op.h or op_image.h: runs, or is counted. */
#define VAE_RUN(walk, op, ...)                                                                     \
    ((walk)->call ? op_##op((walk)->call->queue, __VA_ARGS__)                                      \
                  : vae_count(walk, op_work_##op(__VA_ARGS__)))
#define VAE_TRACED(walk, name, expr) ((walk)->call ? TRACED(name, expr) : (expr))

/* models/vae.c */
enum status vae_count(struct vae_walk *walk, struct trace_work work);

/* A dense view [1, rows, columns, channels] of a buffer, from its beginning. */
struct tensor vae_view(struct vae_walk *walk, enum vae_buffer buffer, int64_t rows, int64_t columns,
                       int64_t channels);

/* The other side: where the next activation is made. */
enum vae_buffer vae_other(const struct vae_walk *walk);

/* The activation before a layer: [1, h << level, W << level, in]. */
struct tensor vae_input(struct vae_walk *walk, const struct vae_layer *layer);

/* Rows at a time of so many. */
int64_t vae_chunk_rows(const struct vae_walk *walk, int64_t rows);

/* models/vae_block.c: the kinds of layers. Each leaves the next one's input on walk->side. */
enum status vae_resnet(struct vae_walk *walk, const struct vae_block *block);
enum status vae_attention(struct vae_walk *walk, const struct vae_block *block);
enum status vae_upsample(struct vae_walk *walk, const struct vae_block *block);

/* This rank has all rows. */
bool vae_whole(const struct vae *vae);

/* models/vae_conv.c: one 3x3 convolution of a rank's rows. */
struct vae_conv_job {
    const struct vae_conv *conv;
    const struct vae_norm *norm; /* NULL: x as it is; else SiLU behind it */
    const struct tensor *add;    /* as y, and may be y; NULL: nothing */
    bool upsample;
};

/* y [1, rows of x (twice where it enlarges), ..] from x [1, rows, W, I]; does not overlap x or any
 * of VAE_CHUNK, VAE_ABOVE, VAE_BELOW. */
enum status vae_convolve(struct vae_walk *walk, const struct vae_conv_job *job,
                         const struct tensor *x, struct tensor *y);

/* The sums of x over all ranks, into vae->sums; then y = act(norm(x)) of some rows. */
enum status vae_norm_sums(struct vae_walk *walk, const struct tensor *x);
enum status vae_norm_rows(struct vae_walk *walk, const struct vae_norm *norm, enum act act,
                          const struct tensor *x, struct tensor *y);

/* models/vae_load.c: allocates and, unless measuring, fills every parameter. */
enum status vae_load(struct vae *vae, struct weights *weights, struct queue *q,
                     struct arena *arena);

#endif
