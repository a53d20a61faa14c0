/* SPDX-License-Identifier: Apache-2.0 */
/* The presets: published shapes of PixArt and DiT, a tiny model of each family. Reads no files. */
#include "models/dit_config.h"

#include <math.h>

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

/* Of each modulation the first one gives what a checkpoint's config.json leaves out, so that others
 * come behind it. */
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
