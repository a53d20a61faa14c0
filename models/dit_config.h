/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes and flags of a Diffusion Transformer, as data: presets with published shapes
 * (PixArt-alpha, Chen et al. 2023; PixArt-Sigma, Chen et al. 2024; DiT, Peebles & Xie 2023; Stable
 * Diffusion 3, Esser et al. 2024; FLUX.1, Black Forest Labs 2024; HunyuanDiT, Li et al. 2024;
 * Latte, Ma et al. 2024), or read from a diffusers checkpoint folder.
 */
#ifndef MODELS_DIT_CONFIG_H
#define MODELS_DIT_CONFIG_H

#include "kernels/base/file.h"
#include "kernels/base/status.h"
#include "models/sampler.h"
#include "models/span.h"

#include <stdbool.h>

enum { DIT_CONFIG_FILES = 3, DIT_MOST_LAYERS = 1024, DIT_ROPE_AXES = 3 };
enum { DIT_TIME_FEATURES = 256 /* of a number to be embedded */, DIT_POOL_HEADS = 8 };

/* What a block is made of. Each kind is one file, dit_block_KIND.c. */
enum dit_block_kind {
    DIT_SEQUENTIAL, /* self-attention, (optional) cross-attention on text, MLP, one after another */
    DIT_JOINT,      /* text and image, each with weights of its own, attend together */
    DIT_PARALLEL,   /* text and image with the same weights; attention and MLP side by side */
    DIT_TEMPORAL,   /* a place of a video attends over all frames, then MLP */
};

enum dit_modulation {
    DIT_ADALN_SINGLE, /* one 6*C projection for the model plus a learned [6, C] table per block
                         (PixArt, Latte) */
    DIT_ADALN_ZERO,   /* an own timestep and class embedder and a 6*C projection in every block (DiT
                         in diffusers) */
    DIT_ADALN_SHARED, /* one embedder for the model, a projection in every block for each of its
                         streams (SD3, FLUX.1) */
    DIT_ADALN_SHIFT,  /* one embedder for the model, in every block a shift before self-attention
                         (HunyuanDiT) */
};

enum dit_qk_norm { DIT_QK_PLAIN, DIT_QK_RMS, DIT_QK_LAYER };

enum dit_position {
    DIT_POSITION_SINCOS, /* computed, added to the patch embedding */
    DIT_POSITION_TABLE,  /* a weight [1, side^2, C], its middle added to the patch embedding */
    DIT_POSITION_ROPE,   /* rotates queries and keys */
};

/* Whose names a checkpoint's parameters have. */
enum dit_naming {
    DIT_NAMES_PIXART,
    DIT_NAMES_DIT,
    DIT_NAMES_SD3,
    DIT_NAMES_FLUX,
    DIT_NAMES_HUNYUAN
};

