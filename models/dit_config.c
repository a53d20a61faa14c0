/* SPDX-License-Identifier: Apache-2.0 */
/* The presets: published shapes of PixArt and DiT, a tiny model of each family. Reads no files. */
#include "models/dit_config.h"

#include "kernels/base/suggest.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The noise schedule that both families were trained with (Ho et al. 2020, section 4). */
#define TRAINED                                                                                    \
    .train_timesteps = 1000, .beta_start = 0.0001, .beta_end = 0.02, .beta = BETA_LINEAR,          \
    .prediction = PREDICT_EPSILON
#define PIXART_SAMPLER                                                                             \
    {                                                                                              \
        .kind = SAMPLER_DPMSOLVER_2M, TRAINED, .spacing = SPACING_LINSPACE, .solver_order = 2,     \
        .lower_order_final = true, .final_sigma_zero = true, .lambda_min_clipped = -INFINITY       \
    }
#define DIT_SAMPLER                                                                                \
    {                                                                                              \
        .kind = SAMPLER_DDIM, TRAINED, .spacing = SPACING_LEADING, .set_alpha_to_one = true        \
    }

#define LATENT .patch = 2, .in_channels = 4, .out_channels = 8, .vae_scale = 8
#define XL_2   .heads = 16, .head_dim = 72, .layers = 28, .mlp = 4608, LATENT
#define TINY   .heads = 12, .head_dim = 8, .layers = 12, .mlp = 384, LATENT

#define PIXART                                                                                     \
    .modulation = DIT_ADALN_SINGLE, .cross = true, .attn_bias = true, .norm_eps = 1e-6f,           \
    .freq_shift = 0, .default_steps = 20, .default_guidance = 4.5f, .sampler = PIXART_SAMPLER
#define DIT                                                                                        \
    .modulation = DIT_ADALN_ZERO, .attn_bias = true, .norm_eps = 1e-5f, .freq_shift = 1,           \
    .default_guidance = 4, .sampler = DIT_SAMPLER

static const struct {
    const char *summary;
    struct dit_config config;
} presets[] = {
    {"PixArt-alpha at 256 px, 611 M parameters, text through cross-attention",
     {.name = "pixart-alpha-256",
      XL_2,
      PIXART,
      .sample_size = 32,
      .pos_scale = 1,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 256}},
    {"PixArt-alpha at 512 px",
     {.name = "pixart-alpha-512",
      XL_2,
      PIXART,
      .sample_size = 64,
      .pos_scale = 1,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 512}},
    {"PixArt-alpha at 1024 px, with resolution and aspect ratio as conditions",
     {.name = "pixart-alpha-1024",
      XL_2,
      PIXART,
      .sample_size = 128,
      .pos_scale = 2,
      .micro = true,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 1024}},
    {"PixArt-Sigma at 1024 px, 300 text tokens",
     {.name = "pixart-sigma",
      XL_2,
      PIXART,
      .sample_size = 128,
      .pos_scale = 2,
      .text_dim = 4096,
      .text_tokens = 300,
      .default_size = 1024}},
    {"DiT-XL/2 at 256 px, 750 M parameters, 1000 classes",
     {.name = "dit-xl-2-256",
      XL_2,
      DIT,
      .sample_size = 32,
      .pos_scale = 1,
      .classes = 1000,
      .default_size = 256,
      .default_steps = 50}},
    {"DiT-XL/2 at 512 px",
     {.name = "dit-xl-2-512",
      XL_2,
      DIT,
      .sample_size = 64,
      .pos_scale = 1,
      .classes = 1000,
      .default_size = 512,
      .default_steps = 50}},
    {"PixArt's blocks at 1.9 M parameters, for tests and laptops",
     {.name = "pixart-tiny",
      TINY,
      PIXART,
      .sample_size = 32,
      .pos_scale = 1,
      .text_dim = 64,
      .text_tokens = 24,
      .default_size = 256}},
    {"DiT's blocks at 2.5 M parameters, for tests and laptops",
     {.name = "dit-tiny",
      TINY,
      DIT,
      .sample_size = 32,
      .pos_scale = 1,
      .classes = 10,
      .default_size = 256,
      .default_steps = 20}},
};

enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

const struct dit_config *dit_config_at(int index)
{
    return index >= 0 && index < PRESETS ? &presets[index].config : NULL;
}

const char *dit_config_summary(int index)
{
    return index >= 0 && index < PRESETS ? presets[index].summary : NULL;
}

static enum status refuse_name(const char *name)
{
    char names[512] = "";
    char hint[SUGGEST_HINT];
    const char *words[PRESETS + 1] = {NULL};
    for (int i = 0; i < PRESETS; i++) {
        size_t used = strlen(names);
        words[i] = presets[i].config.name;
        snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", words[i]);
    }
    return fail(ST_INVALID, "model \"%s\"%s is neither a checkpoint folder nor one of %s", name,
                suggest_hint(name, words, hint), names);
}

enum status dit_config_load(const char *name_or_folder, struct dit_config *out, char *folder_out,
                            unsigned long size)
{
    struct stat info;
    for (int i = 0; i < PRESETS; i++) {
        if (strcmp(name_or_folder, presets[i].config.name) == 0) {
            *out = presets[i].config;
            snprintf(folder_out, size, "%s", "");
            return ST_OK;
        }
    }
    if (stat(name_or_folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return refuse_name(name_or_folder);
    return dit_config_read(name_or_folder, out, folder_out, size);
}

/* ---- parameters ---- */

/* A linear layer. */
static uint64_t linear(uint64_t in, uint64_t out, bool bias)
{
    return in * out + (bias ? out : 0);
}

/* Linear, activation, linear; with biases. */
static uint64_t perceptron(uint64_t in, uint64_t mid)
{
    return linear(in, mid, true) + linear(mid, mid, true);
}

static uint64_t attention(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    return 3 * linear(width, width, c->attn_bias) + linear(width, width, true);
}

/* The embedder of time and label and the projection to six modulations: one of the model or one of
 * each block. */
static uint64_t modulator(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    uint64_t labels = c->classes > 0 ? (uint64_t)c->classes + 1 : 0;
    return perceptron(256, width) + labels * width + linear(width, 6 * width, true);
}

unsigned long long dit_config_parameters(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    uint64_t mlp = (uint64_t)c->mlp;
    uint64_t pixels = (uint64_t)c->patch * (uint64_t)c->patch;
    bool single = c->modulation == DIT_ADALN_SINGLE;
    uint64_t block = attention(c) + linear(width, mlp, true) + linear(mlp, width, true);
    if (c->cross)
        block += attention(c);
    block += single ? 6 * width : modulator(c);
    uint64_t head = linear(width, pixels * (uint64_t)c->out_channels, true);
    head += single ? 2 * width : linear(width, 2 * width, true);
    uint64_t total =
        linear(pixels * (uint64_t)c->in_channels, width, true) + (uint64_t)c->layers * block + head;
    if (single)
        total += modulator(c);
    if (c->text_dim > 0)
        total += perceptron((uint64_t)c->text_dim, width);
    if (c->micro)
        total += 2 * perceptron(256, width / 3);
    return total;
}
