/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a transformer's config.json. Every key that is understood is taken out of the object; what
 * then remains must be harmless: a key that would change a number is refused, never ignored. Opens
 * no files.
 */
#include "models/dit_config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 }; /* null */

/* Values as a file has them, before anything is derived. */
struct keys {
    int norm, activation; /* indices of the legal texts below */
    int affine, bias, micro;
    int heads, head_dim, layers;
    int in_channels, out_channels, sample_size, patch;
    int labels, cross_dim, text_dim;
    double norm_eps;
    double interpolation; /* 0: null */
};

static const char *const norms[] = {"ada_norm_single", "ada_norm_zero", NULL};
static const char *const activations[] = {"gelu-approximate", NULL};
static const char *const attentions[] = {"default", NULL};

/* The classes that have our blocks, with diffusers' defaults of what a file leaves out; NONE where
 * the default is nothing that we have. */
static const struct {
    const char *name;
    struct keys defaults;
} classes[] = {
    {"PixArtTransformer2DModel",
     {.norm = DIT_ADALN_SINGLE,
      .bias = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 72,
      .layers = 28,
      .in_channels = 4,
      .out_channels = 8,
      .sample_size = 128,
      .patch = 2,
      .labels = 1000,
      .cross_dim = 1152,
      .text_dim = NONE,
      .norm_eps = 1e-6}},
    {"DiTTransformer2DModel",
     {.norm = DIT_ADALN_ZERO,
      .bias = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 72,
      .layers = 28,
      .in_channels = 4,
      .out_channels = NONE,
      .sample_size = 32,
      .patch = 2,
      .labels = 1000,
      .cross_dim = NONE,
      .text_dim = NONE,
      .norm_eps = 1e-5,
      .interpolation = 1}},
    /* of checkpoints older than the two above */
    {"Transformer2DModel",
     {.norm = NONE,
      .activation = NONE,
      .affine = 1,
      .micro = NONE,
      .heads = 16,
      .head_dim = 88,
      .layers = 1,
      .in_channels = NONE,
      .out_channels = NONE,
      .sample_size = NONE,
      .patch = NONE,
      .labels = NONE,
      .cross_dim = NONE,
      .text_dim = NONE,
      .norm_eps = 1e-5}},
};

enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

/* No effect on an inference that computes its attention in fp32. */
static const char *const harmless_keys[] = {"dropout", "norm_num_groups", "upcast_attention"};

/* ---- single keys; an absent one leaves *out, the class' default, alone ---- */

static enum status refuse_value(const char *key, const json_t *value, const char *wanted)
{
    char found[64] = "an object or a list";
    char *text =
        json_is_object(value) || json_is_array(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    if (text)
        snprintf(found, sizeof(found), "%s", text);
    free(text);
    return fail(ST_INVALID, "key \"%.100s\": found %s, wanted %s", key, value ? found : "none",
                wanted);
}

/* *out = the index of the text in `legal`, a list ended by NULL. */
static enum status take_choice(json_t *object, const char *key, const char *const *legal, int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[128] = "";
    for (int i = 0; legal[i]; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), legal[i]) == 0) {
            *out = i;
            json_object_del(object, key);
            return ST_OK;
        }
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof(wanted) - used, "%s\"%s\"", i ? " or " : "", legal[i]);
    }
    return value || *out == NONE ? refuse_value(key, value, wanted) : ST_OK;
}

/* 1 .. most; NONE is legal where `optional`. The bounds keep every product in range and mean
 * nothing else. */
static enum status take_int(json_t *object, const char *key, int most, bool optional, int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "an integer from 1 to %d%s", most,
             optional ? ", or null" : "");
    if (json_is_integer(value) && json_integer_value(value) >= 1 &&
        json_integer_value(value) <= most)
        *out = (int)json_integer_value(value);
    else if (json_is_null(value) && optional)
        *out = NONE;
    else if (value || (*out == NONE && !optional))
        return refuse_value(key, value, wanted);
    json_object_del(object, key);
    return ST_OK;
}

