/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes and flags of a Diffusion Transformer, as data: presets with published shapes
 * (PixArt-alpha, Chen et al. 2023; PixArt-Sigma, Chen et al. 2024; DiT, Peebles & Xie 2023), or
 * read from a diffusers checkpoint folder.
 */
#ifndef MODELS_DIT_CONFIG_H
#define MODELS_DIT_CONFIG_H

#include "kernels/base/file.h"
#include "kernels/base/status.h"
#include "models/sampler.h"

#include <stdbool.h>

enum { DIT_CONFIG_FILES = 3 };

enum dit_modulation {
    DIT_ADALN_SINGLE, /* one 6*C projection for the model plus a learned [6, C] table per block
                         (PixArt) */
    DIT_ADALN_ZERO,   /* an own timestep and class embedder and a 6*C projection in every block (DiT
                         in diffusers) */
};

struct dit_config {
    char name[256];      /* preset name, or the checkpoint folder as given */
    int heads, head_dim; /* C = heads * head_dim */
    int layers;
    int mlp;          /* hidden width of the MLP, GELU-tanh */
    int patch;        /* side of a patch in latent pixels */
    int in_channels;  /* latent channels */
    int out_channels; /* of the projection: 2 * in_channels where a variance is learned */
    int sample_size;  /* latent side that positions were trained at */
    float pos_scale;  /* interpolation scale of the 2-D sin-cos positions */
    int vae_scale;    /* image pixels per latent pixel, 8 */
    enum dit_modulation modulation;
    bool cross;      /* cross-attention on text in every block, not modulated, no norm before it */
    bool micro;      /* resolution and aspect-ratio conditions (PixArt-alpha 1024) */
    bool attn_bias;  /* biases of q, k, v */
    int text_dim;    /* width of the text embeddings; 0: no text */
    int text_tokens; /* default text rows */
    int classes;     /* class labels 0..classes-1, classes = the null label; 0: none */
    float norm_eps; /* of the blocks' LayerNorm; 1e-6 for the head's and for DIT_ADALN_ZERO's before
                       attention */
    float freq_shift; /* of the timestep embedding: 0 PixArt, 1 DiT */
    /* defaults of a run */
    int default_size; /* pixels, square */
    int default_steps;
    float default_guidance; /* <= 1: unguided */
    struct sampler_config sampler;
    /* config.json, the scheduler's, model_index.json as they were read; all 0: not there, or a
     * preset */
    struct file_stamp read_from[DIT_CONFIG_FILES];
};

static inline int dit_channels(const struct dit_config *c)
{
    return c->heads * c->head_dim;
}

/* Features of one token that stands for a patch of so many latent channels: K, or Kout. */
static inline int dit_features(const struct dit_config *c, int channels)
{
    return channels * c->patch * c->patch;
}

/* Presets: `list models`. NULL past the end. */
const struct dit_config *dit_config_at(int index);
const char *dit_config_summary(int index); /* one line */

/* A preset by name, or a checkpoint folder (model_index.json + transformer/ + scheduler/, or a bare
 * transformer folder). *folder_out (caller's buffer, size bytes) receives the transformer folder,
 * "" for a preset. ST_INVALID with the legal names, or with the file, the key, what was found and
 * what is wanted. */
enum status dit_config_load(const char *name_or_folder, struct dit_config *out, char *folder_out,
                            unsigned long size);

/* The second half of dit_config_load: a checkpoint folder. */
enum status dit_config_read(const char *folder, struct dit_config *out, char *folder_out,
                            unsigned long size);
/* A transformer's config.json in memory, without a scheduler: the sampler and the defaults of a run
 * are those of the first preset of its modulation. `label` stands for the path in messages. */
enum status dit_config_parse(const char *label, const char *text, unsigned long size,
                             struct dit_config *out);

/* Parameters of the transformer (elements). */
unsigned long long dit_config_parameters(const struct dit_config *config);

#endif
