/* SPDX-License-Identifier: Apache-2.0 */
/* The presets: published shapes, and a tiny model of each family. Reads no files. */
#include "models/dit_config.h"

#include <math.h>

/* The noise schedule that most were trained with (Ho et al. 2020, section 4). */
#define TRAINED                                                                                    \
    .train_timesteps = 1000, .beta_start = 0.0001, .beta_end = 0.02, .beta = BETA_LINEAR,          \
    .prediction = PREDICT_EPSILON
#define PIXART_SAMPLER                                                                             \
    {                                                                                              \
        .kind = SAMPLER_DPMSOLVER_2M, TRAINED, .spacing = SPACING_LINSPACE, .solver_order = 2,     \
        .lower_order_final = true, .final_sigma_zero = true, .lambda_min_clipped = -INFINITY       \
    }
#define DDIM_SAMPLER                                                                               \
    {                                                                                              \
        .kind = SAMPLER_DDIM, TRAINED, .spacing = SPACING_LEADING, .set_alpha_to_one = true        \
    }
#define HUNYUAN_SAMPLER                                                                            \
    {                                                                                              \
        .kind = SAMPLER_DDPM, .train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.018,   \
        .beta = BETA_SCALED_LINEAR, .prediction = PREDICT_V, .spacing = SPACING_LEADING,           \
        .steps_offset = 1                                                                          \
    }
#define FLOW_SAMPLER                                                                               \
    .kind = SAMPLER_FLOW_EULER, .train_timesteps = 1000, .prediction = PREDICT_FLOW,               \
    .base_shift = 0.5, .max_shift = 1.15, .base_tokens = 256, .max_tokens = 4096

#define LATENT    .patch = 2, .in_channels = 4, .out_channels = 8, .vae_scale = 8
#define LATENT_16 .patch = 2, .in_channels = 16, .out_channels = 16, .vae_scale = 8
#define XL_2      .heads = 16, .head_dim = 72, .mlp = 4608, LATENT
#define TINY      .heads = 12, .head_dim = 8, .default_size = 256

#define PIXART                                                                                     \
    .naming = DIT_NAMES_PIXART, .modulation = DIT_ADALN_SINGLE, .cross = true, .attn_bias = true,  \
    .norm_eps = 1e-6f, .default_steps = 20, .default_guidance = 4.5f, .sampler = PIXART_SAMPLER
#define DIT                                                                                        \
    .naming = DIT_NAMES_DIT, .modulation = DIT_ADALN_ZERO, .attn_bias = true, .norm_eps = 1e-5f,   \
    .freq_shift = 1, .default_guidance = 4, .sampler = DDIM_SAMPLER
#define SD3                                                                                        \
    .naming = DIT_NAMES_SD3, .joint = true, .modulation = DIT_ADALN_SHARED, LATENT_16,             \
    .attn_bias = true, .norm_eps = 1e-6f, .position = DIT_POSITION_TABLE, .pos_scale = 1,          \
    .default_steps = 28, .default_guidance = 7, .sampler = {FLOW_SAMPLER, .shift = 3}
#define FLUX                                                                                       \
    .naming = DIT_NAMES_FLUX, .joint = true, .last_text_out = true, .qk_norm = DIT_QK_RMS,         \
    .modulation = DIT_ADALN_SHARED, .packed = true, LATENT_16, .attn_bias = true,                  \
    .norm_eps = 1e-6f, .position = DIT_POSITION_ROPE, .pos_scale = 1, .distilled = true
#define FLUX_DEV                                                                                   \
    .guidance_in = true, .default_steps = 28, .default_guidance = 3.5f,                            \
    .sampler = {FLOW_SAMPLER, .unit_grid = true, .dynamic_shift = true, .shift = 3}
