/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a decoder's config.json: refused, or layers that follow each other. */
#include "models/vae_config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vae_config c;
    if (vae_config_parse("fuzz", (const char *)data, size, &c) != ST_OK)
        return 0;
    int width = c.latent_channels;
    int level = 0;
    BUG_ON(!(c.scaling > 0) || c.groups < 1 || c.levels < 1 || c.resnets < 2, "sizes");
    for (int i = 0; i < vae_config_layers(&c); i++) {
        struct vae_layer l = vae_config_layer(&c, i);
        BUG_ON(l.in != width || l.level != level || l.in < 1 || l.out < 1, "layer %d", i);
        BUG_ON(l.kind != VAE_STEM && l.in % c.groups != 0, "groups of layer %d", i);
        width = l.out;
        level += l.kind == VAE_UPSAMPLE;
    }
    BUG_ON(width != c.out_channels || level != c.levels - 1, "the end is elsewhere");
    BUG_ON(vae_config_parameters(&c) == 0, "no parameters");
    return 0;
}