struct dit_config {
    char name[256];             /* preset name, or the checkpoint folder as given */
    enum dit_naming naming;     /* of the checkpoint's parameters, see dit_names.h */
    int heads, head_dim;        /* C = heads * head_dim */
    int layers;                 /* blocks, as they run */
    bool joint;                 /* text is part of the sequence */
    int parallel_layers;        /* joint: the last so many blocks are DIT_PARALLEL */
    bool last_text_out;         /* joint: the text goes on behind the last DIT_JOINT block */
    bool dual[DIT_MOST_LAYERS]; /* by layer: a second attention, over the image alone */
    bool temporal;              /* every second block is DIT_TEMPORAL */
    bool skips;                 /* blocks of the first half feed those of the second, in reverse */
    int mlp;                    /* hidden width of the MLP, GELU-tanh */
    enum dit_qk_norm qk_norm;   /* of self- and joint attention, and of cross-attention */
    bool affine; /* the blocks' norms have weights and biases; cross-attention has a norm of its
                    own before it */
    int patch;   /* side of a patch in latent pixels */
    bool packed; /* patches are packed by the pipeline, features (c, dy, dx) in and out (FLUX.1) */
    int in_channels;  /* latent channels */
    int out_channels; /* of the projection: 2 * in_channels where a variance is learned */
    int frames;       /* of a video's latent that the model was trained at; 0: images */
    int sample_size;  /* latent side that positions were trained at */
    enum dit_position position;
    float pos_scale;              /* interpolation scale of the 2-D sin-cos positions */
    int table_side;               /* DIT_POSITION_TABLE: side of the table, in tokens */
    int rope_axes[DIT_ROPE_AXES]; /* DIT_POSITION_ROPE: elements of a head that turn with the text's
                         index, the row and the column; all 0: the first half turns with the column,
                         the second with the row, over a grid resized to the trained one */
    int vae_scale;                /* image pixels per latent pixel, 8 */
    enum dit_modulation modulation;
    bool cross;      /* cross-attention on text in every DIT_SEQUENTIAL block, not modulated */
    bool micro;      /* resolution and aspect-ratio conditions (PixArt-alpha 1024) */
    bool attn_bias;  /* biases of q, k, v */
    int text_dim;    /* width of the text embeddings; 0: no text */
    int text_tokens; /* default text rows */
    int text2_dim, text2_tokens; /* a second text, brought to the first one's width and put behind
                                    it; its rows are pooled by attention; 0: none */
    int pooled_dim;              /* width of the pooled text; 0: none */
    bool distilled;   /* guidance is not two branches: a number told to the model, or nothing */
    bool guidance_in; /* distilled: told to the model */
    int classes;      /* class labels 0..classes-1, classes = the null label; 0: none */
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

/* One block, as its place in the model says. */
struct dit_layer {
    enum dit_block_kind kind;
    int index;     /* among the checkpoint's blocks of its kind */
    bool dual;     /* DIT_JOINT: a second attention, over the image alone */
    bool text_out; /* DIT_JOINT: the text goes on; else it gives keys and values only */
    int skip_from; /* the block whose output joins this one's input, or -1 */
    int skip_to;   /* the block that this one's output joins, or -1 */
};

struct dit_layer dit_config_layer(const struct dit_config *c, int layer);

/* One self- or joint attention that sees the whole sequence, and so is a matter of strategies. The
 * rest is local: on text alone, or over the frames of a place. */
struct dit_site {
    int layer;
    enum token_set keys, queries;
};

/* Sites are numbered block by block, a second attention's behind the joint one's. Sites of the
 * blocks before `layer`; all: dit_sites(c, layers). */
int dit_sites(const struct dit_config *c, int layer);
struct dit_site dit_site_at(const struct dit_config *c, int site);

/* A product whose sum tensor parallelism splits: y [rows of the set, C] from `width` columns. */
struct dit_reduction {
    enum token_set rows;
    int width;
};

enum { DIT_MOST_REDUCTIONS = 5 };

/* How many a block has, in the order in which it runs them. */
int dit_config_reductions(const struct dit_config *c, int layer,
                          struct dit_reduction out[DIT_MOST_REDUCTIONS]);

/* Frames of a latent: 1 for images. */
static inline int dit_frames(const struct dit_config *c)
{
    return c->frames > 0 ? c->frames : 1;
}

/* Width of the text rows that cross-attention's keys and values come from: text_dim where a second
 * text was brought to it, else C. */
static inline int dit_cross_width(const struct dit_config *c)
{
    return c->text2_dim > 0 ? c->text_dim : dit_channels(c);
}

/* What one unit of the timestep that diffusers' transformer takes is here, where timesteps are 0 to
 * 1000 for every model: the pipeline of packed models gives it divided by 1000. */
static inline float dit_time_unit(const struct dit_config *c)
{
    return c->packed ? 1000 : 1;
}

/* Features of one token that stands for a patch of so many latent channels: K, or Kout. */
static inline int dit_features(const struct dit_config *c, int channels)
{
    return channels * c->patch * c->patch;
}

/* Presets: `list models`. NULL past the end. */
const struct dit_config *dit_config_at(int index);
const char *dit_config_summary(int index); /* one line */

/* A preset by name, its quarter, or a checkpoint folder (model_index.json + transformer/ +
 * scheduler/, or a bare transformer folder). *folder_out (caller's buffer, size bytes) receives the
 * transformer folder,
 * "" for a preset. ST_INVALID with the legal names, or with the file, the key, what was found and
 * what is wanted. */
enum status dit_config_load(const char *name_or_folder, struct dit_config *out, char *folder_out,
                            unsigned long size);

/* The second half of dit_config_load: a checkpoint folder. */
enum status dit_config_read(const char *folder, struct dit_config *out, char *folder_out,
                            unsigned long size);
/* A transformer's config.json in memory, without a scheduler: the sampler and the defaults of a run
 * are those of a preset of its class. `label` stands for the path in messages. */
enum status dit_config_parse(const char *label, const char *text, unsigned long size,
                             struct dit_config *out);

/* Parameters of the transformer (elements), DIT_POSITION_TABLE's table not among them. */
unsigned long long dit_config_parameters(const struct dit_config *config);

#endif
