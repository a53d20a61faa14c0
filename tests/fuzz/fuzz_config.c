/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a transformer's config.json: refused, or a model whose sizes are in range. */
#include "models/dit_config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The places of the first, the last and the middle blocks. */
static void check_blocks(const struct dit_config *c)
{
    const int layers[] = {0, (c->layers - 1) / 2, c->layers / 2, c->layers - 1};
    int sites = dit_sites(c, c->layers);
    BUG_ON(sites < 1 || dit_site_at(c, sites - 1).layer >= c->layers, "%d sites", sites);
    for (int i = 0; i < 4; i++) {
        struct dit_reduction r[DIT_MOST_REDUCTIONS];
        struct dit_layer l = dit_config_layer(c, layers[i]);
        BUG_ON(l.index < 0 || l.index > layers[i] || l.skip_to >= c->layers, "a block's place");
        BUG_ON(dit_config_reductions(c, layers[i], r) < 1, "a block without a sum");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dit_config config;
    if (dit_config_parse("fuzz", (const char *)data, size, &config) != ST_OK)
        return 0;
    BUG_ON(config.heads < 1 || config.layers < 1 || config.patch < 1 ||
               config.sample_size < config.patch,
           "a size below 1");
    BUG_ON(config.mlp < 1 || (!config.skips && config.mlp != 4 * dit_channels(&config)),
           "a width of the MLP that cannot be");
    BUG_ON(config.position != DIT_POSITION_ROPE && dit_channels(&config) % 4 != 0,
           "a width that cannot be");
    BUG_ON(config.out_channels % config.in_channels != 0 || !(config.pos_scale > 0),
           "an output that cannot be");
    BUG_ON(config.cross + config.joint != (config.text_dim > 0) ||
               (config.text_dim > 0) != (config.classes == 0),
           "neither text nor classes");
    BUG_ON(config.layers > DIT_MOST_LAYERS || config.parallel_layers >= config.layers,
           "blocks that cannot be");
    check_blocks(&config);
    BUG_ON(dit_config_parameters(&config) == 0, "no parameters");
    return 0;
}