static enum status take_flag(json_t *object, const char *key, bool optional, int *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_boolean(value))
        *out = json_is_true(value);
    else if (json_is_null(value) && optional)
        *out = NONE;
    else if (value)
        return refuse_value(key, value, optional ? "true, false or null" : "true or false");
    json_object_del(object, key);
    return ST_OK;
}

/* Above 0 and below 1e6; null makes it 0 where `optional`. */
static enum status take_number(json_t *object, const char *key, bool optional, double *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_number(value) && json_number_value(value) > 0 && json_number_value(value) < 1e6)
        *out = json_number_value(value);
    else if (json_is_null(value) && optional)
        *out = 0;
    else if (value)
        return refuse_value(key, value,
                            optional ? "a number above 0, or null" : "a number above 0");
    json_object_del(object, key);
    return ST_OK;
}

/* What nobody took: comments, and switches that are off. */
static enum status refuse_rest(json_t *object)
{
    const char *key;
    json_t *value;
    for (size_t i = 0; i < sizeof(harmless_keys) / sizeof(harmless_keys[0]); i++)
        json_object_del(object, harmless_keys[i]);
    json_object_foreach(object, key, value)
    {
        if (key[0] != '_' && !json_is_null(value) && !json_is_false(value))
            return refuse_value(key, value, "null or false: what it asks for is not implemented");
    }
    return ST_OK;
}

/* ---- a transformer's config.json ---- */

static enum status read_keys(json_t *object, struct keys *k)
{
    int attention = 0;
    TRY(take_choice(object, "norm_type", norms, &k->norm));
    TRY(take_choice(object, "activation_fn", activations, &k->activation));
    TRY(take_choice(object, "attention_type", attentions, &attention));
    TRY(take_int(object, "num_attention_heads", 1024, false, &k->heads));
    TRY(take_int(object, "attention_head_dim", 1024, false, &k->head_dim));
    TRY(take_int(object, "num_layers", 1024, false, &k->layers));
    TRY(take_int(object, "in_channels", 1024, false, &k->in_channels));
    TRY(take_int(object, "out_channels", 2048, true, &k->out_channels));
    TRY(take_int(object, "sample_size", 65536, false, &k->sample_size));
    TRY(take_int(object, "patch_size", 64, false, &k->patch));
    TRY(take_int(object, "num_embeds_ada_norm", 1 << 20, true, &k->labels));
    TRY(take_int(object, "cross_attention_dim", 1 << 20, true, &k->cross_dim));
    TRY(take_int(object, "caption_channels", 1 << 20, true, &k->text_dim));
    TRY(take_flag(object, "attention_bias", false, &k->bias));
    TRY(take_flag(object, "norm_elementwise_affine", false, &k->affine));
    TRY(take_flag(object, "use_additional_conditions", true, &k->micro));
    TRY(take_number(object, "norm_eps", false, &k->norm_eps));
    if (k->interpolation == 0) // the class without text has no such key
        TRY(take_number(object, "interpolation_scale", true, &k->interpolation));
    return refuse_rest(object);
}

static bool has_micro(const struct keys *k)
{
    if (k->norm != DIT_ADALN_SINGLE)
        return false;
    return k->micro == NONE ? k->sample_size == 128 : k->micro;
}

