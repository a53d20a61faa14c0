/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders by name, their layers and parameters. Reads no files. */
#include "models/vae_config.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- presets ---- */

#define PUBLISHED                                                                                  \
    .out_channels = 3, .levels = 4, .width = {512, 512, 256, 128}, .resnets = 3, .groups = 32,     \
    .attention = true, .default_size = 1024

static const struct {
    const char *summary;
    struct vae_config config;
} presets[] = {
    {"decoder of Stable Diffusion and PixArt-alpha, 4 latent channels",
     {.name = "vae-sd", .latent_channels = 4, .post_quant = true, .scaling = 0.18215, PUBLISHED}},
    {"decoder of SDXL and PixArt-Sigma, 4 latent channels",
     {.name = "vae-sdxl", .latent_channels = 4, .post_quant = true, .scaling = 0.13025, PUBLISHED}},
    {"decoder of Stable Diffusion 3, 16 latent channels",
     {.name = "vae-sd3", .latent_channels = 16, .scaling = 1.5305, .shift = 0.0609, PUBLISHED}},
    {"decoder of FLUX.1, 16 latent channels",
     {.name = "vae-flux", .latent_channels = 16, .scaling = 0.3611, .shift = 0.1159, PUBLISHED}},
    {"a decoder at 0.3 M parameters, 4 pixels for each of the latent",
     {.name = "vae-tiny",
      .latent_channels = 4,
      .out_channels = 3,
      .levels = 3,
      .width = {48, 40, 24},
      .resnets = 2,
      .groups = 8,
      .post_quant = true,
      .attention = true,
      .scaling = 0.5,
      .shift = 0.1,
      .default_size = 64}},
};

enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

const struct vae_config *vae_config_at(int index)
{
    return index >= 0 && index < PRESETS ? &presets[index].config : NULL;
}

const char *vae_config_summary(int index)
{
    return index >= 0 && index < PRESETS ? presets[index].summary : NULL;
}

bool vae_config_find(const char *name, struct vae_config *out)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(name, presets[i].config.name) == 0) {
            *out = presets[i].config;
            return true;
        }
    return false;
}

/* ---- layers ---- */

/* Before the levels: the stem, two residual blocks, and the attention between them. */
static int middle_layers(const struct vae_config *c)
{
    return c->attention ? 4 : 3;
}

int vae_config_layers(const struct vae_config *c)
{
    return middle_layers(c) + c->levels * c->resnets + (c->levels - 1) + 1;
}

static struct vae_layer middle_layer(const struct vae_config *c, int index)
{
    int wide = c->width[0];
    bool last = index == middle_layers(c) - 1;
    if (index == 0)
        return (struct vae_layer){VAE_STEM, 0, c->latent_channels, wide, -1, 0};
    if (index == 2 && c->attention)
        return (struct vae_layer){VAE_ATTENTION, 0, wide, wide, -1, 0};
    return (struct vae_layer){VAE_RESNET, 0, wide, wide, -1, last};
}

struct vae_layer vae_config_layer(const struct vae_config *c, int index)
{
    BUG_ON(index < 0 || index >= vae_config_layers(c), "layer %d of decoder %s", index, c->name);
    if (index < middle_layers(c))
        return middle_layer(c, index);
    int each = c->resnets + 1; // the last level has a head where the others have an upsampling
    int level = (index - middle_layers(c)) / each;
    int k = (index - middle_layers(c)) % each;
    int out = c->width[level];
    int in = k == 0 && level > 0 ? c->width[level - 1] : out;
    if (k < c->resnets)
        return (struct vae_layer){VAE_RESNET, level, in, out, level, k};
    if (level < c->levels - 1)
        return (struct vae_layer){VAE_UPSAMPLE, level, out, out, level, 0};
    return (struct vae_layer){VAE_HEAD, level, out, c->out_channels, level, 0};
}

/* ---- parameters ---- */

static uint64_t convolution(int in, int out, int kernel)
{
    return (uint64_t)in * (uint64_t)out * (uint64_t)(kernel * kernel) + (uint64_t)out;
}

static uint64_t norm(int channels)
{
    return 2 * (uint64_t)channels;
}

static uint64_t layer_parameters(const struct vae_layer *l)
{
    switch (l->kind) {
    case VAE_STEM:
    case VAE_UPSAMPLE:
        return convolution(l->in, l->out, 3);
    case VAE_RESNET:
        return norm(l->in) + convolution(l->in, l->out, 3) + norm(l->out) +
               convolution(l->out, l->out, 3) +
               (l->in == l->out ? 0 : convolution(l->in, l->out, 1));
    case VAE_ATTENTION:
        return norm(l->in) + 4 * convolution(l->in, l->in, 1);
    case VAE_HEAD:
        return norm(l->in) + convolution(l->in, l->out, 3);
    }
    BUG_ON(true, "layer of kind %d", (int)l->kind);
}

unsigned long long vae_config_parameters(const struct vae_config *c)
{
    uint64_t total = c->post_quant ? convolution(c->latent_channels, c->latent_channels, 1) : 0;
    for (int i = 0; i < vae_config_layers(c); i++) {
        struct vae_layer layer = vae_config_layer(c, i);
        total += layer_parameters(&layer);
    }
    return total;
}
