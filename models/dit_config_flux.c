/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the config.json of FLUX.1's transformer, whose latent is packed by the pipeline: a token of
 * patch size 1 there is a patch of 2 x 2 here. */
#include "models/dit_config_key.h"

#include <string.h>

enum { PACK = 2 }; /* side of what is packed into one token, in latent pixels */

/* Values as a file has them, before anything is derived. */
struct keys {
    int heads, head_dim, doubles, singles;
    int in_channels, out_channels, patch; /* of packed tokens */
    int text_dim, pooled_dim, guidance;
    int axes[DIT_ROPE_AXES];
};

/* diffusers' own. */
static const struct keys defaults = {
    .heads = 24,
    .head_dim = 128,
    .doubles = 19,
    .singles = 38,
    .in_channels = 64,
    .out_channels = DIT_CONFIG_NONE,
    .patch = 1,
    .text_dim = 4096,
    .pooled_dim = 768,
    .axes = {16, 56, 56},
};

static enum status take_axes(json_t *object, int axes[DIT_ROPE_AXES])
{
    static const char key[] = "axes_dims_rope";
    static const char wanted[] = "a list of three even integers from 2 to 1024";
    const json_t *list = json_object_get(object, key);
    size_t i;
    const json_t *value;
    if (!list)
        return ST_OK;
    if (json_array_size(list) != DIT_ROPE_AXES)
        return json_key_refuse(key, list, wanted);
    json_array_foreach(list, i, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) < 2 ||
            json_integer_value(value) > DIT_CONFIG_MOST_HEADS || json_integer_value(value) % 2)
            return json_key_refuse(key, value, wanted);
        axes[i] = (int)json_integer_value(value);
    }
    json_object_del(object, key);
    return ST_OK;
}

static enum status read_keys(json_t *object, struct keys *k)
{
    int most = PACK * PACK * DIT_CONFIG_MOST_LATENT;
    TRY(dit_config_key_int(object, "num_attention_heads", DIT_CONFIG_MOST_HEADS, false, &k->heads));
    TRY(dit_config_key_int(object, "attention_head_dim", DIT_CONFIG_MOST_HEADS, false,
                           &k->head_dim));
    TRY(dit_config_key_int(object, "num_layers", DIT_MOST_LAYERS / 2, false, &k->doubles));
    TRY(dit_config_key_int(object, "num_single_layers", DIT_MOST_LAYERS / 2, false, &k->singles));
    TRY(dit_config_key_int(object, "in_channels", most, false, &k->in_channels));
    TRY(dit_config_key_int(object, "out_channels", most, true, &k->out_channels));
    TRY(dit_config_key_int(object, "patch_size", DIT_CONFIG_MOST_PATCH, false, &k->patch));
    TRY(dit_config_key_int(object, "joint_attention_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->text_dim));
    TRY(dit_config_key_int(object, "pooled_projection_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->pooled_dim));
    TRY(dit_config_key_flag(object, "guidance_embeds", false, &k->guidance));
    TRY(take_axes(object, k->axes));
    return dit_config_key_rest(object);
}

static enum status check_keys(const struct keys *k)
{
    int sum = k->axes[0] + k->axes[1] + k->axes[2];
    if (k->patch != 1)
        return fail(ST_INVALID,
                    "key \"patch_size\": found %d, wanted 1: the latent is packed before",
                    k->patch);
    if (k->in_channels % (PACK * PACK) != 0)
        return fail(
            ST_INVALID,
            "key \"in_channels\": found %d, wanted a multiple of 4: 2 x 2 latent pixels are "
            "one token",
            k->in_channels);
    if (k->out_channels != DIT_CONFIG_NONE && k->out_channels != k->in_channels)
        return fail(ST_INVALID, "key \"out_channels\": found %d, wanted in_channels, %d, or null",
                    k->out_channels, k->in_channels);
    if (sum != k->head_dim)
        return fail(ST_INVALID,
                    "key \"axes_dims_rope\": found a sum of %d, wanted attention_head_dim, %d", sum,
                    k->head_dim);
    return ST_OK;
}

enum status dit_config_flux(json_t *object, const char *class, struct dit_config *out)
{
    struct keys k = defaults;
    (void)class; // the only one
    TRY(read_keys(object, &k));
    TRY(check_keys(&k));
    *out = dit_config_key_preset(k.guidance ? "flux.1-dev" : "flux.1-schnell");
    out->heads = k.heads;
    out->head_dim = k.head_dim;
    out->layers = k.doubles + k.singles;
    out->parallel_layers = k.singles;
    out->mlp = 4 * k.heads * k.head_dim;
    out->patch = PACK;
    out->in_channels = k.in_channels / (PACK * PACK);
    out->out_channels = out->in_channels;
    memcpy(out->rope_axes, k.axes, sizeof out->rope_axes);
    out->text_dim = k.text_dim;
    out->pooled_dim = k.pooled_dim;
    return ST_OK;
}