/* Keys against each other. `class`: index into classes. */
static enum status check_keys(int class, const struct keys *k)
{
    int channels = k->heads * k->head_dim;
    int norm = classes[class].defaults.norm;
    if (norm != NONE && k->norm != norm)
        return fail(ST_INVALID, "key \"norm_type\": found \"%s\", wanted \"%s\" with class %s",
                    norms[k->norm], norms[norm], classes[class].name);
    if (k->affine)
        return fail(ST_INVALID, "key \"norm_elementwise_affine\": found true, wanted false: the "
                                "modulation does its work");
    if (channels % 4 != 0)
        return fail(ST_INVALID,
                    "keys \"num_attention_heads\" x \"attention_head_dim\": found %d, wanted a "
                    "multiple of 4: "
                    "positions are pairs of sines and cosines for rows and columns",
                    channels);
    if (k->sample_size < k->patch)
        return fail(ST_INVALID, "key \"sample_size\": found %d, wanted at least patch_size, %d",
                    k->sample_size, k->patch);
    if (k->out_channels != NONE && k->out_channels != k->in_channels &&
        k->out_channels != 2 * k->in_channels)
        return fail(ST_INVALID,
                    "key \"out_channels\": found %d, wanted in_channels, %d, or twice as many with "
                    "a variance",
                    k->out_channels, k->in_channels);
    if (k->norm == DIT_ADALN_ZERO) {
        if (k->cross_dim != NONE || k->text_dim != NONE || k->micro == 1 || k->labels == NONE)
            return fail(ST_INVALID, "norm_type ada_norm_zero: wanted a number of classes in "
                                    "\"num_embeds_ada_norm\", null in "
                                    "\"cross_attention_dim\" and \"caption_channels\", no "
                                    "\"use_additional_conditions\"");
        return ST_OK;
    }
    if (k->text_dim == NONE)
        return fail(ST_INVALID, "key \"caption_channels\": found none or null, wanted the width of "
                                "the text embeddings");
    if (k->cross_dim != channels)
        return fail(ST_INVALID,
                    "key \"cross_attention_dim\": found %d (-1: null), wanted heads x head dim, %d",
                    k->cross_dim, channels);
    if (has_micro(k) && channels % 3 != 0)
        return fail(ST_INVALID,
                    "key \"use_additional_conditions\": found true, wanted false where the width, "
                    "%d, is no "
                    "multiple of 3",
                    channels);
    return ST_OK;
}

/* The first preset with this modulation gives what a config.json does not say. */
static struct dit_config family_defaults(enum dit_modulation modulation)
{
    int i = 0;
    while (dit_config_at(i) && dit_config_at(i)->modulation != modulation)
        i++;
    BUG_ON(!dit_config_at(i), "no preset of modulation %d", (int)modulation);
    return *dit_config_at(i);
}

static void derive(const struct keys *k, struct dit_config *out)
{
    bool single = k->norm == DIT_ADALN_SINGLE;
    *out = family_defaults((enum dit_modulation)k->norm);
    out->heads = k->heads;
    out->head_dim = k->head_dim;
    out->layers = k->layers;
    out->mlp = 4 * k->heads * k->head_dim;
    out->patch = k->patch;
    out->in_channels = k->in_channels;
    out->out_channels = k->out_channels == NONE ? k->in_channels : k->out_channels;
    out->sample_size = k->sample_size;
    out->pos_scale = (float)k->interpolation;
    if (k->interpolation == 0)
        out->pos_scale = k->sample_size < 128 ? 1 : (float)(k->sample_size / 64);
    out->attn_bias = k->bias;
    out->norm_eps = (float)k->norm_eps;
    out->classes = single ? 0 : k->labels;
    out->text_dim = single ? k->text_dim : 0;
    out->micro = has_micro(k);
    /* The published models at 1024 px without micro-conditions are PixArt-Sigma. */
    if (single && k->sample_size == 128 && !out->micro)
        out->text_tokens = 300;
    out->default_size = k->sample_size * out->vae_scale;
}

static enum status parse_object(json_t *object, struct dit_config *out)
{
    char wanted[160] = "one of";
    const json_t *value = json_object_get(object, "_class_name");
    const char *name = json_string_value(value);
    for (int i = 0; i < CLASSES; i++) {
        if (name && strcmp(name, classes[i].name) == 0) {
            struct keys k = classes[i].defaults;
            TRY(read_keys(object, &k));
            TRY(check_keys(i, &k));
            derive(&k, out);
            return ST_OK;
        }
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof(wanted) - used, "%s %s", i ? "," : "", classes[i].name);
    }
    return refuse_value("_class_name", value, wanted);
}

enum status dit_config_parse(const char *label, const char *text, unsigned long size,
                             struct dit_config *out)
{
    json_error_t error;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return fail(ST_INVALID, "%s:%d:%d: not valid JSON: %s", label, error.line, error.column,
                    error.text);
    enum status st = json_is_object(object)
                         ? parse_object(object, out)
                         : fail(ST_INVALID, "found a list, wanted an object of keys");
    json_decref(object);
    if (st != ST_OK)
        return fail_prefix(st, "%s", label);
    snprintf(out->name, sizeof(out->name), "%s", label);
    return ST_OK;
}
