/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the config.json of HunyuanDiT's transformer from v1.2 on, which knows neither a style nor
 * the size of an image. */
#include "models/dit_config_key.h"

enum { MOST_MLP = 1 << 24 };

/* Values as a file has them, before anything is derived. */
struct keys {
    int norm, activation; /* the only legal text, or none */
    int heads, head_dim, layers, width;
    int in_channels, patch, variance, sample_size;
    int text_dim, text_tokens, text2_dim, text2_tokens, pooled_dim;
    int style;
    double mlp_ratio;
};

static const char *const norms[] = {"layer_norm", NULL};
static const char *const activations[] = {"gelu-approximate", NULL};

/* diffusers' own; DIT_CONFIG_NONE where it has none. */
static const struct keys defaults = {
    .heads = 16,
    .head_dim = 88,
    .layers = 28,
    .width = 1152,
    .in_channels = DIT_CONFIG_NONE,
    .patch = DIT_CONFIG_NONE,
    .variance = 1,
    .sample_size = 32,
    .text_dim = 1024,
    .text_tokens = 77,
    .text2_dim = 2048,
    .text2_tokens = 256,
    .pooled_dim = 1024,
    .style = 1,
    .mlp_ratio = 4,
};

static enum status read_text_keys(json_t *object, struct keys *k)
{
    TRY(dit_config_key_int(object, "cross_attention_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->text_dim));
    TRY(dit_config_key_int(object, "cross_attention_dim_t5", DIT_CONFIG_MOST_WIDTH, false,
                           &k->text2_dim));
    TRY(dit_config_key_int(object, "pooled_projection_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->pooled_dim));
    TRY(dit_config_key_int(object, "text_len", DIT_CONFIG_MOST_ROWS, false, &k->text_tokens));
    return dit_config_key_int(object, "text_len_t5", DIT_CONFIG_MOST_ROWS, false, &k->text2_tokens);
}

static enum status read_keys(json_t *object, struct keys *k)
{
    TRY(dit_config_key_choice(object, "norm_type", norms, &k->norm));
    TRY(dit_config_key_choice(object, "activation_fn", activations, &k->activation));
    TRY(dit_config_key_int(object, "num_attention_heads", DIT_CONFIG_MOST_HEADS, false, &k->heads));
    TRY(dit_config_key_int(object, "attention_head_dim", DIT_CONFIG_MOST_HEADS, false,
                           &k->head_dim));
    TRY(dit_config_key_int(object, "num_layers", DIT_MOST_LAYERS, false, &k->layers));
    TRY(dit_config_key_int(object, "hidden_size", DIT_CONFIG_MOST_WIDTH, false, &k->width));
    TRY(dit_config_key_int(object, "in_channels", DIT_CONFIG_MOST_LATENT, false, &k->in_channels));
    TRY(dit_config_key_int(object, "patch_size", DIT_CONFIG_MOST_PATCH, false, &k->patch));
    TRY(dit_config_key_int(object, "sample_size", DIT_CONFIG_MOST_SIDE, false, &k->sample_size));
    TRY(dit_config_key_flag(object, "learn_sigma", false, &k->variance));
    TRY(dit_config_key_flag(object, "use_style_cond_and_image_meta_size", false, &k->style));
    TRY(dit_config_key_number(object, "mlp_ratio", false, &k->mlp_ratio));
    TRY(read_text_keys(object, k));
    return dit_config_key_rest(object);
}

static enum status check_keys(const struct keys *k)
{
    int channels = k->heads * k->head_dim;
    if (k->style)
        return fail(ST_INVALID,
                    "key \"use_style_cond_and_image_meta_size\": found true or none, wanted false: "
                    "conditions on style and size, of v1.1 and before, are not implemented");
    if (k->width != channels)
        return fail(ST_INVALID, "key \"hidden_size\": found %d, wanted heads x head dim, %d",
                    k->width, channels);
    if (k->head_dim % 4 != 0)
        return fail(ST_INVALID,
                    "key \"attention_head_dim\": found %d, wanted a multiple of 4: pairs turn with "
                    "the column in one half, with the row in the other",
                    k->head_dim);
    if (k->layers % 2 != 0)
        return fail(ST_INVALID,
                    "key \"num_layers\": found %d, wanted an even number: the first half feeds the "
                    "second",
                    k->layers);
    if (k->text2_dim % DIT_POOL_HEADS != 0)
        return fail(ST_INVALID,
                    "key \"cross_attention_dim_t5\": found %d, wanted a multiple of %d, the heads "
                    "that pool the text",
                    k->text2_dim, DIT_POOL_HEADS);
    if (channels * k->mlp_ratio < 1 || channels * k->mlp_ratio > MOST_MLP)
        return fail(ST_INVALID,
                    "key \"mlp_ratio\": found %g, wanted a hidden width of the MLP from 1 to %d",
                    k->mlp_ratio, MOST_MLP);
    return dit_config_key_sample(k->sample_size, k->patch);
}

/* The class' sample_size is the size of its pipeline's images alone; positions are on the trained
 * grid (dit_position.c), whatever it says. */
enum status dit_config_hunyuan(json_t *object, const char *class, struct dit_config *out)
{
    struct keys k = defaults;
    (void)class; // the only one
    TRY(read_keys(object, &k));
    TRY(check_keys(&k));
    *out = dit_config_key_preset("hunyuandit-v1.2");
    out->heads = k.heads;
    out->head_dim = k.head_dim;
    out->layers = k.layers;
    out->mlp = (int)(k.heads * k.head_dim * k.mlp_ratio); // in double, as Python does it
    out->patch = k.patch;
    out->in_channels = k.in_channels;
    out->out_channels = k.variance ? 2 * k.in_channels : k.in_channels;
    out->text_dim = k.text_dim;
    out->text_tokens = k.text_tokens;
    out->text2_dim = k.text2_dim;
    out->text2_tokens = k.text2_tokens;
    out->pooled_dim = k.pooled_dim;
    out->default_size = k.sample_size * out->vae_scale;
    return ST_OK;
}