#define HUNYUAN                                                                                    \
    .naming = DIT_NAMES_HUNYUAN, .modulation = DIT_ADALN_SHIFT, .cross = true, .skips = true,      \
    .affine = true, .qk_norm = DIT_QK_LAYER, LATENT, .attn_bias = true, .norm_eps = 1e-6f,         \
    .position = DIT_POSITION_ROPE, .sample_size = 64, .pos_scale = 1, .default_steps = 50,         \
    .default_guidance = 5, .sampler = HUNYUAN_SAMPLER
#define LATTE                                                                                      \
    .naming = DIT_NAMES_PIXART, .modulation = DIT_ADALN_SINGLE, .cross = true, .temporal = true,   \
    .attn_bias = true, .norm_eps = 1e-6f, .pos_scale = 1, .default_steps = 50,                     \
    .default_guidance = 7.5f, .sampler = DDIM_SAMPLER

/* The readers of checkpoints take from some of them, by name, what a config.json leaves out. */
static const struct {
    const char *summary;
    struct dit_config config;
} presets[] = {
    {"PixArt-alpha at 256 px, 611 M parameters, text through cross-attention",
     {.name = "pixart-alpha-256",
      XL_2,
      PIXART,
      .layers = 28,
      .sample_size = 32,
      .pos_scale = 1,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 256}},
    {"PixArt-alpha at 512 px",
     {.name = "pixart-alpha-512",
      XL_2,
      PIXART,
      .layers = 28,
      .sample_size = 64,
      .pos_scale = 1,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 512}},
    {"PixArt-alpha at 1024 px, with resolution and aspect ratio as conditions",
     {.name = "pixart-alpha-1024",
      XL_2,
      PIXART,
      .layers = 28,
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
      .layers = 28,
      .sample_size = 128,
      .pos_scale = 2,
      .text_dim = 4096,
      .text_tokens = 300,
      .default_size = 1024}},
    {"DiT-XL/2 at 256 px, 750 M parameters, 1000 classes",
     {.name = "dit-xl-2-256",
      XL_2,
      DIT,
      .layers = 28,
      .sample_size = 32,
      .pos_scale = 1,
      .classes = 1000,
      .default_size = 256,
      .default_steps = 50}},
    {"DiT-XL/2 at 512 px",
     {.name = "dit-xl-2-512",
      XL_2,
      DIT,
      .layers = 28,
      .sample_size = 64,
      .pos_scale = 1,
      .classes = 1000,
      .default_size = 512,
      .default_steps = 50}},
    {"Stable Diffusion 3 at 1024 px, 2.0 B parameters, text and image attend together",
     {.name = "sd3-medium",
      SD3,
      .heads = 24,
      .head_dim = 64,
      .layers = 24,
      .mlp = 6144,
      .sample_size = 128,
      .table_side = 192,
      .text_dim = 4096,
      .text_tokens = 333,
      .pooled_dim = 2048,
      .default_size = 1024}},
    {"Stable Diffusion 3.5 with a second attention over the image in 13 blocks",
     {.name = "sd3.5-medium",
      SD3,
      .heads = 24,
      .head_dim = 64,
      .layers = 24,
      .dual = {true, true, true, true, true, true, true, true, true, true, true, true, true},
      .mlp = 6144,
      .qk_norm = DIT_QK_RMS,
      .sample_size = 128,
      .table_side = 384,
      .text_dim = 4096,
      .text_tokens = 333,
      .pooled_dim = 2048,
      .default_size = 1024}},
    {"Stable Diffusion 3.5 at 8.1 B parameters, 38 heads",
     {.name = "sd3.5-large",
      SD3,
      .heads = 38,
      .head_dim = 64,
      .layers = 38,
      .mlp = 9728,
      .qk_norm = DIT_QK_RMS,
      .sample_size = 128,
      .table_side = 192,
      .text_dim = 4096,
      .text_tokens = 333,
      .pooled_dim = 2048,
      .default_size = 1024}},
    {"FLUX.1-dev at 1024 px, 19 double and 38 single blocks, guidance told to the model",
     {.name = "flux.1-dev",
      FLUX,
      FLUX_DEV,
      .heads = 24,
      .head_dim = 128,
      .layers = 57,
      .parallel_layers = 38,
      .mlp = 12288,
      .sample_size = 128,
      .rope_axes = {16, 56, 56},
      .text_dim = 4096,
      .text_tokens = 512,
      .pooled_dim = 768,
      .default_size = 1024}},
    {"FLUX.1-schnell, four steps without guidance",
     {.name = "flux.1-schnell",
      FLUX,
      .heads = 24,
      .head_dim = 128,
      .layers = 57,
      .parallel_layers = 38,
      .mlp = 12288,
      .sample_size = 128,
      .rope_axes = {16, 56, 56},
      .text_dim = 4096,
      .text_tokens = 256,
      .pooled_dim = 768,
      .default_size = 1024,
      .default_steps = 4,
      .sampler = {FLOW_SAMPLER, .unit_grid = true, .shift = 1}}},
    {"HunyuanDiT v1.2 at 1024 px, two texts, skips from the first half to the second",
     {.name = "hunyuandit-v1.2",
      HUNYUAN,
      .heads = 16,
      .head_dim = 88,
      .layers = 40,
      .mlp = 6144,
      .text_dim = 1024,
      .text_tokens = 77,
      .text2_dim = 2048,
      .text2_tokens = 256,
      .pooled_dim = 1024,
      .default_size = 1024}},
    {"Latte-1, videos of 16 frames at 512 px, 28 blocks over space and 28 over time",
     {.name = "latte-1",
      XL_2,
      LATTE,
      .layers = 56,
      .frames = 16,
      .sample_size = 64,
      .text_dim = 4096,
      .text_tokens = 120,
      .default_size = 512}},
    {"PixArt's blocks at 1.9 M parameters, for tests and laptops",
     {.name = "pixart-tiny",
      TINY,
      LATENT,
      PIXART,
      .layers = 12,
      .mlp = 384,
      .sample_size = 32,
      .pos_scale = 1,
      .text_dim = 64,
      .text_tokens = 24}},
    {"DiT's blocks at 2.5 M parameters, for tests and laptops",
     {.name = "dit-tiny",
      TINY,
      LATENT,
      DIT,
      .layers = 12,
      .mlp = 384,
      .sample_size = 32,
      .pos_scale = 1,
      .classes = 10,
      .default_steps = 20}},
    {"Stable Diffusion 3.5's blocks at 2.8 M parameters, 3 with a second attention",
     {.name = "sd3-tiny",
      TINY,
      SD3,
      .layers = 8,
      .dual = {true, true, true},
      .mlp = 384,
      .qk_norm = DIT_QK_RMS,
      .sample_size = 32,
      .table_side = 48,
      .text_dim = 64,
      .text_tokens = 21,
      .pooled_dim = 32}},
    {"FLUX.1's blocks at 2.3 M parameters, 4 double and 6 single",
     {.name = "flux-tiny",
      TINY,
      FLUX,
      FLUX_DEV,
      .layers = 10,
      .parallel_layers = 6,
      .mlp = 384,
      .sample_size = 32,
      .rope_axes = {4, 2, 2},
      .text_dim = 64,
      .text_tokens = 24,
      .pooled_dim = 32}},
    {"HunyuanDiT's blocks at 2.1 M parameters, an MLP of 4.25 widths",
     {.name = "hunyuandit-tiny",
      TINY,
      HUNYUAN,
      .layers = 12,
      .mlp = 408,
      .text_dim = 48,
      .text_tokens = 13,
      .text2_dim = 32,
      .text2_tokens = 20,
      .pooled_dim = 24}},
    {"Latte's blocks at 1.7 M parameters, videos of 3 frames",
     {.name = "latte-tiny",
      TINY,
      LATENT,
      LATTE,
      .layers = 12,
      .frames = 3,
      .mlp = 384,
      .sample_size = 32,
      .text_dim = 64,
      .text_tokens = 24}},
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
