/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the config.json of SD3's transformer, of which SD3.5's are one too. */
#include "models/dit_config_key.h"

#include <string.h>

enum { MOST_TABLE = 16384 }; /* side of the table of positions, in tokens */

/* Values as a file has them, before anything is derived. */
struct keys {
    int heads, head_dim, layers;
    int in_channels, out_channels, sample_size, patch;
    int text_dim, text_width, pooled_dim, table_side;
    bool dual[DIT_MOST_LAYERS];
    enum dit_qk_norm qk_norm;
};

/* diffusers' own. */
static const struct keys defaults = {
    .heads = 18,
    .head_dim = 64,
    .layers = 18,
    .in_channels = 16,
    .out_channels = 16,
    .sample_size = 128,
    .patch = 2,
    .text_dim = 4096,
    .text_width = 1152,
    .pooled_dim = 2048,
    .table_side = 96,
};

/* Blocks with a second attention. An index that no block has would do nothing, and is a mistake. */
static enum status take_dual(json_t *object, int layers, bool dual[DIT_MOST_LAYERS])
{
    static const char key[] = "dual_attention_layers";
    static const char wanted[] = "a list of indices of blocks, 0 to num_layers - 1";
    const json_t *list = json_object_get(object, key);
    size_t i;
    const json_t *value;
    if (!list)
        return ST_OK;
    if (!json_is_array(list))
        return json_key_refuse(key, list, wanted);
    json_array_foreach(list, i, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) >= layers)
            return json_key_refuse(key, value, wanted);
        dual[json_integer_value(value)] = true;
    }
    json_object_del(object, key);
    return ST_OK;
}

static enum status take_qk_norm(json_t *object, enum dit_qk_norm *out)
{
    static const char *const legal[] = {"rms_norm", NULL};
    int choice = 0;
    const json_t *value = json_object_get(object, "qk_norm");
    if (!value || json_is_null(value))
        return ST_OK;
    if (!json_is_string(value) || strcmp(json_string_value(value), legal[0]) != 0)
        return json_key_refuse("qk_norm", value, "\"rms_norm\" or null");
    *out = DIT_QK_RMS;
    return dit_config_key_choice(object, "qk_norm", legal, &choice);
}

static enum status read_keys(json_t *object, struct keys *k)
{
    TRY(dit_config_key_int(object, "num_attention_heads", DIT_CONFIG_MOST_HEADS, false, &k->heads));
    TRY(dit_config_key_int(object, "attention_head_dim", DIT_CONFIG_MOST_HEADS, false,
                           &k->head_dim));
    TRY(dit_config_key_int(object, "num_layers", DIT_MOST_LAYERS, false, &k->layers));
    TRY(dit_config_key_int(object, "in_channels", DIT_CONFIG_MOST_LATENT, false, &k->in_channels));
    TRY(dit_config_key_int(object, "out_channels", DIT_CONFIG_MOST_LATENT, true, &k->out_channels));
    TRY(dit_config_key_int(object, "sample_size", DIT_CONFIG_MOST_SIDE, false, &k->sample_size));
    TRY(dit_config_key_int(object, "patch_size", DIT_CONFIG_MOST_PATCH, false, &k->patch));
    TRY(dit_config_key_int(object, "joint_attention_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->text_dim));
    TRY(dit_config_key_int(object, "caption_projection_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->text_width));
    TRY(dit_config_key_int(object, "pooled_projection_dim", DIT_CONFIG_MOST_WIDTH, false,
                           &k->pooled_dim));
    TRY(dit_config_key_int(object, "pos_embed_max_size", MOST_TABLE, false, &k->table_side));
    TRY(take_dual(object, k->layers, k->dual));
    TRY(take_qk_norm(object, &k->qk_norm));
    return dit_config_key_rest(object);
}

static enum status check_keys(const struct keys *k)
{
    int channels = k->heads * k->head_dim;
    TRY(dit_config_key_sincos(channels));
    if (k->text_width != channels)
        return fail(ST_INVALID,
                    "key \"caption_projection_dim\": found %d, wanted heads x head dim, %d",
                    k->text_width, channels);
    if (k->out_channels != DIT_CONFIG_NONE && k->out_channels != k->in_channels)
        return fail(ST_INVALID, "key \"out_channels\": found %d, wanted in_channels, %d",
                    k->out_channels, k->in_channels);
    return dit_config_key_sample(k->sample_size, k->patch);
}

enum status dit_config_sd3(json_t *object, const char *class, struct dit_config *out)
{
    struct keys k = defaults;
    (void)class; // the only one
    TRY(read_keys(object, &k));
    TRY(check_keys(&k));
    *out = dit_config_key_preset("sd3-medium");
    out->heads = k.heads;
    out->head_dim = k.head_dim;
    out->layers = k.layers;
    out->mlp = 4 * k.heads * k.head_dim;
    memcpy(out->dual, k.dual, sizeof out->dual);
    out->qk_norm = k.qk_norm;
    out->patch = k.patch;
    out->in_channels = k.in_channels;
    out->out_channels = k.in_channels;
    out->sample_size = k.sample_size;
    out->table_side = k.table_side;
    out->text_dim = k.text_dim;
    out->pooled_dim = k.pooled_dim;
    out->default_size = k.sample_size * out->vae_scale;
    return ST_OK;
}
