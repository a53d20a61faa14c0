/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the config.json of classes whose blocks are Transformer2DModel's: PixArt, DiT, Latte. */
#include "models/dit_config_key.h"

#include <string.h>

enum { NONE = DIT_CONFIG_NONE, MOST_FRAMES = 1024 };

/* Values as a file has them, before anything is derived. */
struct keys {
    int norm, activation; /* indices of the legal texts below */
    int affine, bias, micro;
    int heads, head_dim, layers;
    int in_channels, out_channels, sample_size, patch;
    int labels, cross_dim, text_dim;
    double norm_eps;
    double interpolation; /* 0: null */
    int frames;           /* 0: images */
};

static const char *const norms[] = {"ada_norm_single", "ada_norm_zero", NULL};
static const char *const activations[] = {"gelu-approximate", NULL};
static const char *const attentions[] = {"default", NULL};

/* With diffusers' defaults of what a file leaves out; NONE where the default is nothing that we
 * have. */
static const struct {
    const char *name;
    struct keys defaults;
} classes[] = {
    {"PixArtTransformer2DModel",
     {.norm = DIT_ADALN_SINGLE,
      .bias = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 72,
      .layers = 28,
      .in_channels = 4,
      .out_channels = 8,
      .sample_size = 128,
      .patch = 2,
      .labels = 1000,
      .cross_dim = 1152,
      .text_dim = NONE,
      .norm_eps = 1e-6}},
    {"DiTTransformer2DModel",
     {.norm = DIT_ADALN_ZERO,
      .bias = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 72,
      .layers = 28,
      .in_channels = 4,
      .out_channels = NONE,
      .sample_size = 32,
      .patch = 2,
      .labels = 1000,
      .cross_dim = NONE,
      .text_dim = NONE,
      .norm_eps = 1e-5,
      .interpolation = 1}},
    {"LatteTransformer3DModel",
     {.norm = NONE,
      .activation = NONE,
      .affine = 1,
      .heads = 16,
      .head_dim = 88,
      .layers = 1,
      .in_channels = NONE,
      .out_channels = NONE,
      .sample_size = 64,
      .patch = NONE,
      .labels = NONE,
      .cross_dim = NONE,
      .text_dim = NONE,
      .norm_eps = 1e-5,
      .frames = 16}},
    /* of checkpoints older than PixArt's and DiT's classes */
    {"Transformer2DModel",
     {.norm = NONE,
      .activation = NONE,
      .affine = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 88,
      .layers = 1,
      .in_channels = NONE,
      .out_channels = NONE,
      .sample_size = NONE,
      .patch = NONE,
      .labels = NONE,
      .cross_dim = NONE,
      .text_dim = NONE,
      .norm_eps = 1e-5}},
};

enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

static enum status read_keys(json_t *object, struct keys *k)
{
    int attention = 0;
    bool video = k->frames > 0;
    TRY(dit_config_key_choice(object, "norm_type", norms, &k->norm));
    TRY(dit_config_key_choice(object, "activation_fn", activations, &k->activation));
    TRY(dit_config_key_choice(object, "attention_type", attentions, &attention));
    TRY(dit_config_key_int(object, "num_attention_heads", DIT_CONFIG_MOST_HEADS, false, &k->heads));
    TRY(dit_config_key_int(object, "attention_head_dim", DIT_CONFIG_MOST_HEADS, false,
                           &k->head_dim));
    TRY(dit_config_key_int(object, "num_layers", video ? DIT_MOST_LAYERS / 2 : DIT_MOST_LAYERS,
                           false, &k->layers));
    TRY(dit_config_key_int(object, "in_channels", DIT_CONFIG_MOST_LATENT, false, &k->in_channels));
    TRY(dit_config_key_int(object, "out_channels", 2 * DIT_CONFIG_MOST_LATENT, true,
                           &k->out_channels));
    TRY(dit_config_key_int(object, "sample_size", DIT_CONFIG_MOST_SIDE, false, &k->sample_size));
    TRY(dit_config_key_int(object, "patch_size", DIT_CONFIG_MOST_PATCH, false, &k->patch));
    TRY(dit_config_key_int(object, "num_embeds_ada_norm", DIT_CONFIG_MOST_WIDTH, true, &k->labels));
    TRY(dit_config_key_int(object, "cross_attention_dim", DIT_CONFIG_MOST_WIDTH, true,
                           &k->cross_dim));
    TRY(dit_config_key_int(object, "caption_channels", DIT_CONFIG_MOST_WIDTH, true, &k->text_dim));
    TRY(dit_config_key_flag(object, "attention_bias", false, &k->bias));
    TRY(dit_config_key_flag(object, "norm_elementwise_affine", false, &k->affine));
    TRY(dit_config_key_number(object, "norm_eps", false, &k->norm_eps));
    if (video)
        TRY(dit_config_key_int(object, "video_length", MOST_FRAMES, false, &k->frames));
    else
        TRY(dit_config_key_flag(object, "use_additional_conditions", true, &k->micro));
    if (k->interpolation == 0 && !video) // neither the class without text nor videos have the key
        TRY(dit_config_key_number(object, "interpolation_scale", true, &k->interpolation));
    return dit_config_key_rest(object);
}

