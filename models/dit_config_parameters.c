/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many parameters a configuration has, counted as diffusers' num_parameters() does: what is
 * learned. A stored table of positions is a buffer there and not counted, although checkpoints hold
 * it; the learned rows of padding and of pooling are. Loads nothing.
 */
#include "models/dit_config.h"

#include <stdint.h>

/* A linear layer. */
static uint64_t linear(uint64_t in, uint64_t out, bool bias)
{
    return in * out + (bias ? out : 0);
}

/* Linear, activation, linear; with biases. */
static uint64_t perceptron(uint64_t in, uint64_t mid, uint64_t out)
{
    return linear(in, mid, true) + linear(mid, out, true);
}

static uint64_t width_of(const struct dit_config *c)
{
    return (uint64_t)dit_channels(c);
}

/* The norms of one stream's queries and keys: [D] each, with a bias where they are LayerNorms. */
static uint64_t qk_norms(const struct dit_config *c)
{
    uint64_t vectors = c->qk_norm == DIT_QK_PLAIN ? 0 : c->qk_norm == DIT_QK_RMS ? 2 : 4;
    return vectors * (uint64_t)c->head_dim;
}

/* Projections of queries, of keys and values from rows of `kv` features, and of the output. */
static uint64_t attention(const struct dit_config *c, uint64_t kv)
{
    uint64_t C = width_of(c);
    return linear(C, C, c->attn_bias) + 2 * linear(kv, C, c->attn_bias) + linear(C, C, true) +
           qk_norms(c);
}

/* The embedder of time and label and the projection to six modulations: one of the model or one of
 * each block. */
static uint64_t modulator(const struct dit_config *c)
{
    uint64_t C = width_of(c);
    uint64_t labels = c->classes > 0 ? (uint64_t)c->classes + 1 : 0;
    return perceptron(DIT_TIME_FEATURES, C, C) + labels * C + linear(C, 6 * C, true);
}

/* ---- blocks ---- */

/* What modulates the image's stream, or the only one. */
static uint64_t modulation(const struct dit_config *c, const struct dit_layer *l)
{
    uint64_t C = width_of(c);
    uint64_t parts = l->kind == DIT_PARALLEL ? 3 : l->dual ? 9 : 6;
    switch (c->modulation) {
    case DIT_ADALN_SINGLE:
        return 6 * C;
    case DIT_ADALN_ZERO:
        return modulator(c);
    case DIT_ADALN_SHARED:
        return linear(C, parts * C, true);
    case DIT_ADALN_SHIFT:
        return linear(C, C, true);
    }
    BUG_ON(true, "modulation %d", (int)c->modulation);
}

static uint64_t sequential(const struct dit_config *c, const struct dit_layer *l)
{
    uint64_t C = width_of(c);
    bool cross = c->cross && l->kind == DIT_SEQUENTIAL;
    uint64_t total = attention(c, C) + perceptron(C, (uint64_t)c->mlp, C);
    if (cross)
        total += attention(c, (uint64_t)dit_cross_width(c));
    if (c->affine)
        total += (cross ? 3 : 2) * 2 * C;
    if (l->skip_from >= 0)
        total += 2 * 2 * C + linear(2 * C, C, true);
    return total;
}

/* A text that does not go on has queries that nobody asks for, and two parts of modulation. */
static uint64_t joint(const struct dit_config *c, const struct dit_layer *l)
{
    uint64_t C = width_of(c);
    uint64_t mlp = perceptron(C, (uint64_t)c->mlp, C);
    uint64_t image = attention(c, C) + mlp;
    uint64_t text = 3 * linear(C, C, c->attn_bias) + qk_norms(c);
    if (l->dual)
        image += attention(c, C);
    if (l->text_out)
        return image + text + linear(C, C, true) + mlp + linear(C, 6 * C, true);
    return image + text + linear(C, 2 * C, true);
}

static uint64_t parallel(const struct dit_config *c)
{
    uint64_t C = width_of(c);
    uint64_t mlp = (uint64_t)c->mlp;
    return 3 * linear(C, C, c->attn_bias) + qk_norms(c) + linear(C, mlp, true) +
           linear(C + mlp, C, true);
}

static uint64_t block(const struct dit_config *c, int layer)
{
    struct dit_layer l = dit_config_layer(c, layer);
    uint64_t total = modulation(c, &l);
    if (l.kind == DIT_JOINT)
        return total + joint(c, &l);
    return total + (l.kind == DIT_PARALLEL ? parallel(c) : sequential(c, &l));
}

/* ---- around the blocks ---- */

/* What brings the texts to the rows that attention takes, and pools the second one. */
static uint64_t texts(const struct dit_config *c)
{
    uint64_t C = width_of(c);
    uint64_t in = (uint64_t)c->text_dim;
    uint64_t in2 = (uint64_t)c->text2_dim;
    uint64_t rows2 = (uint64_t)c->text2_tokens;
    if (in == 0)
        return 0;
    if (c->joint)
        return linear(in, C, true);
    if (in2 == 0)
        return perceptron(in, C, C);
    uint64_t padding = ((uint64_t)c->text_tokens + rows2) * in;
    uint64_t pooling =
        (rows2 + 1) * in2 + 3 * linear(in2, in2, true) + linear(in2, (uint64_t)c->pooled_dim, true);
    return perceptron(in2, 4 * in2, in) + padding + pooling;
}

/* What the model is told besides text and latent, and its one embedder. */
static uint64_t conditions(const struct dit_config *c)
{
    uint64_t C = width_of(c);
    uint64_t total = 0;
    if (c->modulation == DIT_ADALN_SINGLE)
        total += modulator(c);
    else if (c->modulation != DIT_ADALN_ZERO)
        total += perceptron(DIT_TIME_FEATURES, C, C);
    if (c->guidance_in)
        total += perceptron(DIT_TIME_FEATURES, C, C);
    if (c->pooled_dim > 0)
        total += perceptron((uint64_t)c->pooled_dim, c->text2_dim > 0 ? 4 * C : C, C);
    if (c->micro)
        total += 2 * perceptron(DIT_TIME_FEATURES, C / 3, C / 3);
    return total;
}

unsigned long long dit_config_parameters(const struct dit_config *c)
{
    uint64_t C = width_of(c);
    uint64_t head = linear(C, (uint64_t)dit_features(c, c->out_channels), true);
    head += c->modulation == DIT_ADALN_SINGLE ? 2 * C : linear(C, 2 * C, true);
    uint64_t total = linear((uint64_t)dit_features(c, c->in_channels), C, true) + texts(c) +
                     conditions(c) + head;
    for (int l = 0; l < c->layers; l++)
        total += block(c, l);
    return total;
}
