/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a transformer's config.json: refused, or a model whose sizes are in range. */
#include "models/dit_config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dit_config config;
    if (dit_config_parse("fuzz", (const char *)data, size, &config) != ST_OK)
        return 0;
    BUG_ON(config.heads < 1 || config.layers < 1 || config.patch < 1 ||
               config.sample_size < config.patch,
           "a size below 1");
    BUG_ON(config.mlp != 4 * dit_channels(&config) || dit_channels(&config) % 4 != 0,
           "a width that cannot be");
    BUG_ON(config.out_channels % config.in_channels != 0 || !(config.pos_scale > 0),
           "an output that cannot be");
    BUG_ON(config.cross != (config.text_dim > 0) || config.cross != (config.classes == 0),
           "neither text nor classes");
    BUG_ON(dit_config_parameters(&config) == 0, "no parameters");
    return 0;
}
