/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes of the decoder of a variational autoencoder (diffusers' AutoencoderKL), as data: presets
 * with published shapes (Stable Diffusion, Rombach et al. 2022; SDXL, Podell et al. 2023; Stable
 * Diffusion 3, Esser et al. 2024; FLUX.1, Black Forest Labs 2024), or read from a folder. The
 * encoder is no part of it.
 *
 * Levels are counted from the latent: level 0 has its rows, level l has rows << l, and the last one
 * those of the picture.
 */
#ifndef MODELS_VAE_CONFIG_H
#define MODELS_VAE_CONFIG_H

#include "kernels/base/file.h"
#include "kernels/base/status.h"

#include <stdbool.h>

enum {
    VAE_MOST_LEVELS = 8,
    VAE_MOST_RESNETS = 32, /* of a level */
    VAE_MOST_WIDTH = 16384,
    VAE_MOST_GROUPS = 1024,
    VAE_MOST_LATENT = 1024 /* channels of a latent, and of a picture */
};

#define VAE_EPS 1e-6 /* of every norm; diffusers has it in no file */

struct vae_config {
    char name[256]; /* preset name, or the folder as given */
    int latent_channels;
    int out_channels; /* of the picture, 3 */
    int levels;
    int width[VAE_MOST_LEVELS];  /* channels by level; block_out_channels in reverse */
    int resnets;                 /* of a level: layers_per_block + 1 */
    int groups;                  /* of channels in every norm */
    bool post_quant;             /* a 1x1 convolution of the latent before all others */
    bool attention;              /* in the middle, one head as wide as the channels */
    double scaling, shift;       /* the decoder takes latent / scaling + shift */
    int default_size;            /* of a run: pixels, square */
    struct file_stamp read_from; /* config.json as it was read; all 0: a preset */
};

/* Pixels of a side for each latent pixel. */
static inline int vae_config_scale(const struct vae_config *c)
{
    return 1 << (c->levels - 1);
}

enum vae_layer_kind {
    VAE_STEM,      /* latent / scaling + shift, (post-quant convolution), convolution */
    VAE_RESNET,    /* x (through a 1x1 convolution where the width changes) + conv(silu(norm(
                      conv(silu(norm(x)))))) */
    VAE_ATTENTION, /* x + projection(attention(norm(x))) */
    VAE_UPSAMPLE,  /* rows and columns twice, then a convolution; `level` is that of its input */
    VAE_HEAD,      /* conv(silu(norm(x))) */
};

/* One layer, as its place in the model says. All convolutions are 3x3 but those said to be 1x1. */
struct vae_layer {
    enum vae_layer_kind kind;
    int level;   /* of its input */
    int in, out; /* channels */
    int block;   /* of the checkpoint: the up block; -1: the middle one */
    int index;   /* among the residual blocks of that */
};

/* In the order in which they run. What ranks exchange follows from them, for each image: every 3x3
 * convolution takes a row of W << level pixels from each neighbour, in `in` channels (STEM,
 * UPSAMPLE, HEAD) or in `in` and then `out` (RESNET); every norm sums 2 * groups numbers over all
 * ranks (ATTENTION, HEAD one, RESNET two). */
int vae_config_layers(const struct vae_config *c);
struct vae_layer vae_config_layer(const struct vae_config *c, int index);

/* Presets: `list models`. NULL past the end. */
const struct vae_config *vae_config_at(int index);
const char *vae_config_summary(int index); /* one line */

/* True where the name is a preset's; *out is that. */
bool vae_config_find(const char *name, struct vae_config *out);

/* A folder: a pipeline's that holds vae/, or that of a decoder itself, which holds a config.json.
 * *there: it is one of these (where false, nothing else is said and nothing read). */
enum status vae_config_there(const char *folder, bool *there);

/* A folder. *folder_out (caller's buffer, size bytes) receives that of the weights. ST_INVALID with
 * the file, the key, what was found and what is wanted. */
enum status vae_config_read(const char *folder, struct vae_config *out, char *folder_out,
                            unsigned long size);

/* A config.json in memory. `label` stands for the path in messages. */
enum status vae_config_parse(const char *label, const char *text, unsigned long size,
                             struct vae_config *out);

/* Parameters of the decoder and its post-quant convolution (elements). */
unsigned long long vae_config_parameters(const struct vae_config *config);

#endif
