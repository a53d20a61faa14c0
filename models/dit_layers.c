/* SPDX-License-Identifier: Apache-2.0 */
/* What each block of a model is, in which order: kinds, skips, attention sites, reductions. Nothing
 * runs here. */
#include "models/dit_config.h"

static enum dit_block_kind kind_of(const struct dit_config *c, int layer)
{
    if (c->joint)
        return layer < c->layers - c->parallel_layers ? DIT_JOINT : DIT_PARALLEL;
    return c->temporal && layer % 2 == 1 ? DIT_TEMPORAL : DIT_SEQUENTIAL;
}

/* The l-th block from the end takes the output of the l-th from the start; the two in the middle
 * have no part in it (U-ViT, Bao et al. 2023). */
static int skip_partner(const struct dit_config *c, int layer)
{
    int half = c->layers / 2;
    bool in_middle = layer == half - 1 || layer == half;
    return c->skips && !in_middle ? c->layers - 1 - layer : -1;
}

struct dit_layer dit_config_layer(const struct dit_config *c, int layer)
{
    BUG_ON(layer < 0 || layer >= c->layers, "layer %d of %d", layer, c->layers);
    struct dit_layer out = {.kind = kind_of(c, layer), .index = layer};
    int joint = c->layers - c->parallel_layers;
    int partner = skip_partner(c, layer);
    if (c->temporal)
        out.index = layer / 2;
    if (out.kind == DIT_PARALLEL)
        out.index = layer - joint;
    out.dual = out.kind == DIT_JOINT && c->dual[layer];
    out.text_out = out.kind == DIT_JOINT && (layer + 1 < joint || c->last_text_out);
    out.skip_from = partner < layer ? partner : -1;
    out.skip_to = partner > layer ? partner : -1;
    return out;
}

/* ---- attention sites ---- */

static int sites_of(const struct dit_config *c, int layer)
{
    struct dit_layer l = dit_config_layer(c, layer);
    return l.kind == DIT_TEMPORAL ? 0 : l.dual ? 2 : 1;
}

int dit_sites(const struct dit_config *c, int layer)
{
    int n = 0;
    for (int l = 0; l < layer; l++)
        n += sites_of(c, l);
    return n;
}

struct dit_site dit_site_at(const struct dit_config *c, int site)
{
    int layer = 0;
    int first = 0;
    while (first + sites_of(c, layer) <= site)
        first += sites_of(c, layer++);
    struct dit_layer l = dit_config_layer(c, layer);
    bool second = site > first;
    bool text_asks = l.kind != DIT_JOINT || l.text_out;
    return (struct dit_site){layer, second ? TOKENS_IMAGE : TOKENS_ALL,
                             second || !text_asks ? TOKENS_IMAGE : TOKENS_ALL};
}

/* ---- reductions ---- */

int dit_config_reductions(const struct dit_config *c, int layer,
                          struct dit_reduction out[DIT_MOST_REDUCTIONS])
{
    struct dit_layer l = dit_config_layer(c, layer);
    int C = dit_channels(c);
    int n = 0;
    if (l.kind == DIT_PARALLEL) {
        out[n++] = (struct dit_reduction){TOKENS_ALL, C + c->mlp};
        return n;
    }
    out[n++] = (struct dit_reduction){TOKENS_IMAGE, C};
    if (l.text_out)
        out[n++] = (struct dit_reduction){TOKENS_TEXT, C};
    if (l.dual)
        out[n++] = (struct dit_reduction){TOKENS_IMAGE, C};
    out[n++] = (struct dit_reduction){TOKENS_IMAGE, c->mlp};
    if (l.text_out)
        out[n++] = (struct dit_reduction){TOKENS_TEXT, c->mlp};
    return n;
}