static bool has_micro(const struct keys *k)
{
    if (k->norm != DIT_ADALN_SINGLE)
        return false;
    return k->micro == NONE ? k->sample_size == 128 : k->micro;
}

/* Keys against each other. `class`: index into classes. */
static enum status check_keys(int class, const struct keys *k)
{
    int channels = k->heads * k->head_dim;
    int norm = classes[class].defaults.norm;
    if (norm != NONE && k->norm != norm)
        return fail(ST_INVALID, "key \"norm_type\": found \"%s\", wanted \"%s\" with class %s",
                    norms[k->norm], norms[norm], classes[class].name);
    if (k->frames > 0 && k->norm != DIT_ADALN_SINGLE)
        return fail(ST_INVALID, "key \"norm_type\": found \"%s\", wanted \"%s\" with class %s",
                    norms[k->norm], norms[DIT_ADALN_SINGLE], classes[class].name);
    if (k->affine)
        return fail(ST_INVALID, "key \"norm_elementwise_affine\": found true, wanted false: the "
                                "modulation does its work");
    TRY(dit_config_key_sincos(channels));
    TRY(dit_config_key_sample(k->sample_size, k->patch));
    if (k->out_channels != NONE && k->out_channels != k->in_channels &&
        k->out_channels != 2 * k->in_channels)
        return fail(ST_INVALID,
                    "key \"out_channels\": found %d, wanted in_channels, %d, or twice as many with "
                    "a variance",
                    k->out_channels, k->in_channels);
    if (k->norm == DIT_ADALN_ZERO) {
        if (k->cross_dim != NONE || k->text_dim != NONE || k->micro == 1 || k->labels == NONE)
            return fail(ST_INVALID, "norm_type ada_norm_zero: wanted a number of classes in "
                                    "\"num_embeds_ada_norm\", null in "
                                    "\"cross_attention_dim\" and \"caption_channels\", no "
                                    "\"use_additional_conditions\"");
        return ST_OK;
    }
    if (k->text_dim == NONE)
        return fail(ST_INVALID, "key \"caption_channels\": found none or null, wanted the width of "
                                "the text embeddings");
    if (k->cross_dim != channels)
        return fail(ST_INVALID,
                    "key \"cross_attention_dim\": found %d (-1: null), wanted heads x head dim, %d",
                    k->cross_dim, channels);
    if (has_micro(k) && channels % 3 != 0)
        return fail(ST_INVALID,
                    "key \"use_additional_conditions\": found true, wanted false where the width, "
                    "%d, is no "
                    "multiple of 3",
                    channels);
    return ST_OK;
}

static void derive(const struct keys *k, struct dit_config *out)
{
    bool single = k->norm == DIT_ADALN_SINGLE;
    bool video = k->frames > 0;
    *out = dit_config_key_preset(video ? "latte-1" : single ? "pixart-alpha-256" : "dit-xl-2-256");
    out->heads = k->heads;
    out->head_dim = k->head_dim;
    out->layers = video ? 2 * k->layers : k->layers;
    out->frames = k->frames;
    out->mlp = 4 * k->heads * k->head_dim;
    out->patch = k->patch;
    out->in_channels = k->in_channels;
    out->out_channels = k->out_channels == NONE ? k->in_channels : k->out_channels;
    out->sample_size = k->sample_size;
    out->pos_scale = (float)k->interpolation;
    if (k->interpolation == 0)
        out->pos_scale = k->sample_size < 128 ? 1 : (float)(k->sample_size / 64);
    out->attn_bias = k->bias;
    out->norm_eps = (float)k->norm_eps;
    out->classes = single ? 0 : k->labels;
    out->text_dim = single ? k->text_dim : 0;
    out->micro = has_micro(k);
    /* The published models at 1024 px without micro-conditions are PixArt-Sigma. */
    if (single && !video && k->sample_size == 128 && !out->micro)
        out->text_tokens = 300;
    out->default_size = k->sample_size * out->vae_scale;
}

enum status dit_config_transformer2d(json_t *object, const char *class, struct dit_config *out)
{
    int i = 0;
    while (i < CLASSES && strcmp(class, classes[i].name) != 0)
        i++;
    BUG_ON(i == CLASSES, "class %s", class);
    struct keys k = classes[i].defaults;
    TRY(read_keys(object, &k));
    TRY(check_keys(i, &k));
    derive(&k, out);
    return ST_OK;
}
